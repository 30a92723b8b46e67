"""A byte of a compressed stream is explained by the stream: where it lies, where it is decoded, its neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic import Extent, open_image
from forensic.explore import RegionIndex, build_reverse_map, inspect
from forensic.mapping.extents import State
from tests.images import SOUND

COMPRESSED = sorted(path for path in SOUND.glob("deflate*.qcow2"))


@pytest.mark.parametrize("path", COMPRESSED, ids=lambda path: path.stem)
def test_each_stream_is_explained_from_its_first_byte_to_the_next_one(path: Path) -> None:
    with open_image(path) as image:
        index, references = RegionIndex(image), build_reverse_map(image)
        streams = sorted(
            (each for each in image.extents() if each.state == State.COMPRESSED), key=lambda each: each.host_offset or 0
        )
        assert streams
        for number, stream in enumerate(streams):
            place = stream.host_offset or 0
            end = place + (stream.stored_length or 0)
            after = streams[number + 1].host_offset or 0 if number + 1 < len(streams) else end
            for at in {place, min(end, after) - 1}:
                found = inspect(index, at, references)
                assert (found.place.offset, found.place.length) == (place, stream.stored_length)
                assert found.guest_offset == stream.guest_offset
            values = {row.name: row.value for row in found.rows}
            assert values["begins"] == f"{place:#x}"
            assert values["ends before"] == f"{end:#x}"
            shared = [row.value for row in found.rows if row.name == "shares sectors"]
            assert shared == [
                f"{each.host_offset:#x} +{each.stored_length:,}, guest {each.guest_offset:#x}"
                for each in streams
                if each is not stream and _overlap(each, stream)
            ]


def test_what_is_no_stream_is_explained_as_before() -> None:
    with open_image(COMPRESSED[0]) as image:
        index, references = RegionIndex(image), build_reverse_map(image)
        size = image.geometry.cluster_size
        for at in range(0, image.evidence.size, size):
            found = inspect(index, at, references)
            assert found == inspect(index, at) or found.title == "compressed stream"
        assert inspect(index, image.evidence.size + size, references).title == "no table or header"


def _overlap(one: Extent, other: Extent) -> bool:
    begin, end = one.host_offset or 0, other.host_offset or 0
    return begin < end + (other.stored_length or 0) and end < begin + (one.stored_length or 0)
