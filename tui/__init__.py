"""The terminal interface, built on the public API of `forensic` alone."""
