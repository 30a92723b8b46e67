"""Each method and each kind of anchor by one damaged image: what it decides, how often, and how sure that is."""

from __future__ import annotations

import random
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forensic.evidence import Evidence
from forensic.recovery.certainty import Method
from forensic.recovery.crc import crc32c
from forensic.recovery.layout import Knowledge
from forensic.recovery.plan import Plan
from forensic.recovery.recover import recover, recover_deleted
from forensic.recovery.work import RecoverySettings
from tests.commands import damaged as sample_of
from tests.commands import sound
from tests.oracles import require
from tests.recovery.figures import compared
from tests.recovery.images import KINDS, Made, converted, damaged_again, filesystem, known, make, run
from tests.recovery.test_anchors import ntfs

MIB = 1 << 20
SIZE = 80 * MIB


def disk(folder: Path, parts: dict[int, bytes], size: int = SIZE) -> Made:
    """An image of noise, a little in every slot, with these bytes at these guest offsets."""
    rng = random.Random(4)
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(size)
        for at in range(MIB, size, 2 * MIB):
            file.seek(at)
            file.write(rng.randbytes(4096 * rng.randrange(1, 40)))
        for at, body in parts.items():
            file.seek(at)
            file.write(body)
    converted(raw, folder / "image.qcow2", "cluster_size=4096")
    return known(folder / "image.qcow2")


def gpt(folder: Path) -> Made:
    last = SIZE // 512 - 1

    def header(own: int, other: int) -> bytes:
        fields = struct.pack("<QQQQ16sQIII", own, other, 34, last - 34, b"\3" * 16, 2, 128, 128, 0)
        head = b"EFI PART" + struct.pack("<III", 0x10000, 92, 0) + bytes(4) + fields
        return head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]

    return disk(folder, {512: header(1, last), last * 512: header(last, 1)})


def btrfs(folder: Path) -> Made:
    def superblock(place: int) -> bytes:
        body = bytes(16) + struct.pack("<QQ", place, 0) + b"_BHRfS_M" + bytes(40) + struct.pack("<Q", SIZE)
        body = body.ljust(4096 - 32, b"\0")
        checksum = int(crc32c(np.frombuffer(body, dtype=np.uint8).reshape(1, -1))[0])
        return struct.pack("<I", checksum).ljust(32, b"\0") + body

    return disk(folder, {place: superblock(place) for place in (64 << 10, 64 << 20)})


def of_ntfs(folder: Path) -> Made:
    return disk(folder, {0: bytes(ntfs())}, 16 * MIB)


def of_kind(name: str) -> Callable[[Path], Made]:
    return lambda folder: make(next(kind for kind in KINDS if kind.name == name), folder, seed=1)


def of_files(content: str, size: int) -> Callable[[Path], Made]:
    def build(folder: Path) -> Made:
        converted(filesystem(content, folder, size, random.Random(1)), folder / "image.qcow2", "cluster_size=65536")
        return known(folder / "image.qcow2")

    return build


def full(folder: Path) -> Made:
    (folder / "disk.raw").write_bytes(random.Random(1).randbytes(8 * MIB))
    converted(folder / "disk.raw", folder / "image.qcow2", "cluster_size=4096")
    return known(folder / "image.qcow2")


def with_a_snapshot(folder: Path) -> Made:
    made = full(folder)
    run("qemu-img", "snapshot", "-c", "one", made.path)
    return known(made.path)


Case = tuple[Callable[[Path], Made], str, Method, str, int]

CASES: dict[str, Case] = {
    "header": (full, "none", Method.HEADER, "certain", 2),
    "l1_by_content": (full, "header cluster zero", Method.L1_BY_CONTENT, "certain", 1),
    "content": (full, "header cluster zero", Method.CONTENT, "inferred", 1),
    "closed_accounts": (full, "none", Method.CLOSED_ACCOUNTS, "certain", 1),
    "exact_count": (full, "all L2 random", Method.EXACT_COUNT, "inferred", 4),
    "only_slot": (of_files("noise", 40 * MIB), "L1 zero", Method.ONLY_SLOT, "certain", 1),
    "anchors: gpt": (gpt, "L1 zero", Method.ANCHORS, "inferred", 2),
    "anchors: btrfs": (btrfs, "L1 zero", Method.ANCHORS, "inferred", 2),
    "anchors: ntfs": (
        lambda folder: disk(folder, {0: bytes(ntfs())}, 16 * MIB),
        "L1 zero",
        Method.ANCHORS,
        "inferred",
        1,
    ),
    "anchors: ext": (of_kind("ext4 c4k"), "L1 zero", Method.ANCHORS, "inferred", 5),
    "anchors: xfs": (of_kind("xfs many c4k"), "L1 zero", Method.ANCHORS, "certain", 39),
    "pattern": (of_kind("ext4 c4k"), "L1 zero", Method.PATTERN, "inferred", 1),
    "pattern: where files end": (of_kind("xfs c4k -W"), "L1 zero", Method.PATTERN, "inferred", 12),
    "order": (gpt, "L1 zero", Method.ORDER, "inferred", 38),
    "anchored_data": (of_kind("ext4 c4k"), "all L2 random", Method.ANCHORED_DATA, "inferred", 1),
    "other_l1": (with_a_snapshot, "L1 zero", Method.OTHER_L1, "inferred", 4),
    "twin": (of_kind("2 snapshots 8k"), "L1 zero", Method.TWIN, "inferred", 4),
    "older_table": (of_kind("2 snapshots 8k"), "all L2 random", Method.OLDER_TABLE, "inferred", 4),
}
"""Image, damage, method, how sure it is, and how many decisions it takes at least."""


@pytest.mark.parametrize("name", CASES)
def test_a_method_decides_what_it_can_and_is_as_sure_as_it_may_be(name: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io", "mkfs.ext4", "mkfs.xfs")
    build, damage, method, word, least = CASES[name]
    image = damaged_again(build(tmp_path), damage, seed=1)
    with Evidence(image.path) as evidence:
        plan = recover(evidence).plan
        figures = compared(image, evidence, plan)
    decided = Counter(one.certainty.value for one in plan.decisions.values() if one.method == method)
    assert decided[word] >= least
    assert set(decided) <= {word, "inferred"}
    assert figures.wrong_certain == 0, str(figures)


def classes_of(plan: Plan) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in plan.decisions.values():
        found.setdefault(one.method.value, set()).add(one.certainty.value)
    return found


def test_what_the_examiner_gives_is_inferred_and_so_are_deleted_snapshots(tmp_path: Path) -> None:
    with Evidence(sound("data-4k")) as evidence:
        given = recover(evidence, RecoverySettings(Knowledge(virtual_size=1 << 20))).plan
    assert classes_of(given)["examiner"] == {"inferred"}
    with Evidence(sample_of("deleted-snapshot-remains", tmp_path)) as evidence:
        deleted = [recovery.plan for _, recovery in recover_deleted(evidence)]
    assert [classes_of(plan) for plan in deleted] == [{"old_snapshot": {"inferred"}}] * 2


def test_every_method_has_a_case() -> None:
    cases = {method for _, _, method, _, _ in CASES.values()}
    assert set(Method) - cases == {Method.EXAMINER, Method.OLD_SNAPSHOT, Method.OPEN_ACCOUNTS}
