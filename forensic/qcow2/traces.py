"""Whether anything of an image can be seen in a file that has no header: a quick look, before anyone searches it."""

from __future__ import annotations

import struct

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.entries import COMPRESSED, COPIED, L2_STANDARD_RESERVED, SECTOR_SIZE

LOOKED_AT = 16 << 20
"""Bytes from the beginning of the file in which tables are looked for: QEMU writes the first ones there."""

FEWEST_ENTRIES = 4
"""Entries in a sector that are more than chance, if all else in it is zeros."""

SAMPLES = 64
SAMPLE = 1024

TEXT = bytes({*range(0x20, 0x7F), *range(0x80, 0x100), *b"\t\n\r\f\x1b"})
"""Bytes of text in any encoding with one byte a character at least."""


def nothing_of_an_image(evidence: Evidence) -> bool:
    """Whether a file without a header is no image that lost it, as far as a quick look can tell.

    It is none if nothing in it looks like a table and it is not as long as an image that nobody cut, which has whole
    sectors, or is text throughout. Whoever knows better searches it with `recover`.
    """
    return (evidence.size % SECTOR_SIZE != 0 or _is_text(evidence)) and not _has_a_table(evidence)


def _is_text(evidence: Evidence) -> bool:
    step = max(SAMPLE, evidence.size // SAMPLES)
    return not any(_read(evidence, offset, SAMPLE).translate(None, TEXT) for offset in range(0, evidence.size, step))


def _has_a_table(evidence: Evidence) -> bool:
    part = 1 << 20
    for begin in range(0, min(evidence.size, LOOKED_AT), part):
        data = _read(evidence, begin, part)
        if any(
            _is_a_table(data[at : at + SECTOR_SIZE], evidence.size)
            for at in range(0, len(data) - SECTOR_SIZE + 1, SECTOR_SIZE)
        ):
            return True
    return False


def _is_a_table(sector: bytes, file_size: int) -> bool:
    """Whether each number is 0 or an entry that leads into the file."""
    entries = 0
    for word in struct.unpack(f">{SECTOR_SIZE // 8}Q", sector):
        if word & L2_STANDARD_RESERVED or (word & ~(COPIED | COMPRESSED)) >= file_size:
            return False
        entries += word > 1
    return entries >= FEWEST_ENTRIES


def _read(evidence: Evidence, offset: int, length: int) -> bytes:
    """What can be read: a bad sector says nothing for or against an image."""
    try:
        return evidence.read_at(offset, min(length, evidence.size - offset))
    except ReadFailed:
        return b""
