"""The commands that work on every screen: going places, searching, noting, copying, exporting."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from pathlib import Path

from textual.app import App

from forensic import (
    BadPattern,
    ForensicError,
    OutputFailed,
    Pattern,
    Range,
    Space,
    compile_pattern,
)
from tui.clip import FORMS, clipped
from tui.commands import EVERYWHERE, HEX, commands_of
from tui.desk import Desk
from tui.goto import GRAMMAR, CannotGo, place_of
from tui.screens.prompts import Choice, Prompt
from tui.text import line, plain

CLIPBOARD_LIMIT = 64 << 10
"""Bytes that are put on the clipboard; terminals drop or cut longer ones without a word."""

SEARCH_HINT = "text   hex:51 46 49 fb   u16:text   re:expression     in the file; begin with v: for the disk"


class Explorer(App[int]):
    """An application with an image on its desk."""

    desk: Desk

    def go(self, place: Range, jump: bool = True) -> None:
        """Go to a place and look at its bytes, unless the map is open: there the map moves."""
        if self.current_mode not in ("structure", "map"):
            self.switch_mode("structure")
        self.desk.go(place, jump)

    def tell(self, words: str, bad: bool = False) -> None:
        """A short message; nothing in it is markup."""
        self.notify(plain(words).plain, severity="error" if bad else "information", markup=False)

    def action_show(self, name: str) -> None:
        """One of the five screens."""
        self.switch_mode(name)

    def action_go_to(self) -> None:
        """Ask for a place."""

        def complaint(text: str) -> str:
            try:
                place_of(text, self.desk)
            except (CannotGo, ForensicError) as error:
                return str(error)
            return ""

        def go(text: str | None) -> None:
            if text:
                self.go(place_of(text, self.desk))

        self.push_screen(Prompt("Go to", GRAMMAR, check=complaint), go)

    def action_go_back(self) -> None:
        """Return."""
        if not self.desk.back():
            self.tell("this is where the walk began")

    def action_go_forward(self) -> None:
        """Undo a return."""
        if not self.desk.back(forward=True):
            self.tell("there is nothing ahead")

    def action_other_side(self) -> None:
        """From the file to the disk or the other way round."""
        other = self.desk.other_side()
        if other is None:
            self.tell("this byte has no place on the other side, as far as is known")
        else:
            self.go(other)

    def action_search(self) -> None:
        """Ask what to look for."""

        def complaint(text: str) -> str:
            try:
                compile_pattern(text.removeprefix("v:"))
            except BadPattern as error:
                return str(error)
            return ""

        def begin(text: str | None) -> None:
            if text:
                space = Space.GUEST if text.startswith("v:") else Space.HOST
                self._begin_search(space, compile_pattern(text.removeprefix("v:")))

        self.push_screen(Prompt("Search", SEARCH_HINT, check=complaint), begin)

    def _begin_search(self, space: Space, pattern: Pattern) -> None:
        from tui import jobs

        self.desk.matches.clear()
        view = self.desk.view_of(space)
        self.run_worker(
            lambda: jobs.find(self.post_message, view, pattern), thread=True, group="search", exclusive=True
        )

    def action_cancel_search(self) -> None:
        """Stop looking."""
        self.workers.cancel_group(self, "search")

    def action_match(self, step: int) -> None:
        """The next or the last place that was found."""
        self._go_among(
            self.desk.matches, step, "nothing was found" if not self.desk.jobs.get("search") else "still searching"
        )

    def action_finding(self, step: int) -> None:
        """The next or the last place of a finding."""
        none = "there is no finding with a place" + ("" if self.desk.judgement else " so far: the check is running")
        self._go_among(self.desk.places_of_trouble(), step, none)

    def _go_among(self, places: list[Range], step: int, none: str) -> None:
        """The neighbour of the cursor among places of its space; those of the other space if it has none."""
        here = self.desk.place
        space = here.space if any(place.space == here.space for place in places) else None
        chosen = sorted((place for place in places if space in (None, place.space)), key=lambda place: place.offset)
        if not chosen:
            self.tell(none)
            return
        offsets = [place.offset for place in chosen]
        index = bisect_right(offsets, here.offset) if step > 0 else bisect_left(offsets, here.offset) - 1
        if space is None:
            index = 0
        elif not 0 <= index < len(chosen):
            self.tell("that was the last one" if step > 0 else "that was the first one")
            return
        self.go(chosen[index])

    def action_run(self, step: int) -> None:
        """The next or the last allocated run of the disk, in the file."""
        references = self.desk.references
        if references is None:
            self.tell("the index is not built yet")
            return
        host_offset = self.desk.host_offset()
        place = references.next_run(0 if host_offset is None else host_offset, backwards=step < 0)
        if place is None:
            self.tell("there is no further run")
        else:
            self.go(Range(Space.HOST, place, 1))

    def action_cluster(self, step: int) -> None:
        """The start of a neighbouring cluster."""
        geometry = self.desk.atlas.geometry
        size = geometry.cluster_size if geometry else 512
        place = self.desk.place
        number = place.offset // size + 1 if step > 0 else -(-place.offset // size) - 1
        self.desk.go(Range(place.space, max(0, number) * size, 1), jump=False)

    @property
    def chosen(self) -> Range:
        """The selection, or the field under the cursor."""
        if self.desk.selection:
            return self.desk.selection
        inspection = self.desk.inspection()
        return inspection.place if inspection and self.desk.place.space == Space.HOST else self.desk.place

    def action_note(self) -> None:
        """Write a note about the selection, or about the field under the cursor."""
        place = self.chosen

        def keep(text: str | None) -> None:
            if not text:
                return
            try:
                self.desk.notes.add(place, text)
            except OSError as error:
                self.tell(f"the note is not kept: {error}", bad=True)
            self.desk.learn("notes")

        self.push_screen(
            Prompt(f"Note on {place.space.value} {place.offset:#x} +{place.length:,}", "goes into the report"), keep
        )

    def action_notes(self) -> None:
        """List the notes; Enter goes there."""
        notes = self.desk.notes.notes
        options = [
            (str(number), line((f"{note.place.space.value} {note.place.offset:#x}  ", "bold"), note.text))
            for number, note in enumerate(notes)
        ]

        def go(number: str | None) -> None:
            if number is not None:
                self.go(notes[int(number)].place)

        self.push_screen(Choice("Notes", options, "no notes yet: ; writes one"), go)

    def action_copy(self, form: str) -> None:
        """Copy the selection, or the field under the cursor."""
        place = self.chosen
        data = self.desk.view_of(place.space).read(place.offset, min(place.length, CLIPBOARD_LIMIT + 1))
        if isinstance(data, str):
            self.tell(f"cannot be read: {data}", bad=True)
        elif len(data) > CLIPBOARD_LIMIT:
            self.tell(f"more than {CLIPBOARD_LIMIT:,} bytes: x writes them to a file", bad=True)
        else:
            self.copy_to_clipboard(clipped(form, self.desk.path, place, data))
            self.tell(f"copied {len(data):,} bytes as {form}")

    def action_copy_as(self) -> None:
        """Choose the form to copy in."""
        options = [(name, line((f"{name:<10}", "bold"), words)) for name, words in FORMS.items()]
        self.push_screen(Choice("Copy as", options), lambda form: self.action_copy(form) if form else None)

    def action_export(self) -> None:
        """Ask for a path and write the selection there."""
        from forensic import save_range

        place = self.chosen
        view = self.desk.view_of(place.space)

        def write(text: str | None) -> None:
            if not text:
                return
            try:
                saved = save_range(view.read, place.offset, place.length, Path(text).expanduser())
            except OutputFailed as error:
                self.tell(str(error), bad=True)
                return
            self.tell(f"{saved.length:,} bytes written, sha256 {saved.sha256}")

        hint = f"{place.length:,} bytes from {place.space.value} {place.offset:#x}; a .sha256 is written beside it"
        self.push_screen(Prompt("Export to", hint), write)

    def action_hash_file(self) -> None:
        """Compute the hash of the image file."""
        from tui import jobs

        image = self.desk.image
        self.run_worker(lambda: jobs.hash_file(self.post_message, image), thread=True, group="hash", exclusive=True)

    def action_help(self) -> None:
        """Every command; Enter runs it."""
        places = (self.current_mode, HEX) if self.current_mode == "structure" else (self.current_mode,)
        commands = commands_of(*places, EVERYWHERE)
        keys = {each.id: each.keys for each in commands}
        options = [
            (each.id, line((f"{readable(keys[each.id]):<14}", "bold"), f"{each.title:<17}", (each.help, "dim")))
            for each in commands
        ]
        actions = {each.id: each for each in commands}

        async def run(id: str | None) -> None:
            if id is None:
                return
            target = self.screen.focused if actions[id].where == HEX and self.screen.focused else self.screen
            await self.run_action(actions[id].action, self if actions[id].where == EVERYWHERE else target)

        self.push_screen(Choice("Help", options), run)


NAMES_OF_KEYS = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "semicolon": ";",
    "apostrophe": "'",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "backspace": "⌫",
    "enter": "⏎",
}


def readable(keys: str) -> str:
    """Keys as they are printed on a keyboard."""
    return " ".join(NAMES_OF_KEYS.get(key, key.replace("ctrl+", "^")) for key in keys.split(","))
