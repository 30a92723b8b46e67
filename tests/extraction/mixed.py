"""A tiny image that has a guest range of every kind, and what is to be said of each."""

import zlib

from tests.images import COMPRESSED, COPIED, ZERO, tiny

CLUSTER = 512
SIZE = 32 * CLUSTER

GOOD_STREAM, BAD_STREAM = 11, 12
"""Clusters of the file that hold a compressed cluster, and something that is none."""

PLAIN = bytes(range(256)) * 2

WORDS = [
    COPIED | 5 * CLUSTER,
    COPIED | 6 * CLUSTER,
    ZERO,
    COPIED | 7 * CLUSTER | ZERO,
    0,
    COPIED | 100 * CLUSTER,
    COMPRESSED | GOOD_STREAM * CLUSTER,
    COMPRESSED | BAD_STREAM * CLUSTER,
    COPIED | 8 * CLUSTER,
]

RANGES: list[dict[str, object]] = [
    {"virtual_offset": 0, "length": 1024, "state": "data", "depth": 0, "host_offset": 2560},
    {"virtual_offset": 1024, "length": 512, "state": "zero", "depth": 0},
    {"virtual_offset": 1536, "length": 512, "state": "zero_allocated", "depth": 0, "host_offset": 3584},
    {"virtual_offset": 2048, "length": 512, "state": "unallocated", "depth": 0},
    {
        "virtual_offset": 2560, "length": 512, "state": "filled", "depth": 0, "host_offset": 51200,
        "reason_code": "entry_beyond_eof", "filled_with": "00",
    },
    {
        "virtual_offset": 3072, "length": 512, "state": "compressed", "depth": 0, "host_offset": 5632,
        "stored_length": 512,
    },
    {
        "virtual_offset": 3584, "length": 512, "state": "filled", "depth": 0, "host_offset": 6144,
        "stored_length": 512, "reason_code": "decompress_failed", "filled_with": "00",
    },
    {"virtual_offset": 4096, "length": 512, "state": "data", "depth": 0, "host_offset": 4096},
    {"virtual_offset": 4608, "length": 11776, "state": "unallocated", "depth": 0},
]  # fmt: skip

BYTES_BY_STATE = {
    "data": 1536, "compressed": 512, "zero": 512, "zero_allocated": 512, "unallocated": 12288, "filled": 1024,
}  # fmt: skip
BYTES_BY_REASON = {"decompress_failed": 512, "entry_beyond_eof": 512}


def image() -> bytes:
    """The file."""
    content = bytearray(tiny(WORDS))
    deflater = zlib.compressobj(9, zlib.DEFLATED, -12)
    stream = deflater.compress(PLAIN) + deflater.flush()
    content[GOOD_STREAM * CLUSTER : GOOD_STREAM * CLUSTER + len(stream)] = stream
    content[BAD_STREAM * CLUSTER : (BAD_STREAM + 1) * CLUSTER] = b"\xff" * CLUSTER
    return bytes(content)


def disk() -> bytes:
    """What a guest reads, with zeros for what cannot be read."""
    content = bytearray(SIZE)
    content[:1024] = bytes([5]) * 512 + bytes([6]) * 512
    content[3072:3584] = PLAIN
    content[4096:4608] = bytes([8]) * 512
    return bytes(content)
