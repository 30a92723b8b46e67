"""The Textual application, on the library's public API alone."""
