"""Does a test fail when a line is changed? `python -m tests.mutants --help`; tests/README.md has the figures."""
