"""Reading the bytes of one piece; worker processes read several pieces at a time."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.extraction.joint_streams import JointStreams
from forensic.extraction.plan import Piece
from forensic.mapping.extents import Reason
from forensic.output.chunk import Chunk, clear

LONG_BLANK = 1 << 15
"""From this length on it is worth knowing that there was nothing to read."""


class Missing(Struct, frozen=True):
    """A guest range whose bytes cannot be read, and why; it is filled with zeros.

    `host_offset` and `stored_length` say what was tried, as in a row of the mapping.
    """

    guest_offset: int
    length: int
    reason: Reason
    host_offset: int | None = None
    stored_length: int = 0

    @property
    def end(self) -> int:
        """The guest offset where it ends."""
        return self.guest_offset + self.length


class Filled(Struct, frozen=True):
    """The guest bytes of a piece, and which of them are zeros since reading or decoding them failed.

    `blank` are long parts, as (start, end), that are zeros on the disk since there was nothing to read for them. In the
    data they are so only after `clear_blank`, which few need.
    """

    guest_offset: int
    data: memoryview
    faults: tuple[Missing, ...]
    blank: tuple[tuple[int, int], ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        """The data in parts, of which the blank ones need not be looked at."""
        position = 0
        for start, end in self.blank:
            if position < start:
                yield self.data[position:start]
            yield end - start
            position = end
        if position < len(self.data):
            yield self.data[position:]

    def clear_blank(self) -> None:
        """Let the data be that of the disk throughout."""
        for start, end in self.blank:
            clear(self.data[start:end])


class Written(Struct, frozen=True):
    """A piece whose `length` guest bytes went to the output, and are not kept."""

    guest_offset: int
    length: int
    faults: tuple[Missing, ...]


def fill(disk: Disk, piece: Piece, data: memoryview) -> Filled:
    """Read, decrypt and decode all parts of a piece into a buffer of its length; long parts in between stay blank."""
    found: list[Missing] = []
    blank: list[tuple[int, int]] = []
    streams = JointStreams(disk, piece.parts)
    position = 0
    for start, length, host_offset, stored_length, depth, skip in piece.parts:
        if start > position:
            _leave_blank(data, position, start, blank)
        position = start + length
        place = data[start:position]
        guest_offset = piece.guest_offset + start
        stored = streams.stored(depth, host_offset, stored_length) if stored_length else None
        if stored is not None:
            faults = disk.decode_stored(depth, stored, skip, place)
        else:
            faults = disk.read(depth, guest_offset, host_offset, stored_length, skip, place)
        for fault in faults:
            if fault.reason != Reason.SALVAGED:
                clear(place[fault.start : fault.start + fault.length])
            tried = host_offset if stored_length else host_offset + fault.start
            found.append(Missing(guest_offset + fault.start, fault.length, fault.reason, tried, stored_length))
    _leave_blank(data, position, len(data), blank)
    return Filled(piece.guest_offset, data, tuple(found), tuple(blank))


def _leave_blank(data: memoryview, start: int, end: int, blank: list[tuple[int, int]]) -> None:
    if end - start >= LONG_BLANK:
        blank.append((start, end))
    else:
        clear(data[start:end])
