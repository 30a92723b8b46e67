"""Entries of the snapshot table: sizes at their limits, ids and names that repeat."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from forensic.qcow2.snapshots import Snapshot, SnapshotTable
from tests.images import with_texts
from tests.rules.judging import opened_sample, problems

COVERAGE = 512 * 64


@pytest.fixture
def table() -> Iterator[SnapshotTable]:
    with opened_sample("snapshots-512") as image:
        yield image.snapshots


def hits(code: str, table: SnapshotTable, *snapshots: Snapshot) -> int:
    return len(problems(code, replace(table, snapshots=snapshots)))


@pytest.mark.parametrize(
    ("code", "field", "allowed", "refused"),
    [
        ("snapshot-extra-data-short", "extra_data_size", (16, 24), (0, 8, 15)),
        ("snapshot-extra-data-too-large", "extra_data_size", (24, 1024), (1025,)),
        ("snapshot-disk-size", "disk_size", (None, 0, COVERAGE), (COVERAGE + 1, 1 << 50)),
        ("snapshot-disk-size-differs", "disk_size", (None, 16384), (16383, 0)),
        ("snapshot-time", "date_nsec", (0, 999_999_999), (1_000_000_000, 0xFFFFFFFF)),
        ("snapshot-saved-state-size", "vm_state_size", (0,), (1, 1 << 40)),
        ("snapshot-l1-unaligned", "l1_table_offset", (0x600,), (0x601, 0x700)),
        ("snapshot-l1-too-large", "l1_size", (4194304,), (4194305,)),
    ],
)
def test_a_field_of_an_entry_is_judged_at_its_limits(
    code: str, field: str, allowed: tuple[int | None, ...], refused: tuple[int, ...], table: SnapshotTable
) -> None:
    def reported(value: int | None) -> int:
        return hits(code, table, replace(table.snapshots[0], **{field: value}))

    assert [value for value in allowed if reported(value)] == []
    assert [value for value in refused if not reported(value)] == []


def test_version_2_needs_no_extra_data(table: SnapshotTable) -> None:
    version_2 = replace(table, geometry=replace(table.geometry, version=2))
    bare = replace(table.snapshots[0], extra_data_size=0, disk_size=None)
    assert hits("snapshot-extra-data-short", version_2, bare) == 0


def test_a_saved_state_has_its_l1_entries_behind_those_of_the_disk(table: SnapshotTable) -> None:
    first = replace(table.snapshots[0], l1_size=2, vm_state_size=COVERAGE)
    assert hits("snapshot-saved-state-size", table, first) == 0
    assert hits("snapshot-saved-state-size", table, replace(first, vm_state_size=COVERAGE + 1)) == 1


@pytest.mark.parametrize(
    ("ids", "repeated"), [((b"1", b"2"), 0), ((b"1", b"1"), 1), ((b"1", b"1", b"1"), 2), ((b"", b"2"), 1)]
)
def test_ids_tell_snapshots_apart(ids: tuple[bytes, ...], repeated: int, table: SnapshotTable) -> None:
    first = table.snapshots[0]
    entries = [replace(with_texts(first, raw, b""), index=index) for index, raw in enumerate(ids)]
    assert hits("snapshot-duplicate-id", table, *entries) == repeated


@pytest.mark.parametrize(("names", "repeated"), [((b"a", b"b"), 0), ((b"a", b"a"), 1), ((b"", b""), 0)])
def test_names_may_be_missing_but_are_reported_when_they_repeat(
    names: tuple[bytes, ...], repeated: int, table: SnapshotTable
) -> None:
    first = table.snapshots[0]
    entries = [replace(with_texts(first, b"1", raw), index=index) for index, raw in enumerate(names)]
    assert hits("snapshot-duplicate-name", table, *entries) == repeated
