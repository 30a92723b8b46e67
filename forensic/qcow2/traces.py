"""Whether anything of an image can be seen in a file that has no header: a quick look, before anyone searches it."""

from __future__ import annotations

import struct

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.identify import cluster_size_of_headless

SECTOR = 512
"""The smallest cluster: the file of an image that nobody cut is so many bytes long, or a multiple of it."""

LOOKED_AT = 16 << 20
"""Bytes from the beginning of the file in which tables are looked for: QEMU writes the first ones there."""

FEWEST_ENTRIES = 4
"""Entries in a sector that are more than chance, if all else in it is zeros."""

FLAGS = 0xC0 << 56
RESERVED = 0x3F00_0000_0000_01FE
"""Bits of an entry of an L1, L2 or refcount table that are neither flags nor of a host offset."""

SAMPLES = 64
SAMPLE = 1024

TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\r\f\x1b"})
"""Bytes of text in any encoding with one byte a character at least."""


def nothing_of_an_image(evidence: Evidence) -> bool:
    """Whether a file without a header is no image that lost it, as far as a quick look can tell.

    It is none if nothing in it looks like a table and it is not as long as an image is, or is text throughout. Whoever
    knows better searches it with `recover`.
    """
    if cluster_size_of_headless(evidence) is not None:
        return False
    return (evidence.size % SECTOR != 0 or _is_text(evidence)) and not _has_a_table(evidence)


def _is_text(evidence: Evidence) -> bool:
    step = max(SAMPLE, evidence.size // SAMPLES)
    return not any(_read(evidence, offset, SAMPLE).translate(None, TEXT) for offset in range(0, evidence.size, step))


def _has_a_table(evidence: Evidence) -> bool:
    part = 1 << 20
    for begin in range(0, min(evidence.size, LOOKED_AT), part):
        data = _read(evidence, begin, part)
        if any(_is_a_table(data[at : at + SECTOR], evidence.size) for at in range(0, len(data) - SECTOR + 1, SECTOR)):
            return True
    return False


def _is_a_table(sector: bytes, file_size: int) -> bool:
    """Whether each number is 0 or an entry that leads into the file."""
    entries = 0
    for word in struct.unpack(f">{SECTOR // 8}Q", sector):
        if word & RESERVED or (word & ~FLAGS) >= file_size:
            return False
        entries += word > 1
    return entries >= FEWEST_ENTRIES


def _read(evidence: Evidence, offset: int, length: int) -> bytes:
    """What can be read: a bad sector says nothing for or against an image."""
    try:
        return evidence.read_at(offset, min(length, evidence.size - offset))
    except ReadFailed:
        return b""
