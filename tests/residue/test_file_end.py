"""What stands behind the last structure of a file: left by QEMU, or appended."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest

from forensic.residue.file_end import SHORT_BYTES
from samples.bench import Bench, prose
from tests.images import COPIED, SOUND, header, tiny
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
