"""The terminal interface: walk through an image as if it were a place. Built on the public API of `forensic` alone."""
