"""Images that cost their reader far more than their maker: sparse, self-referring, or with numbers at the limits."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

CLUSTER = 65536
MAX_L1 = (32 << 20) // 8
COPIED = 1 << 63


def header(
    size: int,
    l1_entries: int = 1,
    l1_offset: int = 3 * CLUSTER,
    refcount_table: tuple[int, int] = (CLUSTER, 1),
    snapshots: tuple[int, int] = (0, 0),
    refcount_order: int = 4,
    autoclear: int = 0,
    extensions: bytes = b"",
) -> bytes:
    """A version 3 header for 64 KiB clusters: header, refcount table, refcount block and L1 table in this order."""
    fields = struct.pack(">4sIQIIQII", b"QFI\xfb", 3, 0, 0, 16, size, 0, l1_entries)
    fields += struct.pack(">QQIIQ", l1_offset, *refcount_table, *snapshots)
    fields += struct.pack(">QQQII", 0, 0, autoclear, refcount_order, 112) + bytes(8)
    return fields + extensions


class Bomb:
    """A sparse file that is written piece by piece."""

    def __init__(self, path: Path, length: int) -> None:
        self.path = path
        self._fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        os.truncate(self._fd, length)
        self.put(CLUSTER, struct.pack(">Q", 2 * CLUSTER))

    def put(self, offset: int, data: bytes) -> None:
        """Write some bytes."""
        os.pwrite(self._fd, data, offset)

    def done(self) -> None:
        """Close the file."""
        os.close(self._fd)


def l1_at_the_limit(path: Path) -> None:
    """4,194,304 L1 entries in a file of 256 KB."""
    bomb = Bomb(path, 4 * CLUSTER)
    bomb.put(0, header(1 << 20, MAX_L1))
    bomb.done()


def many_sparse_l1_tables(path: Path) -> None:
    """200 snapshots with L1 tables of 32 MiB each, all of them holes."""
    count, table = 200, MAX_L1 * 8
    bomb = Bomb(path, 8 * CLUSTER + count * table)
    bomb.put(0, header(1 << 40, 2048, snapshots=(count, 4 * CLUSTER)))
    entries = b""
    for number in range(count):
        entries += struct.pack(">QIHHIIQII", 8 * CLUSTER + number * table, MAX_L1, 1, 1, 0, 0, 0, 0, 24)
        entries += struct.pack(">QQQ", 0, 1 << 40, (1 << 64) - 1) + b"ab" + bytes(6)
    bomb.put(4 * CLUSTER, entries)
    bomb.done()


def many_snapshots(path: Path) -> None:
    """65,536 snapshots in a file of 256 KB."""
    bomb = Bomb(path, 4 * CLUSTER)
    bomb.put(0, header(1 << 20, snapshots=(65536, 4 * CLUSTER)))
    bomb.done()


def many_snapshots_in_a_hole(path: Path) -> None:
    """65,536 snapshots, all of them zeros."""
    bomb = Bomb(path, 64 * CLUSTER)
    bomb.put(0, header(1 << 20, snapshots=(65536, 4 * CLUSTER)))
    bomb.done()


def one_table_for_all(path: Path) -> None:
    """Every L1 entry of a 2 PiB disk leads to one L2 table, every entry of that to one cluster."""
    bomb = Bomb(path, 4 * CLUSTER + MAX_L1 * 8 + 2 * CLUSTER)
    l2 = 4 * CLUSTER + MAX_L1 * 8
    bomb.put(0, header(MAX_L1 << 29, MAX_L1, 4 * CLUSTER, refcount_order=6))
    bomb.put(4 * CLUSTER, struct.pack(">Q", l2) * MAX_L1)
    bomb.put(l2, struct.pack(">Q", l2 + CLUSTER) * 8192)
    bomb.done()


def two_exbibytes(path: Path) -> None:
    """A disk of 2 EiB whose L1 table lies past the end of the file."""
    bomb = Bomb(path, 4 * CLUSTER)
    bomb.put(0, header(1 << 61, MAX_L1, 1 << 30))
    bomb.done()


def eight_tebibytes_of_nothing(path: Path) -> None:
    """A file of 8 TiB with a cluster at each end."""
    bomb = Bomb(path, 8 << 40)
    bomb.put(0, header(1 << 20))
    bomb.put(3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER | COPIED))
    bomb.put(4 * CLUSTER, struct.pack(">QQ", 5 * CLUSTER | COPIED, ((8 << 40) - CLUSTER) | COPIED))
    bomb.put(2 * CLUSTER, struct.pack(">6H", 1, 1, 1, 1, 1, 1))
    bomb.done()


def strewn(path: Path) -> None:
    """64 L2 tables, each entry of which leads to another gigabyte of a file of 8 TiB."""
    bomb = Bomb(path, 8 << 40)
    bomb.put(0, header(64 << 29, 64))
    bomb.put(3 * CLUSTER, b"".join(struct.pack(">Q", (4 + number) * CLUSTER | COPIED) for number in range(64)))
    entries = b"".join(struct.pack(">Q", (number << 30) + (1 << 20) | COPIED) for number in range(8192))
    for number in range(64):
        bomb.put((4 + number) * CLUSTER, entries)
    bomb.done()


def one_compressed_cluster_for_all(path: Path) -> None:
    """2,048 L1 entries, one L2 table, and one compressed cluster for 1 TiB."""
    bomb = Bomb(path, 8 * CLUSTER)
    bomb.put(0, header(1 << 40, 2048))
    bomb.put(3 * CLUSTER, struct.pack(">Q", 4 * CLUSTER) * 2048)
    bomb.put(4 * CLUSTER, struct.pack(">Q", 1 << 62 | 5 * CLUSTER) * 8192)
    bomb.done()


def bitmap_table_at_the_limit(path: Path) -> None:
    """A bitmap whose table has 134,217,728 entries, in a hole of the file."""
    bomb = Bomb(path, 8 * CLUSTER + (1 << 30))
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, 1, 0, 32, 4 * CLUSTER)
    bomb.put(0, header(1 << 40, 2048, autoclear=1, extensions=extension))
    bomb.put(4 * CLUSTER, struct.pack(">QIIBBHI", 8 * CLUSTER, 0x8000000, 2, 1, 9, 1, 0) + b"a" + bytes(7))
    bomb.done()


def _bitmaps(path: Path, count: int, entries: int, apart: int) -> None:
    """`count` bitmaps whose tables of `entries` entries begin `apart` bytes after one another; few lead anywhere."""
    tables = 256 * CLUSTER
    bomb = Bomb(path, tables + count * apart + entries * 8)
    names = [b"%07d" % number for number in range(count)]
    directory = b"".join(
        struct.pack(">QIIBBHI", tables + number * apart, entries, 0, 1, 16, 7, 0) + name + bytes(1)
        for number, name in enumerate(names)
    )
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, count, 0, len(directory), 4 * CLUSTER)
    bomb.put(0, header(1 << 30, 2, autoclear=1, extensions=extension))
    bomb.put(4 * CLUSTER, directory)
    bomb.put(tables, struct.pack(">Q", 2 * CLUSTER) * 1000)
    bomb.done()


def one_bitmap_table_for_all(path: Path) -> None:
    """Sixty bitmaps with the same table of 32 MiB."""
    _bitmaps(path, 60, 1 << 22, 0)


def many_bitmap_tables(path: Path) -> None:
    """The most bitmaps there can be, each with a table of its own in a hole of the file."""
    _bitmaps(path, 65535, 1 << 13, CLUSTER)


def refcount_table_at_the_limit(path: Path) -> None:
    """A refcount table of 8 MiB, nearly all of it past the end of the file."""
    bomb = Bomb(path, 4 * CLUSTER)
    bomb.put(0, header(1 << 20, refcount_table=(CLUSTER, 128)))
    bomb.done()


def one_refcount_block_for_all(path: Path) -> None:
    """A file of 8 TiB whose refcount table of 8 MiB names one block a million times."""
    bomb = Bomb(path, 8 << 40)
    bomb.put(0, header(1 << 20, refcount_table=(16 * CLUSTER, 128)))
    bomb.put(16 * CLUSTER, struct.pack(">Q", 2 * CLUSTER) * (1 << 20))
    bomb.put(2 * CLUSTER, struct.pack(">H", 1) * 32768)
    bomb.done()


def _snapshots(path: Path, count: int, apart: int, l1_entries: int, name: bytes = b"b") -> None:
    """`count` snapshots whose L1 tables of `l1_entries` entries begin `apart` bytes after one another."""
    entry = struct.Struct(">QIHHIIQII").pack
    texts = b"1" + name + bytes(-(1 + len(name)) % 8)
    table_bytes = count * (40 + 24 + len(texts))
    l1_tables = (4 * CLUSTER + table_bytes + CLUSTER - 1) // CLUSTER * CLUSTER
    l2_tables = l1_tables + count * apart + l1_entries * 8 + CLUSTER
    l2_tables += -l2_tables % CLUSTER
    bomb = Bomb(path, l2_tables + count * CLUSTER)
    bomb.put(0, header(1 << 30, 2, snapshots=(count, 4 * CLUSTER)))
    entries = bytearray()
    for number in range(count):
        entries += entry(l1_tables + number * apart, l1_entries, 1, len(name), 0, 0, 0, 0, 24)
        entries += struct.pack(">QQQ", 0, 1 << 30, (1 << 64) - 1) + texts
        if apart:
            bomb.put(l1_tables + number * apart, struct.pack(">Q", l2_tables + number * CLUSTER))
    bomb.put(4 * CLUSTER, bytes(entries))
    bomb.done()


def most_snapshots_of_one_table(path: Path) -> None:
    """65,536 snapshots that share one L1 table of 32 MiB in a hole."""
    _snapshots(path, 65536, 0, MAX_L1)


def tiny_snapshots(path: Path) -> None:
    """8,192 snapshots, each with an L1 table and an L2 table of its own."""
    _snapshots(path, 8192, CLUSTER, 2)


def most_tiny_snapshots(path: Path) -> None:
    """65,536 snapshots, each with an L1 table and an L2 table of its own."""
    _snapshots(path, 65536, CLUSTER, 2)


def snapshots_with_long_names(path: Path) -> None:
    """2,000 snapshots whose names have 65,535 bytes each."""
    _snapshots(path, 2000, CLUSTER, 2, b"n" * 65535)


def bitmaps_with_long_names(path: Path) -> None:
    """1,000 bitmaps whose names have 65,535 bytes each."""
    count, name = 1000, b"n" * 65535
    bomb = Bomb(path, 4 * CLUSTER + count * (CLUSTER + 64) + CLUSTER)
    entry = struct.pack(">QIIBBHI", 2 * CLUSTER, 1, 0, 1, 16, len(name), 0) + name + bytes(-(24 + len(name)) % 8)
    extension = struct.pack(">IIIIQQ", 0x23852875, 24, count, 0, count * len(entry), 4 * CLUSTER)
    bomb.put(0, header(1 << 30, 2, autoclear=1, extensions=extension))
    bomb.put(4 * CLUSTER, entry * count)
    bomb.done()


def l2_tables_in_a_hole(path: Path) -> None:
    """A million L2 tables, one after the other in a hole of a file of 64 GiB."""
    count = 1 << 20
    first = 4 * CLUSTER + count * 8
    bomb = Bomb(path, first + count * CLUSTER)
    bomb.put(0, header(count << 29, count, 4 * CLUSTER))
    bomb.put(4 * CLUSTER, struct.pack(f">{count}Q", *range(first, first + count * CLUSTER, CLUSTER)))
    bomb.done()


def every_other_l1_entry(path: Path) -> None:
    """4,194,304 L1 entries of which every other one leads to an L2 table of zeros that is stored."""
    tables = 4 * CLUSTER + MAX_L1 * 8
    bomb = Bomb(path, tables + CLUSTER)
    bomb.put(0, header(MAX_L1 << 29, MAX_L1, 4 * CLUSTER, refcount_order=6))
    bomb.put(4 * CLUSTER, struct.pack(">QQ", tables, 0) * (MAX_L1 // 2))
    bomb.put(tables, bytes(CLUSTER))
    bomb.done()


def refcount_blocks_in_a_hole(path: Path) -> None:
    """A million refcount blocks, one after the other in a hole of a file of 64 GiB."""
    count = 1 << 20
    first = 16 * CLUSTER + count * 8
    bomb = Bomb(path, first + count * CLUSTER)
    bomb.put(0, header(1 << 20, refcount_table=(16 * CLUSTER, 128)))
    bomb.put(16 * CLUSTER, struct.pack(f">{count}Q", *range(first, first + count * CLUSTER, CLUSTER)))
    bomb.done()


def small_clusters_of_eight_tebibytes(path: Path) -> None:
    """A file of 8 TiB in 512-byte clusters that holds 12 KB."""
    fields = struct.pack(">4sIQIIQII", b"QFI\xfb", 3, 0, 0, 9, 1 << 20, 0, 32)
    fields += struct.pack(">QQIIQ", 1536, 512, 1, 0, 0) + struct.pack(">QQQII", 0, 0, 0, 4, 112) + bytes(8)
    with path.open("wb") as file:
        file.write(fields)
        file.truncate(8 << 40)
        file.seek(512)
        file.write(struct.pack(">Q", 1024) + bytes(504) + struct.pack(">6H", 1, 1, 1, 1, 1, 1) + bytes(500))
        file.seek(1536)
        file.write(struct.pack(">Q", 2048 | COPIED) + bytes(504))
        file.write(struct.pack(">QQ", 2560 | COPIED, ((8 << 40) - 512) | COPIED) + bytes(496) + b"x" * 512)
        file.seek((8 << 40) - 8192)
        file.write(b"y" * 8192)


def checkerboard_of_subclusters(path: Path) -> None:
    """Extended L2 entries whose subclusters are allocated in turn: 4 million extents in 2 MiB of tables."""
    tables = 32
    bomb = Bomb(path, (8 + tables) * CLUSTER)
    fields = bytearray(header(tables * 4096 * CLUSTER, tables))
    fields[72:80] = struct.pack(">Q", 16)
    bomb.put(0, bytes(fields))
    places = (struct.pack(">Q", (8 + number) * CLUSTER) for number in range(tables))
    bomb.put(3 * CLUSTER, b"".join(places))
    table = struct.pack(">QQ", 5 * CLUSTER, 0x55555555) * 4096
    for number in range(tables):
        bomb.put((8 + number) * CLUSTER, table)
    bomb.done()


def _streams(path: Path, cluster_bits: int, data: bytes, offsets: list[int], sectors: int, zstd: bool = False) -> None:
    """Compressed clusters whose streams begin at `offsets` of `data`; the data begin at host offset 16 MiB."""
    size = 1 << cluster_bits
    per_table = size // 8
    tables = -(-len(offsets) // per_table)
    l1, l2, begin = 3 * max(size, 512), 1 << 20, 16 << 20
    l2 = max(l2, -(-(l1 + tables * 8) // size) * size)
    begin = max(begin, l2 + tables * size)
    fields = struct.pack(">4sIQIIQII", b"QFI\xfb", 3, 0, 0, cluster_bits, tables * per_table * size, 0, tables)
    fields += struct.pack(">QQIIQ", l1, size, 1, 0, 0)
    fields += struct.pack(">QQQII", 8 if zstd else 0, 0, 0, 4, 112) + bytes([1 if zstd else 0]) + bytes(7)
    shift = 62 - (cluster_bits - 8)
    with path.open("wb") as file:
        file.write(fields)
        file.seek(size)
        file.write(struct.pack(">Q", 2 * size))
        file.seek(l1)
        file.write(b"".join(struct.pack(">Q", l2 + number * size) for number in range(tables)))
        file.seek(l2)
        for offset in offsets:
            file.write(struct.pack(">Q", 1 << 62 | sectors - 1 << shift | begin + offset))
        file.seek(begin)
        file.write(data)


def streams_that_never_end(path: Path) -> None:
    """32,768 descriptors into one deflate stream of zeros, each for a cluster of 2 MiB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = packer.compress(bytes(64 << 20)) + packer.flush()
    _streams(path, 21, data, [0] + [number * 2 for number in range(1, 32768)], 8)


