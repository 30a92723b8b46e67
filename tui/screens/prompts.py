"""Small pop-ups: a line to type, a question with No as its default, a list to choose from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, OptionList, Static
from textual.widgets.option_list import Option

from tui.text import plain

OPTION_PADDING = 2
"""Columns beside an option, on both sides together."""

FEWEST_COLUMNS = 16
"""Columns that are worth a line of their own."""


class TypedInto(ModalScreen[str | None]):
    """A pop-up with a line; what is typed before the line is there to take it is not lost."""

    def __init__(self) -> None:
        super().__init__()
        self._early: list[events.Key] = []

    def on_key(self, event: events.Key) -> None:
        """Keep what comes before anything has the focus."""
        if self.focused is None:
            self._early.append(event)
            event.stop()

    def take(self, event: events.Key) -> None:
        """Let the line have a key that was on its way to the screen below when this one came up."""
        if self.focused is None:
            self._early.append(event)
        else:
            self.app.post_message(events.Key(event.key, event.character))

    def on_descendant_focus(self) -> None:
        """The line has the focus now."""
        early, self._early = self._early, []
        for event in early:
            self.app.post_message(events.Key(event.key, event.character))


class Prompt(TypedInto):
    """One line of input; `check` says what is wrong with it, or returns nothing; `history` are earlier ones."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss", "Close"),
        ("up", "recall(-1)", "Earlier"),
        ("down", "recall(1)", "Later"),
    ]

    def __init__(
        self,
        title: str,
        hint: str | Text,
        value: str = "",
        check: Callable[[str], str] | None = None,
        password: bool = False,
        history: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self._history, self._at = [*history, value], len(history)
        self._title, self._hint, self._value, self._password = title, hint, value, password
        self._check = check

    def compose(self) -> ComposeResult:
        """Title, line, hint."""
        with Vertical(classes="box"):
            yield Label(plain(self._title, "bold"), classes="box-title")
            yield Input(self._value, password=self._password, select_on_focus=False)
            yield Static(plain(self._hint), markup=False, classes="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take it if nothing is wrong with it."""
        complaint = self._check(event.value) if self._check and event.value else ""
        if complaint:
            self.query_one(".hint", Static).update(plain(complaint))
            self.query_one(".hint").add_class("-bad")
        else:
            self.dismiss(event.value or None)

    def action_recall(self, step: int) -> None:
        """What was typed here before, or the line that was begun."""
        line_ = self.query_one(Input)
        if self._at == len(self._history) - 1:
            self._history[-1] = line_.value
        self._at = max(0, min(self._at + step, len(self._history) - 1))
        line_.value = self._history[self._at]
        line_.cursor_position = len(line_.value)


class Question(ModalScreen[bool]):
    """Something to be decided; No is the default and what Escape means."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "no", "No"), ("n", "no", "No"), ("y", "yes", "Yes")]

    def __init__(self, title: str, words: Text, yes: str = "Yes") -> None:
        super().__init__()
        self._title, self._words, self._yes = title, words, yes

    def compose(self) -> ComposeResult:
        """Title, words, two buttons."""
        with Vertical(classes="box"):
            yield Label(plain(self._title, "bold"), classes="box-title")
            yield Static(self._words, markup=False)
            with Horizontal(classes="buttons"):
                yield Button("No", id="no", variant="primary")
                yield Button(self._yes, id="yes", variant="error")

    def on_mount(self) -> None:
        """No has the focus."""
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Decide."""
        self.dismiss(event.button.id == "yes")

    def action_no(self) -> None:
        """No."""
        self.dismiss(False)

    def action_yes(self) -> None:
        """Yes."""
        self.dismiss(True)


class Choice(TypedInto):
    """A list to choose from, with a line that filters it; gives the id of what was chosen.

    Options longer than a line go on under what stands `indent` columns from their beginning.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "dismiss", "Close"),
        ("down", "move(1)", "Down"),
        ("up", "move(-1)", "Up"),
    ]

    def __init__(self, title: str, options: Iterable[tuple[str, Text]], empty: str = "", indent: int = 0) -> None:
        super().__init__()
        self._title, self._options, self._empty, self._indent = title, list(options), empty, indent

    def compose(self) -> ComposeResult:
        """Title, filter, list."""
        with Vertical(classes="box tall columns" if self._indent else "box tall"):
            yield Label(plain(self._title, "bold"), classes="box-title")
            yield Input(placeholder="filter")
            yield OptionList(*self._matching(""), markup=False)
            yield Static(plain("" if self._options else self._empty), markup=False, classes="hint")

    def on_resize(self) -> None:
        """Break the options where the list ends now."""
        self.call_after_refresh(self._fill)

    def on_input_changed(self) -> None:
        """Show what matches."""
        self._fill(0)

    def _fill(self, highlighted: int | None = None) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted or 0 if highlighted is None else highlighted
        options.clear_options()
        options.add_options(self._matching(self.query_one(Input).value))
        options.highlighted = min(at, options.option_count - 1) if options.option_count else None
        self.query_one(".hint", Static).update(plain("" if options.option_count else self._empty or "nothing matches"))

    def on_input_submitted(self) -> None:
        """Take what is highlighted."""
        self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take it."""
        self.dismiss(event.option.id)

    def action_move(self, step: int) -> None:
        """Move in the list while the line has the focus."""
        options = self.query_one(OptionList)
        if step > 0:
            options.action_cursor_down()
        else:
            options.action_cursor_up()

    def _matching(self, words: str) -> list[Option]:
        """Those with all of these words, first those whose own name begins with them."""
        wanted = words.lower().split()
        found = [(id, text) for id, text in self._options if all(word in text.plain.lower() for word in wanted)]
        if wanted:
            found.sort(key=lambda option: not option[1].plain.lower().startswith(" ".join(wanted)))
        width = self.query_one(OptionList).scrollable_content_region.width - OPTION_PADDING if self.is_mounted else 0
        return [Option(hung(text, width, self._indent), id) for id, text in found]


def hung(text: Text, width: int, indent: int) -> Text:
    """The text in lines of this width, all but the first indented; as it is where that leaves too little room."""
    room = width - indent
    if not indent or room < FEWEST_COLUMNS or text.cell_len <= width:
        return text
    head, tail = text.divide([indent])
    return head + Text("\n" + " " * indent).join(tail.wrap(Console(), room))
