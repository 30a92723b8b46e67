"""Where the files of the guest end: after the last byte of a file its block holds zeros.

A table whose data has its last byte there and zeros after it fits the slot; one with something else in place of the
zeros does not. The content of a file says nothing else of its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64
from forensic.recovery.anchors import ext_files, xfs_files
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.ext_files import Read
from forensic.recovery.scan import Scan

MOST_ENDS = 1 << 14
"""Files whose ends are looked for; of more, those that are spread evenly over the disk."""


class FileEnds(Struct, frozen=True):
    """Guest offsets after the last byte of each file, and how many bytes are left in its block."""

    ends: I64
    zeros: I64


def file_ends(evidence: Evidence, scan: Scan, anchors: Sequence[tuple[Anchor, int]], read: Read) -> FileEnds:
    """The ends of the files of every file system that `anchors` are of, which come with its start.

    `read` gives guest bytes, as far as they are known.
    """
    found: set[tuple[int, int]] = set()
    systems = list(_systems(anchors))
    alone = sum(not one.kind.startswith("xfs") for one, _ in systems) == 1
    for one, start in systems:
        if one.kind.startswith("xfs"):
            ends = xfs_files.ends(evidence, scan, one.system)
        elif alone:
            ends = chain(
                ext_files.ends(evidence, scan, one, start, read), ext_files.ends_by_content(evidence, scan, one)
            )
        else:
            ends = ext_files.ends(evidence, scan, one, start, read)
        found.update((start + end, zeros) for end, zeros in ends if zeros)
    rows = np.array(sorted(found), dtype=np.int64).reshape(-1, 2)
    rows = rows[:: -(-len(rows) // MOST_ENDS) or 1]
    return FileEnds(rows[:, 0], rows[:, 1])


def _systems(anchors: Iterable[tuple[Anchor, int]]) -> Iterator[tuple[Anchor, int]]:
    """One anchor of each file system."""
    seen = set()
    for anchor, start in anchors:
        if anchor.kind.startswith(("xfs", "ext_superblock")) and anchor.system not in seen:
            seen.add(anchor.system)
            yield anchor, start
