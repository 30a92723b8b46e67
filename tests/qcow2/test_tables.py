"""Tables as far as the file holds them: torn, outside, too large, many at once."""

import os
import struct
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry
from forensic.qcow2.table_reading import read_what_is_there
from forensic.qcow2.tables import L2Batch, RefcountTable, read_l1, read_l2_batches, read_refcount_table
from tests.images import COPIED, ReadOneByOne, geometry, header, tiny, written

ENTRIES = struct.pack(">64Q", *range(1, 65))


BAD = 600


class BadSectors(ReadOneByOne):
    """Evidence of which one byte, inside the second table, cannot be read."""

    def read_into(self, host_offset: int, buffer: memoryview) -> None:
        """Fail at the bad byte."""
        end = host_offset + len(buffer)
        if host_offset <= BAD < end:
            raise ReadFailed(BAD, end - BAD, "input/output error")
        super().read_into(host_offset, buffer)


def l1_words(folder: Path, content: bytes, host_offset: int, count: int, disk_size: int = 1 << 14) -> list[int]:
    with Evidence(written(folder, content)) as evidence:
        table = read_l1(evidence, geometry(), "active", host_offset, count, disk_size)
    assert table.claimed_entries == count
    return [int(entry) for entry in table.entries]


def l2_batches(evidence: Evidence, layout: Geometry, offsets: list[int]) -> list[L2Batch]:
    indices = np.arange(len(offsets), dtype=np.int64)
    return list(read_l2_batches(evidence, layout, "active", indices, np.array(offsets, dtype=np.uint64)))


def refcount_table(folder: Path, content: bytes, head: bytes) -> RefcountTable:
    with Evidence(written(folder, head + content[len(head) :])) as evidence:
        return read_refcount_table(evidence, geometry(head))


@pytest.mark.parametrize(
    ("host_offset", "count", "found"),
    [
        (0, 3, [1, 2, 3]),
        (8, 2, [2, 3]),
        (0, 0, []),
        (496, 4, [63, 64]),
        (492, 4, [62 << 32, 63 << 32]),
        (512, 4, []),
        (1 << 63, 4, []),
    ],
)
def test_an_l1_table_is_read_as_far_as_the_file_goes(
    tmp_path: Path, host_offset: int, count: int, found: list[int]
) -> None:
    assert l1_words(tmp_path, ENTRIES, host_offset, count) == found


def test_an_absurd_l1_table_is_read_as_far_as_the_disk_needs(tmp_path: Path) -> None:
    assert l1_words(tmp_path, ENTRIES, 0, MAX_L1_ENTRIES + 1, 3 * 32768) == [1, 2, 3]
    assert l1_words(tmp_path, ENTRIES, 0, 0xFFFFFFFF, (1 << 64) - 1) == list(range(1, 65))


def test_entries_of_an_l1_table_know_where_they_lie_and_where_they_lead(tmp_path: Path) -> None:
    words = [0, 0x200, COPIED | 0x400, 0x600, 0x300, 0x7F00_0000_0000_01FF, 1 << 55]
    with Evidence(written(tmp_path, struct.pack(">7Q", *words).ljust(0x600, b"\0"))) as evidence:
        table = read_l1(evidence, geometry(), "active", 0, 7, 1 << 14)
    assert table.l2_offsets().tolist() == [0, 0x200, 0x400, 0x600, 0x200, 0, 1 << 55]
    assert table.readable().tolist() == [False, True, True, False, True, False, False]
    assert table.entry_host_offset(3) == 24


def test_l2_offsets_that_are_no_cluster_boundary_are_not_readable(tmp_path: Path) -> None:
    layout = geometry(header(cluster_bits=12))
    with Evidence(written(tmp_path, struct.pack(">3Q", 0x200, 0x1000, 0x1200).ljust(0x3000, b"\0"))) as evidence:
        assert read_l1(evidence, layout, "active", 0, 3, 1).readable().tolist() == [False, True, False]


def test_l2_tables_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    content = b"".join(bytes([number]) * 512 for number in range(6))
    with Evidence(written(tmp_path, content)) as evidence:
        (batch,) = l2_batches(evidence, geometry(), [1536, 2048, 512, 512])
    assert [row[0] & 0xFF for row in batch.entries.tolist()] == [3, 4, 1, 1]
    assert (batch.present.tolist(), batch.bitmaps, batch.entries.shape) == ([64] * 4, None, (4, 64))
    assert batch.in_file().all()


def test_an_l2_table_cut_by_the_end_of_the_file_says_how_much_is_there(tmp_path: Path) -> None:
    with Evidence(written(tmp_path, ENTRIES + ENTRIES[:20])) as evidence:
        (batch,) = l2_batches(evidence, geometry(), [0, 512])
    assert batch.present.tolist() == [64, 2]
    assert batch.entries[1].tolist()[:2] == [1, 2]
    assert batch.in_file().sum(axis=1).tolist() == [64, 2]


