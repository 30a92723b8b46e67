"""The guest ranges in which two states of the disk differ, in a list; Enter goes to one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from msgspec import Struct
from rich.text import Text

from forensic import open_disk
from forensic.explore import Range, Snapshot, differences, guest_range, host_range
from tui.jobs import Teller
from tui.screens.asking import Answered, AskingScreen
from tui.screens.rows import RowChoice
from tui.text import plain, size
from tui.widgets.row_list import Column

MOST_LISTED = 200_000
COLUMNS = (
    Column("guest offset", 18, right=True),
    Column("length", 16, right=True),
    Column("", 10, right=True, from_width=70),
    Column("what"),
)


class Listed(Struct, frozen=True):
    """A range that differs, and where the later state has its bytes: in the dump of the disk, or in the file."""

    guest_offset: int
    length: int
    what: str
    place: Range | None


def show_differences(screen: AskingScreen, before: Snapshot | None, after: Snapshot | None) -> None:
    """Compare two states, a snapshot or (None) the active disk, and list what differs."""
    image, supplies = screen.desk.image, screen.desk.supplies

    def work(teller: Teller) -> list[Listed]:
        found: list[Listed] = []
        with (
            open_disk(image, before, supplies.supplied()) as first,
            open_disk(image, after, supplies.supplied()) as now,
        ):
            for one in islice(differences(first, now), MOST_LISTED + 1):
                teller.say(f"diff: {one.guest_offset * 100 // max(1, now.size)} %")
                reasons = f" ({', '.join(one.reasons)})" if one.reasons else ""
                words = one.relation.value.replace("_", " ") + reasons.replace("_", " ")
                place: Range | None = guest_range(one.guest_offset, one.length)
                if after is not None:
                    start = one.guest_offset
                    extent = next(iter(now.extents(start, min(now.size, start + one.length))), None)
                    offset = extent.host_offset if extent else None
                    place = None if offset is None else host_range(offset, 1)
                found.append(Listed(one.guest_offset, one.length, words, place))
        return found

    def then(event: Answered) -> None:
        if isinstance(event.answer, list):
            _list(screen, f"From {name_of(before)} to {name_of(after)}", event.answer)
        else:
            screen.tell(event.reason, bad=True)

    screen.ask("diff", work, then)


def name_of(state: Snapshot | None) -> str:
    """What a state is called."""
    return "the active disk" if state is None else f"snapshot {state.index} “{state.name.text}”"


def _list(screen: AskingScreen, title: str, found: Sequence[Listed]) -> None:
    if not found:
        screen.tell(plain(f"{title}: no difference").plain)
        return
    shown = found[:MOST_LISTED]

    def cells(number: int) -> list[Text]:
        one = shown[number]
        return [plain(f"{one.guest_offset:#x}"), plain(f"{one.length:#x}"), plain(size(one.length)), plain(one.what)]

    def chosen(number: int | None) -> None:
        place = shown[number].place if number is not None else None
        if place:
            screen.show_bytes(place)
        elif number is not None:
            screen.tell("there is nothing of this range in the file now")

    more = " or more" if len(found) > MOST_LISTED else ""
    total = size(sum(one.length for one in shown))
    hint = f"Enter goes there · ranges: {len(shown):,}{more}, {total} · Escape closes"
    screen.app.push_screen(RowChoice(title, COLUMNS, len(shown), cells, hint), chosen)
