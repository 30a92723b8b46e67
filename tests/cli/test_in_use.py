"""An image that another process may write to is said to be one by every command; a reader's locks are no danger."""

import fcntl
import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.commands import qcowscope
from tests.images import SOUND

HOLD = """
import fcntl, os, struct, sys
path, *places = sys.argv[1:]
stream = open(path, "r+b")
for place in places:
    lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, int(place), 1, 0)
    fcntl.fcntl(stream.fileno(), fcntl.F_OFD_SETLK, lock)
print("locked", flush=True)
sys.stdin.read()
"""
WRITER, READER = (100, 101, 103, 201, 203), (100, 201)
"""Bytes that QEMU locks who runs a machine, and qemu-img who converts an image, as `/proc/locks` shows them."""

SAID = "is held by another process, which writes to it"


@contextmanager
def held(path: Path, places: tuple[int, ...]) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD, str(path), *map(str, places)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        yield


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.qcow2"
    path.write_bytes((SOUND / "data-4k.qcow2").read_bytes())
    return path


def commands(image: Path) -> list[list[str]]:
    return [
        ["info", str(image)], ["check", str(image)], ["map", str(image)], ["owner", "--at", "0", str(image)],
        ["diff", str(image), str(SOUND / "data-512.qcow2")], ["diff", str(SOUND / "data-512.qcow2"), str(image)],
        ["extract", str(image), "-o", str(image.with_name("out.raw")), "--in-use", "--force"],
    ]  # fmt: skip


def test_every_command_says_so(image: Path) -> None:
    with held(image, WRITER):
        found = [qcowscope(*command) for command in commands(image)]
    assert [(done.status, f"{image} {SAID}" in done.err) for done in found] == [(0, True)] * len(found)
    assert [SAID in done.out for done in found[:2]] == [True, True]


def test_a_reader_is_no_danger(image: Path) -> None:
    with held(image, READER):
        found = [qcowscope(*command) for command in commands(image)]
        document = qcowscope("check", "--json", image).json()
    assert [done.err for done in found] == [""] * len(found)
    source = document["source"]
    assert isinstance(source, dict)
    assert source["in_use"] == {"locked": True, "writer": None}


@pytest.mark.parametrize("name", ["json", "jsonl", "sarif", "html", "markdown", "text"])
def test_every_report_says_so(name: str, image: Path) -> None:
    with held(image, WRITER):
        out = qcowscope("check", "--format", name, image).out
    assert SAID in out


@pytest.mark.parametrize("command", ["info", "check"])
def test_the_json_says_so_in_the_result(command: str, image: Path) -> None:
    def in_use() -> object:
        result = json.loads(qcowscope(command, "--json", image).out)["result"]
        return result["source"]["in_use"]

    assert in_use() is False
    with held(image, WRITER):
        assert in_use() is True


def test_an_extraction_needs_to_be_told(image: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.raw"
    with held(image, WRITER):
        refused = qcowscope("extract", image, "-o", out)
        assert (refused.status, "--in-use" in refused.err, out.exists()) == (1, True, False)
        report = tmp_path / "out.json"
        done = qcowscope("extract", image, "-o", out, "--in-use", "--report", f"json:{report}")
    assert done.status == 0
    document = json.loads(report.read_text(encoding="utf-8"))
    assert document["result"]["source"] == {"in_use": True}
    assert SAID in " ".join(document["source"]["notes"])


def test_a_file_beside_the_image_counts_as_well(tmp_path: Path) -> None:
    names = ("overlay-raw.qcow2", "overlay-raw.backing.raw")
    for name in names:
        (tmp_path / name).write_bytes((SOUND / name).read_bytes())
    arguments = ["extract", str(tmp_path / names[0]), "--backing", str(tmp_path / names[1]), "-o", str(tmp_path / "o")]
    with held(tmp_path / names[1], WRITER):
        refused = qcowscope(*arguments)
        done = qcowscope(*arguments, "--in-use")
    assert (refused.status, done.status) == (1, 0)
    assert f"{tmp_path / names[1]} {SAID}" in done.err


def test_asking_leaves_no_lock(image: Path) -> None:
    qcowscope("check", image)
    with image.open("r+b") as stream:
        lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
        fcntl.fcntl(stream.fileno(), fcntl.F_OFD_SETLK, lock)
