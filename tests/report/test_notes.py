"""The examiner's notes stand in every form of a report, with the bytes that they are about, and harm none of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from forensic import open_image
from forensic.explore import LOG, ReportRequest, Run, noted_bytes, render
from forensic.explore.bytes_of_notes import MOST_HASHED, SHOWN_BYTES
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.report.formats import FORMATS
from forensic.report.notes import NotedBytes
from forensic.reporting import write_extraction_reports
from forensic.untrusted import Json
from tests.images import SOUND

SNAPSHOTS = SOUND / "snapshots-512.qcow2"
EVIL = "a | b <script>alert(1)</script> [x](http://h) \x1b]52;c;SEVJ\x07 \u202e"
WRITTEN = sorted({*FORMATS, LOG})


def reports(tmp_path: Path, text: str) -> dict[str, str]:
    """One note, in every form of the report of an extraction."""
    with open_image(SNAPSHOTS) as image, image.disk() as disk:
        held = noted_bytes(lambda offset, length: image.evidence.read_at(offset, length), 0x600, 8)
        note: Json = {
            "range": {"space": "host", "offset": 0x600, "length": 8},
            "note": text,
            "created_at": "2026-03-01T09:44:21Z",
            "author": "somebody",
            "label": "question",
            "bytes": {"hex": held.hex, "sha256": held.sha256, "reason": held.reason},
        }
        extraction = extract(disk, tmp_path / "out.raw", Settings())
        request = ReportRequest([("json", tmp_path / "out.json")], annotations=[note, {"other": "form"}])
        report = write_extraction_reports(request, image, disk, extraction, Run(["qcowscope"]))
    assert report is not None
    return {name: render(name, report) for name in WRITTEN}


def test_a_note_is_in_every_form_with_its_bytes_and_their_hash(tmp_path: Path) -> None:
    data = SNAPSHOTS.read_bytes()[0x600:0x608]
    for name, written in reports(tmp_path, "superblock of the guest").items():
        plain = written.replace("\\", "")
        assert "superblock of the guest" in plain, name
        assert "0x600" in plain or '"offset": 1536' in plain, name
        assert data.hex(" ") in plain or data.hex() in plain, name
        assert hashlib.sha256(data).hexdigest() in plain, name
        assert "somebody" in plain, name
        assert "question" in plain, name


def test_what_a_note_says_harms_no_form(tmp_path: Path) -> None:
    for name, written in reports(tmp_path, EVIL).items():
        assert "\x1b" not in written, name
        assert "\u202e" not in written, name
        if name == "html":
            assert "<script" not in written
        elif name == "markdown":
            assert "[x](http" not in written
        elif name in ("json", "sarif"):
            json.loads(written)


def test_without_notes_no_form_speaks_of_them(tmp_path: Path) -> None:
    with open_image(SNAPSHOTS) as image, image.disk() as disk:
        extraction = extract(disk, tmp_path / "out.raw", Settings())
        request = ReportRequest([("json", tmp_path / "out.json")])
        report = write_extraction_reports(request, image, disk, extraction, Run(["qcowscope"]))
    assert report is not None
    assert [name for name in WRITTEN if "of the examiner" in render(name, report)] == []
    assert "examiner-note" not in render("sarif", report)


@pytest.mark.parametrize("length", [0, 1, SHOWN_BYTES, SHOWN_BYTES + 1, (1 << 20) + 5])
def test_the_bytes_of_a_note_are_read_once_and_hashed(length: int) -> None:
    content = bytes(number % 251 for number in range(length + 3))
    held = noted_bytes(lambda offset, count: content[offset : offset + count], 3, length)
    expected = content[3 : 3 + length]
    assert held == NotedBytes(expected[:SHOWN_BYTES].hex(), hashlib.sha256(expected).hexdigest())


def test_what_cannot_be_read_or_is_too_long_gives_a_reason_and_no_hash() -> None:
    def broken(offset: int, count: int) -> bytes | str:
        return "bad sector" if offset >= 1 << 20 else bytes(count)

    held = noted_bytes(broken, 0, 3 << 20)
    assert (held.sha256, held.hex) == ("", bytes(SHOWN_BYTES).hex())
    assert held.reason == "at offset 0x100000: bad sector"
    assert "not hashed" in noted_bytes(lambda offset, count: bytes(count), 0, MOST_HASHED + 1).reason
