"""How disordered bytes are: 0 bits a byte for one value repeated, 8 for what is encrypted or well compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SAMPLE = 4096
"""Bytes that stand for a cell: enough to tell text from noise, small enough to read a thousand of them."""


def entropy(data: bytes) -> float:
    """Shannon's entropy in bits a byte; 0 for no bytes."""
    if not data:
        return 0.0
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    shares = counts[counts > 0] / len(data)
    return float(-(shares * np.log2(shares)).sum())


def sampled_entropy(read: Callable[[int, int], bytes | str], offsets: list[int], length: int) -> Iterator[float | None]:
    """The entropy of the first bytes at each offset, up to `length` or a sample; None where they cannot be read."""
    for offset in offsets:
        data = read(offset, min(length, SAMPLE))
        yield None if isinstance(data, str) else entropy(data)
