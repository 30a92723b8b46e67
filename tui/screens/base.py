"""What the screens have in common: the frame, and being told of changes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import Screen
from textual.widget import Widget

from forensic.explore import Range, Space
from tui.desk import Desk
from tui.session.evidence_clock import EvidenceState
from tui.widgets.chrome import StatusLine, TopBar
from tui.widgets.key_line import KeyLine

WIDE, BROAD, TALL = 118, 150, 48
MOST_KEYS = 1024
"""Keys of one burst that find their way to the prompt that its first one opens."""


class ImageScreen(Screen[None]):
    """A screen about the image on the desk; subclasses give `NAME`, `body` and what they do when told."""

    NAME: ClassVar[str] = ""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.on_their_way: deque[events.Key] = deque(maxlen=MOST_KEYS)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (BROAD, "-broad")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (TALL, "-tall")]

    def compose(self) -> ComposeResult:
        """Frame and body."""
        yield TopBar(self.desk.path.name, self.NAME)
        yield Vertical(*self.body(), id="body")
        yield StatusLine()
        yield KeyLine(show_command_palette=False, compact=True)

    def body(self) -> Iterable[Widget]:
        """What is between the bars."""
        return ()

    def on_key(self, event: events.Key) -> None:
        """Nothing here took it; what is pasted in one burst may be meant for a prompt that its first key opens."""
        self.on_their_way.append(event)

    def on_mount(self) -> None:
        """Listen."""
        self.desk.moved.subscribe(self, self._on_moved)
        self.desk.learned.subscribe(self, self._on_learned)
        self.desk.worked.subscribe(self, self._on_worked)
        self.desk.looked.subscribe(self, self._on_looked)

    def on_screen_resume(self) -> None:
        """The place may be another one than when this screen was left."""
        self.on_moved(self.desk.place)
        self.show_evidence()
        self.call_after_refresh(self.show_status)  # it reads tables, which the first paint does not wait for

    def on_moved(self, place: Range) -> None:
        """The cursor is somewhere else."""

    def on_learned(self, what: str) -> None:
        """Something is known now: `findings`, `contents`, `references`, `hashes`, `notes`, `matches`."""

    def show_bytes(self, place: Range) -> None:
        """Go to a place and look at its bytes; before that screen is drawn, so that nothing else is seen in between."""
        self.app.switch_mode("structure")
        self.desk.go(place)

    def show_evidence(self) -> None:
        """Draw the bar above."""
        hashes = self.desk.hashes
        self.query_one(TopBar).show(self.desk.evidence, hashes[-1].value if hashes else "")

    def show_status(self) -> None:
        """Draw the line below."""
        desk = self.desk
        place = desk.place
        other = desk.other_side()
        pairs = [(_name(place.space), f"{place.offset:#x}")]
        if other:
            pairs.append((_name(other.space), f"{other.offset:#x}"))
        inspection = desk.inspection()
        jobs = " · ".join(text for text in (self._selected(), desk.searched(), *desk.jobs.values()) if text)
        trouble = desk.trouble()
        self.query_one(StatusLine).show(
            pairs,
            inspection.path if inspection else "not in the file",
            jobs,
            trouble[0].severity if trouble else None,
        )

    def _selected(self) -> str:
        chosen = self.desk.selection
        return f"{chosen.length:,} bytes selected" if chosen else ""

    def _on_moved(self, place: Range) -> None:
        if self.is_current:
            self.on_moved(place)
            self.show_status()

    def _on_learned(self, what: str) -> None:
        self.on_learned(what)
        if self.is_current:
            self.show_status()
            if what == "hashes":
                self.show_evidence()

    def _on_worked(self, name: str) -> None:
        if self.is_current:
            self.show_status()

    def _on_looked(self, state: EvidenceState) -> None:
        if self.is_current:
            self.show_evidence()


def _name(space: Space) -> str:
    return "host" if space == Space.HOST else "guest"
