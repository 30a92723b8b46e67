"""A checkbox that shows without colour whether it is ticked."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """`X` or nothing between the brackets; Textual's own always shows the X, and dims it."""

    def watch_value(self) -> None:
        """Draw the other sign."""
        self.BUTTON_INNER = "X" if self.value else " "
        super().watch_value()
