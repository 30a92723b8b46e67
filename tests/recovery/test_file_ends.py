"""Where the guest's files end: what inodes say of it, and what it says of tables."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from forensic.evidence import Evidence
from forensic.image import open_image
from forensic.recovery.accounts import Accounts
from forensic.recovery.anchors import ext, ext_files, find_anchors, xfs_files
from forensic.recovery.anchors.file_ends import FileEnds, file_ends
from forensic.recovery.crc import crc32c
from forensic.recovery.placement.file_end_scores import POINTS, file_end_scores
from forensic.recovery.scanning import scan
from tests.oracles import require
from tests.recovery.images import MIB, converted, filesystem

CLUSTER = 4096


def guest_disk(kind: str, folder: Path) -> tuple[bytes, list[tuple[int, int]]]:
    """A disk, and where its files end by the inodes in it."""
    require("mkfs.ext4", "mkfs.xfs")
    raw = filesystem(kind, folder, (320 if kind == "xfs" else 64) * MIB, random.Random(7))
    body = raw.read_bytes()

    def read(offset: int, length: int) -> bytes:
        return body[offset : offset + length]

    with Evidence(raw) as evidence:
        found = file_ends(evidence, scan(evidence), [(one, 0) for one in find_anchors(evidence, scan(evidence))], read)
    return body, list(zip(found.ends.tolist(), found.zeros.tolist(), strict=True))


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_every_file_ends_where_its_inode_says(kind: str, tmp_path: Path) -> None:
    body, ends = guest_disk(kind, tmp_path)
    files = [path.read_bytes() for path in sorted((tmp_path / "files").iterdir())]
    block = 1024 if kind == "ext4" else 4096
    wanted = {one[-8:] for one in files if len(one) > 8 and len(one) % block}
    assert {body[end - 8 : end] for end, _ in ends} == wanted
    assert all(not any(body[end : end + zeros]) for end, zeros in ends)
    assert all((end + zeros) % block == 0 for end, zeros in ends)


def test_inodes_are_found_without_the_table_that_leads_to_them(tmp_path: Path) -> None:
    _, ends = guest_disk("ext4", tmp_path)
    with Evidence(tmp_path / "disk.raw") as evidence:
        found = scan(evidence)
        anchor = ext.superblocks(evidence, found)[0]
        by_content = set(ext_files.ends_by_content(evidence, found, anchor))
        assert list(ext_files.ends(evidence, found, anchor, 0, lambda offset, length: None)) == []
    assert len(by_content & set(ends)) >= 0.5 * len(ends)
    assert by_content <= set(ends)


def with_sum(inode: bytes, size: int, sequence: int) -> bytes:
    """An inode of XFS with another size, of another time, and its checksum."""
    one = inode[:56] + size.to_bytes(8, "big") + inode[64:100] + bytes(4) + inode[104:112]
    one += sequence.to_bytes(8, "big") + inode[120:]
    checksum = int(crc32c(np.frombuffer(one, dtype=np.uint8).reshape(1, -1))[0])
    return one[:100] + checksum.to_bytes(4, "little") + one[104:]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_inodes_of_xfs_the_one_that_was_written_last_counts(order: int, tmp_path: Path) -> None:
    _, ends = guest_disk("xfs", tmp_path)
    raw = tmp_path / "disk.raw"
    with Evidence(raw) as evidence:
        inodes = [one for one in find_anchors(evidence, scan(evidence)) if one.kind == "xfs_inode"]
        bodies = [evidence.read_at(one.host_offset, 512) for one in inodes]
    regular = next(at for at, body in enumerate(bodies) if body[2] & 0xF0 == 0x80 and body[56:64] > bytes(8))
    inode = bodies[regular]
    size = int.from_bytes(inode[56:64], "big")
    with raw.open("r+b") as file:
        for at, (length, sequence) in enumerate([(size, 2), (size - 1, 1)][::order]):
            file.seek(inodes[regular].host_offset if not at else len_of(raw))
            file.write(with_sum(inode, length, sequence))
            file.flush()
    with Evidence(raw) as evidence:
        again = set(xfs_files.ends(evidence, scan(evidence), inodes[regular].system))
    assert {one for one in again if one[1]} == set(ends)


def len_of(path: Path) -> int:
    return path.stat().st_size


def scores_of(folder: Path, bodies: list[bytes], ends: list[tuple[int, int]], options: str, *more: str) -> list[float]:
    """The points of the table of a disk with these clusters in the one slot that it has."""
    require("qemu-img")
    raw = folder / "disk.raw"
    raw.write_bytes(b"".join(body.ljust(CLUSTER, b"\0") for body in bodies))
    converted(raw, folder / "image.qcow2", f"cluster_size={CLUSTER}{options}", *more)
    with open_image(folder / "image.qcow2") as image:
        l1 = image.evidence.read_at(image.geometry.l1_table_offset, 8)
        table = int.from_bytes(l1, "big") & 0x00FF_FFFF_FFFF_FE00
        accounts = Accounts(image.evidence, scan(image.evidence), image.geometry)
        rows = np.array(ends, dtype=np.int64)
        found = file_end_scores(
            accounts, accounts.scan, np.array([table], np.uint64), np.array([0, 5]), FileEnds(rows[:, 0], rows[:, 1])
        )
    assert found.shape == (1, 2)
    return [float(one) for one in found[0]]


@pytest.mark.parametrize("how", [("",), (",compression_type=zstd", "-c"), ("", "-c")], ids=["plain", "zstd", "zlib"])
@pytest.mark.parametrize("length", [1, 511, 513, 1000, 4001])
def test_data_that_ends_there_speaks_for_a_slot_and_data_that_goes_on_against_it(
    length: int, how: tuple[str, ...], tmp_path: Path
) -> None:
    bodies = [b"x" * length, b"y" * CLUSTER, b"z" * (length // 2 + 1)]
    end = [(number * CLUSTER + length, CLUSTER - length) for number in range(3)]
    assert scores_of(tmp_path, bodies, end[:1], *how) == [POINTS, 0]
    assert scores_of(tmp_path, bodies, end[1:2], *how) == [-POINTS, 0]
    short = 0 if length > 1 else POINTS
    assert scores_of(tmp_path, bodies, end[2:], *how) == [short, 0]


def test_what_is_met_by_chance_says_nothing(tmp_path: Path) -> None:
    bodies = [b"x" * 512, b"y" * (CLUSTER - 3), b"", b"x" * 1000]
    ends = [(512, CLUSTER - 512), (2 * CLUSTER - 3, 3), (2 * CLUSTER + 100, CLUSTER - 100)]
    assert scores_of(tmp_path, bodies, ends, "") == [0, 0]
