"""Images that were used for real raise nothing above low: what QEMU leaves behind is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.finding import Severity
from forensic.image import identify
from forensic.records.judgement import Verdict
from samples import kinds, oracle
from tests.oracles import require

OPTIONS = (
    "cluster_size=512",
    "cluster_size=4096,compat=0.10",
    "cluster_size=65536",
    "cluster_size=16384,extended_l2=on",
    "cluster_size=4096,refcount_bits=64,lazy_refcounts=on",
    "cluster_size=2M,preallocation=metadata",
)


def findings_above_low(path: Path) -> list[str]:
    with Evidence(path) as evidence:
        judgement = check(identify(evidence), strict=True)
    assert judgement.verdict(Severity.LOW) in (Verdict.CLEAN, Verdict.SUSPICIOUS)
    return [finding.observation for finding in judgement.findings if finding.severity.rank > Severity.LOW.rank]


def img(folder: Path, *words: str) -> None:
    oracle.run(["qemu-img", *words], folder)


def io(folder: Path, *requests: str) -> None:
    commands = [word for request in requests for word in ("-c", request)]
    oracle.run(["qemu-io", "-f", "qcow2", "-d", "unmap", *commands, "image.qcow2"], folder)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_disk_that_was_written_discarded_and_snapshotted_for_a_while(options: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    img(tmp_path, "create", "-q", "-f", "qcow2", "-o", options, "image.qcow2", "3M")
    for number in range(6):
        io(
            tmp_path,
            f"write -P {number + 1} {number * 300}k 700k",
            f"discard {number * 200}k 150k",
            f"write -z {number * 100}k 64k",
            f"write -z -u {number * 50 + 7}k 33k",
        )
        img(tmp_path, "snapshot", "-c", f"snapshot {number}", "image.qcow2")
        if number % 2:
            img(tmp_path, "snapshot", "-d", f"snapshot {number - 1}", "image.qcow2")
    img(tmp_path, "snapshot", "-a", "snapshot 3", "image.qcow2")
    io(tmp_path, "write -P 99 100k 1M", "discard 0 512k")
    for number in (1, 3, 5):
        img(tmp_path, "snapshot", "-d", f"snapshot {number}", "image.qcow2")
        assert findings_above_low(tmp_path / "image.qcow2") == []
    assert oracle.check_word(tmp_path / "image.qcow2") == "ok"


@pytest.mark.parametrize("options", [each for each in OPTIONS if "preallocation" not in each])
def test_a_disk_that_was_resized_and_written(options: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    img(tmp_path, "create", "-q", "-f", "qcow2", "-o", options, "image.qcow2", "1000k")
    io(tmp_path, "write -P 1 0 1000k")
    for size in ("5M", "333k", "2M", "17k", "64M"):
        img(tmp_path, "resize", "-q", "--shrink", "image.qcow2", size)
        io(tmp_path, "write -P 2 3k 9k")
        assert findings_above_low(tmp_path / "image.qcow2") == []


def test_bitmaps_that_came_and_went(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    img(tmp_path, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "image.qcow2", "1M")
    for number in range(5):
        img(tmp_path, "bitmap", "--add", "-g", "4k", "image.qcow2", f"bitmap {number}")
        io(tmp_path, f"write -P {number} {number * 100}k 60k", f"discard {number * 40}k 30k")
        if number > 1:
            img(tmp_path, "bitmap", "--remove", "image.qcow2", f"bitmap {number - 2}")
        img(tmp_path, "bitmap", "--clear", "image.qcow2", f"bitmap {number}")
        assert findings_above_low(tmp_path / "image.qcow2") == []


def test_a_file_system_that_was_converted_compressed_and_written_to(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io", "mke2fs")
    raw = tmp_path / "raw"
    with raw.open("wb") as stream:
        stream.truncate(16 << 20)
    oracle.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(kinds.__file__).rpartition("/")[0], "raw"], tmp_path)
    for codec in ("zlib", "zstd"):
        options = f"cluster_size=4096,compression_type={codec}"
        img(tmp_path, "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, "raw", "image.qcow2")
        io(tmp_path, "write -P 7 1M 3M", "discard 2M 1M", "write -c -P 8 5M 4k", "write -P 9 0 100k")
        img(tmp_path, "snapshot", "-c", "one", "image.qcow2")
        io(tmp_path, "write -P 7 0 3M", "write -c -P 8 7M 4k")
        img(tmp_path, "snapshot", "-d", "one", "image.qcow2")
        assert findings_above_low(tmp_path / "image.qcow2") == []


def test_an_overlay_that_was_committed(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    img(tmp_path, "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "base.qcow2", "1M")
    img(tmp_path, "create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", "image.qcow2")
    io(tmp_path, "write -P 1 0 300k", "write -z 100k 100k", "discard 200k 50k")
    img(tmp_path, "commit", "-q", "image.qcow2")
    io(tmp_path, "write -P 2 50k 300k")
    img(tmp_path, "rebase", "-b", "", "image.qcow2")
    for name in ("image.qcow2", "base.qcow2"):
        assert findings_above_low(tmp_path / name) == []
