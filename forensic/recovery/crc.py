"""CRC-32C of many blocks at once: the checksum that file systems keep of their own structures."""

from __future__ import annotations

import numpy as np

from forensic.qcow2.arrays import NDArray

POLYNOMIAL = 0x82F63B78
"""Castagnoli's, with the lowest bit first."""

Blocks = NDArray[np.uint8]
Sums = NDArray[np.uint32]


def _table() -> Sums:
    sums = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        sums = np.where(sums & 1, (sums >> np.uint32(1)) ^ np.uint32(POLYNOMIAL), sums >> np.uint32(1))
    return sums


TABLE = _table()


def crc32c(blocks: Blocks, before: int = 0xFFFF_FFFF) -> Sums:
    """The CRC of each row, as usual: all bits set before, and inverted after.

    `before` is the CRC, not inverted, of bytes that precede each row.
    """
    sums = np.full(len(blocks), before, dtype=np.uint32)
    for column in np.ascontiguousarray(blocks.T):
        sums = TABLE[(sums ^ column) & 0xFF] ^ (sums >> np.uint32(8))
    return ~sums
