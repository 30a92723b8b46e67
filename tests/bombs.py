"""Images that cost their reader far more than their maker: sparse, self-referring, or with numbers at the limits."""

from __future__ import annotations

import os
import struct
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
    """A disk of 2 EiB whose L1 table lies behind the end of the file."""
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
    """A refcount table of 8 MiB, nearly all of it behind the end of the file."""
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
    )
}
"""Every bomb by its name; none takes more than a few tens of megabytes on the disk."""
