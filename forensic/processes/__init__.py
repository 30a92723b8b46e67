"""Processes that work beside this one, each of which may crash."""
