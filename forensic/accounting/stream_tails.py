"""What lies between the end of a compressed stream and the end of its last sector: hidden, or what was there before."""

from __future__ import annotations

import re

from forensic.disk.codecs import Codec
from forensic.disk.examination import could_begin_stream, fills_cluster
from forensic.evidence import Evidence
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.table_ends import ends_like_first_entry

SHORTEST_TEXT = 6
"""Bytes that are text if nothing else is there: fewer of them come about by chance."""

TEXT_RUN = 11
"""Characters in a row that are text if they are half of what is there."""

LONG_RUN = 16
"""Characters in a row that are text, whatever is around them."""

FEWEST_CHARACTERS = 5
"""Different characters of a text: data of few letters gives streams of few different bytes, which may be characters."""

LONGEST_PERIOD = 8
"""Bytes after which a stream of monotonous data repeats itself; they may be characters, and are no text."""

LONGEST_LITERALS = 128
"""Characters in a row that zstd may keep as they are, since coding them would gain nothing."""

_ALIKE = bytes((0, *range(0xC0, 0x100)))
"""Bytes that recur in any text of UTF-16 or of UTF-8 beyond ASCII."""

_ASCII = rb"[\t\n\r\x20-\x7e]"
_CHARACTER = rb"(?:%b|[\xc3-\xdf][\x80-\xbf]|[\xe1-\xef][\x80-\xbf]{2})" % _ASCII
_RUNS = rb"(?:%b\0)+%b?|(?:\0%b)+|%b{8,}|%b+" % (_ASCII, _ASCII, _ASCII, _CHARACTER, _ASCII)
"""Text in UTF-16, whose every other byte is zero, or in UTF-8."""


def is_leftover(evidence: Evidence, geometry: Geometry, begins: int, data: bytes, end: int) -> bool:
    """Whether bytes between a stream and the end of its last sector are of an earlier use of the cluster.

    When the guest writes to a compressed cluster, its stream stays where it was, right after the one before; and a
    stream in a cluster that is used again covers only the beginning of what was there. `end` is the host offset at
    which the sectors of the stream end.
    """
    codec, size = geometry.compression_type, geometry.cluster_size
    if begins % size < SECTOR_SIZE and ends_like_first_entry(begins % size, data):
        return True  # in the cluster there was a short table before
    if any(evidence.read_or_nothing(end, min(SECTOR_SIZE, -end % size))):
        return True
    if fills_cluster(evidence.read_or_nothing(begins, 2 * size), codec, size):
        return True
    if begins // SECTOR_SIZE == (begins + len(data) - 1) // SECTOR_SIZE and could_end_stream(data, codec):
        return True
    # What was there before can only seem to end where its rest lay in the next cluster.
    return end % size == 0 and (begins + len(data) == end or could_begin_stream(data, codec))


def could_end_stream(data: bytes, codec: int) -> bool:
    """Whether these can be the last bytes of a stream whose first bytes were written over: anything but text.

    Deflate codes whatever is text. Zstd keeps a few characters as they are, and has its sequences after them.
    """
    there = data.strip(b"\0")
    runs = list(re.finditer(_RUNS, there))
    if codec == Codec.ZSTD:
        if any(len(run[0]) > LONGEST_LITERALS for run in runs):
            return False
        runs = [run for run in runs if run.end() + 1 >= len(there)]
    return not any(_is_text(run[0], len(there)) for run in runs)


def _is_text(run: bytes, length: int) -> bool:
    """Whether characters in a row are more than chance, or a stream that repeats itself, makes of so many bytes."""
    if len(set(run)) < FEWEST_CHARACTERS:
        return False
    telling = run.translate(None, _ALIKE)
    if any(3 * _same_after(telling, period) > len(telling) for period in range(1, LONGEST_PERIOD + 1)):
        return False
    if len(run) == length:
        return length >= SHORTEST_TEXT
    return len(run) >= LONG_RUN or (len(run) >= TEXT_RUN and 2 * len(run) >= length)


def _same_after(run: bytes, distance: int) -> int:
    """How many bytes are the same as the one that many places further on."""
    return sum(one == other for one, other in zip(run, run[distance:], strict=False))
