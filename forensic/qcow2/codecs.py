"""Deflate and zstd: one compressed cluster in, one cluster out, never more than a cluster.

The fast codecs are believed when they succeed. When one fails, a second decoder that shows how far it came has the
last word, so that no cluster is called damaged on the word of one library.
"""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass
from enum import IntEnum

import deflate
import zstandard


class Codec(IntEnum):
    """The compression type in the header."""

    DEFLATE = 0
    ZSTD = 1


@dataclass(frozen=True)
class Decoded:
    """What a stream gave: at most one cluster of bytes, and why it is not a whole cluster, if it is not.

    `fault` is a reason code of the report: `decompress_failed`, `decompress_short`, `compression_unknown`.
    """

    data: bytes
    fault: str | None = None


ZSTD_WINDOW_LIMIT = 1 << 27
"""Bytes of history a zstd frame may ask for: the library's own default, which is QEMU's; more is a memory bomb."""

_thread = threading.local()


def decode(stored: bytes, compression_type: int, cluster_size: int) -> Decoded:
    """Decode one compressed cluster; `stored` runs to the end of its last sector and may hold other bytes after it."""
    if compression_type == Codec.DEFLATE:
        return _decode_deflate(stored, cluster_size)
    if compression_type == Codec.ZSTD:
        return _decode_zstd(stored, cluster_size)
    return Decoded(b"", "compression_unknown")


def _decode_deflate(stored: bytes, cluster_size: int) -> Decoded:
    try:
        data = bytes(deflate.deflate_decompress(stored, cluster_size))
    except deflate.DeflateError:
        data = b""
    if len(data) == cluster_size:
        return Decoded(data)
    return _decode_deflate_slowly(stored, cluster_size)


def _decode_deflate_slowly(stored: bytes, cluster_size: int) -> Decoded:
    # The window is 32 KiB though qcow2 writers use 4 KiB: streams with longer distances are read by QEMU as well,
    # since it inflates into one buffer that holds the whole cluster.
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(stored, cluster_size)
    except zlib.error:
        return Decoded(b"", "decompress_failed")
    return Decoded(data) if len(data) == cluster_size else Decoded(data, "decompress_short")


def _decode_zstd(stored: bytes, cluster_size: int) -> Decoded:
    if not hasattr(_thread, "zstd"):
        _thread.zstd = zstandard.ZstdDecompressor()
    data = b""
    try:
        # Of a frame that declares its size the library allocates that much, whatever the limit: more is a memory bomb.
        if zstandard.frame_content_size(stored) <= cluster_size:
            data = _thread.zstd.decompress(stored, max_output_size=cluster_size, allow_extra_data=True)
    except zstandard.ZstdError:
        data = b""
    if len(data) == cluster_size:
        return Decoded(data)
    return _decode_zstd_slowly(stored, cluster_size)


def _decode_zstd_slowly(stored: bytes, cluster_size: int) -> Decoded:
    """Frame after frame until the cluster is full, as QEMU does: a cluster may be made of several frames."""
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_LIMIT).stream_reader(
        stored, read_across_frames=True
    )
    pieces: list[bytes] = []
    missing = cluster_size
    try:
        while missing and (piece := reader.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
    except zstandard.ZstdError:
        return Decoded(b"".join(pieces), "decompress_failed")
    data = b"".join(pieces)
    return Decoded(data) if not missing else Decoded(data, "decompress_short")
