"""Planted tables cost an attacker nothing: memory stays small however many there are, and none of them is certain."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

from tests.images import COPIED, header

CLUSTER_BITS, SIZE, TABLES = 16, 8 << 30, 10_000
MOST_MEMORY = 160 << 10
"""KiB, of which two thirds are what any command takes that loads numpy."""

MEASURED = """
import sys
from forensic.cli import main
status = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1], file=sys.stderr)
sys.exit(status)
"""
"""The peak of the process itself: `ru_maxrss` begins with that of the process which started it."""


def planted(path: Path) -> None:
    """A sparse image with an empty L1 table and a table in every fourth cluster, each of a few entries."""
    rng = random.Random(1)
    clusters = SIZE >> CLUSTER_BITS
    with path.open("wb") as file:
        file.truncate(SIZE)
        file.write(header(cluster_bits=CLUSTER_BITS, virtual_size=SIZE, l1_size=16))
        for number in range(TABLES):
            words = [COPIED | rng.randrange(16, clusters) << CLUSTER_BITS for _ in range(8)]
            os.pwrite(file.fileno(), struct.pack(">8Q", *words), (16 + 4 * number) << CLUSTER_BITS)


def test_planted_tables_take_little_memory_and_make_nothing_certain(tmp_path: Path) -> None:
    image, plan = tmp_path / "planted.qcow2", tmp_path / "plan.json"
    planted(image)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "recover", str(image), "-o", str(plan)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 5, done.stderr
    assert int(done.stderr.split()[-1]) < MOST_MEMORY
    decisions = json.loads(plan.read_text())["decisions"].values()
    assert {one["method"] for one in decisions if one["class"] == "certain"} <= {"header"}
