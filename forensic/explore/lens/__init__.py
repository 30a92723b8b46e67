"""Partition tables and file systems of the guest, structure by structure: which field a byte of the disk belongs to."""
