"""Where the bytes of a file lie: from the file to the volume, the guest, the image file, and who shares that place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.disk.opening import open_disk
from forensic.filesystems.entries import Entry
from forensic.image import Qcow1Image, Qcow2Image
from forensic.mapping.extents import Reason, Run, State, is_located
from forensic.qcow2.snapshots import Snapshot
from forensic.untrusted import Json
from forensic.volumes.layout import Layout

MAX_DISKS = 256
"""Snapshots that are asked whether they share a place."""

MAX_PLACES = 1 << 20
"""Places of one file that are listed: its runs may all claim the same part of the disk, which may lie in many."""


class Place(Struct, frozen=True):
    """`length` bytes of a file that lie in one piece.

    `host_offset` is in the file of layer `depth` of the chain, None where the bytes are in no file; of a compressed
    cluster it is that of its stream, `stored_length` bytes long, and `skip` the decoded bytes before these. `shared`
    are the disks that have the same bytes at the same place, and how many of them.
    """

    file_offset: int
    length: int
    volume_offset: int
    guest_offset: int | None
    state: str
    host_offset: int | None = None
    stored_length: int | None = None
    skip: int = 0
    depth: int = 0
    reason: str = ""
    shared: tuple[tuple[str, int], ...] = ()

    def as_json(self) -> dict[str, Json]:
        """The object that `fs where --json` prints."""
        shared: list[Json] = [{"disk": name, "length": length} for name, length in self.shared]
        return {
            "file_offset": self.file_offset,
            "length": self.length,
            "volume_offset": self.volume_offset,
            "guest_offset": self.guest_offset,
            "state": self.state,
            "host_offset": self.host_offset,
            "stored_length": self.stored_length,
            "skip": self.skip,
            "depth": self.depth,
            "reason": self.reason or None,
            "shared_with": shared,
        }


def disks_beside(image: Qcow2Image | Qcow1Image, disk: Disk) -> list[Disk]:
    """The other disks of an image; for where their bytes lie neither keys nor other files are needed."""
    if isinstance(image, Qcow1Image) or not image.header.nb_snapshots:
        return []
    targets: list[Snapshot | None] = [None, *image.snapshots.snapshots[:MAX_DISKS]]
    return [other for other in (open_disk(image, target) for target in targets) if other.target != disk.target]


def places_of(entry: Entry, layout: Layout, disk: Disk, others: Sequence[Disk]) -> Iterator[Place]:
    """Every place of a file's content, in the order of the file; what is in none of them is zeros, or in the inode."""
    for file_offset, offset, length in entry.runs:
        for piece in layout.pieces(offset, length):
            start = file_offset + piece.offset - offset
            if piece.guest_offset is None or piece.guest_offset + piece.length > disk.size:
                yield Place(start, piece.length, piece.offset, piece.guest_offset, "not_on_disk")
                continue
            for runs in disk.readable_runs(piece.guest_offset, piece.guest_offset + piece.length):
                for run in runs:
                    within = run[0] - piece.guest_offset
                    yield _place(run, start + within, piece.offset + within, others)


def _place(run: Run, file_offset: int, volume_offset: int, others: Sequence[Disk]) -> Place:
    guest_offset, length, host_offset, stored_length, state, reason, depth, skip = run
    located = is_located(state, reason)
    return Place(
        file_offset,
        length,
        volume_offset,
        guest_offset,
        State(state).name.lower(),
        host_offset if located else None,
        stored_length or None,
        skip,
        depth,
        Reason(reason).code if reason else "",
        tuple(_sharing(run, others)) if located and not depth else (),
    )


def _sharing(run: Run, others: Sequence[Disk]) -> Iterator[tuple[str, int]]:
    """Which other disks of the image have the same cluster at this guest offset."""
    guest_offset, length = run[0], run[1]
    for other in others:
        end = min(guest_offset + length, other.size)
        if guest_offset >= end:
            continue
        same = sum(one[1] for runs in other.runs(guest_offset, end) for one in runs if _is_same_place(run, one))
        if same:
            yield other.target, same


def _is_same_place(mine: Run, other: Run) -> bool:
    if (mine[4], mine[6]) != (other[4], other[6]):
        return False
    later = other[0] - mine[0]
    if mine[4] == State.COMPRESSED:
        return mine[2:4] == other[2:4] and other[7] == mine[7] + later
    return other[2] == mine[2] + later
