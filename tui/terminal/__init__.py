"""The terminal itself: what it shows, so that only what changed is sent to it, and whether it is still there."""
