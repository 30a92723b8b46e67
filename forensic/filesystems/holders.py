"""From a byte of the disk back to the file that holds it, or to what else the volume has there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.filesystems.allocation import allocation_of, is_bitmap
from forensic.filesystems.documents import name_json
from forensic.filesystems.entries import Entry, Extent
from forensic.filesystems.reading import Reading
from forensic.mapping.extents import State
from forensic.untrusted import Json, Untrusted
from forensic.volumes.listing import NamedVolume
from forensic.volumes.signatures import Read

MAX_HOLDERS = 1000
"""Files that are listed for one range; a hostile file system lets every file claim the same place."""


class Span(Struct, frozen=True):
    """A guest range, or a range of a volume."""

    start: int
    length: int


class Holder(Struct, frozen=True):
    """A file that claims a byte: `what` is `content`, `slack` (past the end of the file), `table` (its list of blocks).

    `file_offset` is that of the first byte of the range that it claims.
    """

    volume: Untrusted
    entry: Entry
    what: str
    file_offset: int

    def as_json(self) -> dict[str, Json]:
        """The object that `fs owner --json` prints."""
        return {
            "volume": self.volume.text,
            "path": name_json(self.entry.path),
            "inode": self.entry.address,
            "deleted": self.entry.deleted,
            "what": self.what,
            "file_offset": self.file_offset,
            **({"reallocated": True} if self.entry.reallocated else {}),
        }


class Owned(Struct, frozen=True):
    """What was found about ranges of a volume: the files that claim them, and of those that none does what they are.

    `unclaimed` are offsets in the volume, and one of the words of `forensic.filesystems.allocation`.
    """

    holders: tuple[Holder, ...]
    holder_count: int
    unclaimed: tuple[tuple[int, str], ...]


def find_holders(reading: Reading, read: Read, spans: list[Span]) -> Owned:
    """Walk through a volume, by a reading of all of its entries with runs; `read` reads the volume."""
    holders: list[Holder] = []
    count, bitmap = 0, None
    claimed: set[int] = set()
    volume = reading.volume
    for entry in reading.entries():
        if is_bitmap(entry, volume.file_system):
            bitmap = entry
        for number, span in enumerate(spans):
            for holder in holders_in(entry, volume, [span]):
                count += 1
                if not entry.deleted:
                    claimed.add(number)
                if len(holders) < MAX_HOLDERS:
                    holders.append(holder)
    unclaimed = [
        (span.start, allocation_of(read, volume.file_system, span.start, bitmap))
        for number, span in enumerate(spans)
        if number not in claimed
    ]
    return Owned(tuple(holders), count, tuple(unclaimed))


def guest_spans(disk: Disk, host_offset: int) -> list[Span]:
    """Where on the disk a byte of the image file is seen; of a compressed cluster all that it decodes to."""
    found = []
    for rows in disk.row_batches():
        stored = np.where(rows["state"] == State.COMPRESSED, rows["stored_length"], rows["length"])
        holds = np.isin(rows["state"], (State.DATA, State.COMPRESSED)) & (rows["depth"] == 0)
        holds &= (rows["host_offset"] <= host_offset) & (host_offset - rows["host_offset"].astype(np.int64) < stored)
        for row in rows[holds]:
            guest_offset, length, place, _, state, *_ = row.tolist()
            within = host_offset - place
            found.append(Span(guest_offset, length) if state == State.COMPRESSED else Span(guest_offset + within, 1))
    return found


def in_volume(volume: NamedVolume, guest: Span) -> list[Span]:
    """Which ranges of a volume lie in a guest range, as far as they are in one piece."""
    found: list[Span] = []
    at, end = guest.start, guest.start + guest.length
    while at < end:
        offset = volume.layout.offset_of(at)
        if offset is None:
            at = _next_edge(volume, at, end)
            continue
        piece = next(volume.layout.pieces(offset, end - at))
        found.append(Span(offset, piece.length))
        at += piece.length
    return found


def _next_edge(volume: NamedVolume, at: int, end: int) -> int:
    """Where after a guest offset the next stripe of a volume begins."""
    bases = [base for segment in volume.layout.segments for base in segment.stripes if base is not None and base > at]
    return min([end, *bases])


def holders_in(entry: Entry, volume: NamedVolume, spans: list[Span]) -> Iterator[Holder]:
    """What an entry claims of ranges of its volume."""
    for span in spans:
        for extent in entry.runs:
            if (place := _overlap(extent, span)) is not None:
                what = "content" if place < entry.size or entry.kind == "directory" else "slack"
                yield Holder(volume.name, entry, what, place)
        for extent in entry.tables:
            if (place := _overlap(extent, span)) is not None:
                yield Holder(volume.name, entry, "table", place)


def _overlap(extent: Extent, span: Span) -> int | None:
    """The offset in the file at which a run and a range begin to overlap; None if they do not."""
    file_offset, place, length = extent
    start = max(place, span.start)
    return file_offset + start - place if start < min(place + length, span.start + span.length) else None
