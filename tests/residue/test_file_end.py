"""What stands behind the last structure of a file: left by QEMU, or appended."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.accounting.owners import Metadata, OwnedRange, Owner
from forensic.budget import Budget, Limits
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L2Batch
from forensic.residue import file_end, search
from forensic.residue.file_end import SHORT_BYTES, FileEnd
from samples.bench import Bench, prose
from tests.images import COMPRESSED, COPIED, SOUND, geometry, header, tiny, written
from tests.oracles import require
from tests.rules.judging import codes_of

NOISE = random.Random(7).randbytes(200_000)
MESSAGE = b"the key is under the mat\n" * 40
BASES = ("data-512", "data-4k", "deflate-4k", "zstd-4k", "snapshots-512", "extended-16k", "patterns-v2-4k", "luks-4k")


@pytest.mark.parametrize("payload", [MESSAGE, NOISE[:700], NOISE[:99_999]], ids=["text", "noise", "much"])
@pytest.mark.parametrize("base", BASES)
def test_what_is_appended_is_found(base: str, payload: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes((SOUND / f"{base}.qcow2").read_bytes() + payload)
    assert codes_of(path) - codes_of(SOUND / f"{base}.qcow2") - {"residue-in-table-slack"} == {"residue-appended"}


def test_whole_clusters_may_have_been_freed(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes((SOUND / "data-512.qcow2").read_bytes() + NOISE[:1024])
    assert codes_of(path) == {"residue-at-file-end"}


@pytest.mark.parametrize("cluster", [512, 4096, 65536])
def test_old_snapshot_tables_and_directories_are_left_by_qemu(cluster: int, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "used", "used.qcow2")
    bench.create(5 * 65536, f"cluster_size={cluster}")
    found = []
    for name in ("a-snapshot-of-a-long-name", "b", "c"):
        bench.io(f"write -P {len(name)} 0 3k")
        bench.run("qemu-img", "snapshot", "-c", name, bench.image)
    for name in ("b", "a-snapshot-of-a-long-name", "c"):
        bench.run("qemu-img", "snapshot", "-d", name, bench.image)
        found.append(codes_of(bench.path(bench.image)))
    bench.run("qemu-img", "bitmap", "--add", "-g", "512", bench.image, "days")
    bench.io("write -P 9 64k 3k")
    bench.run("qemu-img", "bitmap", "--remove", bench.image, "days")
    found.append(codes_of(bench.path(bench.image)))
    assert not any("residue-appended" in codes for codes in found)


@pytest.mark.parametrize("codec", ["zlib", "zstd"])
def test_a_freed_stream_at_the_end_is_left_by_qemu(codec: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "used", "used.qcow2")
    bench.create(1 << 20, f"cluster_size=4096,compression_type={codec}")
    source = bench.file("source", prose(4096))
    bench.io("write -P 1 128k 16k", f"write -c -s {source} 0 4k", f"write -c -s {source} 64k 4k")
    bench.io("discard 128k 16k", "write -P 2 64k 4k")  # the new cluster finds room before the stream
    one = codes_of(bench.path(bench.image))
    bench.io("write -P 3 0 4k")
    both = codes_of(bench.path(bench.image))
    assert bench.path(bench.image).stat().st_size % 4096
    assert "residue-appended" not in one | both
    assert "residue-at-file-end" in both


def test_a_stream_over_an_old_directory_shows_its_end(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "used", "used.qcow2")
    bench.create(1050112, "cluster_size=4096")
    bench.io("write -P 7 850944 12288", "write -P 9 84480 512", "write -P 9 733696 4096")
    bench.run("qemu-img", "bitmap", "--add", "-g", "64k", bench.image, "b3")
    bench.io("write -P 9 261632 4096", "write -z -u 709632 4096")
    bench.run("qemu-img", "bitmap", "--remove", bench.image, "b3")
    bench.io("write -P 7 108544 4096", *(f"write -c -P 3 {guest} 4k" for guest in range(4096, 65536, 4096)))
    assert "compressed-stream-tail" not in codes_of(bench.path(bench.image))


CLUSTER = 4096


def ended_by(structure: str) -> bytes:
    """An image of 4 KiB clusters that ends with a cluster of data, a whole L2 table, or a short L1 table."""
    if structure == "data":
        return tiny([COPIED | 5 * CLUSTER], cluster_bits=12, file_clusters=6)
    if structure == "L2 table":
        return tiny([], cluster_bits=12, file_clusters=5)
    head = header(cluster_bits=12, l1_offset=6 * CLUSTER)
    return tiny([], cluster_bits=12, file_clusters=6, head=head) + (4 * CLUSTER).to_bytes(8, "big")


@pytest.mark.parametrize("length", [1, 255, 256, 257, 512, 1024, 2048, 4000, 4095, 4097, 5000])
@pytest.mark.parametrize("structure", ["data", "L2 table", "L1 table"])
@pytest.mark.parametrize("zeros", [0, 0.2, 0.3, 0.9], ids=lambda share: f"zeros-{share}")
def test_only_short_remains_behind_a_table_or_mostly_of_zeros_are_left_by_qemu(
    structure: str, length: int, zeros: float, tmp_path: Path
) -> None:
    """Whatever is longer than `SHORT_BYTES` and looks like no structure was appended, of whichever length it is."""
    payload = bytearray(byte or 1 for byte in random.Random(length).randbytes(length))
    payload[: int(length * zeros)] = bytes(int(length * zeros))
    path = tmp_path / "image.qcow2"
    path.write_bytes(ended_by(structure) + payload)
    left = length <= SHORT_BYTES and (structure == "L1 table" or payload.count(0) > length // 4)
    assert ("residue-appended" in codes_of(path)) == (not left)


@pytest.mark.parametrize(("zeros", "appended"), [(0, False), (1, False), (511, False), (512, True), (2000, True)])
def test_a_stream_that_ends_the_file_is_padded_by_less_than_a_sector(
    zeros: int, appended: bool, tmp_path: Path
) -> None:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    stream = deflate.compress(random.Random(3).randbytes(500) + bytes(CLUSTER - 500)) + deflate.flush()
    path = tmp_path / "image.qcow2"
    path.write_bytes(ended_by("data") + stream + bytes(zeros))
    assert ("residue-appended" in codes_of(path)) == appended


SIZE = 20 * CLUSTER + 1024
"""Of a file that ends inside its twenty-first cluster, at the end of a sector."""

NONE = np.zeros(0, dtype=np.uint64)
LAYOUT = geometry(header(cluster_bits=12))


def end_of(folder: Path, words: list[int], layout: Geometry = LAYOUT, size: int = SIZE) -> FileEnd:
    """What is known of the end of a file after one L2 table."""
    path = written(folder, b"")
    with path.open("r+b") as stream:
        stream.truncate(size)
    row = np.array([words], dtype=np.uint64)
    batch = L2Batch(
        "active", layout, size, np.array([0]), np.array([CLUSTER], np.uint64), np.array([len(words)]), row, None
    )
    found = FileEnd(Evidence(path), layout)
    found.add(batch)
    found.add(replace(batch, entries=np.zeros_like(row)))
    return found


def stream(begin: int, sectors: int) -> int:
    return COMPRESSED | sectors - 1 << 58 | begin


@pytest.mark.parametrize(
    ("words", "behind"),
    [
        ([0], 0),
        ([5 * CLUSTER, 9 * CLUSTER, 7 * CLUSTER], 10 * CLUSTER),
        ([20 * CLUSTER], 21 * CLUSTER),
        ([SIZE], 0),  # what leads behind the file has no end in it
        ([SIZE, 5 * CLUSTER], 6 * CLUSTER),
        ([SIZE - 512, 5 * CLUSTER], SIZE - 512 + CLUSTER),
        ([21 * CLUSTER, 5 * CLUSTER, 1 << 40], 6 * CLUSTER),
        ([5 * CLUSTER, stream(6 * CLUSTER + 5, 1)], 6 * CLUSTER + 512),
        ([9 * CLUSTER, stream(6 * CLUSTER + 5, 1)], 10 * CLUSTER),
        ([stream(6 * CLUSTER + 5, 3), stream(6 * CLUSTER, 2)], 6 * CLUSTER + 3 * 512),
        ([stream(SIZE + CLUSTER - 1024, 1)], SIZE + CLUSTER - 512),
        ([stream(SIZE + CLUSTER - 512, 1), stream(6 * CLUSTER, 2)], 6 * CLUSTER + 1024),
        ([stream(SIZE + CLUSTER, 1)], 0),
    ],
)
def test_data_ends_with_the_last_cluster_or_stream_of_the_file(words: list[int], behind: int, tmp_path: Path) -> None:
    assert end_of(tmp_path, words).behind == behind


def test_only_where_a_file_ends_inside_a_cluster_its_data_is_looked_at(tmp_path: Path) -> None:
    assert end_of(tmp_path, [5 * CLUSTER], size=20 * CLUSTER).behind == 0
    assert end_of(tmp_path, [5 * CLUSTER], size=20 * CLUSTER).last_cluster == 20 * CLUSTER
    assert end_of(tmp_path, [5 * CLUSTER]).last_cluster == 20 * CLUSTER
    elsewhere = replace(LAYOUT, external_data_file=True)  # offsets count in another file there
    assert end_of(tmp_path, [5 * CLUSTER], elsewhere).behind == 0


def appended(
    folder: Path,
    content: bytes,
    owners: list[OwnedRange],
    tables: tuple[np.ndarray, np.ndarray, np.ndarray],
    limits: Limits,
) -> list[list[int]]:
    """The area that was appended to a file with these structures."""
    l2, blocks, bitmaps = tables
    with Evidence(written(folder, content)) as evidence:
        found = FileEnd(evidence, LAYOUT)
        known = Metadata(owners, blocks, bitmaps, np.ones(len(bitmaps), dtype=np.int64))
        areas: list[list[int]] = found.appended(known, l2, Budget(limits)).tolist()
        return areas


HEAD = OwnedRange(Owner.HEADER, 0, CLUSTER, "header")
TAIL = NOISE[:1000]


@pytest.mark.parametrize("kind", ["single", "L2 table", "refcount block", "bitmap data"])
def test_what_lies_behind_the_last_structure_of_any_kind_is_appended(kind: str, tmp_path: Path) -> None:
    """The last structure ends with cluster 3; noise behind it may be free, and what is near it is one with it."""
    place = np.array([2 * CLUSTER, 3 * CLUSTER], dtype=np.uint64)
    owners = [HEAD] + [OwnedRange(Owner.ACTIVE_L1, 3 * CLUSTER, CLUSTER, "L1")] * (kind == "single")
    names = ("L2 table", "refcount block", "bitmap data")
    first, second, third = (place if kind == name else NONE for name in names)
    content = bytes(3 * CLUSTER) + b"t" * CLUSTER + b"x" * 512 + bytes(CLUSTER - 512) + TAIL
    found = appended(tmp_path, content, owners, (first, second, third), Limits())
    assert found == [[4 * CLUSTER, 5 * CLUSTER + 1000]]


def test_of_what_is_free_only_the_last_part_is_appended(tmp_path: Path) -> None:
    content = bytes(CLUSTER) + b"x" * 512 + bytes(40 * CLUSTER - 512) + TAIL
    assert appended(tmp_path, content, [HEAD], (NONE,) * 3, Limits()) == [[41 * CLUSTER, 41 * CLUSTER + 1000]]
    zeros = bytes(CLUSTER) + b"x" * 512 + bytes(40 * CLUSTER)
    assert appended(tmp_path, zeros, [HEAD], (NONE,) * 3, Limits()) == []


@pytest.mark.parametrize("searched", [8, 9])
def test_a_search_that_a_limit_ends_before_the_tail_has_no_area(
    searched: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "READ_BYTES", 512)
    content = bytes(CLUSTER) + b"x" * CLUSTER + TAIL
    found = appended(tmp_path, content, [HEAD], (NONE,) * 3, Limits(residue_bytes=searched * 512))
    assert found == ([] if searched == 8 else [[CLUSTER, 2 * CLUSTER + 512]])


@pytest.mark.parametrize("length", [4, 100, 255, 256])
@pytest.mark.parametrize("by", [0, 1])
def test_remains_are_mostly_zeros_from_more_than_a_quarter_on(length: int, by: int, tmp_path: Path) -> None:
    zeros = length // 4 + by
    payload = bytes(zeros) + b"\x01" * (length - zeros)
    content = bytes(CLUSTER) + payload
    assert bool(appended(tmp_path, content, [HEAD], (NONE,) * 3, Limits())) == (by == 0)
    assert SHORT_BYTES == 256


@pytest.mark.parametrize("length", [511, 512, 513, 1024])
def test_subclusters_let_a_file_end_at_any_of_them(length: int, tmp_path: Path) -> None:
    """With extended entries, in clusters of 16 KiB, QEMU writes 512 bytes and no more."""
    head = header(cluster_bits=14, features=1 << 4)
    path = written(tmp_path, tiny([], cluster_bits=14, file_clusters=5, head=head) + NOISE[:length])
    assert ("residue-appended" in codes_of(path)) == (length % 512 > 0)


@pytest.mark.parametrize("entries", [32, 33, 64, 100])
@pytest.mark.parametrize(
    ("entry", "left"),
    [
        (CLUSTER, True),
        (COPIED | 5 * CLUSTER, True),
        (1, True),  # of a bitmap: all ones
        (CLUSTER + 512, False),
        (0x7F00_0000, False),
        (1 << 57 | CLUSTER, False),
    ],
)
def test_an_old_l1_or_bitmap_table_at_the_end_is_left_by_qemu(
    entries: int, entry: int, left: bool, tmp_path: Path
) -> None:
    payload = entry.to_bytes(8, "big") * entries
    short = len(payload) <= SHORT_BYTES  # such a one is mostly zeros
    for more in (b"", b"\x01"):
        path = written(tmp_path, ended_by("data") + payload + more)
        assert ("residue-appended" in codes_of(path)) == (not (left and not more) and len(payload + more) > SHORT_BYTES)
    assert short == (entries <= 32)


def stored_stream(single: int) -> bytes:
    """Deflate of a cluster, this many bytes of it in blocks of their own, so that no part of it makes a cluster."""
    data = NOISE[:CLUSTER]
    blocks = [b"\0\1\0\xfe\xff" + data[n : n + 1] for n in range(single)]
    rest = data[single:]
    length = len(rest).to_bytes(2, "little") + (len(rest) ^ 0xFFFF).to_bytes(2, "little")
    return b"".join(blocks) + b"\1" + length + rest


@pytest.mark.parametrize(
    ("single", "left"), [(0, True), (1, True), (817, True), (818, True), (819, False), (1200, False)]
)
def test_a_stream_at_the_end_may_be_two_clusters_long(single: int, left: bool, tmp_path: Path) -> None:
    """As long as a descriptor can say."""
    payload = stored_stream(single)
    assert (len(payload) <= 2 * CLUSTER) == left
    path = written(tmp_path, ended_by("data") + b"\x77" * 9000 + payload)
    assert ("residue-appended" in codes_of(path)) == (not left)


@pytest.mark.parametrize("before", [-600, -513, -512, -511, -1, 0, 1])
def test_a_stream_at_the_end_may_begin_in_the_last_sector_before_it(
    before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream before it ends anywhere in its last sector, and the file has nothing behind that."""
    monkeypatch.setattr(file_end, "MAX_STREAM_STARTS", 100)
    layout = header(cluster_bits=12)
    first = zlib.compressobj(9, zlib.DEFLATED, -12)
    used = first.compress(NOISE[:800] + bytes(CLUSTER - 800)) + first.flush()
    end = 5 * CLUSTER + len(used) // 512 * 512 + 512
    content = tiny([COMPRESSED | (len(used) // 512) << 58 | 5 * CLUSTER], cluster_bits=12, file_clusters=5, head=layout)
    content += used + b"\x77" * (end - 5 * CLUSTER - len(used))
    path = written(tmp_path, content[: end + min(before, 0)] + b"\x77" * max(before, 0) + stored_stream(0))
    assert ("residue-appended" in codes_of(path)) == (not -512 <= before <= 0)


def test_an_unknown_codec_says_nothing_of_the_end(tmp_path: Path) -> None:
    for codec in (0, 2):
        head = header(cluster_bits=12, features=1 << 3, compression_type=codec)
        path = written(tmp_path, tiny([], cluster_bits=12, file_clusters=6, head=head) + stored_stream(0))
        assert ("residue-appended" in codes_of(path)) == (codec == 2)


def test_an_end_that_cannot_be_read_is_not_called_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Evidence, host_offset: int, length: int) -> bytes:
        raise ReadFailed(host_offset, length, "input/output error")

    monkeypatch.setattr(Evidence, "read_at", failing)
    assert appended(tmp_path, bytes(CLUSTER) + TAIL, [HEAD], (NONE,) * 3, Limits()) == []


@pytest.mark.parametrize("zeros", [24, 40, 64, 512, 1000])
def test_zeros_do_not_make_appended_bytes_an_old_entry(zeros: int, tmp_path: Path) -> None:
    for more in range(8):
        path = written(tmp_path, ended_by("data") + NOISE[:700] + bytes(zeros + more))
        assert "residue-appended" in codes_of(path)


@pytest.mark.parametrize("texts", [0, 1, 9])
@pytest.mark.parametrize("extra", [0, 8, 24])
def test_old_entries_have_a_text(texts: int, extra: int, tmp_path: Path) -> None:
    """A snapshot its ID, a bitmap its name; what a writer leaves is as long as its fields say."""
    head = (3 * CLUSTER).to_bytes(8, "big")
    snapshot = head + bytes([0, 0, 0, 1]) + bytes([0, texts, 0, 2]) + b"\5" * 20 + extra.to_bytes(4, "big")
    bitmap = head + bytes([0, 0, 2, 0, 0, 0, 0, 0, 1, 16, 0, texts]) + extra.to_bytes(4, "big")
    for entry in (snapshot + b"\x55" * (extra + texts + 2), bitmap + b"\x55" * (extra + texts)):
        for more in (0, 8):
            path = written(tmp_path, ended_by("data") + NOISE[:400] + entry + b"\x66" * more)
            assert ("residue-appended" in codes_of(path)) == (not texts or more > 0)


def test_a_long_stream_of_the_largest_clusters_is_left_by_qemu(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "used", "used.qcow2")
    bench.create(16 << 20, "cluster_size=2M")
    source = bench.file("source", NOISE * 3 + bytes((2 << 20) - 3 * len(NOISE)))
    bench.io("write -P 1 8M 2M", f"write -c -s {source} 0 2M", f"write -c -s {source} 4M 2M")
    bench.io("discard 8M 2M", "write -P 2 4M 2M")
    assert "residue-appended" not in codes_of(bench.path(bench.image))
    bench.io("write -P 3 0 2M")
    assert "residue-appended" not in codes_of(bench.path(bench.image))


@pytest.mark.parametrize(
    ("before", "streams", "left"),
    [
        (0, 1, True),
        (1, 1, False),  # nothing makes QEMU leave a byte
        (CLUSTER - 1, 1, False),
        (CLUSTER, 1, True),
        (CLUSTER + 1, 1, False),
        (0, 2, True),
        (CLUSTER - 50, 2, False),
    ],
)
def test_a_freed_stream_of_any_length_begins_where_qemu_lets_one_begin(
    before: int, streams: int, left: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the stream before it or with a cluster; the places near the end are all tried."""
    monkeypatch.setattr(file_end, "MAX_STREAM_STARTS", 100)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    one = deflate.compress(NOISE[:1500] + bytes(CLUSTER - 1500)) + deflate.flush()
    content = ended_by("data") + b"\x77" * before + one * streams
    assert ("residue-appended" in codes_of(written(tmp_path, content))) == (not left)
    assert "residue-appended" in codes_of(written(tmp_path, content + b"\x77" * 100))
    padded = codes_of(written(tmp_path, content + bytes(-len(content) % 512)))
    assert ("residue-appended" in padded) == (not left)
