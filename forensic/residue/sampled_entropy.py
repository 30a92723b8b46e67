"""The entropy of bytes: 0 bits a byte for one value repeated, 8 for what is encrypted or well compressed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from forensic.residue.content import entropy

SAMPLE_BYTES = 4096
"""Bytes that stand for a cell: enough to tell text from noise, small enough to read a thousand of them."""


def sampled_entropy(read: Callable[[int, int], bytes | str], offsets: list[int], length: int) -> Iterator[float | None]:
    """The entropy of the first bytes at each offset, up to `length` or a sample; None where they cannot be read."""
    for offset in offsets:
        data = read(offset, min(length, SAMPLE_BYTES))
        yield None if isinstance(data, str) else entropy(np.bincount(np.frombuffer(data, dtype=np.uint8)), len(data))
