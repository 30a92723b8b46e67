"""Planted tables cost an attacker nothing: memory stays small however many there are, and none of them is certain."""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images import COPIED, header
from tests.oracles import require
from tests.recovery.images import run

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


def measured(*arguments: str) -> tuple[int, int]:
    """The exit status of a command, and the KiB that it took."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.stderr.split()[-1].isdigit(), done.stderr
    return done.returncode, int(done.stderr.split()[-1])


@pytest.mark.parametrize(("lost", "status"), [("nothing", 0), ("header", 5), ("l1", 5)])
def test_memory_grows_with_what_is_stored_and_not_with_the_size_of_the_file(
    lost: str, status: int, tmp_path: Path
) -> None:
    """A terabyte in which every cluster has an entry: two thousand tables of 64 KiB, and nothing else is stored."""
    require("qemu-img")
    image = tmp_path / "preallocated.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", image, "1T")
    if image.stat().st_blocks > 1 << 20:
        pytest.skip("the file system keeps no holes")
    with image.open("r+b") as file:
        head = file.read(48)
        file.seek(0 if lost == "header" else int.from_bytes(head[40:], "big"))
        file.write({"nothing": b"", "header": bytes(1 << 16)}.get(lost, bytes(8 * int.from_bytes(head[36:40], "big"))))
    found, memory = measured("recover", str(image), "-o", str(tmp_path / "plan.json"))
    assert found == status
    assert memory < MOST_MEMORY


def test_planted_tables_take_little_memory_and_make_nothing_certain(tmp_path: Path) -> None:
    image, plan = tmp_path / "planted.qcow2", tmp_path / "plan.json"
    planted(image)
    status, memory = measured("recover", str(image), "-o", str(plan))
    assert status == 5
    assert memory < MOST_MEMORY
    decisions = json.loads(plan.read_text())["decisions"].values()
    assert {one["method"] for one in decisions if one["class"] == "certain"} <= {"header"}
