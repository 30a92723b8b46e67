"""The files of the guest: what folders hold, how files begin, where they lie, and what changed between two disks."""
