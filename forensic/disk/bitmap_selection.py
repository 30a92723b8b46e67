"""What a dirty bitmap marks, as what is wanted of a disk."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from forensic.disk.disk import Disk
from forensic.disk.selected import SelectedDisk, Selection
from forensic.errors import Unsupported
from forensic.qcow2.bitmap_ranges import Mark, MarkedRange, doubts, find_bitmap, marked_ranges, table_of
from forensic.qcow2.metadata import Qcow1Metadata, Qcow2Metadata

MAX_EDGES = 1 << 22
"""Where wanted ranges begin and end, in 32 MiB: a bitmap of a terabyte could mark every other 512 bytes."""


def marked_by(image: Qcow2Metadata | Qcow1Metadata, disk: Disk, name: str) -> SelectedDisk:
    """What the bitmap of this name marks of the active disk, and that of which it cannot be told.

    Raises `WrongSupply` if there is no such bitmap, `Unsupported` if it marks too many ranges to remember.
    """
    if not isinstance(image, Qcow2Metadata):
        raise Unsupported(image.evidence.path_as_given, "images of version 1 have no bitmaps")
    bitmap = find_bitmap(image, name)
    lengths = dict.fromkeys(Mark, 0)
    edges = array("Q")
    for one in _counted(marked_ranges(table_of(image, bitmap)), lengths):
        if edges and edges[-1] == one.guest_offset:
            edges[-1] = one.end
        else:
            edges.extend((one.guest_offset, one.end))
        if len(edges) > MAX_EDGES:
            what = f"the bitmap marks more than {MAX_EDGES // 2:,} ranges"
            raise Unsupported(image.evidence.path_as_given, what)
    said = [f'only what the bitmap "{bitmap.name}" marks is extracted, {lengths[Mark.MARKED]:,} bytes']
    if lengths[Mark.UNKNOWN]:
        said.append(f"and {lengths[Mark.UNKNOWN]:,} bytes of which it cannot be told")
    caveat = " ".join(said) + "; the rest is zeros"
    return SelectedDisk.of(
        disk, Selection(np.array(edges, dtype=np.uint64)), "; ".join([caveat, *doubts(image, bitmap)])
    )


def _counted(found: Iterator[MarkedRange], lengths: dict[Mark, int]) -> Iterator[MarkedRange]:
    """Those that are wanted; all of them are counted."""
    for one in found:
        lengths[one.mark] += one.length
        if one.mark != Mark.CLEAR:
            yield one
