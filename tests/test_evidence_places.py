"""Evidence that is not one whole file: an image inside a larger file, pieces of one that was split, a block device."""

import contextlib
import fcntl
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import EvidenceUnreadable
from forensic.evidence import Evidence
from samples.kinds import KINDS
from tests.commands import qcowscope, sound
from tests.images import SOUND

CONTENT = bytes(number * 7 % 256 for number in range(5000))
IMAGE = sound("deflate-4k")


def pieces(folder: Path, content: bytes, size: int, name: str = "evidence") -> Path:
    """The content in files NAME.001, NAME.002 and so on; the first of them."""
    for number, start in enumerate(range(0, len(content), size), 1):
        (folder / f"{name}.{number:03}").write_bytes(content[start : start + size])
    return folder / f"{name}.001"


@given(size=st.integers(1, 6000), start=st.integers(0, 5100), length=st.integers(0, 5100))
def test_pieces_read_like_the_whole(
    size: int, start: int, length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = pieces(tmp_path_factory.mktemp("pieces"), CONTENT, max(size, 40))
    with Evidence(first, all_pieces=True) as evidence:
        assert evidence.size == len(CONTENT)
        assert evidence.read_at(start, length) == CONTENT[start : start + length]


def test_holes_and_data_are_found_across_pieces(tmp_path: Path) -> None:
    """The first piece is data and a hole, the second a hole, the third a hole and data."""
    unit = 1 << 16
    for number, data_at in ((1, 0), (2, None), (3, unit)):
        with (tmp_path / f"e.{number:03}").open("wb") as file:
            file.truncate(2 * unit)
            if data_at is not None:
                file.seek(data_at)
                file.write(b"x" * unit)
    with Evidence(tmp_path / "e.001", all_pieces=True) as evidence:
        assert [evidence.next_data_from(at) for at in (0, 5, unit, 2 * unit, 5 * unit, 6 * unit, 1 << 70)] == [
            0, 5, 5 * unit, 5 * unit, 5 * unit, 6 * unit, 6 * unit,
        ]  # fmt: skip
        assert [evidence.hole_from(at) for at in (0, 5 * unit)] == [unit, 6 * unit]


def test_the_next_piece_after_999_has_four_digits(tmp_path: Path) -> None:
    first = pieces(tmp_path, bytes(1001), 1)
    assert (tmp_path / "evidence.1001").exists()
    with Evidence(first, all_pieces=True) as evidence:
        assert evidence.size == 1001


def test_a_piece_that_is_missing_is_said(tmp_path: Path) -> None:
    first = pieces(tmp_path, CONTENT, 1000)
    (tmp_path / "evidence.003").unlink()
    with pytest.raises(
        EvidenceUnreadable, match=r"its piece .*evidence\.003 is missing, though there are pieces after"
    ):
        Evidence(first, all_pieces=True)
    (tmp_path / "evidence.003").mkdir()
    with pytest.raises(EvidenceUnreadable, match="not a regular file but a directory"):
        Evidence(first, all_pieces=True)


def test_only_the_first_piece_stands_for_all_and_only_if_asked(tmp_path: Path) -> None:
    first = pieces(tmp_path, CONTENT, 1000)
    for path, all_pieces in ((first, False), (tmp_path / "evidence.002", True)):
        with Evidence(path, all_pieces=all_pieces) as evidence:
            assert evidence.size == 1000


@pytest.mark.parametrize("number", [1, 2, 5])
def test_a_change_to_any_piece_is_noticed(number: int, tmp_path: Path) -> None:
    first = pieces(tmp_path, CONTENT, 1000)
    with Evidence(first, all_pieces=True) as evidence:
        assert (evidence.unchanged(), evidence.notes()) == (True, [])
        with (tmp_path / f"evidence.{number:03}").open("ab") as piece:
            piece.write(b"x")
        assert not evidence.unchanged()
        (note,) = evidence.notes()
        assert "it had 1,000 bytes and has 1,001" in note
        assert evidence.integrity().unchanged is False


def test_a_lock_on_any_piece_is_noticed(tmp_path: Path) -> None:
    first = pieces(tmp_path, CONTENT, 1000)
    with (tmp_path / "evidence.003").open("r+b") as piece:
        for place in (100, 101, 201):
            lock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, place, 1, 0)
            fcntl.fcntl(piece.fileno(), fcntl.F_OFD_SETLK, lock)
        with Evidence(first, all_pieces=True) as evidence:
            assert (evidence.in_use(), evidence.writer()) == (True, "writes to it")


def test_no_piece_is_written_to(tmp_path: Path) -> None:
    first = pieces(tmp_path, IMAGE.read_bytes(), 8192)
    for target in ("evidence.001", "evidence.002"):
        done = qcowscope("extract", first, "-o", tmp_path / target, "--force")
        assert done.status == 1
        assert "is an input; evidence is never written to" in done.err


