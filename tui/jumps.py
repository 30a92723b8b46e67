"""The history of jumps, as in a browser."""

from __future__ import annotations

from forensic.explore import Range

MAX_JUMPS = 500


class Jumps:
    """The current place, those before it, and those that were left by going back."""

    def __init__(self, start: Range) -> None:
        """Begin at a place."""
        self.here = start
        self.behind: list[Range] = []
        self.ahead: list[Range] = []

    def jump(self, place: Range) -> None:
        """Jump, and remember the place before."""
        if place == self.here:
            return
        self.behind = [*self.behind[-MAX_JUMPS:], self.here]
        self.ahead.clear()
        self.here = place

    def step(self, place: Range) -> None:
        """Move without a trace in the history."""
        self.here = place

    def back(self) -> Range | None:
        """Return; None at the beginning."""
        if not self.behind:
            return None
        self.ahead.append(self.here)
        self.here = self.behind.pop()
        return self.here

    def forward(self) -> Range | None:
        """Undo a return; None if there was none."""
        if not self.ahead:
            return None
        self.behind.append(self.here)
        self.here = self.ahead.pop()
        return self.here
