"""`bitmap`: the marked ranges as text, as JSON, and as a ddrescue map."""

import json
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound

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
