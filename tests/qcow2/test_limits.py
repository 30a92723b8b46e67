"""Readers at their limits: one below, at the limit, one above."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.budget import Budget, Limits, Unexamined
from forensic.disk import luks_keys, opening
from forensic.disk.examination import MAX_FRAMES, Outcome, examine
from forensic.disk.luks_keys import MAX_STRIPES, SLOW_ROUNDS, unlock_luks
from forensic.disk.opening import MAX_KEY_BYTES, read_key_file
from forensic.errors import KeyRejected, Unsupported, WrongSupply
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2 import bitmap_tables, overwritten_tables, snapshots
from forensic.qcow2.bitmap_tables import MAX_TABLE_BYTES_READ, TABLE_COST, BitmapTable, read_bitmap_tables
from forensic.qcow2.bitmaps import MAX_BITMAPS
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.luks import SLOT_ACTIVE, LuksHeader
from forensic.qcow2.snapshots import MAX_ENTRY_BYTES, read_snapshots
from forensic.qcow2.tables import MAX_REFCOUNT_TABLE_BYTES, read_l1, read_refcount_table
from tests.images import SOUND, geometry, written

AROUND = pytest.mark.parametrize("by", [-1, 0, 1])
NUMBERS = struct.pack(">64Q", *range(1, 65))


@AROUND
def test_of_an_l1_table_beyond_the_limit_only_what_the_disk_needs_is_read(by: int, tmp_path: Path) -> None:
    layout = geometry()
    with Evidence(written(tmp_path, NUMBERS)) as evidence:
        table = read_l1(evidence, layout, "active", 0, MAX_L1_ENTRIES + by, 3 * layout.l1_coverage)
    assert len(table.entries) == (3 if by > 0 else 64)


@AROUND
def test_no_more_l1_entries_are_read_than_the_limit_whatever_the_disk_needs(by: int, tmp_path: Path) -> None:
    layout = geometry()
    path = written(tmp_path, NUMBERS)
    with path.open("r+b") as stream:
        stream.truncate((MAX_L1_ENTRIES + 8) * 8)
    with Evidence(path) as evidence:
        table = read_l1(evidence, layout, "active", 0, 0xFFFFFFFF, (MAX_L1_ENTRIES + by) * layout.l1_coverage)
    assert len(table.entries) == MAX_L1_ENTRIES + min(by, 0)


@AROUND
def test_of_a_refcount_table_beyond_the_limit_only_what_the_file_needs_is_read(by: int, tmp_path: Path) -> None:
    """In clusters of 512 bytes a block holds 256 refcounts: 64 clusters of file need one entry."""
    layout = replace(geometry(), refcount_table_offset=0, refcount_table_clusters=MAX_REFCOUNT_TABLE_BYTES // 512 + by)
    with Evidence(written(tmp_path, NUMBERS * 64)) as evidence:
        assert len(read_refcount_table(evidence, layout).entries) == (1 if by > 0 else 64 * 64)


@AROUND
def test_of_a_bitmap_table_beyond_the_limit_only_what_the_disk_needs_is_read(by: int) -> None:
    with Qcow2Image(Evidence(SOUND / "bitmaps-512.qcow2")) as image:
        assert image.bitmaps is not None
        size = MAX_TABLE_BYTES_READ // 8 + by
        one = replace(image.bitmaps.bitmaps[0], table_size=size)
        image.__dict__["bitmaps"] = replace(image.bitmaps, bitmaps=(one,))
        (table,) = read_bitmap_tables(image, Budget(Limits()))
        assert isinstance(table, BitmapTable)
        held = (image.evidence.size - one.table_offset) // 8
    assert len(table.entries) == (1 if by > 0 else held)


@AROUND
def test_reading_bitmap_tables_ends_at_a_cost(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Qcow2Image(Evidence(SOUND / "bitmaps-512.qcow2")) as image:
        monkeypatch.setattr(bitmap_tables, "MAX_TABLES_COST", 2 * (TABLE_COST + 8) + by)
        kinds = [type(found) for found in read_bitmap_tables(image, Budget(Limits()))]
    assert kinds == [BitmapTable, Unexamined if by < 0 else BitmapTable]


@AROUND
def test_bitmaps_that_the_extension_claims_are_read_up_to_the_limit(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from forensic.qcow2 import bitmaps

    monkeypatch.setattr(bitmaps, "MAX_BITMAPS", 2 + by)
    with Qcow2Image(Evidence(SOUND / "bitmaps-512.qcow2")) as image:
        assert image.bitmaps is not None
        assert len(image.bitmaps.bitmaps) == min(2, 2 + by)
        assert image.bitmaps.missing is None
    assert MAX_BITMAPS == 65535  # QEMU's


@AROUND
def test_an_entry_of_a_snapshot_table_is_read_up_to_the_limit(by: int, tmp_path: Path) -> None:
    extra = MAX_ENTRY_BYTES - 40 + by
    path = written(tmp_path, struct.pack(">QIHHIIQII", 512, 1, 0, 0, 0, 0, 0, 0, extra))
    with path.open("r+b") as stream:
        stream.truncate(4 << 20)
    with Evidence(path) as evidence:
        found = read_snapshots(evidence, 0, 1, geometry())
    assert (len(found.snapshots), found.missing is None) == ((0, False) if by > 0 else (1, True))


@AROUND
def test_a_snapshot_table_ends_at_a_number_of_bytes(by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "MAX_TABLE_BYTES", 80 + by)
    entry = struct.pack(">QIHHIIQII", 512, 1, 0, 0, 0, 0, 0, 0, 0)
    with Evidence(written(tmp_path, entry * 4)) as evidence:
        found = read_snapshots(evidence, 0, 4, geometry())
    assert len(found.snapshots) == (2 if by < 0 else 3)
    assert found.missing == f"entry {len(found.snapshots)} begins more than {80 + by:,} bytes into the table"


@AROUND
def test_a_key_file_has_a_largest_length(by: int, tmp_path: Path) -> None:
    path = written(tmp_path, b"k" * (MAX_KEY_BYTES + by), "key")
    if by > 0:
        with pytest.raises(WrongSupply, match="is longer than"):
            read_key_file(path)
    else:
        assert len(read_key_file(path)) == MAX_KEY_BYTES + by
    assert opening.MAX_KEY_BYTES == 8192


def luks_of_sample(image: Qcow2Image, **changes: int) -> LuksHeader:
    """The LUKS header of the sample with another slot 0, the only one in use."""
    assert image.luks is not None
    slot = replace(image.luks.slots[0], **changes)
    assert slot.state == SLOT_ACTIVE
    return replace(image.luks, slots=(slot, *image.luks.slots[1:]))


@AROUND
def test_a_key_slot_is_tried_up_to_so_many_stripes(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def read_at(self: Evidence, host_offset: int, length: int) -> bytes:
        asked.append(length)
        return b""

    with Qcow2Image(Evidence(SOUND / "luks-4k.qcow2")) as image:
        luks = luks_of_sample(image, stripes=MAX_STRIPES + by)
        monkeypatch.setattr(Evidence, "read_at", read_at)
        with pytest.raises(KeyRejected):
            unlock_luks(image.evidence, luks, [b"wrong"])
    assert asked == ([] if by > 0 else [luks.key_bytes * (MAX_STRIPES + by)])


@AROUND
def test_a_key_slot_is_tried_up_to_so_many_rounds(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luks_keys, "_master_key", lambda *_: None)
    with Qcow2Image(Evidence(SOUND / "luks-4k.qcow2")) as image:
        assert image.luks is not None
        luks = luks_of_sample(image, iterations=SLOW_ROUNDS - image.luks.master_key_iterations + by)
        with pytest.raises(Unsupported if by > 0 else KeyRejected):
            unlock_luks(image.evidence, luks, [b"wrong"])
        with pytest.raises(KeyRejected):
            unlock_luks(image.evidence, luks, [b"wrong"], allow_slow=True)


@AROUND
@pytest.mark.parametrize("sound_entries", [0, 3])
def test_a_table_is_damaged_from_so_many_impossible_entries_on(by: int, sound_entries: int) -> None:
    layout = replace(geometry(), refcount_order=0)  # of this width nothing reads as a refcount block
    impossible = 8 + by
    words = [1 << 60 | 512] * impossible + [512 * number for number in range(1, sound_entries + 1)]
    entries = np.array([*words, *[0] * (64 - len(words))], dtype=np.uint64)
    damaged = impossible >= overwritten_tables.FEWEST_IMPOSSIBLE and impossible * 4 >= len(words) * 3
    assert (overwritten_tables.overwritten_l1(entries, layout, 1 << 16) is not None) == damaged
    table = overwritten_tables.overwritten_l2(entries[np.newaxis, :], None, np.array([64]), layout, 1 << 16)
    assert len(table) == damaged
    assert overwritten_tables.FEWEST_IMPOSSIBLE == 8


@AROUND
@pytest.mark.parametrize("bits", [8, 16, 32])
def test_refcounts_of_a_block_have_a_largest_value(by: int, bits: int) -> None:
    counts = [1, 1, overwritten_tables.LARGEST_COUNT + by]
    sample = b"".join(count.to_bytes(bits // 8, "big") for count in counts)
    assert overwritten_tables.reads_as_refcount_block(sample, bits) == (by <= 0)
    assert overwritten_tables.LARGEST_COUNT == 31


@AROUND
def test_so_many_zstd_frames_are_one_cluster(by: int) -> None:
    import zstandard

    size = 4096
    count = MAX_FRAMES + by
    frame = zstandard.ZstdCompressor().compress(b"")
    last = zstandard.ZstdCompressor().compress(bytes(size))
    stored = frame * (count - 1) + last
    outcome = examine(stored, lambda: b"", 1, size)
    assert (outcome == Outcome.OK) == (by < 0)
