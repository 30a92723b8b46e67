"""The text log: every section, plain ASCII whatever the names, and the three moments of a hash told apart."""

import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.commands import qcowscope, sound, with_backing_name
from tests.extraction import mixed

SECTIONS = [
    "Tool", "Case", "Source", "Disk", "Parameters", "Times", "Hashes", "Evidence unchanged", "Unreadable ranges",
    "Output files", "Final state",
]  # fmt: skip


def log_of(folder: Path, image: Path, *options: str) -> str:
    path = folder / "d.log"
    qcowscope("extract", image, "-o", folder / "d.raw", "--report", f"log:{path}", *options)
    return path.read_bytes().decode("ascii")


def section(log: str, title: str) -> list[str]:
    """The lines of one section."""
    lines = log.splitlines()
    start = lines.index(title) + 2
    return [line for line in lines[start : lines.index("", start) if "" in lines[start:] else None] if line]


def facts(log: str, title: str) -> dict[str, str]:
    parts = (line.partition(":") for line in section(log, title))
    return {label.strip(): value.strip() for label, _, value in parts}


def test_every_section_is_there_in_order(tmp_path: Path) -> None:
    log = log_of(tmp_path, sound("data-4k"))
    lines = log.splitlines()
    assert [line for line, rule in pairwise(lines) if rule and set(rule) == {"-"}] == SECTIONS


def test_hashes_of_file_and_disk_are_told_apart(tmp_path: Path) -> None:
    image = sound("deflate-4k")
    log = log_of(tmp_path, image, "--hash", "md5,sha256", "--verify")
    raw = (tmp_path / "d.raw").read_bytes()
    md5, sha256 = hashlib.md5(raw).hexdigest(), hashlib.sha256(raw).hexdigest()
    container = hashlib.sha256(image.read_bytes()).hexdigest()
    assert [" ".join(line.split()) for line in section(log, "Hashes")] == [
        "Image file (container):",
        f"SHA256 acquired : {container}",
        f"SHA256 verified source : {container}",
        "match",
        "Virtual disk (the bytes that were extracted):",
        f"MD5 acquired : {md5}",
        f"MD5 verified output : {md5}",
        "match",
        f"SHA256 acquired : {sha256}",
        f"SHA256 verified output : {sha256}",
        "match",
    ]


def test_what_was_not_done_is_not_claimed(tmp_path: Path) -> None:
    log = log_of(tmp_path, sound("data-4k"))
    assert "verified output" in log
    assert "match" not in log


def test_unreadable_ranges_are_told_in_sectors_and_in_bytes(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(mixed.image())
    log = log_of(tmp_path, image)
    assert [" ".join(line.split()) for line in section(log, "Unreadable ranges")] == [
        "1,024 bytes in 2 ranges could not be read and were replaced by zeros.",
        "The sectors (of 512 bytes) are: 5, 7",
        "virtual offset length reason",
        "2,560 512 entry_beyond_eof",
        "3,584 512 decompress_failed",
    ]
    assert section(log, "Final state")[:2] == [
        "Finished, but some ranges could not be read and were replaced by zeros",
        "Exit status 5",
    ]


def test_a_disk_without_gaps_says_so(tmp_path: Path) -> None:
    log = log_of(tmp_path, sound("data-4k"))
    assert section(log, "Unreadable ranges") == [
        "None. Every byte was read from the evidence or is recorded there as zero."
    ]
    assert section(log, "Final state")[0] == "Finished successfully"


def test_the_evidence_is_shown_to_be_unchanged(tmp_path: Path) -> None:
    image = sound("data-4k")
    found = facts(log_of(tmp_path, image), "Evidence unchanged")
    assert found["Unchanged"] == "yes"
    assert found["mtime before"] == found["mtime after"]
    assert found["mtime before"].endswith(f"{image.stat().st_mtime_ns % 10**9:09}Z")
    assert found["size before"] == found["size after"] == f"{image.stat().st_size:,} bytes"


def test_case_data_stand_in_it(tmp_path: Path) -> None:
    options = ["--case-number", "2026-17", "--evidence-number", "42", "--examiner", "A. B.", "--notes", "sealed"]
    assert facts(log_of(tmp_path, sound("data-4k"), *options), "Case") == {
        "Case number": "2026-17",
        "Evidence number": "42",
        "Examiner": "A. B.",
        "Description": "--",
        "Notes": "sealed",
    }


@pytest.mark.parametrize("name", [b"\x1b]52;c;ZQ==\x07", "\u202egpj.exe\u0301".encode(), b"\xff\xfe", "日本".encode()])
def test_evil_names_and_notes_stay_plain_ascii(name: bytes, tmp_path: Path) -> None:
    image = with_backing_name(name, tmp_path / "image.qcow2")
    log = log_of(tmp_path, image, "--notes", "a\nFinal state\x1b[31m", "--examiner", "Jürgen")
    assert not {character for character in log if not (character == "\n" or " " <= character <= "~")}
    assert log.splitlines().count("Final state") == 1
    assert facts(log, "Case")["Examiner"] == "J<U+00FC>rgen"


def test_every_output_file_is_listed_with_its_hashes(tmp_path: Path) -> None:
    log = log_of(tmp_path, sound("data-4k"), "--split", "8K")
    listed = [" ".join(line.split()) for line in section(log, "Output files")]
    for part in (tmp_path / "d.raw.001", tmp_path / "d.raw.002"):
        assert f"raw : {part}" in listed
        assert f"sha256 {hashlib.sha256(part.read_bytes()).hexdigest()}" in listed


def test_a_failure_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: memoryview, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("forensic.output.new_file.os.pwrite", full)
    log = log_of(tmp_path, sound("data-4k"))
    assert section(log, "Final state")[:2] == ["FAILED - there is no complete output", "Exit status 1"]


def test_the_settings_of_a_container_are_words(tmp_path: Path) -> None:
    log = tmp_path / "d.log"
    options = ("--case-number", "7", "--split", "1MiB", "--report", f"log:{log}")
    qcowscope("extract", sound("data-4k"), "-o", tmp_path / "d.E01", *options)
    assert facts(log.read_text(), "Parameters")["Container"] == "level 1, segment size 1048576"
    assert "CaseData" not in log.read_text()
