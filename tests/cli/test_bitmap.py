"""`bitmap`: the marked ranges as text, as JSON, and as a ddrescue map."""

import json
import struct
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound
from tests.images import written
from tests.qcow2.test_bitmap_ranges import BITS, CLUSTER, with_bitmap

MARKED = [(0x400, 0x200), (0x8000, 0x400)]


def test_text_json_and_map_say_the_same() -> None:
    text = qcowscope("bitmap", sound("bitmaps-512"), "backup")
    assert (text.status, text.err) == (0, "")
    _, *lines, sums = text.out.splitlines()
    assert [tuple(int(word, 16) for word in line.split()[:2]) for line in lines] == MARKED
    assert sums == "1,536 bytes marked"
    document = qcowscope("bitmap", sound("bitmaps-512"), "backup", "--json").json()
    assert document == {
        "schema": "qcowscope-bitmap/1",
        "bitmap": {
            "index": 0, "granularity": 512,
            "name": {"text": "backup", "hex": b"backup".hex(), "sanitised": False, "encoding": "utf-8"},
        },
        "virtual_size": 65536,
        "ranges": [{"start": start, "length": length, "mark": "marked"} for start, length in MARKED],
        "bytes": {"clear": 64000, "marked": 1536, "unknown": 0},
        "caveats": [],
    }  # fmt: skip
    assert qcowscope("bitmap", sound("bitmaps-512"), "#0", "--format", "json").json() == document
    drawn = qcowscope("bitmap", sound("bitmaps-512"), "backup", "--format", "ddrescue").out.splitlines()
    status, *blocks = [line for line in drawn if not line.startswith("#")]
    assert status.split()[1:] == ["+", "1"]
    cells = [(int(start, 16), int(length, 16), mark) for start, length, mark in map(str.split, blocks)]
    assert [cell[:2] for cell in cells if cell[2] == "+"] == MARKED
    assert {mark for _, _, mark in cells} == {"+", "?"}
    assert [start for start, _, _ in cells] == [0, *(start + length for start, length, _ in cells[:-1])]
    assert sum(length for _, length, _ in cells) == 65536


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("bitmap-data-outside-file", "of 65,536 bytes it cannot be told"),
        ("bitmap-in-use", "was in use"),
        ("bitmaps-not-kept", "a program that keeps no bitmaps"),
    ],
)
def test_what_cannot_be_told_is_said_and_is_status_5(recipe: str, said: str, tmp_path: Path) -> None:
    image = damaged(recipe, tmp_path)
    done = qcowscope("bitmap", image, "#0")
    assert done.status == 5
    assert said in done.out + done.err
    document = json.loads(qcowscope("bitmap", image, "#0", "--json").out)
    assert document["caveats"] or document["bytes"]["unknown"]


def test_a_name_that_there_is_not_is_wrong_usage() -> None:
    done = qcowscope("bitmap", sound("bitmaps-512"), "none")
    assert (done.status, done.out) == (64, "")
    assert "no bitmap has the name or index none; 2 can be read" in done.err
    assert qcowscope("bitmap", sound("data-512"), "none").status == 64
    assert qcowscope("bitmap", sound("version-1"), "none").status == 64


def ranges_of(path: Path) -> bytes:
    """A disk of which all is zero but what the bitmap marks."""
    whole = path.read_bytes()
    kept = bytearray(len(whole))
    for start, length in MARKED:
        kept[start : start + length] = whole[start : start + length]
    return bytes(kept)


def test_an_extraction_writes_what_is_marked_and_nothing_else(tmp_path: Path) -> None:
    image = sound("bitmaps-512")
    qcowscope("extract", image, "-o", tmp_path / "whole.raw")
    reports = [f"{kind}:{tmp_path / kind}" for kind in ("json", "map", "ledger")]
    options = [word for report in reports for word in ("--report", report)]
    done = qcowscope("extract", image, "-o", tmp_path / "out.raw", "--bitmap", "backup", "--verify", *options)
    assert done.status == 0
    assert (tmp_path / "out.raw").read_bytes() == ranges_of(tmp_path / "whole.raw")
    assert ranges_of(tmp_path / "whole.raw").count(0) < 65536
    assert done.out.startswith(f"{tmp_path / 'out.raw'}: 65,536 bytes, ")
    assert ", 0 not read, 64,000 not marked\n" in done.out
    assert 'only what the bitmap "backup" marks is extracted, 1,536 bytes; the rest is zeros' in done.err
    extraction = json.loads((tmp_path / "json").read_text())["result"]["extraction"]
    assert (extraction["status"], extraction["fill"]["reason_counts"]) == ("complete", {"not_marked": 64000})
    assert extraction["compared"]["bytes"] == 65536
    blocks = [line.split() for line in (tmp_path / "map").read_text().splitlines() if not line.startswith("#")][1:]
    assert [(int(start, 16), int(size, 16)) for start, size, mark in blocks if mark == "+"] == MARKED
    lines = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert sum(line.get("length", 0) for line in lines if line.get("reason_code") == "not_marked") == 64000
    verify = ["verify", str(tmp_path / "out.raw"), str(tmp_path / "json"), "--image", str(image)]
    assert qcowscope(*verify, "--bitmap", "backup").status == 0
    assert qcowscope(*verify).status == 6


def test_damage_counts_only_where_something_is_marked(tmp_path: Path) -> None:
    """Guest sectors 0 and 1 are damaged; the bitmap of the first image marks sector 1, that of the second neither."""
    images = []
    for bits in (b"\x02", b"\x04"):
        content = bytearray(with_bitmap([BITS * CLUSTER], [bits], 4096))
        content[4 * CLUSTER : 4 * CLUSTER + 16] = struct.pack(">QQ", 1 << 63 | 1 << 20, 1 << 63 | 1 << 20)
        images.append(written(tmp_path, bytes(content), f"{bits[0]}.qcow2"))
    options = ["--bitmap", "marks", "-o", str(tmp_path / "out.raw"), "--force"]
    done = qcowscope("extract", images[0], *options)
    assert done.status == 5
    assert done.err.startswith("not read: 512 bytes, filled with zeros: entry_beyond_eof\n")
    assert ", 512 not read, 3,584 not marked\n" in done.out
    strict = qcowscope("extract", images[0], *options, "--strict")
    assert (strict.status, "stopped at guest offset 0x200" in strict.err) == (1, True)
    assert qcowscope("extract", images[1], *options, "--strict").status == 0


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--bitmap", "none"], 64, "no bitmap has the name or index none"),
        (["--bitmap", "backup", "--snapshot", "1"], 64, "does not go with --snapshot"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(options: list[str], status: int, said: str, tmp_path: Path) -> None:
    done = qcowscope("extract", sound("bitmaps-512"), "-o", tmp_path / "out.raw", *options)
    assert (done.status, said in done.err) == (status, True)
    assert qcowscope("extract", sound("version-1"), "-o", tmp_path / "out.raw", "--bitmap", "x").status == 1
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_told_is_extracted_as_well(tmp_path: Path) -> None:
    done = qcowscope(
        "extract", damaged("bitmap-data-outside-file", tmp_path), "-o", tmp_path / "out.raw", "--bitmap", "#0"
    )
    assert done.status == 0
    assert "65,536 bytes of which it cannot be told" in done.err
    qcowscope("extract", sound("bitmaps-512"), "-o", tmp_path / "whole.raw")
    assert (tmp_path / "out.raw").read_bytes() == (tmp_path / "whole.raw").read_bytes()
