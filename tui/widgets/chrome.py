"""What frames every screen: the bar above with the file and the screens, the line below with the place and the jobs."""

from __future__ import annotations

from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import RenderResult
from textual.message import Message
from textual.widget import Widget

from tui.text import line, plain

SCREENS = ("overview", "structure", "map", "findings", "extract")


class TopBar(Widget):
    """File name, READ-ONLY, and the five screens to click on."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"bar--name", "bar--tab", "bar--here", "bar--seal"}

    class Picked(Message):
        """A screen was clicked."""

        def __init__(self, screen: str) -> None:
            super().__init__()
            self.screen = screen

    def __init__(self, file_name: str, here: str) -> None:
        super().__init__()
        self._file_name = file_name
        self._here = here

    def render(self) -> RenderResult:
        """Two lines if there is room beside each other, the tabs always."""
        width = self.size.width
        tabs = self._tabs()
        seal = plain(" READ-ONLY ")
        seal.stylize(self._style("seal"))
        name = line((" qcowscope ", "bold"), self._file_name)
        name.stylize(self._style("name"))
        name.truncate(max(1, width - seal.cell_len - 1), overflow="ellipsis")
        filler = Text(" " * max(1, width - name.cell_len - seal.cell_len))
        return Text("\n").join([name + filler + seal, tabs])

    def on_click(self, event: events.Click) -> None:
        """Go to the screen that was clicked."""
        screen = event.style.meta.get("screen")
        if isinstance(screen, str):
            self.post_message(self.Picked(screen))

    def _tabs(self) -> Text:
        tabs = Text()
        for number, name in enumerate(SCREENS, 1):
            tab = Text(f" {number} {name.capitalize()} ")
            tab.stylize(self._style("here" if name == self._here else "tab") + Style(meta={"screen": name}))
            tabs.append_text(tab)
        hint = Text("? help  ^P menu ", self._style("tab"))
        return tabs.append(" " * max(0, self.size.width - tabs.cell_len - hint.cell_len)).append_text(
            hint if tabs.cell_len + hint.cell_len <= self.size.width else Text()
        )

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"bar--{name}", partial=True)


class StatusLine(Widget):
    """Where the cursor is in both spaces, what holds it, what runs, how bad it looks."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"status--key", "status--value", "status--job", "status--bad"}

    def __init__(self) -> None:
        super().__init__()
        self._left, self._right = Text(), Text()

    def show(self, place: list[tuple[str, str]], path: str, jobs: str, worst: str) -> None:
        """`place` are pairs of a name and an offset."""
        left = Text(" ")
        for name, value in place:
            left.append(f"{name} ", self._style("key")).append(f"{value}  ", self._style("value"))
        self._left = left.append_text(plain(path))
        self._right = Text()
        if jobs:
            self._right.append_text(plain(jobs)).append("  ")
            self._right.stylize(self._style("job"))
        self._right.append(worst + " " if worst else "", self._style("bad"))
        self.refresh()

    def render(self) -> RenderResult:
        """One line."""
        left = self._left.copy()
        left.truncate(max(1, self.size.width - self._right.cell_len - 1), overflow="ellipsis")
        return left + Text(" " * max(1, self.size.width - left.cell_len - self._right.cell_len)) + self._right

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"status--{name}", partial=True)
