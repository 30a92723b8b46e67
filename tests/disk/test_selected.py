"""A disk of which only some ranges are wanted: those are what they were, and nothing else can be read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic import open_any
from forensic.disk.disk import Disk
from forensic.disk.selected import SelectedDisk, Selection
from forensic.mapping.extents import Reason, State, is_located
from tests.commands import sound

NAMES = ("data-512", "deflate-4k", "zeros-512", "extended-16k", "odd-size-4k")


def selection(edges: list[int]) -> Selection:
    return Selection(np.array(edges, dtype=np.uint64))


def states(disk: Disk, start: int = 0, end: int | None = None) -> list[tuple[int, int, int, int]]:
    """State, reason, host offset and decoded offset of every 512 bytes that lie in one run, in guest order."""
    found, at = [], start
    for runs in disk.readable_runs(start, end):
        for guest_offset, length, host_offset, stored_length, state, reason, _, skip in runs:
            assert guest_offset == at
            at += length
            for shift in range(0, length, 512):
                place = host_offset + (0 if state == State.COMPRESSED else shift) if is_located(state, reason) else 0
                found.append((state, reason, place, skip + shift if stored_length else 0))
    return found


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_the_rest_is_absent_and_what_is_wanted_is_as_it_was(name: str, data: st.DataObject) -> None:
    with open_any(sound(name)) as image:
        disk = image.disk()
        sectors = disk.size // 512
        edges = sorted(data.draw(st.sets(st.integers(0, sectors), max_size=12)))
        edges = edges[: len(edges) // 2 * 2]
        chosen = selection([512 * edge for edge in edges])
        start, end = sorted(data.draw(st.tuples(st.integers(0, sectors), st.integers(0, sectors))))
        found = states(SelectedDisk.of(disk, chosen, ""), 512 * start, 512 * end)
        wanted = [sum(edge <= sector for edge in edges) % 2 == 1 for sector in range(start, end)]
        expected = [
            state if inside else (State.ABSENT, Reason.NOT_MARKED, 0, 0)
            for state, inside in zip(states(disk, 512 * start, 512 * end), wanted, strict=True)
        ]
        assert found == expected
        parts = [(begin, stop, inside) for begin, stop, inside in chosen.parts(512 * start, 512 * end)]
        assert [inside for begin, stop, inside in parts for _ in range((stop - begin) // 512)] == wanted


def test_reading_what_is_not_wanted_is_an_error_that_says_so() -> None:
    with open_any(sound("data-512")) as image:
        disk = SelectedDisk.of(image.disk(), selection([512, 1024]), "a caveat")
        reader = disk.reader()
        reader.seek(512)
        assert reader.read(512) == image.reader().read(1024)[512:]
        with pytest.raises(OSError, match="guest offset 0x400 cannot be read: not_marked"):
            reader.read(1)
        assert disk.caveats == ("a caveat",)
        assert (disk.size, disk.target) == (image.disk().size, "active")
