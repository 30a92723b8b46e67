"""What is asked of arrays in place of numpy's own functions, which load its masked arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from forensic.qcow2.arrays import distinct, distinct_counted, is_among, without
from tests.images import SOUND


@pytest.mark.parametrize("seed", range(20))
def test_they_answer_as_numpy_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, others = (rng.integers(0, 30, int(rng.integers(0, 40))) for _ in range(2))
    expected, times = np.unique(values, return_counts=True)
    found, counted = distinct_counted(values)
    assert (found.tolist(), counted.tolist()) == (expected.tolist(), times.tolist())
    assert distinct(values).tolist() == expected.tolist()
    assert without(values, others).tolist() == np.setdiff1d(values, others).tolist()
    assert without(values, others.tolist()).tolist() == np.setdiff1d(values, others).tolist()
    unsigned, ordered = values.astype(np.uint64), np.sort(others).astype(np.uint64)
    assert is_among(unsigned, ordered).tolist() == np.isin(unsigned, ordered).tolist()


def test_recovery_of_a_sound_image_loads_no_masked_arrays() -> None:
    program = "import sys, forensic.cli; forensic.cli.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, "recover", str(SOUND / "data-512.qcow2")]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(finished.stderr.split())
    assert "forensic.recovery.planning" in loaded
    assert "numpy.ma" not in loaded
