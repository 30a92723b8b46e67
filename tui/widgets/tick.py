"""A checkbox that shows without colour whether it is ticked."""

from __future__ import annotations

from textual.widgets import Checkbox


class Tick(Checkbox):
    """`X` or nothing between the brackets; Textual's own always shows the X, and dims it."""

    def __init__(self, name: str, value: bool) -> None:
        super().__init__(name, value, id=f"tick-{name}", compact=True)
        self._draw_sign()

    def watch_value(self) -> None:
        """Draw the other sign."""
        self._draw_sign()
        super().watch_value()

    def _draw_sign(self) -> None:
        self.BUTTON_INNER = "X" if self.value else " "
