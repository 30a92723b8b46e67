"""The way to the byte under the cursor, pointer by pointer, with refcounts; a click on a step goes there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.message import Message
from textual.widget import Widget

from forensic.explore import Crumb, Range
from tui.text import plain

ARROW = " → "


class Crumbs(Widget):
    """One line; posts `Picked` when a step is clicked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"crumbs--step", "crumbs--here", "crumbs--count", "crumbs--arrow"}

    class Picked(Message):
        """Go to these bytes."""

        def __init__(self, place: Range) -> None:
            super().__init__()
            self.place = place

    steps: Sequence[Crumb] = ()

    def show(self, steps: Sequence[Crumb]) -> bool:
        """Show this way; whether it is another than before."""
        if list(steps) == list(self.steps):
            return False
        self.steps = steps
        self.refresh()
        return True

    def before(self) -> Range | None:
        """The step before the one that holds the cursor: what points here."""
        known = [step for step in self.steps if step.place]
        here = next((number for number, step in enumerate(known) if step.here), len(known))
        return known[here - 1].place if here and known else None

    def render(self) -> RenderResult:
        """The steps; where not all have room, the first ones are left out."""
        parts = [self._drawn(number, step) for number, step in enumerate(self.steps)]
        arrow = Text(ARROW, self._style("arrow"))
        while len(parts) > 1 and sum(part.cell_len for part in parts) + len(ARROW) * (len(parts) - 1) > self._room:
            parts = [Text("…", self._style("arrow")), *parts[2 if parts[0].plain == "…" else 1 :]]
            if len(parts) == 2:
                break
        whole = Text(" ") + arrow.join(parts)
        whole.truncate(self.size.width, overflow="ellipsis")
        return whole

    @property
    def _room(self) -> int:
        return self.size.width - 2

    def _drawn(self, number: int, step: Crumb) -> Text:
        text = plain(step.label)
        text.stylize(self._style("here" if step.here else "step") + Style(meta={"step": number}))
        if step.refcount is not None:
            text.append(f" ×{step.refcount}", self._style("count"))
        return text

    def on_click(self, event: events.Click) -> None:
        """Go to the step that was clicked."""
        number = event.style.meta.get("step")
        place = self.steps[number].place if isinstance(number, int) and number < len(self.steps) else None
        if place is not None:
            self.post_message(self.Picked(place))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"crumbs--{name}", partial=True)
