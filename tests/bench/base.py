"""`python -m tests.bench.base FILE SIZE`: the raw disk that most images are made of."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

PIECE = 1 << 20
STRETCH = 64
WORDS = 20_000


def make(path: Path, size: int) -> None:
    """A raw disk with `size` bytes of text, in stretches of 64 MiB with as much of nothing behind each.

    The text comes round again after 64 MiB, which no compression of single clusters can see.
    """
    texts = _texts()
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        for number in range(size // PIECE):
            file.seek((number // STRETCH * 2 * STRETCH + number % STRETCH) * PIECE)
            file.write(texts[number % STRETCH])
        file.truncate(2 * size)
    partial.rename(path)


def _texts() -> list[bytes]:
    """Words as frequent as in a language: they compress to a third."""
    random_source = np.random.default_rng(1)
    lengths = random_source.integers(2, 12, WORDS)
    words = [bytes(random_source.integers(97, 123, length, dtype=np.uint8)) for length in lengths.tolist()]
    chosen = random_source.zipf(1.2, (STRETCH, PIECE // 3)) % WORDS
    return [b" ".join([words[index] for index in row])[:PIECE] for row in chosen.tolist()]


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
