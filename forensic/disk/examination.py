"""Diagnosis of a compressed stream that is not one whole cluster, and where a good one ends."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from enum import IntEnum

import deflate
import zstandard

from forensic.disk.codecs import (
    SKIPPABLE_MAGIC,
    ZSTD_MAGIC,
    ZSTD_WINDOW_LIMIT,
    Codec,
    decode,
    decode_zstd_slowly,
    zstd_frame,
    zstd_frame_end,
)


class Outcome(IntEnum):
    """What became of a stream that was examined."""

    OK = 0
    FAILED = 1  # not a stream of the image's codec, or of any other that is known
    SHORT = 2  # it ends before the cluster is full
    CUT = 3  # it goes on past its last sector, and the cluster is full if one reads on
    TOO_LONG = 4  # it does not end when the cluster is full
    WRONG_CODEC = 5  # a stream of the other codec
    ZLIB_HEADER = 6  # deflate with a header around it
    NOT_DECODED = 7  # not read, or left out for its cost
    DECODER_FAILED = 8  # it crashes the decoder


MAX_FRAMES = 256
"""Frames of one cluster that are examined; writers make one. A cluster's sectors hold half a million empty ones."""


def fills_cluster(stored: bytes, compression_type: int, cluster_size: int) -> bool:
    """Whether a fast codec makes exactly one cluster of the bytes; False says nothing yet."""
    try:
        if compression_type == Codec.DEFLATE:
            return len(deflate.deflate_decompress(stored, cluster_size)) == cluster_size
        return len(zstd_frame(stored, cluster_size)) == cluster_size
    except (deflate.DeflateError, zstandard.ZstdError):
        return False


def examine(stored: bytes, following: Callable[[], bytes], compression_type: int, cluster_size: int) -> Outcome:
    """What is wrong with a stream that the fast codec did not make one cluster of; `following` gives what comes next.

    The standard library's decoder (the streaming one for zstd) has the last word, so OK is possible.
    """
    if compression_type == Codec.DEFLATE:
        outcome = _examine_deflate(stored, cluster_size)
        if outcome == Outcome.FAILED and _is_zlib(stored, cluster_size):
            return Outcome.ZLIB_HEADER
        other = Codec.ZSTD if stored[:4] == ZSTD_MAGIC else None
    else:
        outcome = _examine_zstd(stored, cluster_size)
        other = Codec.DEFLATE if stored[:4] != ZSTD_MAGIC else None
    if (
        outcome in (Outcome.FAILED, Outcome.SHORT)
        and other is not None
        and not decode(stored, other, cluster_size).fault
    ):
        return Outcome.WRONG_CODEC
    if outcome == Outcome.CUT and decode(stored + following(), compression_type, cluster_size).fault:
        return Outcome.SHORT
    return outcome


def stream_end(stored: bytes, compression_type: int, cluster_size: int) -> int | None:
    """How many of the bytes a good stream takes; None if that cannot be told."""
    if compression_type == Codec.ZSTD:
        return zstd_frame_end(stored)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        stream.decompress(stored, cluster_size)
        if not stream.eof:
            # The mark that ends the stream may still have to be read, though the cluster is full.
            stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error:
        return None
    return len(stored) - len(stream.unused_data) if stream.eof else None


def could_begin_stream(stored: bytes, compression_type: int) -> bool:
    """Whether the bytes are consistent with the first ones of a stream whose rest is missing."""
    if compression_type == Codec.ZSTD:
        return stored.startswith(ZSTD_MAGIC[: len(stored)])
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        stream.decompress(stored, ZSTD_WINDOW_LIMIT)
    except zlib.error:
        return False
    return not stream.eof


def _examine_deflate(stored: bytes, cluster_size: int) -> Outcome:
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        length = len(stream.decompress(stored, cluster_size))
    except zlib.error:
        return Outcome.FAILED
    if length < cluster_size:
        return Outcome.SHORT if stream.eof else Outcome.CUT
    try:
        return Outcome.TOO_LONG if stream.decompress(stream.unconsumed_tail, 1) else Outcome.OK
    except zlib.error:  # the cluster is full, and what comes next is not the end of a stream
        return Outcome.TOO_LONG


def _is_zlib(stored: bytes, cluster_size: int) -> bool:
    try:
        return len(zlib.decompressobj().decompress(stored, cluster_size)) == cluster_size
    except zlib.error:
        return False


def _examine_zstd(stored: bytes, cluster_size: int) -> Outcome:
    if _frames(stored) >= MAX_FRAMES:
        return Outcome.NOT_DECODED
    end = zstd_frame_end(stored)
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_LIMIT).stream_reader(stored[:end])
    try:
        if len(_read_fully(reader, cluster_size)) == cluster_size:
            return Outcome.TOO_LONG if reader.read(1) else Outcome.OK
    except zstandard.ZstdError:
        return Outcome.FAILED
    if end is None:
        return Outcome.CUT
    # QEMU reads on: what one frame leaves of the cluster the next may fill.
    return Outcome.SHORT if decode_zstd_slowly(stored, cluster_size).fault else Outcome.OK


def _read_fully(reader: zstandard.ZstdDecompressionReader, length: int) -> bytes:
    pieces: list[bytes] = []
    missing = length
    while missing and (piece := reader.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _frames(stored: bytes) -> int:
    """How many whole frames stand one after the other, those included that a decoder skips; `MAX_FRAMES` at most."""
    rest, count = memoryview(stored), 0
    while count < MAX_FRAMES and rest:
        skipped = rest[1:4] == SKIPPABLE_MAGIC and rest[0] >> 4 == 5
        end = 8 + int.from_bytes(rest[4:8], "little") if skipped else zstd_frame_end(rest)
        if not end:
            break
        rest, count = rest[end:], count + 1
    return count
