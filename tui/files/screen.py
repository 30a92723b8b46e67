"""Screen 6: the files of the guest, with their metadata, how they begin, where they lie, and what changed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import ClassVar

from msgspec import Struct
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Static

from forensic.explore import Beginning, Entry, GuestFiles, Listing, NamedVolume, escaped
from tui.commands import FILES, bindings
from tui.desk import Desk
from tui.files import rows
from tui.files.changes import choose_disk, compare
from tui.files.disks import ACTIVE, DisksOfImage
from tui.files.places import PlacesOfFiles
from tui.files.preview import BeginningPane
from tui.screens.asking import Answered, AskingScreen
from tui.screens.prompts import Prompt
from tui.text import counted, line, lines, plain
from tui.widgets.hex_view import HexView
from tui.widgets.row_list import RowList

PREVIEW_BYTES = 64 << 10
REST_SECONDS = 0.2


class Level(Struct):
    """A list that was entered: the volumes, or a folder of one; `cursor` is where the examiner was in it."""

    volume: NamedVolume | None = None
    folder: Entry | None = None
    entries: list[Entry] = []
    cursor: int = 0
    trouble: tuple[str, ...] = ()


class FilesScreen(AskingScreen):
    """A list of volumes or of a folder's entries, the metadata of what is under the cursor, and how it begins."""

    NAME = "files"
    BINDINGS: ClassVar[list[BindingType]] = bindings(FILES)
    AUTO_FOCUS = "#files"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._disks = DisksOfImage(desk.image)
        self._target = ACTIVE
        self._files: GuestFiles | None = None
        self._levels: list[Level] = [Level()]
        self._deleted = True
        self._rest: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """The list beside metadata and beginning."""
        about = VerticalScroll(Static("", markup=False, id="about"), id="about-pane")
        about.border_title = "metadata"
        yield Horizontal(RowList(id="files"), Vertical(about, BeginningPane(id="beginning"), id="of-file"), id="room")

    def on_mount(self) -> None:
        """Look for the volumes."""
        self._open_disk(ACTIVE)

    def on_learned(self, what: str) -> None:
        """What was supplied makes another disk readable."""
        if what == "supplies":
            self._open_disk(self._target)
        elif what == "theme" and self._files:
            self._list()

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        """Say what is known of the line, and once the cursor rests, how the file begins."""
        self._level.cursor = event.number
        self._describe()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Enter a volume or a folder; of a file, say where it lies."""
        self.action_open()

    def on_hex_view_followed(self, event: HexView.Followed) -> None:
        """Go to where the byte under the cursor lies."""
        if self._entry and self._level.volume and self._files:
            self._places.find(self._level.volume, self._entry, event.offset)

    def action_open(self) -> None:
        """Enter what is under the cursor."""
        entry, volume = self._entry, self._volume
        if volume and not volume.library:
            self.tell(volume.not_read)
        elif volume:
            self._enter(Level(volume))
        elif entry and entry.kind == "directory":
            self._enter(Level(self._level.volume, entry))
        else:
            self.action_where()

    def action_up(self) -> None:
        """To the folder that this one is in."""
        if len(self._levels) > 1:
            self._levels.pop()
            self._list()

    def action_where(self) -> None:
        """List the places of the file's content; of a volume, go to its beginning."""
        if self._entry and self._level.volume:
            self._places.find(self._level.volume, self._entry)
        elif self._volume and self._volume.guest_offset is not None:
            self._places.go_to_guest(self._volume.guest_offset)

    def action_view(self) -> None:
        """Bytes or text."""
        self._beginning.turn()

    def action_deleted(self) -> None:
        """With or without deleted entries."""
        self._deleted = not self._deleted
        self.tell(f"deleted entries are {'listed' if self._deleted else 'left out'}")
        if self._level.volume:
            self._list_folder(self._level)

    def action_disk(self) -> None:
        """Choose the disk whose files are listed."""
        choose_disk(self, self._disks, "List the files of", self._disks.others(), self._open_disk)

    def action_changed(self) -> None:
        """Choose the disk to compare this one with, and list the files that differ."""
        others = self._disks.others(self._target)
        if others:
            after = self._target
            choose_disk(
                self, self._disks, "Compare with the files of", others, lambda it: compare(self, self._disks, it, after)
            )
        else:
            self.tell("the image has no snapshot to compare with")

    def action_save(self) -> None:
        """Write the file to a path with its hash."""
        entry, volume, files = self._entry, self._level.volume, self._files
        if not (entry and volume and files) or entry.kind == "directory":
            self.tell("a file is saved, not a folder or a volume")
            return

        def write(text: str | None) -> None:
            if text:
                path = Path(text).expanduser()
                self.ask("save", lambda teller: files.save(volume, entry, path, lambda: teller.cancelled), self._saved)

        hint = f"{entry.size:,} bytes of {escaped(entry.path)}; a .sha256 is written beside it"
        self.app.push_screen(Prompt("Save the file as", hint), write)

    @property
    def _level(self) -> Level:
        return self._levels[-1]

    @property
    def _entry(self) -> Entry | None:
        """The entry under the cursor, in a folder."""
        level = self._level
        return level.entries[level.cursor] if level.volume and level.cursor < len(level.entries) else None

    @property
    def _volume(self) -> NamedVolume | None:
        """The volume under the cursor, where volumes are listed."""
        volumes = self._files.volumes.volumes if self._files and not self._level.volume else ()
        return volumes[self._level.cursor] if self._level.cursor < len(volumes) else None

    @property
    def _places(self) -> PlacesOfFiles:
        assert self._files is not None
        return PlacesOfFiles(self, self._files, self._target == ACTIVE)

    @property
    def _beginning(self) -> BeginningPane:
        return self.query_one(BeginningPane)

    def _open_disk(self, number: int) -> None:
        """Look for the volumes of a disk."""
        supplies = self.desk.supplies

        def work(_: object) -> GuestFiles:
            files = self._disks.open(number, supplies)
            len(files.volumes.volumes)  # they are looked for here, not where they are drawn
            return files

        def then(event: Answered) -> None:
            if isinstance(event.answer, GuestFiles):
                self._files, self._target = event.answer, number
                self._levels = [Level(trouble=event.answer.volumes.notes)]
                self._list()
            else:
                self._say(event.reason)

        self._say("looking for volumes …")
        self.ask("volumes", work, then)

    def _enter(self, level: Level) -> None:
        self._levels.append(level)
        self._list_folder(level)

    def _list_folder(self, level: Level) -> None:
        files, volume, deleted = self._files, level.volume, self._deleted
        if files is None or volume is None:
            return

        def then(event: Answered) -> None:
            if isinstance(event.answer, Listing):
                level.entries, more = rows.in_order(event.answer.entries), event.answer.more
                level.trouble = (*event.answer.trouble, *([f"{more:,} more entries are not listed"] if more else []))
            else:
                level.trouble = (event.reason,)
            if self._level is level:
                self._list()

        self._say("reading the folder …")
        self.ask("folder", lambda teller: files.folder(volume, level.folder, deleted, lambda: teller.cancelled), then)

    def _say(self, words: str) -> None:
        self.query_one(RowList).show((), 0, lambda _: (), empty=plain(words).plain)
        self.query_one("#about", Static).update("")
        self._beginning.clear()

    def _list(self) -> None:
        """The list as it is now, and what is known of its line."""
        if self._files is None:
            return
        level, colours, list_ = self._level, self.app.theme_variables, self.query_one(RowList)
        entries, volumes = level.entries, self._files.volumes
        if level.volume:
            empty = "; ".join(level.trouble) or "the folder is empty"
            list_.show(rows.FILES, len(entries), lambda at: rows.file_cells(entries[at], colours), level.cursor, empty)
        else:
            listed = volumes.volumes
            empty = "no volume was found" + (f": {volumes.missing.replace('_', ' ')}" if volumes.missing else "")
            list_.show(
                rows.VOLUMES, len(listed), lambda at: rows.volume_cells(listed[at], colours), level.cursor, empty
            )
        self._show_title(list_)
        self._describe()

    def _show_title(self, list_: RowList) -> None:
        level, parts, said = self._level, [self._disks.name(self._target)], list[str]()
        if level.volume:
            parts.append(f"volume {level.volume.name.text} {level.volume.file_system}")
            parts.append("/" + (escaped(level.folder.path) if level.folder else ""))
            deleted = sum(entry.deleted for entry in level.entries)
            said.append(f"entries: {len(level.entries):,}" + (f", deleted: {deleted:,}" if deleted else ""))
        if level.trouble:
            said.append(f"▲ {counted(len(level.trouble), 'fault')}")
        list_.border_title, list_.border_subtitle = plain(" · ".join(parts)), plain(" · ".join(said))

    def _describe(self) -> None:
        """The metadata of what is under the cursor, and once it rests there, how it begins."""
        entry, within = self._entry, self._level.volume
        self._say_what_is_known()
        self._beginning.clear(rows.instead_of_beginning(entry))
        if self._rest:
            self._rest.stop()
        if entry and within and not rows.instead_of_beginning(entry):
            self._rest = self.set_timer(REST_SECONDS, partial(self._read_beginning, within, entry))

    def _say_what_is_known(self, beginning: Beginning | None = None) -> None:
        entry, volume, within = self._entry, self._volume, self._level.volume
        parts = [rows.about_file(entry, within.length, beginning)] if entry and within else []
        parts += [rows.about_volume(volume)] if volume else []
        mark = ("▲ ", f"bold {self.app.theme_variables.get('severity-high', '')}")
        parts += [line(mark, words) for words in self._level.trouble]
        self.query_one("#about", Static).update(lines(parts))

    def _read_beginning(self, volume: NamedVolume, entry: Entry) -> None:
        files = self._files
        if files is None:
            return

        def then(event: Answered) -> None:
            if entry is self._entry and isinstance(event.answer, Beginning):
                self._beginning.show(entry, event.answer)
                self._say_what_is_known(event.answer)
            elif entry is self._entry:
                self._beginning.clear(event.reason)

        self.ask(
            "beginning", lambda teller: files.beginning(volume, entry, PREVIEW_BYTES, lambda: teller.cancelled), then
        )

    def _saved(self, event: Answered) -> None:
        if not isinstance(event.answer, tuple):
            self.tell(event.reason, bad=True)
            return
        saved, said = event.answer
        words = "; ".join((f"{saved.length:,} bytes written to {saved.path}, sha256 {saved.sha256}", *said))
        self.tell(plain(words).plain, bad=bool(said))
