"""The snapshot table, entry after entry, as far as the file holds it."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from forensic.evidence import Evidence
from forensic.qcow2.snapshots import Snapshot, SnapshotTable, read_snapshots
from forensic.untrusted import Untrusted
from tests.images import SOUND, geometry, written


def entry(
    name: bytes = b"name",
    extra: bytes = b"",
    identity: bytes = b"1",
    vm_state: int = 7,
    extra_length: int | None = None,
) -> bytes:
    length = len(extra) if extra_length is None else extra_length
    head = struct.pack(">QIHHIIQII", 0x600, 3, len(identity), len(name), 1000, 5, 6, vm_state, length)
    content = head + extra + identity + name
    return content + bytes(-len(content) % 8)


def read(folder: Path, content: bytes, claimed: int, host_offset: int = 0) -> SnapshotTable:
    with Evidence(written(folder, content)) as evidence:
        return read_snapshots(evidence, host_offset, claimed, geometry())


def facts(snapshot: Snapshot) -> dict[str, object]:
    stored = {name: value for name, value in asdict(snapshot).items() if name != "data"}
    return stored | {"id": snapshot.id, "name": snapshot.name}


def test_every_field_of_an_entry_is_read(tmp_path: Path) -> None:
    extra = struct.pack(">QQQ", 1 << 33, 1 << 20, 77) + b"later"
    table = read(tmp_path, bytes(512) + entry(b"first", extra, b"id"), 1, 512)
    assert facts(table.snapshots[0]) == {
        "index": 0,
        "host_offset": 512,
        "length": 80,
        "l1_table_offset": 0x600,
        "l1_size": 3,
        "id": Untrusted(b"id"),
        "id_length": 2,
        "name": Untrusted(b"first"),
        "name_length": 5,
        "date_sec": 1000,
        "date_nsec": 5,
        "vm_clock_nsec": 6,
        "vm_state_size": 1 << 33,
        "extra_data_size": 29,
        "disk_size": 1 << 20,
        "icount": 77,
    }
    assert (table.missing, table.end_offset, table.claimed, table.file_size) == (None, 592, 1, 592)
    assert table.snapshots[0].owner == "snapshot 0"


@pytest.mark.parametrize(
    ("extra", "found"),
    [
        (b"", (7, None, None)),
        (bytes(7), (7, None, None)),
        (struct.pack(">Q", 9), (9, None, None)),
        (struct.pack(">QQ", 0, 512), (0, 512, None)),
        (struct.pack(">QQQ", 9, 512, 0), (9, 512, 0)),
        (struct.pack(">QQQ", 9, 512, (1 << 64) - 2), (9, 512, (1 << 64) - 2)),
        (struct.pack(">QQQ", 9, 512, (1 << 64) - 1), (9, 512, None)),  # QEMU counted none
    ],
)
def test_extra_data_that_is_not_there_does_not_exist(
    tmp_path: Path, extra: bytes, found: tuple[int, int | None, int | None]
) -> None:
    (snapshot,) = read(tmp_path, entry(extra=extra), 1).snapshots
    assert (snapshot.vm_state_size, snapshot.disk_size, snapshot.icount) == found


def test_entries_follow_one_another_at_multiples_of_eight(tmp_path: Path) -> None:
    entries = [entry(b"a" * length) for length in (0, 1, 7, 8)]
    table = read(tmp_path, b"".join(entries), 4)
    assert [len(each.name.raw) for each in table.snapshots] == [0, 1, 7, 8]
    assert [each.host_offset for each in table.snapshots] == [0, 48, 96, 144]
    assert table.end_offset == 200


def test_a_sample_of_qemu_has_its_two_snapshots() -> None:
    with Evidence(SOUND / "snapshots-512.qcow2") as evidence:
        offset = int.from_bytes(evidence.read_at(64, 8), "big")
        table = read_snapshots(evidence, offset, 2, geometry())
    assert [(each.id.text, each.name.text, each.date_sec, each.disk_size) for each in table.snapshots] == [
        ("1", "first", 1767225600, 16384),
        ("2", "second", 1767225600, 16384),
    ]
    assert table.missing is None


def test_the_padding_of_the_last_entry_may_be_missing(tmp_path: Path) -> None:
    table = read(tmp_path, entry(b"name")[:45], 1)
    assert (len(table.snapshots), table.missing) == (1, None)


@pytest.mark.parametrize("kept", [0, 39, 40, 44])
def test_an_entry_cut_by_the_end_of_the_file_is_missing(tmp_path: Path, kept: int) -> None:
    whole = entry(b"name")
    table = read(tmp_path, whole + whole[:kept], 3)
    assert [each.index for each in table.snapshots] == [0]
    assert table.missing == "entry 1 at host offset 0x30: the file ends inside the entry"


def test_an_entry_with_absurd_extra_data_stops_the_table(tmp_path: Path) -> None:
    table = read(tmp_path, entry(extra_length=0xFFFFFFFF), 1)
    assert table.snapshots == ()
    assert table.missing == "entry 0 at host offset 0x0: the entry claims 4,294,967,295 bytes of extra data"


def test_a_table_outside_the_file_has_no_entries(tmp_path: Path) -> None:
    table = read(tmp_path, entry(), 2, 1 << 63)
    assert (table.snapshots, table.end_offset) == ((), 1 << 63)
    assert table.missing == f"entry 0 at host offset {1 << 63:#x}: the file ends inside the entry"


def test_no_more_than_the_limit_of_entries_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.qcow2.snapshots.MAX_SNAPSHOTS", 3)
    table = read(tmp_path, entry() * 5, 0xFFFFFFFF)
    assert (len(table.snapshots), table.claimed, table.missing) == (3, 0xFFFFFFFF, None)


def test_no_more_than_the_limit_of_bytes_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.qcow2.snapshots.MAX_TABLE_BYTES", 50)
    table = read(tmp_path, entry() * 5, 5)
    assert (len(table.snapshots), table.missing) == (2, "entry 2 begins more than 50 bytes into the table")


@given(content=st.binary(max_size=300), claimed=st.integers(0, 10), host_offset=st.integers(0, 320))
def test_random_tables_end_within_the_file(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, claimed: int, host_offset: int
) -> None:
    table = read(tmp_path_factory.getbasetemp(), content, claimed, host_offset)
    assert len(table.snapshots) <= claimed
    assert (table.missing is None) == (len(table.snapshots) == claimed)
    assert all(each.structure.length <= each.length for each in table.snapshots)
