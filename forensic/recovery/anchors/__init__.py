"""Structures of the guest that carry their own place, one file for each kind of file system.

An anchor in a data cluster of a table says which slot the table belongs to, once it is known where on the disk its file
system begins. It does not say that the table is the newest of that slot.
"""

from __future__ import annotations

from collections.abc import Callable

from forensic.evidence import Evidence
from forensic.recovery.anchors import btrfs, ext, ext_bitmaps, ntfs, partitions, xfs
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.scan import Scan

Finder = Callable[[Evidence, Scan], list[Anchor]]

FINDERS: tuple[Finder, ...] = (
    partitions.gpt_headers, ext.superblocks, ext_bitmaps.bitmaps, xfs.structures, btrfs.superblocks, ntfs.file_records,
)  # fmt: skip


def find_anchors(evidence: Evidence, scan: Scan) -> list[Anchor]:
    """Every anchor that was met, in file order."""
    found: list[Anchor] | None = scan.remembered.get("anchors")
    if found is None:
        every = (anchor for finder in FINDERS for anchor in finder(evidence, scan))
        found = scan.remembered["anchors"] = sorted(every, key=lambda one: one.host_offset)
    return found
