"""Limits of what is walked, counted and remembered: one below, at the limit, one above; and what is said beyond."""

from __future__ import annotations

import os
import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from msgspec import to_builtins

from forensic import description, walk_v1
from forensic.accounting import cluster_counts, comparison, measurement, saved_state, shared_clusters
from forensic.accounting.discrepancies import ClusterUsage
from forensic.accounting.saved_state import DESCRIPTION, is_left_behind
from forensic.accounting.shared_clusters import Sharing
from forensic.accounting.table_sets import TableSets
from forensic.budget import Unexamined
from forensic.checking import check
from forensic.disk.codecs import ZSTD_WINDOW_LIMIT, decode
from forensic.disk.examination import Outcome, examine, fills_cluster
from forensic.evidence import Evidence
from forensic.explore import RegionIndex, build_reverse_map, find_orphans, orphans, regions, reverse_map, top_nodes
from forensic.image import Identified, Qcow2Image, identify
from forensic.qcow2.tables import L1Table, L2Batch
from forensic.residue import file_end
from forensic.walk import structures
from forensic.walk_v1 import Qcow1Usage
from tests.images import COPIED, SOUND, geometry, header, opened, tiny, written
from tests.qcow2.test_v1 import image_bytes
from tests.residue.test_file_end import ended_by
from tests.rules.judging import codes_of

AROUND = pytest.mark.parametrize("by", [-1, 0, 1])


def left_out(image: Identified, kind: type[object]) -> list[str]:
    """Why structures of this type were not looked at, a budget being the cause."""
    return [
        each.reason
        for each in structures(image)
        if isinstance(each, Unexamined) and each.structure is kind and each.limit
    ]


@AROUND
def test_so_many_windows_of_a_file_are_counted(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five windows of one block's 256 clusters, the first of them with the metadata."""
    assert comparison.MAX_WINDOWS == 256
    words = [COPIED | (5 + 256 * number) * 512 for number in range(5)]
    path = written(tmp_path, tiny(words))
    os.truncate(path, 5 * 256 * 512)
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: 256)
    monkeypatch.setattr(comparison, "MAX_WINDOWS", 5 + by)
    with Qcow2Image(Evidence(path)) as image:
        said = left_out(image, ClusterUsage)
        rows = [each.clusters.tolist() for each in structures(image) if type(each) is ClusterUsage]
        checks = {made.code: made.status.value for made in check(image, strict=True).checks}
    reason = "what is referenced is strewn over more than 4 parts of the file"
    assert said == ([f"{reason}; host clusters from 1,024 on were not counted"] if by < 0 else [])
    assert {cluster for row in rows for cluster in row} >= {261, 517, 773} | ({1029} if by >= 0 else set())
    assert all(cluster < 1024 for row in rows for cluster in row) == (by < 0)
    assert checks["refcount-too-high"] == ("not_run" if by < 0 else "pass")
    assert checks["limit-reached"] == ("fail" if by < 0 else "pass")


