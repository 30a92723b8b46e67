"""What commands say beside their results: a pipe, what is not known, what a disk looks like, the key."""

import json
import os
import struct
from pathlib import Path

import pytest

from samples.kinds import PASSPHRASE
from tests.commands import damaged, qcowscope, sound
from tests.images import COPIED, header, tiny, written


def test_a_pipe_is_said_to_be_one() -> None:
    reading, writing = os.pipe()
    try:
        finished = qcowscope("check", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
        os.close(writing)
    assert finished.status == 1
    assert "a pipe or a socket cannot be read" in finished.err


@pytest.mark.parametrize(
    ("recipe", "at", "words"),
    [
        ("l1-table-overwritten", "0xa00", "owner not known: the L1 table of active is overwritten"),
        ("l2-table-overwritten", "0xa00", "owner not known: not all L2 tables of active could be read"),
        ("l2-table-overwritten", "0x0", "there may be more owners"),
    ],
)
def test_owner_says_what_is_not_known(tmp_path: Path, recipe: str, at: str, words: str) -> None:
    path = damaged(recipe, tmp_path)
    assert words in qcowscope("owner", "--at", at, path).out
    assert qcowscope("owner", "--json", "--at", at, path).json()["not_known"]


def test_owner_of_a_whole_image_knows() -> None:
    assert qcowscope("owner", "--json", "--at", "0xa00", sound("data-512")).json()["not_known"] is None


def test_info_says_which_snapshot_holds_a_machine_and_its_clock(tmp_path: Path) -> None:
    content = bytearray(sound("snapshots-512").read_bytes())
    place = int.from_bytes(content[64:72], "big")
    struct.pack_into(">QI", content, place + 24, 3_723_004_000_000, 0)  # clock; the old size field
    struct.pack_into(">Q", content, place + 40, 5 << 20)  # the size of the state, in the extra data
    path = written(tmp_path, bytes(content))
    first, second, *_ = [line for line in qcowscope("info", path).out.splitlines() if ": id " in line]
    assert ", machine state 5 MiB" in first
    assert "machine clock 01:02:03.004" in first
    assert ", no machine state" in second
    snapshots = json.loads(qcowscope("info", "--json", path).out)["result"]["snapshots"]
    assert all("icount" in snapshot for snapshot in snapshots)


@pytest.mark.parametrize(("start", "noted"), [(b"QFI\xfb\0\0\0\3", True), (b"vhdxfile", True), (b"\x7fELF", False)])
def test_a_disk_that_begins_like_an_image_is_noted(tmp_path: Path, start: bytes, noted: bool) -> None:
    content = bytearray(tiny([COPIED | 5 << 9], head=header()))
    content[5 << 9 : (5 << 9) + len(start)] = start
    report = tmp_path / "report.json"
    finished = qcowscope(
        "extract", written(tmp_path, bytes(content)), "-o", tmp_path / "disk.raw", "--report", f"json:{report}"
    )
    assert finished.status == 0
    assert ("begins like" in finished.err) is noted
    assert ("begins like" in report.read_text(encoding="utf-8")) is noted


@pytest.mark.parametrize("tail", ["", "\n"])
def test_luks_tells_whether_the_newline_belongs_to_the_passphrase(tmp_path: Path, tail: str) -> None:
    key = tmp_path / "key"
    key.write_text(PASSPHRASE + tail, encoding="utf-8")
    finished = qcowscope("extract", sound("luks-4k"), "-o", tmp_path / "disk.raw", "--key-file", key)
    assert finished.status == 0
    assert ("fits without its trailing newline" in finished.err) is bool(tail)
    key.write_text(PASSPHRASE + "\n\n", encoding="utf-8")
    wrong = qcowscope("extract", sound("luks-4k"), "-o", tmp_path / "other.raw", "--key-file", key)
    assert "opens none" in wrong.err


@pytest.mark.parametrize(
    ("tail", "options", "right", "noted"),
    [("", [], True, False), ("\n", [], False, True), ("\n", ["--key-without-newline"], True, False)],
)
def test_the_old_encryption_takes_the_key_file_as_it_is(
    tmp_path: Path, tail: str, options: list[str], right: bool, noted: bool
) -> None:
    key = tmp_path / "key"
    key.write_text(PASSPHRASE, encoding="utf-8")
    qcowscope("extract", sound("aes-4k"), "-o", tmp_path / "right.raw", "--key-file", key)
    key.write_text(PASSPHRASE + tail, encoding="utf-8")
    finished = qcowscope("extract", sound("aes-4k"), "-o", tmp_path / "disk.raw", "--key-file", key, *options)
    same = (tmp_path / "disk.raw").read_bytes() == (tmp_path / "right.raw").read_bytes()
    assert (same, "with its trailing newline, as QEMU does" in finished.err) == (right, noted)


@pytest.mark.parametrize("recipe", ["compressed-stream-cut", "compressed-stream-broken", "compressed-stream-short"])
def test_where_streams_break_the_option_that_reads_more_is_named_unless_it_was_given(
    recipe: str, tmp_path: Path
) -> None:
    path = damaged(recipe, tmp_path)
    plain = qcowscope("extract", path, "-o", tmp_path / "plain.raw")
    salvaged = qcowscope("extract", path, "-o", tmp_path / "salvaged.raw", "--salvage")
    assert (plain.status, salvaged.status) == (5, 5)
    assert "--salvage may read more" in plain.err
    assert "--salvage" not in salvaged.err


def test_where_nothing_is_broken_salvage_is_not_named(tmp_path: Path) -> None:
    for number, path in enumerate((sound("deflate-4k"), damaged("l2-table-overwritten", tmp_path))):
        assert "--salvage" not in qcowscope("extract", path, "-o", tmp_path / f"{number}.raw").err


def test_strict_refuses_a_file_that_is_not_the_declared_one(tmp_path: Path) -> None:
    base = tmp_path / "other.raw"
    base.write_bytes(bytes(16384))
    words: list[str | Path] = ["extract", sound("overlay-raw"), "-o", tmp_path / "disk.raw", "--backing", base]
    assert "is declared as" in qcowscope(*words).err
    (tmp_path / "disk.raw").unlink()
    assert qcowscope(*words, "--strict").status == 64
    assert not (tmp_path / "disk.raw").exists()


def test_map_says_what_a_missing_backing_file_hides() -> None:
    assert "unallocated (backing_not_supplied)" in qcowscope("map", sound("overlay-raw")).out
    assert '"reason": "backing_not_supplied"' in qcowscope("map", "--json", sound("overlay-raw")).out
    assert "backing_not_supplied" not in qcowscope("map", sound("data-512")).out
