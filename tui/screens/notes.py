"""The list of notes: Enter goes to one, and its words, its label or itself can be changed or taken back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Label, OptionList, Static
from textual.widgets.option_list import Option

from forensic.explore import TRIAGE, Range
from tui.screens.prompts import Prompt
from tui.session.notes import LABELS, Note, Notes
from tui.text import line, plain


class NotesList(ModalScreen[Range | None]):
    """Gives the place to go to; `changed` is called after each change, `tell` with what could not be kept."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape,q", "dismiss", "Close"),
        Binding("e", "edit", "Edit"),
        Binding("l,c", "label", "Label"),
        Binding("d,delete", "remove", "Delete"),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    def __init__(self, notes: Notes, changed: Callable[[], None], tell: Callable[[str], None]) -> None:
        super().__init__()
        self._notes, self._changed, self._tell = notes, changed, tell

    def compose(self) -> ComposeResult:
        """Title, list, keys."""
        with Vertical(classes="box tall"):
            yield Label(plain("Notes", "bold"), classes="box-title")
            yield OptionList(markup=False)
            yield Static("", markup=False, classes="hint")

    def on_mount(self) -> None:
        """What there is."""
        self._fill(0)
        self.query_one(OptionList).focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go there."""
        self.dismiss(self._notes.notes[event.option_index].place)

    def action_edit(self) -> None:
        """Say something else of the place."""
        note = self._note
        if note:
            prompt = Prompt("Edit the note", "an empty line keeps it as it is; d deletes a note", note.text)
            self.app.push_screen(prompt, lambda text: self._change(note, text, note.label) if text else None)

    def action_label(self) -> None:
        """The next label, and with it the next colour."""
        note = self._note
        if note and note.label == TRIAGE:
            self._tell("this note judges a finding: t on the screen of findings changes it")
        elif note:
            label = LABELS[(LABELS.index(note.label) + 1) % len(LABELS)] if note.label in LABELS else LABELS[0]
            self._change(note, note.text, label)

    def action_remove(self) -> None:
        """Take the note back."""
        note = self._note
        if note:
            self._try(partial(self._notes.remove, note))

    def action_cursor_down(self) -> None:
        """The next note."""
        self.query_one(OptionList).action_cursor_down()

    def action_cursor_up(self) -> None:
        """The note before."""
        self.query_one(OptionList).action_cursor_up()

    @property
    def _note(self) -> Note | None:
        at = self.query_one(OptionList).highlighted
        return self._notes.notes[at] if at is not None and at < len(self._notes.notes) else None

    def _change(self, note: Note, text: str, label: str) -> None:
        self._try(partial(self._notes.change, note, text, label))

    def _try(self, change: Callable[[], None]) -> None:
        at = self.query_one(OptionList).highlighted or 0
        try:
            change()
        except OSError as error:
            self._tell(f"the notes were not saved: {error}")
        self._changed()
        self._fill(at)

    def _fill(self, at: int) -> None:
        options, notes = self.query_one(OptionList), self._notes.notes
        options.clear_options()
        options.add_options([Option(self._line(note)) for note in notes])
        options.highlighted = min(at, len(notes) - 1) if notes else None
        keys = "Enter goes there · e edit · l label · d delete" if notes else "no notes yet: ; writes one"
        self.query_one(".hint", Static).update(plain(keys))

    def _line(self, note: Note) -> Text:
        place = f"{note.place.space.value} {note.place.offset:#x} +{note.place.length:,}"
        label = plain(f"{note.label:<10}", self.app.theme_variables.get(f"note-{note.label or 'plain'}", ""))
        return line(label, (f"{place:<28}", "bold"), note.text, (f"  {note.created_at} {note.author}", "dim"))
