"""`python -m tests.bench.base FILE SIZE`: the raw disk that most images are made of."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PIECE = 1 << 20
STRETCH = 64


def make(path: Path, size: int) -> None:
    """A raw disk with `size` bytes of text-like data, in stretches of 64 MiB with as much of nothing behind each."""
    random_source = np.random.default_rng(1)
    words = [bytes(random_source.integers(97, 123, length, dtype=np.uint8)) for length in range(2, 12)] * 400
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        for number in range(size // PIECE):
            chosen = random_source.zipf(1.3, PIECE // 4) % len(words)
            file.seek((number // STRETCH * 2 * STRETCH + number % STRETCH) * PIECE)
            file.write(b" ".join(words[index] for index in chosen.tolist())[:PIECE].ljust(PIECE, b"."))
        file.truncate(2 * size)
    partial.rename(path)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
