"""Widgets; each draws one thing and knows no other."""
