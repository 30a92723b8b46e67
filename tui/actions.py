"""The commands that work on every screen beside those of `walking`: searching, noting, copying, exporting, help."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.text import Text

from forensic import OutputFailed
from forensic.explore import BadPattern, NotedBytes, Range, Space, compile_pattern, noted_bytes
from tui.clip import FORMS, clipped
from tui.commands import EVERYWHERE, HEX, MOVEMENT, SCREEN_NAMES, STRUCTURE, Command, commands_of
from tui.screens.prompts import Choice, Prompt
from tui.searching import SearchState
from tui.session.notes import BOOKMARK
from tui.session.times import now
from tui.text import line, plain
from tui.walking import Walker

CLIPBOARD_LIMIT = 64 << 10
"""Bytes that are put on the clipboard; terminals silently drop or cut longer ones."""

MAX_HISTORY = 100

HELP_INDENT = 38
"""Columns of keys and title in a line of the help, before what the command does."""

SEARCH_HINT = (
    "text  hex:51 46 49 fb  u16:text  nocase:text  re:expression   in the file; v: in front searches the disk; "
    "↑ brings earlier ones back"
)


class Explorer(Walker):
    """The application's commands for what was found: notes, copies, exports, hashes."""

    def action_search(self) -> None:
        """Ask what to search for."""

        def complaint(text: str) -> str:
            try:
                compile_pattern(text.removeprefix("v:"))
            except BadPattern as error:
                return str(error)
            return ""

        def begin(text: str | None) -> None:
            if text:
                said = self.desk.searched_for
                self.desk.searched_for = [*(each for each in said if each != text), text][-MAX_HISTORY:]
                space = Space.GUEST if text.startswith("v:") else Space.HOST
                self._begin_search(text.removeprefix("v:"), space)

        self.push_screen(Prompt("Search", SEARCH_HINT, check=complaint, history=self.desk.searched_for), begin)

    def _begin_search(self, text: str, space: Space) -> None:
        """From the cursor on, and then from the beginning of the space."""
        from tui import jobs

        view, pattern = self.desk.view_of(space), compile_pattern(text)
        here = self.desk.place if self.desk.place.space == space else self.desk.other_side()
        number = self.desk.search.number + 1 if self.desk.search else 1
        state = SearchState(number, text, space, view.size)
        self.desk.search = state
        self.desk.matches.clear()
        self.desk.log.add(f"search for “{text}” in the {state.where}")
        start = here.offset if here else 0
        post = self.post_of_desk()
        self.run_worker(
            lambda: jobs.find(post, view, pattern, state, start),
            thread=True,
            group="search",
            exclusive=True,
        )

    def action_cancel_search(self) -> None:
        """Stop the search."""
        self.workers.cancel_group(self, "search")

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
                self.desk.notes.add(place, text, self._held(place))
            except OSError as error:
                self.tell(f"the note was not saved: {error}", bad=True)
            self.desk.log.add(f"note: {text}")
            self.desk.learn("notes")

        self.push_screen(
            Prompt(f"Note on {place.space.value} {place.offset:#x} +{place.length:,}", "goes into the report"), keep
        )

    def _held(self, place: Range) -> NotedBytes:
        """The bytes there, for the note."""
        return noted_bytes(self.desk.view_of(place.space).read, place.offset, place.length)

    def action_bookmark(self) -> None:
        """Bookmark the place under the cursor."""
        try:
            self.desk.notes.add(self.chosen, BOOKMARK, self._held(self.chosen), BOOKMARK)
        except OSError as error:
            self.tell(f"the bookmark was not saved: {error}", bad=True)
            return
        self.tell("bookmarked; ' lists the notes")
        self.desk.learn("notes")

    def action_exhibit(self) -> None:
        """Save a picture of the screen beside the notes, numbered, with the image's name, its hash and the time."""
        from tui.session.pictures import picture

        folder, hashes, moment = self.desk.notes.file.with_suffix(""), self.desk.hashes, now()
        known = f"{hashes[-1].algorithm} {hashes[-1].value}" if hashes else "not hashed"
        state = "unchanged" if self.desk.evidence.unchanged else "CHANGED SINCE IT WAS OPENED"
        title = plain(f"{self.desk.path.name} · {known} · {state} · {moment}").plain
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = folder / f"exhibit-{len(list(folder.glob('exhibit-*.svg'))) + 1:03}.svg"
            with file.open("x", encoding="utf-8") as stream:
                stream.write(picture(self, title))
            self.tell(f"saved as {file}")
        except OSError as error:
            self.tell(f"the picture was not saved: {error}", bad=True)

    def action_notes(self) -> None:
        """List the notes, to go to one or to change them."""
        from tui.screens.notes import NotesList

        def changed() -> None:
            self.desk.learn("notes")

        notes = NotesList(self.desk.notes, changed, partial(self.tell, bad=True))
        self.push_screen(notes, lambda place: self.go(place) if place else None)

    def action_log(self) -> None:
        """Read what was done in this session."""
        from tui.screens.reading import Reading

        log = self.desk.log
        lines = [entry.line for entry in log.entries] or ["nothing was done yet"]
        self.push_screen(Reading("Case log", lines, f"{log.file}   y copies this path, Escape closes", str(log.file)))

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
        from forensic.explore import save_range

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
        """Every command with the keys that it has now, those of this screen first; Enter runs it."""
        here = [HEX, STRUCTURE] if self.current_mode == STRUCTURE else [self.current_mode]
        others = [place for place in SCREEN_NAMES if place not in here]
        options = [(each.id, self._help_line(each)) for each in commands_of(*here)]
        options += [(f"move {n}", _movement(keys, words)) for n, (w, keys, words) in enumerate(MOVEMENT) if w in here]
        options += [(each.id, self._help_line(each)) for each in commands_of(EVERYWHERE)]
        for place in others:
            options += [(each.id, self._help_line(each, SCREEN_NAMES[place])) for each in commands_of(place)]
        options += [
            (f"move {n}", _movement(keys, f"{words} ({SCREEN_NAMES[w]})"))
            for n, (w, keys, words) in enumerate(MOVEMENT)
            if w in others
        ]
        self.push_screen(Choice("Help", options, "no command has these words", HELP_INDENT), self._run_command)

    def _help_line(self, command: Command, of: str = "") -> Text:
        keys = readable(self.settings.keys.get(command.id, command.keys))
        title = f"{of}: {command.title}" if of else command.title
        return line((f"{keys:<11} ", "bold"), f"{title:<{HELP_INDENT - 13}} ", (command.help, "dim"))

    async def _run_command(self, id: str | None) -> None:
        """Run what was chosen; a command of another screen shows that screen first."""
        command = next((each for each in commands_of(EVERYWHERE, *SCREEN_NAMES) if each.id == id), None)
        if command is None:
            return
        if command.where == EVERYWHERE:
            await self.run_action(command.action, self)
            return
        mode = STRUCTURE if command.where == HEX else command.where
        if self.current_mode != mode:
            await self.switch_mode(mode)
        target = self.screen.focused if command.where == HEX and self.screen.focused else self.screen
        await self.run_action(command.action, target)


def _movement(keys: str, words: str) -> Text:
    return line((f"{keys:<{HELP_INDENT - 1}} ", "bold"), (words, "dim"))


NAMES_OF_KEYS = {
    "question_mark": "?",
    "circumflex_accent": "^",
    "greater_than_sign": ">",
    "less_than_sign": "<",
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
