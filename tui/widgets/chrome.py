"""What frames every screen: the bar above with the file and the screens, the line below with the place and the jobs."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.geometry import Region
from textual.message import Message
from textual.widget import Widget

from forensic import Severity
from tui.looks import MARKS
from tui.session.evidence_clock import EvidenceState
from tui.session.times import clock
from tui.text import line, plain

SHORTEST_NAME, LONGEST_NAME = 12, 24
"""Columns that the name of the file has at least, and those it may take before the hash beside it is drawn."""

FLASH_SECONDS = 0.4
SCREENS = ("overview", "structure", "map", "findings", "extract", "files", "recovery")


class TopBar(Widget):
    """File name, how the evidence is at this second, READ-ONLY, and the screens to click on."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("bar--name", "bar--tab", "bar--here", "bar--seal", "bar--unchanged", "bar--changed")
    }

    class Picked(Message):
        """A screen was clicked."""

        def __init__(self, screen: str) -> None:
            super().__init__()
            self.screen = screen

    class Asked(Message):
        """A command that stands in the bar was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, file_name: str, here: str) -> None:
        super().__init__()
        self._file_name = file_name
        self._here = here
        self._state = EvidenceState("")
        self._hash = ""

    def show(self, state: EvidenceState, last_hash: str) -> None:
        """How the evidence is, and what its hash was, if that is known."""
        changed = bool(state.changes) and self._state.unchanged
        self._state, self._hash = state, last_hash
        self.set_class(not state.unchanged, "-changed")
        if changed:
            self.add_class("-flash")
            self.set_timer(FLASH_SECONDS, lambda: self.remove_class("-flash"))
        self.refresh(Region(0, 0, self.size.width, 1))

    def render(self) -> RenderResult:
        """Two lines if there is room beside each other, the tabs always."""
        width = self.size.width
        tabs = self._tabs()
        seal = plain(" READ-ONLY ")
        seal.stylize(self._style("seal"))
        name_room = max(SHORTEST_NAME, min(cell_len(plain(self._file_name).plain) + 1, LONGEST_NAME))
        clock_room = width - seal.cell_len - len(" qcowscope ") - name_room
        right = self._clock(clock_room).append_text(seal)
        name = line((" qcowscope ", "bold"), self._file_name)
        name.stylize(self._style("name"))
        name.truncate(max(1, width - right.cell_len - 1), overflow="ellipsis")
        filler = Text(" " * max(1, width - name.cell_len - right.cell_len))
        return Text("\n").join([name + filler + right, tabs])

    def _clock(self, room: int) -> Text:
        """The longest wording of the evidence's state that fits."""
        if not self._state.at:
            return Text()
        at, changes = clock(self._state.at), self._state.changes
        if changes:
            wordings = [f"✖ EVIDENCE CHANGED {at} · {changes[0]}  ", f"✖ EVIDENCE CHANGED {at}  ", "✖ CHANGED  "]
        else:
            known = f" · sha256 {self._hash}" if self._hash else ""
            short = f" · sha256 {self._hash[:12]}…" if self._hash else ""
            wordings = [f"● unchanged {at}{known}  ", f"● unchanged {at}{short}  ", f"● unchanged {at}  ", "● same  "]
        words = plain(next((each for each in wordings if len(each) <= room), wordings[-1]))
        words.stylize(self._style("changed" if changes else "unchanged"))
        return words

    def on_click(self, event: events.Click) -> None:
        """Go to the screen that was clicked."""
        screen = event.style.meta.get("screen")
        if isinstance(screen, str):
            self.post_message(self.Picked(screen))
        action = event.style.meta.get("action")
        if isinstance(action, str):
            self.post_message(self.Asked(action))

    def _tabs(self) -> Text:
        tabs = Text()
        for number, name in enumerate(SCREENS, 1):
            tab = Text(f" {number} {name.capitalize()} ")
            tab.stylize(self._style("here" if name == self._here else "tab") + Style(meta={"screen": name}))
            tabs.append_text(tab)
        hint = Text()
        for words, action in (("? help", "help"), ("^P menu", "command_palette")):
            hint.append(words, self._style("tab") + Style(meta={"action": action})).append("  ", self._style("tab"))
        return tabs.append(" " * max(0, self.size.width - tabs.cell_len - hint.cell_len)).append_text(
            hint if tabs.cell_len + hint.cell_len <= self.size.width else Text()
        )

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"bar--{name}", partial=True)


class StatusLine(Widget):
    """Where the cursor is in both spaces, what holds it, what runs, how bad it looks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *("status--key", "status--value", "status--job"),
        *(f"status--{severity.value}" for severity in Severity),
    }

    def __init__(self) -> None:
        super().__init__()
        self._left, self._right = Text(), Text()

    def show(self, place: list[tuple[str, str]], path: str, jobs: str, worst: Severity | None) -> None:
        """`place` are pairs of a name and an offset, `worst` is the severity of the worst finding so far."""
        left = Text(" ")
        for name, value in place:
            left.append(f"{name} ", self._style("key")).append(f"{value}  ", self._style("value"))
        self._left = left.append_text(plain(path))
        self._right = Text()
        if jobs:
            self._right.append_text(plain(jobs)).append("  ")
            self._right.stylize(self._style("job"))
        if worst is not None:
            self._right.append(f"{MARKS[worst]} {worst.value} ", self._style(worst.value))
        self.refresh()

    def render(self) -> RenderResult:
        """One line."""
        left = self._left.copy()
        left.truncate(max(1, self.size.width - self._right.cell_len - 1), overflow="ellipsis")
        return left + Text(" " * max(1, self.size.width - left.cell_len - self._right.cell_len)) + self._right

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"status--{name}", partial=True)