def test_an_image_in_pieces_is_read_like_the_whole(tmp_path: Path) -> None:
    first = pieces(tmp_path, IMAGE.read_bytes(), 8192)
    whole, split = qcowscope("check", "--json", IMAGE).json(), qcowscope("check", "--json", first).json()
    assert split["result"] == whole["result"]
    source = split["source"]
    assert isinstance(source, dict)
    assert source["pieces"] == [
        {"path": str(path), "size": path.stat().st_size} for path in sorted(tmp_path.glob("evidence.*"))
    ]
    done = qcowscope("extract", first, "-o", tmp_path / "out.raw", "--verify")
    assert done.status == 0
    assert described_sha256() in done.out


def described_sha256() -> str:
    facts = json.loads((SOUND / f"{KINDS['deflate-4k'].name}.json").read_text())
    return str(facts["raw_sha256"])


@pytest.mark.parametrize("offset", [1, 512, 12345])
def test_an_image_inside_a_file_is_read_like_the_file(offset: int, tmp_path: Path) -> None:
    larger = tmp_path / "larger"
    larger.write_bytes(os.urandom(offset) + IMAGE.read_bytes())
    whole = qcowscope("check", "--json", IMAGE).json()
    inside = qcowscope("check", "--json", "--image-offset", str(offset), larger).json()
    assert inside["result"] == whole["result"]
    source = inside["source"]
    assert isinstance(source, dict)
    assert (source["image_offset"], source["size"]) == (offset, IMAGE.stat().st_size)
    done = qcowscope("extract", "--image-offset", str(offset), larger, "-o", tmp_path / "out.raw", "--verify")
    assert done.status == 0
    assert described_sha256() in done.out
    for command in (["info"], ["map"], ["owner", "--at", "0"], ["nbd", "--run", "true"]):
        assert qcowscope(*command, "--image-offset", str(offset), larger).status == 0
    assert qcowscope("diff", "--image-offset", str(offset), larger, IMAGE).out.endswith("no difference\n")


def test_two_images_in_one_file_are_two(tmp_path: Path) -> None:
    """What lies at the same place of the same file is equal unread: but the places count from the images."""
    both, size = tmp_path / "both", IMAGE.stat().st_size
    other = sound("data-4k")
    both.write_bytes(IMAGE.read_bytes() + other.read_bytes())
    found = qcowscope("diff", "--json", "--image-offset", str(size), both, both).json()
    assert found["ranges"] == qcowscope("diff", "--json", other, IMAGE).json()["ranges"]


def test_an_offset_that_there_is_not_is_said(tmp_path: Path) -> None:
    size = IMAGE.stat().st_size
    assert qcowscope("info", "--image-offset", str(size), IMAGE).err.endswith("the file is empty\n")
    done = qcowscope("info", "--image-offset", hex(size + 1), IMAGE)
    assert (done.status, f"there is no offset {size + 1:#x} in its {size:,} bytes" in done.err) == (1, True)
    first = pieces(tmp_path, CONTENT, 1000)
    assert "has no offset" in qcowscope("info", "--image-offset", "1", first).err
    for text in ("x", "-1", str(1 << 63)):
        assert qcowscope("info", "--image-offset", text, IMAGE).status == 64
    assert qcowscope("info", "--image-offset", "1", IMAGE, IMAGE).status == 64


@contextlib.contextmanager
def block_device(path: Path) -> Iterator[str]:
    """A loop device with the content of a file."""
    if shutil.which("losetup") is None:
        pytest.skip("needs losetup")
    made = subprocess.run(["losetup", "-f", "--show", "-r", str(path)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"there are no loop devices here: {made.stderr.strip()}")
    device = made.stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


def test_a_block_device_is_read_like_a_file_and_is_not_said_to_be_unchanged(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    content = IMAGE.read_bytes()
    volume.write_bytes(content + b"OLD GUEST SECRET" * ((1 << 20) // 16))
    with block_device(volume) as device:
        document = qcowscope("check", "--json", device).json()
        reports = ["--report", f"json:{tmp_path / 'r.json'}", "--report", f"log:{tmp_path / 'r.log'}"]
        done = qcowscope("extract", device, "-o", tmp_path / "out.raw", "--verify", *reports)
        verified = qcowscope("verify", tmp_path / "out.raw", tmp_path / "r.json", "--image", device)
        with Evidence(device) as evidence:
            assert evidence.size == volume.stat().st_size // 512 * 512
            assert evidence.read_at(5, 100) == content[5:105]
            assert (evidence.is_device, evidence.unchanged(), evidence.notes()) == (True, True, [])
    source = document["source"]
    assert isinstance(source, dict)
    integrity = source["integrity"]
    assert isinstance(integrity, dict)
    assert (source["kind"], integrity["unchanged"]) == ("block", None)
    assert (done.status, described_sha256() in done.out) == (0, True)
    assert "Unchanged                 : not known, since it is a block device" in (tmp_path / "r.log").read_text()
    assert (verified.status, verified.out.splitlines()[-1]) == (0, f"{tmp_path / 'out.raw'}: match")
