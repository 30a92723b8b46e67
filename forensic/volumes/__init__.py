"""What volumes a disk holds: partitions, LVM2 logical volumes, and the file systems on them by their magic numbers."""
