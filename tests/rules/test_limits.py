"""Rules at their limits: one below, at the limit, one above."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting.discrepancies import Totals
from forensic.budget import Budget, Limits
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.bitmap_tables import BitmapTable, marked_bytes, read_bitmap_tables
from forensic.qcow2.bitmaps import MAX_DIRECTORY_BYTES, Bitmap, BitmapDirectory
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry
from forensic.qcow2.snapshots import SnapshotTable
from forensic.rules.header import MAX_COUNTED_L1_ENTRIES, MAX_VIRTUAL_SIZE
from forensic.rules.resources import AMPLE_SNAPSHOT_L1_BYTES
from tests.images import geometry, header, opened, tiny, written
from tests.rules.judging import codes_of, damaged, opened_sample, poke, problems

AROUND = pytest.mark.parametrize("by", [-1, 0, 1])


def hits(code: str, structure: object) -> bool:
    return bool(problems(code, structure))


@pytest.fixture
def directory() -> Iterator[BitmapDirectory]:
    with opened_sample("bitmaps-512") as image:
        assert image.bitmaps is not None
        yield image.bitmaps


@pytest.fixture
def table() -> Iterator[BitmapTable]:
    with opened_sample("bitmaps-512") as image:
        (first, *_) = read_bitmap_tables(image, Budget(Limits()))
        assert isinstance(first, BitmapTable)
        yield first


def with_first(directory: BitmapDirectory, **changes: int) -> BitmapDirectory:
    first, *rest = directory.bitmaps
    return replace(directory, bitmaps=(replace(first, **changes), *rest))


@AROUND
@pytest.mark.parametrize(("lowest", "highest"), [(1, 65535)])
def test_the_number_of_bitmaps(by: int, lowest: int, highest: int, directory: BitmapDirectory) -> None:
    code = "bitmaps-extension-fields"
    assert hits(code, replace(directory, claimed=lowest + by)) == (by < 0)
    assert hits(code, replace(directory, claimed=highest + by)) == (by > 0)


@AROUND
def test_the_size_of_the_directory(by: int, directory: BitmapDirectory) -> None:
    code = "bitmap-directory-place"
    large = replace(directory, file_size=1 << 40)
    assert MAX_DIRECTORY_BYTES == 1024 * 65535
    assert hits(code, replace(large, size=MAX_DIRECTORY_BYTES + by)) == (by > 0)
    assert hits(code, replace(large, size=1 + by)) == (by < 0)
    end = directory.file_size - directory.host_offset
    assert hits(code, replace(directory, size=end + by)) == (by > 0)


@AROUND
@pytest.mark.parametrize(("lowest", "highest"), [(9, 31)])
def test_the_granularity(by: int, lowest: int, highest: int, directory: BitmapDirectory) -> None:
    code = "bitmap-entry-fields"
    assert hits(code, with_first(directory, granularity_bits=lowest + by)) == (by < 0)
    assert hits(code, with_first(directory, granularity_bits=highest + by)) == (by > 0)


@AROUND
def test_the_length_of_a_bitmap_name(by: int, directory: BitmapDirectory) -> None:
    first: Bitmap = directory.bitmaps[0]
    named = replace(first, data=first.data[:24] + b"n" * (1023 + by), extra_data_size=0, name_length=1023 + by)
    assert hits("bitmap-entry-fields", replace(directory, bitmaps=(named,))) == (by > 0)


@AROUND
def test_the_entries_of_a_bitmap_table(by: int, table: BitmapTable) -> None:
    large = replace(table, file_size=1 << 40)
    for count, refused in ((1 + by, by < 0), (0x800_0000 + by, by > 0)):
        found = replace(large, bitmap=replace(table.bitmap, table_size=count))
        assert hits("bitmap-table-place", found) == refused
    end = (table.file_size - table.bitmap.table_offset) // 8
    assert hits("bitmap-table-place", replace(table, bitmap=replace(table.bitmap, table_size=end + by))) == (by > 0)


@AROUND
def test_the_bytes_of_a_bitmap(by: int, table: BitmapTable) -> None:
    """512 MiB, where the disk needs as many."""
    count = (512 << 20) // 512 + by
    layout = replace(table.geometry, virtual_size=count * 512 * 8 << table.bitmap.granularity_bits)
    found = replace(table, geometry=layout, bitmap=replace(table.bitmap, table_size=count))
    assert hits("bitmap-table-size", found) == (by > 0)


@AROUND
def test_the_entries_that_the_disk_needs_of_a_bitmap(by: int, table: BitmapTable) -> None:
    needed = 3
    layout = replace(table.geometry, virtual_size=(needed * 512 * 8 << table.bitmap.granularity_bits) + by)
    found = replace(table, geometry=layout, bitmap=replace(table.bitmap, table_size=needed))
    assert hits("bitmap-table-size", found) == (by > 0)


def table_of(folder: Path, data: bytes, bits: int, rest: int, layout: Geometry) -> BitmapTable:
    """A table of one cluster with these bits, of a disk that needs `bits` of them, the last for all but `rest`."""
    with opened_sample("bitmaps-512") as image:
        assert image.bitmaps is not None
        bitmap = replace(image.bitmaps.bitmaps[0], table_size=1, granularity_bits=9, flags=0)
    evidence = Evidence(written(folder, bytes(512) + data.ljust(512, b"\0"), "bits"))
    shape = replace(layout, virtual_size=bits * 512 - rest)
    return BitmapTable(evidence, bitmap, shape, np.array([512], dtype=np.uint64), 1024)


@pytest.mark.parametrize("bits", [*range(1, 26), 4093, 4095, 4096])
@pytest.mark.parametrize("rest", [0, 1, 511])
def test_bits_up_to_the_end_of_the_disk_count_and_those_behind_it_are_reported(
    bits: int, rest: int, tmp_path: Path
) -> None:
    layout = geometry()
    for bit, counted in ((bits - 1, 512 - rest), (bits, 0), (bits + 9, 0), (0, 512 if bits > 1 else 512 - rest)):
        if bit >= 4096:
            continue
        found = table_of(tmp_path, (1 << bit).to_bytes(512, "little"), bits, rest, layout)
        reported = problems("bitmap-tail-bits", found)
        assert bool(reported) == (bit >= bits), bit
        assert marked_bytes(found) == counted
        for problem in reported:
            assert (problem.ranges[0].offset, problem.ranges[0].length) == (512 + bits // 8, 512 - bits // 8)
        found.evidence.close()
    full = table_of(tmp_path, b"\xff" * 512, bits, rest, layout)
    assert marked_bytes(full) == layout_size(full)
    full.evidence.close()


def layout_size(table: BitmapTable) -> int:
    """The size of the disk of a table."""
    return table.geometry.virtual_size


def image_of(folder: Path, head: bytes, cluster_bits: int) -> Qcow2Image:
    return opened(folder, tiny([], head=head, cluster_bits=cluster_bits))


@pytest.mark.parametrize("by", [-512, 0, 512])
def test_the_largest_disk(by: int, tmp_path: Path) -> None:
    with image_of(tmp_path, header(cluster_bits=21, virtual_size=MAX_VIRTUAL_SIZE + by), 21) as image:
        assert hits("header-size-too-large", image.header_cluster) == (by > 0)
    assert MAX_VIRTUAL_SIZE == (1 << 63) - (1 << 30)


@pytest.mark.parametrize("by", [-512, 0, 512])
def test_the_largest_disk_whose_l1_entries_can_be_counted(by: int, tmp_path: Path) -> None:
    with image_of(tmp_path, header(virtual_size=MAX_COUNTED_L1_ENTRIES * 64 * 512 + by), 9) as image:
        assert hits("header-size-too-large", image.header_cluster) == (by > 0)


@AROUND
def test_l1_entries_that_the_disk_does_not_need(by: int, tmp_path: Path) -> None:
    """More than 64 times as many as needed, but only in a table larger than a mebibyte and not larger than QEMU's."""
    code = "l1-larger-than-disk"
    ample, needed = (1 << 20) // 8, 4096
    for count, size, reported in (
        (ample + by, 512, by > 0),
        (64 * needed + by, needed * 64 * 512, by > 0),
        (MAX_L1_ENTRIES + by, 512, by <= 0),
    ):
        with image_of(tmp_path, header(virtual_size=size, l1_size=count), 9) as image:
            assert hits(code, image.header_cluster) == reported, count


