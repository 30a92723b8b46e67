"""What an anchor says, and what searches for them have in common."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64
from forensic.recovery.crc import Blocks

MOST_OF_A_KIND = 1 << 14
"""Structures of one kind that are looked at; of more, those that are spread evenly over the file."""


class Anchor(Struct, frozen=True):
    """A structure at `host_offset` that says it lies `place` bytes after the start of its file system.

    With `absolute` the place counts from the start of the disk. `checked` says that its checksum is right. Anchors of
    one `system` (an identity of the file system) have one start, and it has `span` bytes (0: not known). Of one in a
    compressed cluster `raw` is what the cluster holds from it on, where that is needed.
    """

    kind: str
    host_offset: int
    place: int
    checked: bool
    system: bytes = b""
    absolute: bool = False
    span: int = 0
    raw: bytes = b""


def some_of(sectors: I64) -> I64:
    """Not too many of the places."""
    return sectors[:: -(-len(sectors) // MOST_OF_A_KIND) or 1]


def blocks_at(evidence: Evidence, sectors: I64, length: int) -> Blocks:
    """What lies at these sectors, a row each; zeros in place of what cannot be read."""
    rows = [evidence.read_up_to_bad(sector * 512, length).ljust(length, b"\0") for sector in sectors.tolist()]
    found: Blocks = np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), length)
    return found
