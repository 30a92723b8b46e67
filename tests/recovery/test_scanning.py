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


MAGICS = {
    Signature.QCOW2: (0, [b"QFI\xfb"]),
    Signature.GPT: (0, [b"EFI "]),
    Signature.XFS: (0, [b"XFSB"]),
    Signature.XFS_AGF: (0, [b"XAGF"]),
    Signature.XFS_AGI: (0, [b"XAGI"]),
    Signature.XFS_AGFL: (0, [b"XAFL"]),
    Signature.XFS_INODE: (0, [b"IN"]),
    Signature.XFS_BLOCK: (
        0, [b"AB3B", b"AB3C", b"IAB3", b"FIB3", b"BMA3", b"XDB3", b"XDD3", b"XDF3", b"XARM", b"XSLM", b"RMB3", b"R3FC"],
    ),
    Signature.XFS_TREE_OF_NAMES: (8, [b"\x3d\xf1\0\0", b"\x3d\xff\0\0", b"\x3e\xbe\0\0", b"\x3b\xee\0\0"]),
    Signature.XFS_LOG: (0, [b"\xfe\xed\xba\xbe"]),
    Signature.NTFS_RECORD: (0, [b"FILE"]),
    Signature.NTFS_BOOT: (3, [b"NTFS "]),
    Signature.LUKS: (0, [b"LUKS"]),
    Signature.EXT: (56, [b"\x53\xef"]),
    Signature.EXT_INODE: (40, [b"\x0a\xf3"]),
    Signature.BTRFS: (64, [b"_BHRfS_M"]),
}  # fmt: skip
SNAPSHOT = struct.pack(">QIHHIIQII", 0x30000, 1, 1, 4, 0, 5, 0, 0, 24)


def is_entry(word: int, highest: int) -> bool:
    """A plain reading: bits 0 to 61 of a standard entry are a flag and an offset, of a stream at least 49 an offset."""
    if word >> 62 & 1:
        return word >> 63 == 0 and (word & (1 << 49) - 1) >> highest == 0
    return word & 0x3F00_0000_0000_01FE == 0 and (word & (1 << 56) - 1) >> highest == 0


def plain_kind(sector: bytes, highest: int) -> Sector:
    """A sector word by word; of bitmaps the entries stand in the even words."""
    entries = struct.unpack(">64Q", sector)
    if not any(entries):
        return Sector.ZERO
    if all(is_entry(word, highest) for word in entries):
        return Sector.COMPRESSED if any(word >> 62 & 1 for word in entries) else Sector.STANDARD
    if not is_entry(entries[0], highest) or not is_entry(entries[36], highest):
        return Sector.OTHER
    for entry, bitmap in zip(entries[0::2], entries[1::2], strict=True):
        allocated, zero = bitmap & 0xFFFF_FFFF, bitmap >> 32
        nowhere = entry & 0x00FF_FFFF_FFFF_FE00 == 0
        if not is_entry(entry, highest):
            return Sector.OTHER
        standard = not (allocated & zero or (nowhere and allocated) or entry & 1)
        if not (standard or (entry >> 62 & 1 and not bitmap)):
            return Sector.OTHER
    return Sector.EXTENDED


def is_snapshot(sector: bytes, highest: int) -> bool:
    """An entry of a snapshot table: an aligned L1 table, an id of up to 20 bytes, nanoseconds, extra data."""
    table, entries, id_length, _, _, nanoseconds, _, _, extra = struct.unpack_from(">QIHHIIQII", sector)
    plausible = table and table % 512 == 0 and table < 1 << highest
    return bool(plausible and entries and 0 < id_length <= 20 and nanoseconds < 10**9 and extra <= 1024)


def planted(rng: random.Random) -> bytes:
    """A sector as they are met, or nearly: text, noise, zeros, tables with or without a wrong bit, a signature."""
    entry = rng.choice([0, COPIED, 1, COMPRESSED])
    bitmap = rng.choice([0, 0xFFFF_FFFF, 0xF << 32])
    table = [entry | rng.randrange(1, 64) << 16 if rng.random() < 0.8 else 0 for _ in range(64)]
    extended = [word if at % 2 == 0 else bitmap for at, word in enumerate(table)]
    wrong = [word ^ (at == 7) << rng.randrange(64) for at, word in enumerate(table)]
    sector = bytearray(
        rng.choice(
            [bytes(512), rng.randbytes(512), b"text " * 103, words(*table), words(*extended), words(*wrong), SNAPSHOT]
        ).ljust(512, b"\0")[:512]
    )
    if rng.random() < 0.4:
        at, magics = rng.choice(list(MAGICS.values()))
        magic = rng.choice(magics)
        sector[at : at + len(magic)] = magic
        if rng.random() < 0.3:  # nearly
            sector[at + rng.randrange(len(magic))] ^= 1 << rng.randrange(8)
    return bytes(sector)


@pytest.mark.parametrize("seed", range(8))
def test_every_sector_is_what_a_plain_reading_says(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    sectors = [planted(rng) for _ in range(6000)]
    path = tmp_path / "file"
    path.write_bytes(b"".join(sectors))
    highest = (512 * len(sectors) * 16 - 1).bit_length()
    with Evidence(path) as evidence:
        found = scan(evidence)
    kinds = [plain_kind(sector, highest) for sector in sectors]
    assert found.sectors.part(0, len(sectors)).tolist() == kinds
    assert len(set(kinds)) == 5
    for signature, (at, magics) in MAGICS.items():
        expected = [number for number, sector in enumerate(sectors) if sector[at:].startswith(tuple(magics))]
        assert found.signatures[signature].sectors.tolist() == expected
        assert expected
    snapshots = [number for number, sector in enumerate(sectors) if is_snapshot(sector, highest)]
    assert found.signatures[Signature.SNAPSHOT].sectors.tolist() == snapshots
    assert snapshots


@pytest.mark.parametrize("seed", range(4))
def test_kinds_that_follow_one_another_are_put_as_if_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, packed, plain = [], Kinds(5000, unread_from=4000), Kinds(5000, unread_from=4000)
    for first in rng.integers(0, 4700, 12).tolist():
        length = int(rng.integers(1, 300))
        runs.append((first - first % 128 if length % 2 else first, np.full(length, 1 + length % 4, dtype=np.uint8)))
    for first, kinds in runs:
        packed.put_run(first, kinds)
        plain.put(np.arange(first, first + len(kinds)), kinds)
    assert packed.part(0, 5000).tolist() == plain.part(0, 5000).tolist()


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