@AROUND
def test_the_entries_of_an_l1_table(by: int, tmp_path: Path) -> None:
    """Of a table beyond QEMU's 32 MiB it is its size that is wrong, and not that the file ends before."""
    count = MAX_L1_ENTRIES + by
    with image_of(tmp_path, header(l1_size=count), 9) as image:
        assert hits("l1-table-too-large", image.header_cluster) == (by > 0)
        table = image.l1
    assert (table.owner, table.claimed_entries) == ("active", count)
    assert hits("l1-table-outside-file", table) == (by <= 0)
    assert MAX_L1_ENTRIES * 8 == 32 << 20
    held = (table.file_size - table.host_offset) // 8
    assert hits("l1-table-outside-file", replace(table, claimed_entries=held + by)) == (by > 0)
    with opened_sample("snapshots-512") as image:
        snapshots = image.snapshots
    first = replace(snapshots.snapshots[0], l1_size=count)
    assert hits("snapshot-l1-too-large", replace(snapshots, snapshots=(first,))) == (by > 0)
    assert hits("snapshot-l1-outside-file", replace(snapshots, snapshots=(first,))) == (by <= 0)


@AROUND
def test_l1_tables_of_snapshots_that_the_file_cannot_hold(by: int) -> None:
    with opened_sample("snapshots-512") as image:
        table: SnapshotTable = image.snapshots
    first = table.snapshots[0]
    for usage, most in ((0, AMPLE_SNAPSHOT_L1_BYTES), (AMPLE_SNAPSHOT_L1_BYTES * 2, AMPLE_SNAPSHOT_L1_BYTES * 2)):
        halves = (most // 16, most // 16 + by)
        entries = tuple(replace(first, l1_size=count) for count in halves)
        found = replace(table, snapshots=entries, disk_usage=usage)
        assert hits("snapshot-l1-amplification", found) == (by > 0)


@AROUND
@pytest.mark.parametrize("cluster_bits", [9, 16])
@pytest.mark.parametrize("partial", [0, 1])
def test_data_that_the_file_cannot_hold(by: int, cluster_bits: int, partial: int) -> None:
    """Twice its clusters, or what deflate makes of all its bytes; of a data file nobody knows."""
    code, layout = "mapping-amplification", geometry(header(cluster_bits=cluster_bits))
    size = 1 << cluster_bits
    file_size = 1032 * size + partial
    data = Totals(layout, file_size, 2 * (1032 + partial) + by, 0, 1)
    assert hits(code, data) == (by > 0)
    assert not hits(code, replace(data, geometry=replace(layout, external_data_file=True)))
    streams = file_size * 1032 // size
    assert hits(code, Totals(layout, file_size, 0, streams + by, 1)) == (by > 0)
    zstd = replace(layout, compression_type=1)  # 10 bytes make a cluster of up to 128 KiB
    assert hits(code, Totals(zstd, file_size, 0, file_size // 10 + by, 1)) == (by > 0)


@AROUND
def test_the_length_of_a_backing_file_name(by: int, tmp_path: Path) -> None:
    length = 1023 + by
    name = poke("backing_file_offset", u64=1024) + poke("backing_file_size", u32=length)
    codes = codes_of(damaged(tmp_path, "data-4k", name))
    assert ("backing-name-outside-header" in codes) == (by > 0)


@AROUND
def test_a_backing_file_name_ends_with_its_cluster(by: int, tmp_path: Path) -> None:
    name = poke("backing_file_offset", u64=500) + poke("backing_file_size", u32=12 + by)
    assert ("backing-name-outside-header" in codes_of(damaged(tmp_path, "empty-512", name))) == (by > 0)


@pytest.mark.parametrize(("offset", "reported"), [((1 << 63) - 512, False), ((1 << 63) - 1, True), (1 << 63, True)])
def test_the_largest_offset_of_a_snapshot_table(offset: int, reported: bool, tmp_path: Path) -> None:
    codes = codes_of(damaged(tmp_path, "data-512", poke("snapshots_offset", u64=offset)))
    assert ("snapshot-offset-without-snapshots" in codes) == reported
