"""The five screens and the pop-ups."""
