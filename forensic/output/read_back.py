"""The bytes of an output by guest offset: out of its files, or as they were kept while they passed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from forensic.evidence import Evidence
from forensic.output.chunk import Chunk, as_bytes

SHORT_BYTES = 1 << 16
"""It takes less time to read so much than to ask whether it is a hole."""


class FileBytes:
    """The files of an output in a row; a context manager, since they stay open meanwhile."""

    def __init__(self, paths: Sequence[Path], guest_start: int) -> None:
        """Open them; the first byte is that of guest offset `guest_start`. Raises `EvidenceUnreadable`."""
        self._open = ExitStack()
        self._files: list[Evidence] = []
        self._starts: list[int] = []
        self.end = guest_start
        """The guest offset after the last byte."""
        try:
            for path in paths:
                file = self._open.enter_context(Evidence(path))
                self._files.append(file)
                self._starts.append(self.end)
                self.end += file.size
        except BaseException:
            self._open.close()
            raise

    def read(self, guest_offset: int, length: int) -> bytes:
        """See `OutputBytes`. Raises `ReadFailed`."""
        parts = [file.read_at(offset, count) for file, offset, count in self._places(guest_offset, length)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def stored(self, guest_offset: int, length: int) -> Iterator[tuple[int, int]]:
        """See `OutputBytes`; the holes of sparse files are zeros. What lies past the end counts as stored."""
        if length <= SHORT_BYTES:
            yield guest_offset, guest_offset + length
            return
        for file, offset, count in self._places(guest_offset, length):
            shift, end = guest_offset - offset, offset + count
            while (start := file.next_data_from(offset)) < end:
                offset = min(end, max(start + 1, file.hole_from(start)))
                yield start + shift, offset + shift
            guest_offset += count
            length -= count
        if length:
            yield guest_offset, guest_offset + length

    def _places(self, guest_offset: int, length: int) -> Iterator[tuple[Evidence, int, int]]:
        """The files that hold a range, with offset and length in each."""
        index = max(0, bisect_right(self._starts, guest_offset) - 1)
        while length and index < len(self._files):
            file, offset = self._files[index], guest_offset - self._starts[index]
            count = min(length, file.size - offset)
            if count > 0:
                yield file, offset, count
                guest_offset += count
                length -= count
            index += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()


class KeptBytes:
    """The bytes of some places, kept while the disk goes to standard output, where nothing can be read back."""

    def __init__(self, places: Sequence[tuple[int, int]]) -> None:
        """Keep these guest ranges, each (start, end), in order and without overlap."""
        self.places = places
        self._kept = [bytearray() for _ in places]
        self._next = 0

    def take(self, guest_offset: int, chunk: Chunk) -> None:
        """The next bytes of the disk."""
        for part in as_bytes(chunk) if self._wanted(guest_offset, chunk) else ():
            end = guest_offset + len(part)
            index = self._next
            while index < len(self.places) and self.places[index][0] < end:
                start = max(self.places[index][0], guest_offset)
                self._kept[index] += part[start - guest_offset : max(0, self.places[index][1] - guest_offset)]
                index += 1
            while self._next < len(self.places) and self.places[self._next][1] <= end:
                self._next += 1
            guest_offset = end

    def _wanted(self, guest_offset: int, chunk: Chunk) -> bool:
        length = chunk if isinstance(chunk, int) else len(chunk)
        return self._next < len(self.places) and self.places[self._next][0] < guest_offset + length

    def read(self, guest_offset: int, length: int) -> bytes:
        """See `OutputBytes`."""
        index = bisect_right(self.places, (guest_offset, 1 << 70)) - 1
        start = guest_offset - self.places[index][0]
        return bytes(self._kept[index][start : start + length])

    def stored(self, guest_offset: int, length: int) -> Iterable[tuple[int, int]]:
        """See `OutputBytes`."""
        return [(guest_offset, guest_offset + length)]
