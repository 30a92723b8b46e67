"""The command `recover`: what is asked for, what is said, and what is listed."""