def test_a_bad_sector_takes_only_its_own_table(tmp_path: Path) -> None:
    evidence = BadSectors(written(tmp_path, ENTRIES * 4))
    (batch,) = l2_batches(evidence, geometry(), [0, 512, 1024, 1536])
    evidence.close()
    assert batch.present.tolist() == [64, 11, 64, 64]
    assert batch.entries[1].tolist() == [*range(1, 12), *[0] * 53]


def test_extended_entries_are_two_words(tmp_path: Path) -> None:
    layout = geometry(header(cluster_bits=14, features=1 << 4))
    words = [5 << 14, 0x1_0000_0002] * 1024
    with Evidence(written(tmp_path, struct.pack(">2048Q", *words))) as evidence:
        (batch,) = l2_batches(evidence, layout, [0])
    assert batch.bitmaps is not None
    assert (set(batch.entries[0].tolist()), set(batch.bitmaps[0].tolist())) == ({5 << 14}, {0x1_0000_0002})
    assert (batch.present.tolist(), batch.entry_host_offset(0, 3)) == ([1024], 48)


def test_entries_of_an_l2_batch_know_their_place_and_name(tmp_path: Path) -> None:
    with Evidence(written(tmp_path, ENTRIES * 2)) as evidence:
        offsets = np.array([512], dtype=np.uint64)
        (batch,) = read_l2_batches(evidence, geometry(), "snapshot 1", np.array([3]), offsets)
    assert (batch.entry_host_offset(0, 17), batch.path(0, 17)) == (512 + 136, "L1[3].L2[17]")
    assert batch.guest_offset(0, 17) == (3 * 64 + 17) * 512


def test_many_tables_come_in_batches_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.qcow2.tables.BATCH_BYTES", 1024)
    with Evidence(written(tmp_path, ENTRIES)) as evidence:
        batches = l2_batches(evidence, geometry(), [0] * 5)
    assert [batch.l1_indices.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


def test_a_file_truncated_after_opening_leaves_missing_entries(tmp_path: Path) -> None:
    path = written(tmp_path, ENTRIES * 3)
    with Evidence(path) as evidence:
        os.truncate(path, 520)
        (batch,) = l2_batches(evidence, geometry(), [0, 512, 1024])
        table = read_l1(evidence, geometry(), "active", 512, 5, 1 << 14)
    assert (batch.present.tolist(), table.entries.tolist()) == ([64, 1, 0], [1])


@pytest.mark.parametrize(("cut", "count"), [(4096, 64), (1024, 64), (1000, 61), (512, 0)])
def test_a_refcount_table_is_read_as_far_as_the_file_goes(tmp_path: Path, cut: int, count: int) -> None:
    found = refcount_table(tmp_path, tiny([])[:cut], header())
    assert (found.host_offset, found.claimed_entries, len(found.entries)) == (512, 64, count)


def test_nothing_is_read_from_an_unaligned_refcount_table(tmp_path: Path) -> None:
    head = header()[:48] + struct.pack(">Q", 0x208) + header()[56:]
    assert refcount_table(tmp_path, tiny([]), head).entries.tolist() == []


def test_an_absurd_refcount_table_is_read_as_far_as_the_file_needs(tmp_path: Path) -> None:
    head = header()[:56] + b"\xff" * 4 + header()[60:]
    found = refcount_table(tmp_path, tiny([], file_clusters=300), head)
    assert (found.claimed_entries, len(found.entries)) == (0xFFFFFFFF * 64, 2)


class WearingOut(Evidence):
    """Evidence of which every try meets another bad byte, the next of `bad`."""

    bad: ClassVar[list[int]]

    def read_into(self, host_offset: int, buffer: memoryview) -> None:
        """Fail at the next bad byte."""
        end = host_offset + len(buffer)
        bad = self.bad.pop(0) if self.bad else end
        if bad < end:
            raise ReadFailed(bad, end - bad, "input/output error")
        super().read_into(host_offset, buffer)


@pytest.mark.parametrize("bad", [[], [2000], [2000, 1400], [2000, 1999, 800, 100]])
def test_a_medium_that_fails_again_gives_what_could_be_read_in_the_end(
    bad: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = bytes(range(256)) * 16
    monkeypatch.setattr(WearingOut, "bad", [*bad], raising=False)
    with WearingOut(written(tmp_path, content)) as evidence:
        found = read_what_is_there(evidence, 100, 4096)
    assert content[100:].startswith(found)
    assert len(found) >= min([*bad, 4096]) - 100
