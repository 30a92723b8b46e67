"""All structures in the order in which they depend on one another; each distinct table once."""

import struct
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.image import Qcow2Image, identify, open_image
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.tables import L1Table, L2Batch
from forensic.walk import structures
from tests.images import COPIED, SOUND, header, opened, tiny, written


def kinds(image: Qcow2Image) -> list[str]:
    return [type(structure).__name__ for structure in structures(image)]


def l2_tables(image: Qcow2Image) -> list[tuple[str, int, int]]:
    """Owner, L1 index and host offset of each L2 table that is walked."""
    return [
        (structure.owner, index, offset)
        for structure in structures(image)
        if isinstance(structure, L2Batch)
        for index, offset in zip(structure.l1_indices.tolist(), structure.host_offsets.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("empty-512", ["L1Table"]),
        ("data-512", ["L1Table", "L2Batch"]),
        ("bitmaps-512", ["BitmapDirectory", "BitmapTable", "L1Table", "L2Batch"]),
        ("luks-4k", ["LuksHeader", "L1Table", "L2Batch"]),
    ],
)
def test_what_an_image_has_is_walked_in_order(name: str, found: list[str]) -> None:
    with open_image(SOUND / f"{name}.qcow2") as image:
        walked = list(dict.fromkeys(kinds(image)))
    # Remains are looked for beside each structure, and who uses what is known at the end.
    assert walked == [
        "HeaderCluster",
        "Residue",
        "RefcountTable",
        *found,
        "FreeResidue",
        "Totals",
        "Unreferenced",
        "Measured",
    ]


def test_the_tables_of_snapshots_follow_those_of_the_disk() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        found = [each for each in structures(image) if isinstance(each, L1Table)]
        assert [table.owner for table in found] == ["active", "snapshot 0", "snapshot 1"]
        assert kinds(image)[:4] == ["HeaderCluster", "Residue", "RefcountTable", "SnapshotTable"]


@pytest.mark.parametrize("name", ["snapshots-512", "two-l2-512", "snapshot-deleted-512", "patterns-v3-512"])
def test_each_table_of_a_sample_is_walked_once(name: str) -> None:
    with open_image(SOUND / f"{name}.qcow2") as image:
        tables = [each for each in structures(image) if isinstance(each, L1Table)]
        used = {int(offset) for table in tables for offset in table.l2_offsets() if offset}
        walked = [offset for _, _, offset in l2_tables(image)]
    assert (sorted(walked), len(walked)) == (sorted(used), len(set(walked)))


def test_a_table_that_two_entries_and_a_snapshot_share_is_walked_once(tmp_path: Path) -> None:
    snapshot = struct.pack(">QIHHIIQII", 0xA00, 3, 0, 0, 0, 0, 0, 0, 0)
    head = header(virtual_size=3 << 15, l1_size=3, snapshots=(1, 0xC00))
    content = bytearray(tiny([], l1_entries=[COPIED | 0x800, 0, 0x800], head=head))
    content[0xA00:0xA18] = struct.pack(">3Q", 0x1000, 0x800, 0x1000)
    content[0xC00:0xC28] = snapshot
    with opened(tmp_path, bytes(content)) as image:
        assert l2_tables(image) == [("active", 0, 0x800), ("snapshot 0", 0, 0x1000)]


def test_an_l1_table_that_a_snapshot_shares_with_the_disk_is_read_once(tmp_path: Path) -> None:
    content = bytearray(tiny([], head=header(snapshots=(2, 0xC00))))
    content[0xC00:0xC50] = struct.pack(">QIHHIIQII", 0x600, 1, 0, 0, 0, 0, 0, 0, 0) * 2
    with opened(tmp_path, bytes(content)) as image:
        assert [each.owner for each in structures(image) if isinstance(each, L1Table)] == ["active"]


def test_tables_that_cannot_be_read_are_not_walked(tmp_path: Path) -> None:
    head = header(cluster_bits=12, virtual_size=1 << 22, l1_size=3)
    content = tiny([], cluster_bits=12, l1_entries=[0x4200, 1 << 40, 0x4000], head=head)
    with opened(tmp_path, content) as image:
        assert l2_tables(image) == [("active", 2, 0x4000)]


def test_behind_a_header_without_geometry_nothing_is_looked_for(tmp_path: Path) -> None:
    with opened(tmp_path, header(cluster_bits=30, l1_offset=0).ljust(512, b"\0")) as image:
        (found,) = structures(image)
    assert isinstance(found, HeaderCluster)


def test_of_a_foreign_file_there_is_nothing_but_itself(tmp_path: Path) -> None:
    with Evidence(written(tmp_path, b"KDMV")) as evidence:
        file = identify(evidence)
        assert list(structures(file)) == [file]
