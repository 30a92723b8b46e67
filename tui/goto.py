"""What may be typed to go somewhere: `0x…`, decimal, `c123`, `v…`, `L1[3].L2[7]`, `+n`, `-n`, names of structures."""

from __future__ import annotations

import re

from forensic.explore import Range, Space, guest_range, host_range, parse_size
from tui.desk import Desk

GRAMMAR = (
    "0x…  30000h  1024  64 KiB  c123  c3+16  v0x…  vc9  L1[3].L2[7]  L2[3]  snapshot 0 L1[2]  +0x200  -16  header  l1  "
    "refcounts  bitmaps  end"
)
_ENTRY = re.compile(r"(?:(snapshot \d{1,6}) )?l1\[(\d{1,9})\](?:\.l2\[(\d{1,9})\])?", re.ASCII)
_L2_ENTRY = re.compile(r"l2\[(\d{1,9})\]", re.ASCII)
_DISTANCE = re.compile(r"(.+[^\s])\s*([+-])\s*(\w[\w ]*)", re.ASCII)
_HEXADECIMAL = re.compile(r"([0-9a-f]{1,16})h", re.ASCII)
ALIASES = {
    "l1": "l1 table",
    "refcounts": "refcount table",
    "snapshots": "snapshot 0",
    "bitmaps": "bitmap 0",
    "luks": "luks header",
    "encryption": "luks header",
}
"""What people call structures, and the names of these."""


class CannotGo(ValueError):
    """A place that cannot be understood or is not there; the text says why."""


def place_of(text: str, desk: Desk) -> Range:
    """The place that is meant. Raises `CannotGo`."""
    word, _, count = text.strip().lower().partition(",")
    length = max(1, _number(count.strip())) if count.strip() else 1
    place = _place(word.strip(), desk)
    size = desk.view_of(place.space).size
    if not 0 <= place.offset < size:
        raise CannotGo(f"{place.offset:#x} is outside the {size:,} bytes of the {_name_of(place.space)}")
    return Range(place.space, place.offset, max(length, place.length))


def _place(word: str, desk: Desk) -> Range:
    found = _named(word, desk) or _entry(word, desk)
    if found is not None:
        return found
    apart = _DISTANCE.fullmatch(word)
    if apart is None:
        return _offset(word, desk)
    base, sign, distance = apart.groups()
    begin = _place(base, desk)
    return Range(begin.space, begin.offset + _number(distance) * (1 if sign == "+" else -1), 1)


def _name_of(space: Space) -> str:
    return "file" if space == Space.HOST else "disk"


def _named(word: str, desk: Desk) -> Range | None:
    if word in ("start", "end"):
        view = desk.view_of(desk.place.space)
        return Range(view.space, 0 if word == "start" else max(0, view.size - 1), 1)
    wanted = ALIASES.get(word, word)
    found = (region for region in desk.region_index.fixed if region.name.lower() == wanted)
    return next((host_range(region.host_offset, 1) for region in found), None)


def _entry(word: str, desk: Desk) -> Range | None:
    match, in_table = _ENTRY.fullmatch(word), _L2_ENTRY.fullmatch(word)
    if match:
        owner, l1_index, l2_index = match.groups()
    elif in_table:
        owner, l1_index = _table_here(desk)
        l2_index = in_table[1]
    else:
        return None
    from forensic.explore import entry_place

    place = entry_place(desk.region_index, owner or "active", int(l1_index), int(l2_index) if l2_index else None)
    if place is None:
        raise CannotGo(f"{word.replace('l', 'L')}: there is no such entry in the file")
    return place


def _table_here(desk: Desk) -> tuple[str, int]:
    """Owner and L1 index of the L2 table that the cursor is in, or that maps the byte under it."""
    from forensic.explore import Kind

    host_offset, guest_offset, index = desk.host_offset(), desk.guest_offset(), desk.region_index
    region = None if host_offset is None else index.region_at(host_offset)
    if region is not None and region.kind == Kind.L2_TABLE:
        return region.owner, region.index
    if region is None and guest_offset is not None and index.geometry is not None:
        return "active", guest_offset // index.geometry.l1_coverage
    raise CannotGo("the cursor is in no L2 table: say L1[…].L2[…]")


def _offset(word: str, desk: Desk) -> Range:
    """A number, with `v` for the disk, `c` for clusters, and a sign for a distance from here."""
    if word[:1] in ("+", "-"):
        distance = _number(word[1:].strip())
        offset = desk.place.offset + (distance if word[0] == "+" else -distance)
        return Range(desk.place.space, offset, 1)
    space = guest_range if word.startswith("v") else host_range
    word = word.removeprefix("v")
    if word.startswith("c"):
        if desk.region_index.cluster_size is None:
            raise CannotGo("the header gives no cluster size")
        return space(_number(word[1:]) * desk.region_index.cluster_size, 1)
    return space(_number(word), 1)


def _number(word: str) -> int:
    plain_word = word.replace("_", "").replace(" ", "")
    hexadecimal = _HEXADECIMAL.fullmatch(plain_word)
    if hexadecimal:
        return int(hexadecimal[1], 16)
    try:
        return parse_size(plain_word)
    except ValueError as error:
        raise CannotGo(f"not a place: expected one of  {GRAMMAR}") from error
