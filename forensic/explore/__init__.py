"""What the TUI and the maps look through."""
