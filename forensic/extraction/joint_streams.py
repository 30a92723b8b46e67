"""Compressed clusters of one piece that lie side by side in the file, whose stored bytes are read together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from forensic.disk.disk import Disk
from forensic.excerpt import Excerpt
from forensic.extraction.plan import Part

JOINT_BYTES = 4 << 20
"""Stored bytes that are read ahead for one piece; streams that overlap could ask for far more than a piece has."""

Stream = tuple[int, int, int]
"""Depth, host offset and stored length."""


class JointStreams:
    """The stored bytes of compressed clusters, in whatever order the file has them.

    A stream begins in the last sector of its neighbour, since lengths are rounded up to whole sectors; and the file has
    the streams in the order in which they were written, which need not be that of the disk.
    """

    def __init__(self, disk: Disk, parts: Sequence[Part]) -> None:
        """Read what lies together; a stream that cannot be read so is left to be read by itself."""
        self._excerpts: dict[Stream, Excerpt] = {}
        for group in _groups(_wanted_once(parts)):
            depth, host_offset, _ = group[0]
            excerpt = disk.stored(depth, host_offset, max(start + length for _, start, length in group))
            if excerpt is not None:
                self._excerpts.update(dict.fromkeys(group, excerpt))

    def stored(self, depth: int, host_offset: int, stored_length: int) -> bytes | None:
        """The stored bytes of a stream; None if it has to be read by itself. Raises `InternalError`."""
        excerpt = self._excerpts.get((depth, host_offset, stored_length))
        return None if excerpt is None else excerpt.part(host_offset, stored_length)


def _wanted_once(parts: Iterable[Part]) -> list[Stream]:
    """The streams of which a piece has one part, in file order.

    One that gives several parts is read by itself, where what it decodes to is kept for the next part.
    """
    counts = Counter((depth, start, length) for _, _, start, length, depth, _ in parts if length)
    return sorted(stream for stream, count in counts.items() if count == 1)


def _groups(streams: Iterable[Stream]) -> Iterator[list[Stream]]:
    """Two or more streams that touch or overlap, `JOINT_BYTES` in all."""
    group: list[Stream] = []
    group_end, left = 0, JOINT_BYTES
    for stream in streams:
        depth, start, length = stream
        if group and depth == group[0][0] and start <= group_end and start + length - group[0][1] <= left:
            group.append(stream)
            group_end = max(group_end, start + length)
            continue
        if len(group) > 1:
            left -= group_end - group[0][1]
            yield group
        group, group_end = [stream], start + length
    if len(group) > 1:
        yield group
