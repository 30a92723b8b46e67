"""The places at which every extraction is compared with a second reading of the disk, and how they are chosen.

1. Both ends of what is extracted.
2. Of every kind of extent (data, compressed, zero, …, at each depth of the chain) the start of the first one and the
   end of the last.
3. Compressed clusters that share a sector of the file with another: up to `PACKED_PLACES`, spread over the disk; and
   as many of those that lie in the file before the one that precedes them on the disk.
4. `SPREAD_PLACES` places in extents that are read from a file, at offsets that follow from the hash of the output, so
   that the maker of the image cannot know them. Without a hash they follow from the size of the disk.

A place is 4 KiB long, or the whole of a compressed extent up to 64 KiB.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from forensic.mapping.extents import Run, State

PLACE_BYTES = 4096
STREAM_BYTES = 1 << 16
PACKED_PLACES = 32
SPREAD_PLACES = 128
REMEMBERED = 256
"""Extents out of which the spread places are taken; of a disk with more, every second, fourth, … is remembered."""

SECTOR = 512
_DATA, _COMPRESSED = int(State.DATA), int(State.COMPRESSED)

Place = tuple[int, int]
"""Start and end, as guest offsets."""


class Thinned:
    """Some of many ranges, spread over all that were seen."""

    def __init__(self, count: int) -> None:
        """Keep `count` at least and twice as many at most, if there are so many."""
        self.kept: list[Place] = []
        self._limit = 2 * count
        self._step = 1
        self._seen = 0

    def see(self, runs: Sequence[Run]) -> None:
        """The next ones, of which every `_step`th is kept."""
        position = -self._seen % self._step
        while position < len(runs):
            guest_offset, length, *_ = runs[position]
            self.kept.append((guest_offset, guest_offset + length))
            if len(self.kept) > self._limit:
                del self.kept[1::2]
                self._step *= 2
            position += self._step - (self._seen + position) % self._step
        self._seen += len(runs)


class Places:
    """Sees all extents of a disk and chooses places."""

    def __init__(self) -> None:
        """Nothing was seen."""
        self._first: dict[tuple[int, int], Place] = {}
        self._last: dict[tuple[int, int], Place] = {}
        self._packed, self._turned = Thinned(PACKED_PLACES // 2), Thinned(PACKED_PLACES // 2)
        self._data, self._streams = Thinned(REMEMBERED // 2), Thinned(REMEMBERED // 2)
        self._before = 0

    def see(self, runs: Sequence[Run]) -> None:
        """The next extents, in guest order."""
        # List by list, since there may be a run for each cluster of the disk.
        last = {(state, depth): (start, start + length) for start, length, _, _, state, _, depth, _ in runs}
        self._last |= last
        new = last.keys() - self._first.keys()
        if new:
            starts = {(run[4], run[6]): (run[0], run[0] + run[1]) for run in reversed(runs)}
            self._first |= {kind: starts[kind] for kind in new}
        self._data.see([run for run in runs if run[4] == _DATA])
        if streams := [run for run in runs if run[3] and run[4] == _COMPRESSED]:
            self._streams.see(streams)
            self._packed.see([run for run in streams if run[2] % SECTOR])
            before = [self._before, *(run[2] for run in streams)]
            self._turned.see([run for run, previous in zip(streams, before, strict=False) if run[2] < previous])
            self._before = before[-1]

    def chosen(self, start: int, end: int, seed: int) -> list[Place]:
        """The places for an output from guest offset `start` to `end`, in order and without overlap."""
        found = [(start, start + PLACE_BYTES), (end - PLACE_BYTES, end)]
        for (state, _), place in self._first.items():
            found.append(_cut(place, state == _COMPRESSED, place[0]))
        for (state, _), place in self._last.items():
            found.append(_cut(place, state == _COMPRESSED, place[1]))
        for place in (*self._packed.kept, *self._turned.kept):
            found.append(_cut(place, True, place[0]))
        streams = len(self._streams.kept)
        for_streams = SPREAD_PLACES // 2 if streams and self._data.kept else SPREAD_PLACES if streams else 0
        found += _spread(self._streams.kept, True, for_streams, seed)
        found += _spread(self._data.kept, False, SPREAD_PLACES - for_streams, seed + 1)
        return list(_in_order(found, start, end))


def _cut(place: Place, is_stream: bool, at: int) -> Place:
    """The part of an extent that is compared: around guest offset `at`, within the extent."""
    start, end = place
    length = STREAM_BYTES if is_stream else PLACE_BYTES
    begins = max(start, min(at - at % SECTOR, end - length))
    return begins, min(end, begins + length)


def _spread(extents: Sequence[Place], is_stream: bool, count: int, seed: int) -> Iterator[Place]:
    """`count` places at offsets that follow from a number, each byte as likely as any other."""
    ends = list(accumulate(end - start for start, end in extents))
    total = ends[-1] if ends else 0
    for number in range(count if total else 0):
        seed = (seed * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        # One in each of `count` equal parts, so that they are spread whatever the number is.
        low, high = total * number // count, total * (number + 1) // count
        at = low + (seed >> 11) % max(1, high - low)
        index = min(bisect_right(ends, at), len(ends) - 1)
        start, end = extents[index]
        yield _cut((start, end), is_stream, end - (ends[index] - at))


def _in_order(places: Sequence[Place], start: int, end: int) -> Iterator[Place]:
    position = start
    for begins, ends in sorted(places):
        begins, ends = max(position, begins), min(end, ends)
        if begins < ends:
            yield begins, ends
            position = ends
