"""From a place of a file's content to the bytes of the disk or of the image file."""

from __future__ import annotations

from forensic.explore import Entry, GuestFiles, NamedVolume, Place, Whereabouts, escaped, guest_range, host_range
from tui.files.rows import PLACES, place_cells
from tui.screens.asking import Answered, AskingScreen
from tui.screens.rows import RowChoice
from tui.text import plain


class PlacesOfFiles:
    """Goes to places on one disk; of a disk other than the active one, whose bytes no dump shows, in the image file."""

    def __init__(self, screen: AskingScreen, files: GuestFiles, is_active: bool) -> None:
        self._screen = screen
        self._files = files
        self._is_active = is_active

    def find(self, volume: NamedVolume, entry: Entry, offset: int | None = None) -> None:
        """List the places of a file, or go to the place of one of its bytes."""

        def then(event: Answered) -> None:
            if not isinstance(event.answer, Whereabouts):
                self._screen.tell(event.reason, bad=True)
            elif offset is None:
                self._list(f"Where /{escaped(entry.path)} lies", event.answer)
            else:
                self._go_to_byte(event.answer, offset)

        self._screen.ask("where", lambda _: self._files.places(volume, entry), then)

    def go_to_guest(self, guest_offset: int) -> None:
        """To a byte of the disk, if it is the one that the dump shows."""
        if self._is_active:
            self._screen.show_bytes(guest_range(guest_offset, 1))
        else:
            self._screen.tell("the dump shows the active disk alone")

    def _list(self, title: str, found: Whereabouts) -> None:
        if not found.places:
            self._screen.tell(plain("; ".join(filter(None, (found.words, *found.trouble)))).plain)
            return
        more = f" · {found.more:,} more are not listed" if found.more else ""
        hint = f"Enter goes there · places: {len(found.places):,}{more} · Escape closes"

        def chosen(number: int | None) -> None:
            if number is not None:
                self._go_to(found.places[number])

        choice = RowChoice(title, PLACES, len(found.places), lambda number: place_cells(found.places[number]), hint)
        self._screen.app.push_screen(choice, chosen)

    def _go_to_byte(self, found: Whereabouts, offset: int) -> None:
        for place in found.places:
            if place.file_offset <= offset < place.file_offset + place.length:
                self._go_to(place, offset - place.file_offset)
                return
        self._screen.tell(found.words or "this byte is in no run of the file: it is zero, or stored elsewhere")

    def _go_to(self, place: Place, skip: int = 0) -> None:
        length = 1 if skip else place.length
        guest_offset = None if place.guest_offset is None else place.guest_offset + skip
        if self._is_active and guest_offset is not None and guest_offset < self._files.disk.size:
            self._screen.show_bytes(guest_range(guest_offset, length))
        elif place.host_offset is not None and not place.depth:
            inside = 0 if place.stored_length else skip
            self._screen.show_bytes(host_range(place.host_offset + inside, place.stored_length or length))
        else:
            self._screen.tell("these bytes are not in this file")
