"""Compressed streams that lie on one another: all at once, and part after part where there are too many for that."""

from pathlib import Path

import numpy as np
import pytest

from forensic.accounting import stream_overlaps
from forensic.accounting.stream_overlaps import StreamOverlaps
from forensic.budget import Unexamined
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.walk import structures
from samples import recipes
from tests.images import SOUND


def found(path: Path) -> tuple[list[tuple[int, int, int]], list[str]]:
    """First, its end and second of every overlap, and what was not looked at."""
    overlaps: list[tuple[int, int, int]] = []
    left_out = []
    with Qcow2Image(Evidence(path)) as image:
        for each in structures(image):
            if isinstance(each, StreamOverlaps):
                overlaps += zip(each.first.tolist(), each.first_end.tolist(), each.second.tolist(), strict=True)
            elif isinstance(each, Unexamined) and each.structure is StreamOverlaps:
                left_out.append(each.reason)
    return sorted(overlaps), left_out


def strewn(folder: Path) -> Path:
    """An image whose L2 table names streams at random places, so that many of them overlap."""
    recipe = next(each for each in recipes.all_recipes() if each.name == "compressed-streams-overlap")
    path = recipes.apply(recipe, folder / "image.qcow2")
    content = bytearray(path.read_bytes())
    size = 1 << int.from_bytes(content[20:24], "big")
    l2 = recipes.find_places(bytes(content))["l2"]
    begin, count = len(content), size // 8
    content += bytes(64 * size)
    places = np.random.default_rng(3).integers(begin, len(content) - 2 * size, count)
    for index, place in enumerate(places.tolist()):
        entry = 1 << 62 | 2 << 58 | place  # three sectors
        content[l2 + 8 * index : l2 + 8 * index + 8] = entry.to_bytes(8, "big")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("at_once", [12, 30, 200])
def test_parts_find_what_one_look_finds(at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    everything = found(path)
    assert everything[1] == []
    assert len(everything[0]) > 5
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", at_once)
    assert found(path) == everything


def test_a_sound_image_has_no_overlaps_in_any_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    assert found(SOUND / "deflate-512.qcow2") == ([], [])


def test_too_many_streams_in_one_place_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 3)
    monkeypatch.setattr(stream_overlaps, "BUCKETS", 2)
    assert [reason for reason in found(path)[1] if "compressed clusters begin in" in reason]


def test_there_is_a_limit_to_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strewn(tmp_path)
    monkeypatch.setattr(stream_overlaps, "MAX_STREAMS", 2)
    monkeypatch.setattr(stream_overlaps, "MAX_PARTS", 3)
    overlaps, left_out = found(path)
    assert len(left_out) == 1
    assert "were left out" in left_out[0]
    assert overlaps
