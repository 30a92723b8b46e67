"""Deflate and zstd: one compressed cluster in, one cluster out, never more than a cluster.

The fast codecs are believed when they succeed. When one fails, a second decoder that shows how far it came has the
last word, so that no cluster is called damaged on the word of one library.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
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

    `fault` is a reason code of the report: `decompress_failed`, `decompress_short`, `compression_unknown`.
    """

    data: bytes | bytearray
    fault: str | None = None


class Outcome(IntEnum):
    """What became of a stream that was examined."""

    OK = 0
    FAILED = 1  # not a stream of the image's codec, or of any other that is known
    SHORT = 2  # it ends before the cluster is full
    CUT = 3  # it goes on behind its last sector, and the cluster is full if one reads on
    TOO_LONG = 4  # it does not end when the cluster is full
    WRONG_CODEC = 5  # a stream of the other codec
    ZLIB_HEADER = 6  # deflate with a header around it
    NOT_DECODED = 7  # not read, or left out for its cost
    DECODER_FAILED = 8  # it crashes the decoder


ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
SKIPPABLE_MAGIC = b"\x2a\x4d\x18"
"""The last three bytes of the magic number of a skippable frame; the first is 0x50 to 0x5f."""
MAX_FRAMES = 256
"""Frames of one cluster that are examined; writers make one. A cluster's sectors hold half a million empty ones."""
ZSTD_WINDOW_LIMIT = 1 << 27
"""Bytes of history a zstd frame may ask for: the library's own default, which is QEMU's; more is a memory bomb."""

SALVAGE_STEP = 512
"""Bytes of a broken stream that are decoded at once."""

_thread = threading.local()

# glibc gives large blocks back to the system when they are freed, and the next one comes in pages that have to be
# cleared and mapped one by one, which takes a fifth of the time of decoding. Having seen a block of this size come and
# go (it is not touched, and takes no memory) it keeps those that are smaller.
bytes(4 << 20)


def decode(stored: bytes, compression_type: int, cluster_size: int) -> Decoded:
    """Decode one compressed cluster; `stored` runs to the end of its last sector and may hold other bytes after it."""
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
    """What can be decoded of a broken stream before the break; at most a cluster. Nothing vouches for these bytes."""
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


def fills_cluster(stored: bytes, compression_type: int, cluster_size: int) -> bool:
    """Whether a fast codec makes exactly one cluster of the bytes; False says nothing yet."""
    try:
        if compression_type == Codec.DEFLATE:
            return len(deflate.deflate_decompress(stored, cluster_size)) == cluster_size
        return len(_zstd_frame(stored, cluster_size)) == cluster_size
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
        return _zstd_frame_end(stored)
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
    end = _zstd_frame_end(stored)
    reader = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_LIMIT).stream_reader(stored[:end])
    try:
        if len(_read_fully(reader, cluster_size)) == cluster_size:
            return Outcome.TOO_LONG if reader.read(1) else Outcome.OK
    except zstandard.ZstdError:
        return Outcome.FAILED
    if end is None:
        return Outcome.CUT
    # QEMU reads on: what one frame leaves of the cluster the next may fill.
    return Outcome.SHORT if _decode_zstd_slowly(stored, cluster_size).fault else Outcome.OK


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
        end = 8 + int.from_bytes(rest[4:8], "little") if skipped else _zstd_frame_end(rest)
        if not end:
            break
        rest, count = rest[end:], count + 1
    return count


def _zstd_frame_end(stored: bytes | memoryview) -> int | None:
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
        data = _zstd_frame(stored, cluster_size)
    except zstandard.ZstdError:
        data = b""
    if len(data) == cluster_size:
        return Decoded(data)
    return _decode_zstd_slowly(stored, cluster_size)


def _zstd_frame(stored: bytes, cluster_size: int) -> bytes:
    """What the first frame holds; nothing if it says that it holds more than a cluster. Raises `ZstdError`."""
    if not hasattr(_thread, "zstd"):
        _thread.zstd = zstandard.ZstdDecompressor()
    # Of a frame that declares its size the library allocates that much, whatever the limit: more is a memory bomb.
    if zstandard.frame_content_size(stored) > cluster_size:
        return b""
    data: bytes = _thread.zstd.decompress(stored, max_output_size=cluster_size, allow_extra_data=True)
    return data


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