@AROUND
def test_so_many_clusters_are_counted_beyond_a_byte(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An L2 table that 300 L1 entries lead to, and the three clusters that it leads to."""
    assert cluster_counts.MAX_MANY == 1 << 20
    head = header(cluster_bits=12, virtual_size=300 * 4096 * 512, l1_size=300)
    words = [number * 4096 for number in (6, 8, 10)]
    content = tiny(words, l1_entries=[4 * 4096] * 300, cluster_bits=12, head=head)
    monkeypatch.setattr(cluster_counts, "MAX_MANY", 4 + by)
    monkeypatch.setattr(comparison, "MAX_MANY", 4 + by)
    with opened(tmp_path, content) as image:
        said = left_out(image, ClusterUsage)
        checks = {made.code: made.status.value for made in check(image, strict=True).checks}
        low = {
            int(cluster): int(count)
            for each in structures(image)
            if type(each) is ClusterUsage
            for cluster, count in zip(each.clusters, each.counted, strict=True)
        }
    assert said == (["more than 3 clusters have more than 250 references each"] if by < 0 else [])
    assert checks["refcount-too-high"] == ("not_run" if by < 0 else "pass")
    assert [low[number] for number in (4, 6, 8)] == [300] * 3
    assert (low.get(10) == 300) == (by >= 0)


@AROUND
def test_so_many_clusters_of_version_1_are_compared(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert walk_v1.MAX_CLUSTERS == 1 << 23
    monkeypatch.setattr(walk_v1, "MAX_CLUSTERS", 3 + by)
    path = written(tmp_path, image_bytes([2048, 1024, 2048]), "image.qcow")
    with Evidence(path) as evidence:
        image = identify(evidence)
        said = left_out(image, Qcow1Usage)
        twice = [each.twice.tolist() for each in structures(image) if isinstance(each, Qcow1Usage)]
        checks = {made.code: made.status.value for made in check(image, strict=True).checks}
    assert said == (["more than 2 data clusters"] if by < 0 else [])
    assert twice == ([] if by < 0 else [[2048]])
    assert checks["version-1-data-cluster-shared"] == ("not_run" if by < 0 else "fail")


@AROUND
def test_so_many_l1_tables_of_snapshots_are_looked_into(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (regions.MAX_SNAPSHOT_TABLES, regions.MAX_SNAPSHOT_L1_BYTES) == (256, 64 << 20)
    for name, limit in (("MAX_SNAPSHOT_TABLES", 2 + by), ("MAX_SNAPSHOT_L1_BYTES", 2 * 8 + by)):
        with monkeypatch.context() as patched, Qcow2Image(Evidence(SOUND / "snapshots-512.qcow2")) as image:
            patched.setattr(regions, name, limit)
            found = RegionIndex(image)
            assert [table.owner for table in found.l1_tables] == ["active", "snapshot 0", "snapshot 1"][
                : 3 + min(by, 0)
            ]
            assert found.not_looked_into == (1 if by < 0 else 0)
            places = [region for region in found.fixed if region.kind == regions.Kind.L1_TABLE]
            # Their places are no part of what nothing uses.
            assert [(each.owner, each.length > 0) for each in places] == [
                ("active", True), ("snapshot 0", True), ("snapshot 1", True)]  # fmt: skip
            (snapshots,) = [node for node in top_nodes(found) if node.label == "snapshots"]
            assert snapshots.children is not None
            notes = [node.note for node in snapshots.children()]
            opened_nodes = [node.children() if node.children else [] for node in snapshots.children()]
        # What is not looked into is no snapshot without tables.
        assert notes == ["", "L1 table not looked into" if by < 0 else ""]
        assert [each[-1].label == f"L1 table of snapshot {n}" for n, each in enumerate(opened_nodes)] == [True, by >= 0]


@AROUND
def test_a_saved_state_is_known_by_so_many_tables_and_bytes(
    by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One table for the disk, three behind its end that map a cluster each; the third has the description."""
    assert (saved_state.MAX_TABLES, saved_state.MAX_SEARCHED) == (64, 64 << 20)
    head = header(virtual_size=64 * 512, l1_size=4)
    content = bytearray(tiny([], head=head, l1_entries=[(4 + number) * 512 for number in range(4)]))
    for number in range(4):
        content[(4 + number) * 512 : (5 + number) * 512] = struct.pack(">Q", (8 + number) * 512).ljust(512, b"\0")
    content[11 * 512 : 12 * 512] = DESCRIPTION.ljust(512, b"\0")
    for name, limit in (("MAX_TABLES", 3 + by), ("MAX_SEARCHED", 2 * 512 + 1 + by)):
        with monkeypatch.context() as patched, opened(tmp_path, bytes(content)) as image:
            patched.setattr(saved_state, name, limit)
            assert is_left_behind(image) == (by >= 0), name


def sets_of(count: int) -> tuple[TableSets, list[L2Batch]]:
    """Table sets with an L2 table each, that leads to a cluster of its own and to one that all share."""
    layout, file_size = geometry(), 512 * 512
    sets, batches = TableSets(), []
    for number in range(count):
        place = np.array([(100 + number) * 512], dtype=np.uint64)
        owner = f"snapshot {number}" if number else "active"
        sets.add(L1Table(owner, 0, 1, place, layout, file_size), 1)
        words = np.array([[(200 + number) * 512, 300 * 512]], dtype=np.uint64)
        batches.append(L2Batch(owner, layout, file_size, np.array([0]), place, np.array([2]), words, None))
    return sets, batches


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65])
def test_shares_are_known_of_so_many_sets(count: int) -> None:
    assert shared_clusters.MAX_SETS == 64
    sets, batches = sets_of(count)
    shares = Sharing(sets, 512)
    assert shares.known == (2 <= count <= 64)
    for batch in batches:
        shares.add(batch)
    if shares.known:
        assert shares.of_sets() == [(1, 1)] * count


