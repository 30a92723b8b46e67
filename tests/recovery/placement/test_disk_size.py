"""The size of a disk whose header is lost, by what lies at its beginning."""

from __future__ import annotations

import random
import struct
import zlib
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.recovery.recover import recover
from tests.oracles import require
from tests.recovery.images import MIB, converted, filesystem, known

SIZE = 24 * MIB + 512


def sized(raw: Path, options: str = "cluster_size=8192", *more: str) -> tuple[int, str, tuple[str, ...], str]:
    """The size of the disk, by which method, why, and how sure, after it was converted and its header lost."""
    image = raw.with_name("image.qcow2")
    converted(raw, image, options, *more)
    made = known(image)
    made.put(0, bytes(made.cluster))
    made.save()
    with Evidence(image) as evidence:
        plan = recover(evidence).plan
    decision = plan.decisions[plan.geometry.decision]
    assert decision.certainty == "inferred"
    return plan.geometry.virtual_size, decision.method.value, decision.because, decision.what


def enlarged(raw: Path, size: int) -> Path:
    with raw.open("r+b") as file:
        file.truncate(size)
    return raw


@pytest.mark.parametrize("more", [(), ("-c",)])
@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_file_system_that_begins_with_the_disk_says_its_size(
    kind: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    require("qemu-img", f"mkfs.{kind}")
    size = 320 * MIB if kind == "xfs" else 32 * MIB
    found = sized(filesystem(kind, tmp_path, size, random.Random(1)), "cluster_size=16384", *more)
    if kind == "xfs" and more:  # of what is compressed, structures of ext and GPT alone are compared
        assert (found[0] < size, found[1]) == (True, "content")
    else:
        assert (found[0], found[1]) == (size, "anchors")
        assert found[2][0].endswith("of a file system that begins at 0x0")


def test_a_disk_in_which_more_is_mapped_is_no_smaller_than_that(tmp_path: Path) -> None:
    require("qemu-img", "mkfs.ext4")
    raw = enlarged(filesystem("ext4", tmp_path, 16 * MIB, random.Random(1)), 32 * MIB)
    with raw.open("r+b") as file:
        file.seek(24 * MIB)
        file.write(b"x" * 8192)
    size, method, because, what = sized(raw)
    assert (size, method, because) == (24 * MIB + 8192, "content", ("its tables map nothing after that",))
    assert what.endswith("or more that read as zeros")


def test_a_size_that_no_table_could_map_is_not_believed(tmp_path: Path) -> None:
    require("qemu-img", "mkfs.ext4")
    raw = filesystem("ext4", tmp_path, 16 * MIB, random.Random(1), "-O", "^metadata_csum,^64bit")
    with raw.open("r+b") as file:
        file.seek(1024 + 4)
        file.write(b"\xff" * 4)
    assert sized(raw, "cluster_size=512")[1] == "content"


def gpt_header(size: int) -> bytes:
    """The header after the first sector of a disk of this size."""
    fields = struct.pack("<QQQQ16sQIII", 1, size // 512 - 1, 34, size // 512 - 34, bytes(range(16)), 2, 128, 128, 0)
    head = b"EFI PART" + struct.pack("<III", 0x10000, 92, 0) + bytes(4) + fields
    return head[:16] + struct.pack("<I", zlib.crc32(head)) + head[20:]


def test_a_gpt_header_says_where_its_copy_and_the_end_lie(tmp_path: Path) -> None:
    require("qemu-img")
    raw = tmp_path / "disk.raw"
    raw.write_bytes((bytes(512) + gpt_header(SIZE)).ljust(4 * MIB, b"\1"))
    size, method, because, _ = sized(enlarged(raw, SIZE))
    assert (size, method, because) == (SIZE, "anchors", ("a structure of the guest says so: gpt_header",))


def test_the_disk_in_a_file_of_the_guest_says_nothing_of_the_guests(tmp_path: Path) -> None:
    require("qemu-img")
    raw = tmp_path / "disk.raw"
    raw.write_bytes((b"\1" * MIB + bytes(512) + gpt_header(100 * MIB)).ljust(4 * MIB, b"\1"))
    assert sized(raw)[:2] == (4 * MIB, "content")


@pytest.mark.parametrize(("kind", "believed"), [(0x83, True), (0xEE, False)])
def test_partitions_say_how_large_the_disk_is_at_least(kind: int, believed: bool, tmp_path: Path) -> None:
    """But the one that stands for a GPT, which may be as long as can be said."""
    require("qemu-img")
    entry = struct.pack("<BBBBBBBBII", 0x80, 0, 0, 0, kind, 0, 0, 0, 2048, 20 * MIB // 512)
    raw = tmp_path / "disk.raw"
    raw.write_bytes((bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa").ljust(4 * MIB, b"\1"))
    size, method, because, what = sized(enlarged(raw, SIZE))
    end = 21 * MIB if believed else 4 * MIB
    why = "the partition table of the guest says so" if believed else "its tables map nothing after that"
    assert (size, method, because) == (end, "content", (why,))
    assert what == f"the disk has {end:,} bytes, or more that read as zeros"
