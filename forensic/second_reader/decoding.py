"""A compressed cluster at a time: the standard library's zlib, and zstd's streaming decoder."""

from __future__ import annotations

import zlib

from forensic.second_reader.answers import Answer, data, unreadable

DEFLATE, ZSTD = 0, 1

ZSTD_WINDOW = 1 << 27
"""The largest history that a zstd frame may ask for, as QEMU allows it."""

FED_AT_ONCE = 512
"""Stored bytes that the zstd decoder gets at a time; they bound what it can make of them."""


def decoded(stored: bytes, compression_type: int, cluster_size: int) -> Answer:
    """The cluster in a stream; bytes after its end do not matter. What is not a whole cluster is unreadable."""
    if compression_type not in (DEFLATE, ZSTD):
        return unreadable(cluster_size, "compression_unknown")
    found = _inflated(stored, cluster_size) if compression_type == DEFLATE else _zstd(stored, cluster_size)
    if found is None:
        return unreadable(cluster_size, "decompress_failed")
    return data(found) if len(found) == cluster_size else unreadable(cluster_size, "decompress_short")


def _inflated(stored: bytes, cluster_size: int) -> bytes | None:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(stored, cluster_size)
    except zlib.error:
        return None


def _zstd(stored: bytes, cluster_size: int) -> bytes | None:
    """Frame after frame until the cluster is full, as QEMU reads them."""
    found = _frames(stored, cluster_size, FED_AT_ONCE)
    # Of what the last bytes gave before an error nothing is known, so they are given one by one.
    return _frames(stored, cluster_size, 1) if found is None else found


def _frames(stored: bytes, cluster_size: int, step: int) -> bytes | None:
    import zstandard

    frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    found = b""
    pieces: list[bytes] = []
    length = position = 0
    try:
        while position < len(stored) and length < cluster_size:
            pieces.append(frame.decompress(stored[position : position + step]))
            length += len(pieces[-1])
            position += step
            if frame.eof:
                position = min(position, len(stored)) - len(frame.unused_data)
                frame = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW).decompressobj()
    except zstandard.ZstdError:
        return None
    found = b"".join(pieces)
    return found[:cluster_size]
