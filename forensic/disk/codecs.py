"""Deflate and zstd: one compressed cluster in, one cluster out, never more than a cluster.

The fast codecs are believed when they succeed. When one fails, a second decoder that shows how far it came has the
last word, so that no cluster is called damaged on the word of one library.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum

import deflate
import zstandard
from msgspec import Struct


class Codec(IntEnum):
    """The compression type in the header."""

    DEFLATE = 0
    ZSTD = 1


class Decoded(Struct, frozen=True):
    """What a stream gave: at most one cluster of bytes, and why it is not a whole cluster, if it is not.

    `fault` is a reason code of the report: `decompress_failed`, `decompress_short`, `compression_unknown`, and
    `decoder_failed` where the decoder is apart and crashed.
    """

    data: bytes | bytearray
    fault: str | None = None


ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

SKIPPABLE_MAGIC = b"\x2a\x4d\x18"
"""The last three bytes of the magic number of a skippable frame; the first is 0x50 to 0x5f."""

ZSTD_WINDOW_LIMIT = 1 << 27
"""Bytes of history a zstd frame may ask for: the library's own default, which is QEMU's; more is a memory bomb."""

SALVAGE_STEP = 512
"""Bytes of a broken stream that are decoded at once."""

_thread = threading.local()
# glibc gives large blocks back to the system when they are freed, and the next one comes in pages that have to be
# cleared and mapped one by one, which takes a fifth of the time of decoding. Having seen a block of this size come and
# go (it is not touched, and takes no memory) it keeps those that are smaller.
bytes(4 << 20)


def slow_decodes() -> int:
    """How often in this thread a fast codec failed, and a slow one was asked."""
    count: int = getattr(_thread, "slow_decodes", 0)
    return count


def count_slow_decodes(count: int) -> None:
    """So many more, that were asked for this thread."""
    _thread.slow_decodes = slow_decodes() + count


Decode = Callable[[bytes, int, int], Decoded]
"""See `decode`."""

_decoders_apart: list[Decode] = []


@contextmanager
def decoding_by(decode_apart: Decode) -> Iterator[None]:
    """Within the context all threads of this process have clusters decoded by this."""
    _decoders_apart.append(decode_apart)
    try:
        yield
    finally:
        _decoders_apart.remove(decode_apart)


def decode(stored: bytes, compression_type: int, cluster_size: int) -> Decoded:
    """Decode one compressed cluster; `stored` runs to the end of its last sector and may hold other bytes after it."""
    chosen = _decoders_apart[-1] if _decoders_apart else decode_here
    return chosen(stored, compression_type, cluster_size)


def decode_here(stored: bytes, compression_type: int, cluster_size: int) -> Decoded:
    """The same in this process, which ends if the decoder crashes."""
    if compression_type == Codec.DEFLATE:
        return _decode_deflate(stored, cluster_size)
    if compression_type == Codec.ZSTD:
        return _decode_zstd(stored, cluster_size)
    return Decoded(b"", "compression_unknown")


class Partial(Struct, frozen=True):
    """What a broken stream gives before it breaks, and the reason code of the break."""

    data: bytes
    fault: str


def salvaged(stored: bytes, compression_type: int, cluster_size: int) -> bytes:
    """What can be decoded of a broken stream before the break; at most a cluster. No checksum covers these bytes."""
    if compression_type == Codec.DEFLATE:
        return _salvaged_deflate(stored, cluster_size)
    return _salvaged_zstd(stored, cluster_size) if compression_type == Codec.ZSTD else b""


def _salvaged_deflate(stored: bytes, cluster_size: int) -> bytes:
    """In small steps, since what the last step gave is lost when it fails; the step that fails goes byte by byte."""
    stream, data = zlib.decompressobj(-zlib.MAX_WBITS), bytearray()
    for start in range(0, len(stored), SALVAGE_STEP):
        before, room = stream.copy(), cluster_size - len(data)
        try:
            data += stream.decompress(stored[start : start + SALVAGE_STEP], room)
        except zlib.error:
            for at in range(start, len(stored)):
                if len(data) >= cluster_size:
                    break
                try:
                    data += before.decompress(stored[at : at + 1], cluster_size - len(data))
                except zlib.error:
                    break
            break
        if stream.eof or len(data) >= cluster_size:
            break
    return bytes(data[:cluster_size])


def _salvaged_zstd(stored: bytes, cluster_size: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_LIMIT).stream_reader(
        stored, read_across_frames=True
    )
    data = bytearray()
    try:
        while len(data) < cluster_size and (piece := reader.read(min(SALVAGE_STEP, cluster_size - len(data)))):
            data += piece
    except zstandard.ZstdError:
        pass
    return bytes(data)


def zstd_frame_end(stored: bytes | memoryview) -> int | None:
    """Where the first frame ends, from the headers of its blocks; None if it is not wholly there."""
    try:
        at = zstandard.frame_header_size(stored)
        checksum = 4 if zstandard.get_frame_parameters(stored).has_checksum else 0
    except zstandard.ZstdError:
        return None
    while at + 3 <= len(stored):
        head = int.from_bytes(stored[at : at + 3], "little")
        repeats_one_byte = head >> 1 & 3 == 1
        at += 3 + (1 if repeats_one_byte else head >> 3)
        if head & 1:
            return at + checksum if at + checksum <= len(stored) else None
    return None


def _decode_deflate(stored: bytes, cluster_size: int) -> Decoded:
    try:
        data = deflate.deflate_decompress(stored, cluster_size)
    except deflate.DeflateError:
        return _decode_deflate_slowly(stored, cluster_size)
    if len(data) == cluster_size:
        return Decoded(data)
    return _decode_deflate_slowly(stored, cluster_size)


def _decode_deflate_slowly(stored: bytes, cluster_size: int) -> Decoded:
    count_slow_decodes(1)
    # The window is 32 KiB though qcow2 writers use 4 KiB: streams with longer distances are read by QEMU as well,
    # since it inflates into one buffer that holds the whole cluster.
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = stream.decompress(stored, cluster_size)
    except zlib.error:
        return Decoded(b"", "decompress_failed")
    return Decoded(data) if len(data) == cluster_size else Decoded(data, "decompress_short")


def _decode_zstd(stored: bytes, cluster_size: int) -> Decoded:
    try:
        data = zstd_frame(stored, cluster_size)
    except zstandard.ZstdError:
        data = b""
    if len(data) == cluster_size:
        return Decoded(data)
    return decode_zstd_slowly(stored, cluster_size)


def zstd_frame(stored: bytes, cluster_size: int) -> bytes:
    """What the first frame holds; nothing if it says that it holds more than a cluster. Raises `ZstdError`."""
    if not hasattr(_thread, "zstd"):
        _thread.zstd = zstandard.ZstdDecompressor()
    # Of a frame that declares its size the library allocates that much, whatever the limit: more is a memory bomb.
    if zstandard.frame_content_size(stored) > cluster_size:
        return b""
    data: bytes = _thread.zstd.decompress(stored, max_output_size=cluster_size, allow_extra_data=True)
    return data


def decode_zstd_slowly(stored: bytes, cluster_size: int) -> Decoded:
    """Frame after frame until the cluster is full, as QEMU does: a cluster may be made of several frames."""
    count_slow_decodes(1)
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
