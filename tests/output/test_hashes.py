"""Hashes of the whole, checkpoints on the way, and hashes of pieces, of bytes and of runs of zeros alike."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.output.chunk import Chunk
from forensic.output.hashes import (
    CHECKPOINT_UNIT,
    HASHES,
    MAX_CHECKPOINTS,
    Checkpoint,
    PieceHash,
    WholeHash,
    checkpoint_step,
    new_digest,
    usable_hashes,
)

STRETCHES = st.lists(
    st.one_of(st.integers(1, 40), st.binary(min_size=1, max_size=40).map(lambda data: memoryview(data))),
    min_size=1,
    max_size=12,
)


def joined(chunks: list[Chunk]) -> bytes:
    return b"".join(bytes(chunk) for chunk in chunks)


@given(STRETCHES, st.integers(1, 50))
def test_checkpoints_are_the_hashes_of_the_beginning(chunks: list[Chunk], step: int) -> None:
    whole = WholeHash("sha256", step)
    for chunk in chunks:
        whole.take(chunk)
    data = joined(chunks)
    assert whole.hexdigest() == hashlib.sha256(data).hexdigest()
    assert whole.checkpoints == [
        Checkpoint(length, hashlib.sha256(data[:length]).hexdigest()) for length in range(step, len(data) + 1, step)
    ]


@given(STRETCHES, st.integers(1, 50))
def test_pieces_are_hashed_one_by_one(chunks: list[Chunk], size: int) -> None:
    found: list[bytes] = []
    pieces = PieceHash("sha1", size, lambda digest, count: found.extend([digest] * count))
    for chunk in chunks:
        pieces.take(chunk)
    pieces.finish()
    data = joined(chunks)
    assert found == [hashlib.sha1(data[start : start + size]).digest() for start in range(0, len(data), size)]


def test_a_run_of_zeros_costs_one_hash_however_long() -> None:
    found: list[tuple[bytes, int]] = []
    pieces = PieceHash("sha256", 1 << 20, lambda digest, count: found.append((digest, count)))
    pieces.take(1 << 50)
    pieces.finish()
    assert found == [(hashlib.sha256(bytes(1 << 20)).digest(), 1 << 30)]


def test_every_hash_gives_what_hashlib_gives() -> None:
    for name in set(usable_hashes()) - {"blake3"}:
        digest = new_digest(name)
        digest.update(memoryview(b"abc"))
        assert digest.hexdigest() == hashlib.new(name, b"abc").hexdigest()


def test_blake3_gives_the_value_of_its_own_paper() -> None:
    pytest.importorskip("blake3", reason="the blake3 package is not installed")
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert new_digest("blake3").hexdigest() == empty


def test_an_unknown_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown hash crc32"):
        new_digest("crc32")
    assert set(usable_hashes()) <= set(HASHES)


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 1 << 34, (1 << 34) + 1, 1 << 44, (1 << 63) - 1])
def test_checkpoints_stay_few(size: int) -> None:
    step = checkpoint_step(size)
    assert step % CHECKPOINT_UNIT == 0
    assert size // step <= MAX_CHECKPOINTS


def test_checkpoints_become_wider_with_the_disk() -> None:
    sizes = [1 << bits for bits in range(20, 50)]
    assert all(checkpoint_step(small) <= checkpoint_step(large) for small, large in pairwise(sizes))