def streams_of_garbage(path: Path) -> None:
    """A million descriptors of random bytes, in clusters of 512 bytes."""
    _streams(path, 9, random.Random(1).randbytes(1 << 20), list(range(1 << 20)), 2)


def streams_that_break_late(path: Path) -> None:
    """4,096 streams of 2 MiB clusters that break just before their end, each long enough to be read slowly."""
    data = zlib.compress(random.Random(2).randbytes(2 << 20), 0)[2:-40] + b"\xff" * 64
    _streams(path, 21, data, [0] * 4096, 4200)


def empty_zstd_frames(path: Path) -> None:
    """4,096 streams of 4 MiB that hold nothing but empty frames."""
    frame = bytes.fromhex("28b52ffd2000010000")
    data = frame * ((5 << 20) // len(frame))
    _streams(path, 21, data, [number * len(frame) for number in range(4096)], 8192, zstd=True)


def skippable_zstd_frames(path: Path) -> None:
    """4,096 streams of 4 MiB that hold nothing but frames to be skipped."""
    frame = bytes.fromhex("502a4d1800000000")
    data = frame * ((5 << 20) // len(frame))
    _streams(path, 21, data, [number * len(frame) for number in range(4096)], 8192, zstd=True)


def windows_strewn(path: Path) -> None:
    """64 L2 tables, each entry of which leads to a stream in another gigabyte of a file of 8 TiB."""
    bomb = Bomb(path, 8 << 40)
    bomb.put(0, header(64 << 29, 64))
    bomb.put(3 * CLUSTER, b"".join(struct.pack(">Q", (4 + number) * CLUSTER | COPIED) for number in range(64)))
    for table in range(64):
        numbers = range(table * 8192, (table + 1) * 8192)
        bomb.put((4 + table) * CLUSTER, b"".join(struct.pack(">Q", 1 << 62 | n * ((8 << 40) >> 19)) for n in numbers))
    bomb.done()


BOMBS: dict[str, Callable[[Path], None]] = {
    make.__name__: make
    for make in (
        l1_at_the_limit,
        many_sparse_l1_tables,
        many_snapshots,
        many_snapshots_in_a_hole,
        one_table_for_all,
        two_exbibytes,
        eight_tebibytes_of_nothing,
        strewn,
        one_compressed_cluster_for_all,
        bitmap_table_at_the_limit,
        one_bitmap_table_for_all,
        many_bitmap_tables,
        refcount_table_at_the_limit,
        one_refcount_block_for_all,
        most_snapshots_of_one_table,
        tiny_snapshots,
        most_tiny_snapshots,
        snapshots_with_long_names,
        bitmaps_with_long_names,
        l2_tables_in_a_hole,
        every_other_l1_entry,
        refcount_blocks_in_a_hole,
        small_clusters_of_eight_tebibytes,
        checkerboard_of_subclusters,
        streams_that_never_end,
        streams_of_garbage,
        streams_that_break_late,
        empty_zstd_frames,
        skippable_zstd_frames,
        windows_strewn,
    )
}
"""Every bomb by its name; none takes more than a few tens of megabytes on the disk."""
