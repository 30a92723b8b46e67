"""Giving what lost its entry its place on the disk: L2 tables without an L1 entry, and data without an L2 table."""
