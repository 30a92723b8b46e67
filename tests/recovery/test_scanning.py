"""What a sector looks like, held against a plain reading of it word by word."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from forensic.errors import Interrupted
from forensic.evidence import Evidence, ReadFailed
from forensic.recovery.crc import crc32c
from forensic.recovery.kinds import Kinds, Sector
from forensic.recovery.scan import Places, Scan
from forensic.recovery.scanning import scan
from forensic.recovery.sectors import Signature

COPIED, COMPRESSED = 1 << 63, 1 << 62


def kinds_of(folder: Path, *sectors: bytes) -> list[int]:
    path = folder / "file"
    path.write_bytes(b"".join(sector.ljust(512, b"\0") for sector in sectors) + bytes(1 << 16))
    with Evidence(path) as evidence:
        found: list[int] = scan(evidence).sectors.part(0, len(sectors)).tolist()
        return found


def words(*values: int) -> bytes:
    return struct.pack(f">{len(values)}Q", *values)


def test_sectors_of_tables_are_told_from_others(tmp_path: Path) -> None:
    standard = words(COPIED | 0x10000, 0, 0x20000, 1)
    streams = words(COPIED | 0x10000, COMPRESSED | 0x12345)
    extended = words(COPIED | 0x10000, 0xFFFF_FFFF, 0, 0xFFFF_FFFF << 32)
    found = kinds_of(tmp_path, b"", standard, streams, extended, b"text, text, text", bytes(288) + b" ", words(1 << 57))
    assert found == [
        Sector.ZERO, Sector.STANDARD, Sector.COMPRESSED, Sector.EXTENDED, Sector.OTHER, Sector.OTHER, Sector.OTHER,
    ]  # fmt: skip


def test_extended_entries_with_impossible_bitmaps_are_none(tmp_path: Path) -> None:
    both = words(COPIED | 0x10000, 0x1_0000_0001)
    nowhere = words(0, 0xFFFF_FFFF)
    of_stream = words(COMPRESSED | 0x12345, 0xFFFF_FFFF)
    assert kinds_of(tmp_path, both, nowhere, of_stream) == [Sector.OTHER] * 3


def test_offsets_past_any_thinkable_end_are_none(tmp_path: Path) -> None:
    assert kinds_of(tmp_path, words(COPIED | 1 << 40), words(COMPRESSED | 1 << 40)) == [Sector.OTHER] * 2


def test_random_bytes_are_no_table(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(random.Random(1).randbytes(4 << 20))
    with Evidence(path) as evidence:
        assert set(scan(evidence).sectors.part(0, 1 << 20).tolist()) == {Sector.OTHER}


def test_holes_are_zeros_and_the_last_sector_may_be_short(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(64 << 20)
        file.seek(40 << 20)
        file.write(words(COPIED | 0x10000))
        file.seek(64 << 20)
        file.write(b"x")
    with Evidence(path) as evidence:
        found = scan(evidence)
    assert np.flatnonzero(found.sectors.part(0, 1 << 30) != Sector.ZERO).tolist() == [40 << 11, 64 << 11]
    assert found.sectors.part(40 << 11, (40 << 11) + 1).tolist() == [Sector.STANDARD]
    assert len(found.sectors) == (64 << 11) + 1


def test_signatures_are_listed_by_sector(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = bytearray(1 << 16)
    content[0x400:0x404] = b"QFI\xfb"
    content[0x638:0x63A] = b"\x53\xef"
    content[0x800:0x804] = b"XAGF"
    content[0xA40:0xA48] = b"_BHRfS_M"
    path.write_bytes(content)
    with Evidence(path) as evidence:
        found = scan(evidence).signatures
    places = {kind: one.sectors.tolist() for kind, one in found.items() if len(one.sectors)}
    assert places == {Signature.QCOW2: [2], Signature.EXT: [3], Signature.XFS_AGF: [4], Signature.BTRFS: [5]}


class BadSector(Evidence):
    """A file with one sector that cannot be read."""

    def read_into(self, host_offset: int, buffer: memoryview) -> None:
        if host_offset < 1024 and host_offset + len(buffer) > 512:
            raise ReadFailed(host_offset, len(buffer), "bad sector")
        super().read_into(host_offset, buffer)


def test_a_sector_that_cannot_be_read_does_not_stop_the_scan(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(words(COPIED | 0x1000).ljust(512, b"\0") * 8)
    with BadSector(path) as evidence:
        found = scan(evidence).sectors.part(0, 8).tolist()
    assert found == [Sector.STANDARD, Sector.UNREAD, *[Sector.STANDARD] * 6]


def test_a_scan_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 4096)
    with Evidence(path) as evidence, pytest.raises(Interrupted):
        scan(evidence, cancelled=lambda: True)


def test_the_checksum_is_castagnoli_s() -> None:
    row = np.frombuffer(b"123456789", dtype=np.uint8)
    assert [hex(value) for value in crc32c(np.stack([row, row])).tolist()] == ["0xe3069283"] * 2


@pytest.mark.parametrize("seed", range(20))
def test_kinds_that_are_packed_are_those_that_were_put(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plain, packed = np.zeros(1001, dtype=np.uint8), Kinds(1001)
    for _ in range(20):
        sectors = rng.permutation(1001)[: rng.integers(0, 300)]
        kinds = rng.integers(0, len(Sector), len(sectors)).astype(np.uint8)
        plain[sectors] = kinds
        packed.put(sectors, kinds)
        start, stop = sorted(rng.integers(0, 1100, 2).tolist())
        assert packed.part(start, stop).tolist() == plain[start:stop].tolist()
    assert packed.at(np.arange(1001)).tolist() == plain.tolist()
    assert len(packed) == 1001


@pytest.mark.parametrize("seed", range(4))
def test_a_file_of_many_parts_is_read_as_one_without_holes(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    sparse, dense = tmp_path / "sparse", tmp_path / "dense"
    with sparse.open("wb") as file:
        file.truncate((16 << 20) + rng.randrange(4096))
        for _ in range(1500):
            file.seek(rng.randrange(16 << 20) & ~511)
            file.write(rng.choice([words(COPIED | 0x10000), b"QFI\xfb" + rng.randbytes(600), rng.randbytes(700)]))
    dense.write_bytes(sparse.read_bytes())
    with Evidence(sparse) as one, Evidence(dense) as other:
        found, expected = scan(one), scan(other)
    assert found.sectors.part(0, 1 << 20).tolist() == expected.sectors.part(0, 1 << 20).tolist()
    assert {kind: places.sectors.tolist() for kind, places in found.signatures.items()} == {
        kind: places.sectors.tolist() for kind, places in expected.signatures.items()
    }


def test_from_where_a_search_stopped_on_nothing_was_read() -> None:
    kinds = Kinds(5000)
    kinds.put(np.arange(200), np.full(200, Sector.STANDARD, dtype=np.uint8))
    kinds.stop_at(200)
    expected = [Sector.STANDARD] * 200 + [Sector.UNREAD] * 4800
    assert kinds.part(0, 256).tolist() == expected[:256]
    kinds.put(np.array([4000, 4001]), np.array([Sector.OTHER, Sector.ZERO], dtype=np.uint8))
    assert kinds.part(3999, 4003).tolist() == [Sector.UNREAD, Sector.OTHER, Sector.ZERO, Sector.UNREAD]
    assert kinds.part(256, 3999).tolist() == [Sector.UNREAD] * 3743


@pytest.mark.parametrize("cluster_bits", [9, 12, 16, 18, 21])
@pytest.mark.parametrize("count", [1, 4096 * 3, 20_001])
def test_sectors_of_clusters_are_counted_whatever_is_stored(cluster_bits: int, count: int) -> None:
    rng = np.random.default_rng(cluster_bits * count)
    plain = np.zeros(count, dtype=np.uint8)
    for first in rng.integers(0, count, 12).tolist():
        end = first + int(rng.integers(1, 700))
        plain[first:end] = rng.integers(0, len(Sector), len(plain[first:end])) if end % 2 else Sector.OTHER
    found = Scan(Kinds.of(plain), {}, count * 512)
    per_cluster = 1 << (cluster_bits - 9)
    expected = {
        number: (len(part), int((part == Sector.OTHER).sum()), int(np.isin(part, (2, 3)).sum()))
        for number in range(-(-count // per_cluster))
        if (part := plain[number * per_cluster : (number + 1) * per_cluster]).any()
    }
    counted = {}
    for clusters, sectors, sums in found.counts(cluster_bits, (Sector.OTHER,), (Sector.STANDARD, Sector.COMPRESSED)):
        rows = np.stack([clusters, sectors, *sums]).T.tolist()
        counted.update({number: tuple(rest) for number, *rest in rows})
    assert {number: row for number, row in counted.items() if number in expected} == expected
    assert all(row[1:] == (0, 0) for number, row in counted.items() if number not in expected)
    used = [number for clusters in found.used_clusters(cluster_bits, also_unread=True) for number in clusters.tolist()]
    assert used == list(expected)
    assert found.where((Sector.OTHER,), 7).tolist() == np.flatnonzero(plain == Sector.OTHER)[:7].tolist()


@pytest.mark.parametrize("count", [1, 127, 128, 1000])
def test_sectors_of_something_else_are_taken_for_zeros(count: int) -> None:
    owned = np.arange(count) % 3 == 0
    places = {Signature.QCOW2: Places(np.arange(count))}
    found = Scan(Kinds.of(np.full(count, Sector.OTHER, dtype=np.uint8)), places, count * 512).without(owned.__getitem__)
    assert found.sectors.part(0, count).tolist() == np.where(owned, Sector.ZERO, Sector.OTHER).tolist()
    assert found.signatures[Signature.QCOW2].sectors.tolist() == np.flatnonzero(~owned).tolist()
