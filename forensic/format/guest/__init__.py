"""What file systems and partition tables of the guest consist of: parsers compiled from `ksy/guest/`."""