@AROUND
@pytest.mark.parametrize(("count", "width"), [(8, 1), (9, 2), (17, 4), (33, 8)])
def test_shares_are_known_in_files_up_to_a_length(
    by: int, count: int, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shared_clusters.MAX_BYTES == 32 << 20
    monkeypatch.setattr(shared_clusters, "MAX_BYTES", 512 * width)
    assert Sharing(sets_of(count)[0], 512 + by).known == (by <= 0)


@AROUND
def test_bits_of_bitmaps_are_counted_up_to_so_many_bytes(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert measurement.MAX_BIT_BYTES == 64 << 20
    monkeypatch.setattr(measurement, "MAX_BIT_BYTES", 2 * 512 + by)
    with Qcow2Image(Evidence(SOUND / "bitmaps-512.qcow2")) as image:
        measured = check(image, strict=True).measured
        assert measured is not None
        listed = to_builtins(description.describe(image, measured))["bitmaps"]
    assert measured.dirty_bytes == ({0: 1536} if by < 0 else {0: 1536, 1: 1536})
    assert isinstance(listed, list)
    # What was not counted is not called clean.
    assert [each["dirty_bytes"] for each in listed if isinstance(each, dict)] == [1536, None if by < 0 else 1536]


@AROUND
@pytest.mark.parametrize(("name", "kind"), [("snapshots-512", "snapshots"), ("bitmaps-512", "bitmaps")])
def test_a_report_lists_so_many(by: int, name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert description.MAX_LISTED == 4096
    monkeypatch.setattr(description, "MAX_LISTED", 2 + by)
    with Qcow2Image(Evidence(SOUND / f"{name}.qcow2")) as image:
        said = to_builtins(description.describe(image))
    listed = said[kind]
    assert isinstance(listed, list)
    assert (len(listed), said.get("not_listed")) == ((1, {kind: 1}) if by < 0 else (2, None))


def apart(folder: Path, tables: int) -> Path:
    """As many L2 tables, with an unused L1 entry between each two, so that each is a batch of its own, a row each."""
    entries = [COPIED | (4 + number // 2) * 512 if number % 2 == 0 else 0 for number in range(2 * tables - 1)]
    head = header(virtual_size=len(entries) * 64 * 512, l1_size=len(entries))
    content = bytearray(tiny([], head=head, l1_entries=entries, file_clusters=4 + 2 * tables))
    for number in range(tables):
        at = (4 + number) * 512
        content[at : at + 512] = struct.pack(">Q", COPIED | (4 + tables + number) * 512).ljust(512, b"\0")
    return written(folder, bytes(content))


@AROUND
def test_so_many_runs_are_remembered_for_the_way_back(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reverse_map.MAX_ROWS == 4 << 20
    monkeypatch.setattr(reverse_map, "MAX_ROWS", 2 + by)
    with Qcow2Image(Evidence(apart(tmp_path, 3))) as image:
        found = build_reverse_map(image)
    assert found.complete == (by >= 0)
    assert found.guest_offset_of(7 * 512 + 5) == 5
    assert (found.guest_offset_of(9 * 512) is None) == (by < 0)


@AROUND
def test_so_many_orphans_are_remembered(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three clusters that nothing refers to, far from one another."""
    assert orphans.MAX_ORPHANS == 1 << 20
    content = bytearray(tiny([], file_clusters=1000))
    content[5 * 512 :] = bytes(len(content) - 5 * 512)
    for number in (300, 600, 900):
        content[number * 512] = 1
    monkeypatch.setattr(orphans, "MAX_ORPHANS", 2 + by)
    with opened(tmp_path, bytes(content)) as image:
        found = find_orphans(image)
    assert found.complete == (len(found.begins) <= 2 + by) == (by > 0)


def zstd_frame(exponent: int, mantissa: int, data: bytes) -> bytes:
    """A frame that asks for a window of 2^(10 + exponent) bytes and so many eighths more, with one block as it is."""
    head = b"\x28\xb5\x2f\xfd\0" + bytes([exponent << 3 | mantissa])
    return head + (len(data) << 3 | 1).to_bytes(3, "little") + data


@pytest.mark.parametrize(("exponent", "mantissa"), [(16, 7), (17, 0), (17, 1), (18, 0)])
def test_a_zstd_frame_may_ask_for_so_much_history(exponent: int, mantissa: int) -> None:
    from forensic.second_reader.decoding import ZSTD_WINDOW, decoded

    assert ZSTD_WINDOW_LIMIT == ZSTD_WINDOW == 1 << 27  # QEMU's
    data = bytes(range(256)) * 16
    stored = zstd_frame(exponent, mantissa, data)
    allowed = (1 << 10 + exponent) * (8 + mantissa) // 8 <= ZSTD_WINDOW_LIMIT
    assert decode(stored, 1, 4096).fault == (None if allowed else "decompress_failed")
    assert fills_cluster(stored, 1, 4096) == allowed
    assert examine(stored, lambda: b"", 1, 4096) == (Outcome.OK if allowed else Outcome.FAILED)
    assert decoded(stored, 1, 4096).data == (data if allowed else b"")


@pytest.mark.parametrize("by", [-8, 0, 8])
def test_an_old_snapshot_entry_is_known_up_to_a_length(by: int, tmp_path: Path) -> None:
    """Of 4 KiB: QEMU's names have up to 255 bytes, and its extra data up to 1024."""
    length = file_end.MAX_ENTRY + by
    entry = struct.pack(">QIHHIIQII", 3 * 4096 + 1, 1, 1, 0, 5, 6, 7, 8, length - 41) + b"\x55" * (length - 40)
    path = written(tmp_path, ended_by("data") + b"\x77" * 4096 + entry)
    assert ("residue-appended" in codes_of(path)) == (by > 0)
    assert file_end.MAX_ENTRY == 4096


@AROUND
def test_a_stream_that_ends_the_file_is_looked_for_at_so_many_places(
    by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert file_end.MAX_STREAM_STARTS == 1 << 17
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    stream = deflate.compress(random.Random(1500).randbytes(1500) + bytes(4096 - 1500)) + deflate.flush()
    monkeypatch.setattr(file_end, "MAX_STREAM_STARTS", len(stream) + by)
    path = written(tmp_path, ended_by("data") + b"\x77" * 700 + stream)
    assert ("residue-appended" in codes_of(path)) == (by < 0)
