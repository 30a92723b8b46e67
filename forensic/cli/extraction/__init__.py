"""The commands that write a disk: `extract` and `rebuild`."""
