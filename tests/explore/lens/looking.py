"""Looking at a structure of a disk through the lens, from its first field to its last."""

from __future__ import annotations

from pathlib import Path

from forensic.explore import GuestLens


def lens_of(disk: Path | bytes) -> GuestLens:
    """The lens on a raw disk."""
    data = disk.read_bytes() if isinstance(disk, Path) else disk
    return GuestLens(lambda offset, length: data[offset : offset + length], len(data))


def fields(lens: GuestLens, guest_offset: int, length: int) -> dict[str, str]:
    """Name and value of every field that begins in a range, as the inspector lists them."""
    found: dict[str, str] = {}
    for span in lens.spans_between(guest_offset, guest_offset + length):
        seen = lens.inspect(span.place.offset)
        assert seen is not None
        assert seen.place == span.place, "dump and inspector mean the same bytes"
        here = [row for row in seen.rows if row.here]
        assert len(here) == 1
        found.setdefault(here[0].name, here[0].value)
    return found


def path_at(lens: GuestLens, guest_offset: int) -> str:
    """What holds a byte: volume, structure and field."""
    seen = lens.inspect(guest_offset)
    return seen.path if seen else ""


def number(shown: str) -> int:
    """The number that a value begins with."""
    return int(shown.split()[0], 0)
