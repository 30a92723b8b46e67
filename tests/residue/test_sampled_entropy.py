"""Entropy between nothing and noise."""

import numpy as np
import pytest

from forensic.residue.content import entropy
from forensic.residue.sampled_entropy import sampled_entropy


@pytest.mark.parametrize(("data", "bits"), [(b"", 0.0), (b"aaaa", 0.0), (b"abab", 1.0), (bytes(range(256)), 8.0)])
def test_entropy_in_bits_a_byte(data: bytes, bits: float) -> None:
    assert entropy(np.bincount(np.frombuffer(data, dtype=np.uint8)), len(data)) == pytest.approx(bits)


def test_cells_that_cannot_be_read_have_none() -> None:
    read = lambda offset, length: "bad sector" if offset else b"ab" * 8  # noqa: E731
    assert list(sampled_entropy(read, [0, 512], 512)) == [1.0, None]
