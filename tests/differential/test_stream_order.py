"""Compressed clusters in whatever order QEMU writes them: both readers give what QEMU gives, and all is clean."""

import random
from contextlib import suppress
from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.finding import Severity
from forensic.image import identify, open_image
from samples import oracle
from tests.oracles import require

CODECS = ("zlib", "zstd")
SIZES = ("512", "4k", "64k", "2M")


def io(folder: Path, requests: list[str]) -> None:
    commands = [word for request in requests for word in ("-c", request)]
    with suppress(oracle.ToolFailed):  # QEMU compresses nothing over a plain cluster; the other requests are done
        oracle.run(["qemu-io", "-f", "qcow2", "-d", "unmap", *commands, "image.qcow2"], folder)


def cluster_bytes(size: str) -> int:
    return int(size.removesuffix("k").removesuffix("M")) * {"k": 1 << 10, "M": 1 << 20}.get(size[-1], 1)


def compare(folder: Path) -> None:
    """Extract, with a second reading of all of it, and hold the bytes against those of qemu-img; then check."""
    oracle.run(["qemu-img", "convert", "-O", "raw", "image.qcow2", "qemu.raw"], folder)
    with open_image(folder / "image.qcow2") as image:
        extraction = extract(image, folder / "ours.raw", Settings(verify=True, force=True))
    assert extraction.complete
    assert (folder / "ours.raw").read_bytes() == (folder / "qemu.raw").read_bytes()
    assert extraction.compared is not None
    assert extraction.compared.bytes == extraction.size
    with Evidence(folder / "image.qcow2") as evidence:
        judgement = check(identify(evidence), strict=True)
    assert [one.rule for one in judgement.findings if one.severity.rank > Severity.LOW.rank] == []


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", SIZES)
def test_streams_written_in_any_order_and_written_again(size: str, codec: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    order, cluster = random.Random(f"{size} {codec}"), cluster_bytes(size)
    count = 40 if cluster < 1 << 20 else 8
    options = f"cluster_size={size},compression_type={codec}"
    oracle.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "image.qcow2", str(count * cluster)], tmp_path
    )
    requests = []
    for number in order.choices(range(count), k=2 * count):
        # Streams whose lengths lie around every multiple of 512: noise of such a length, then one byte repeated.
        noise = min(cluster, max(0, order.choice([1, 2, 3, 5, 7]) * 512 - order.randrange(64)))
        (tmp_path / f"{number}.bin").write_bytes(order.randbytes(noise).ljust(cluster, bytes([number])))
        requests.append(f"write -c -s {number}.bin {number * cluster} {cluster}")
        if order.random() < 0.2:
            requests.append(order.choice(["write -P 7", "write -z", "discard"]) + f" {number * cluster} {cluster}")
        if len(requests) > 6:
            io(tmp_path, requests)
            requests = []
    io(tmp_path, requests)
    compare(tmp_path)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", ["4k", "64k"])
def test_streams_of_sixteen_writers_at_a_time(size: str, codec: str, tmp_path: Path) -> None:
    require("qemu-img")
    order = random.Random(codec)
    disk = b"".join(order.randbytes(order.randrange(2, 3000)).ljust(4096, b"x") for _ in range(2048))
    (tmp_path / "disk.raw").write_bytes(disk)
    options = f"cluster_size={size},compression_type={codec}"
    command = ["qemu-img", "convert", "-c", "-W", "-m", "16", "-O", "qcow2", "-o", options, "disk.raw", "image.qcow2"]
    oracle.run(command, tmp_path)
    compare(tmp_path)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("seed", range(6))
def test_what_rewriting_leaves_behind_streams_is_no_more_than_a_note(seed: int, codec: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    rng = random.Random(seed)
    size = rng.choice((512, 1024, 2048, 4096))
    options = f"cluster_size={size},compression_type={codec}"
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, "image.qcow2", str(64 * size)], tmp_path)
    requests = []
    for number in range(400):
        (tmp_path / f"{number}").write_bytes(rng.randbytes(rng.randrange(size)).ljust(size, b"\0"))
        place = f"{rng.randrange(64) * size} {size}"
        requests.append(f"write -c -s {number} {place}" if rng.random() < 0.8 else f"discard {place}")
    for start in range(0, len(requests), 100):
        io(tmp_path, requests[start : start + 100])
    with Evidence(tmp_path / "image.qcow2") as evidence:
        judgement = check(identify(evidence))
    assert [one.rule for one in judgement.findings if one.severity.rank > Severity.INFO.rank] == []
