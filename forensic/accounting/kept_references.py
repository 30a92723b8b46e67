"""References to the windows of a file after the first one: which tables to read again for each, or what they say.

Most tables lead into one window, and reading them again for it costs no more than keeping what they say. Tables that
lead all over a long file would be read again for every window: their references are sorted out in one pass instead, and
kept in unnamed files, four bytes each.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from forensic.accounting.table_references import References
from forensic.qcow2.arrays import U64, Bools, distinct
from forensic.qcow2.intervals import equal_runs

_HEAD = struct.Struct("<QBBI")
"""How often they count, by which sets, of which kind, how many."""

_SORTED_BY_DIGITS = np.iinfo(np.uint16).max

_NO_BITS, _ALL_COPIED, _BITS, _COMPRESSED, _NEXT_SETS = range(5)


MOST_READ_AGAIN = 2
"""How often the tables of an image are read again at most, on average, before their references are kept instead."""


FEW_TABLES = 1 << 10
"""Tables that may always be read again."""


class NoRoom(Exception):
    """The system has no room for what is to be kept; the text says where and why."""


class LaterWindows:
    """The windows after the first that tables lead to, and which tables, as long as reading them again pays."""

    def __init__(self, table_count: int) -> None:
        """Nothing leads there yet."""
        self._room = max(FEW_TABLES, MOST_READ_AGAIN * table_count)
        self._pairs: list[tuple[U64, U64]] = []

    @property
    def strewn(self) -> bool:
        """Whether reading the tables again for each window takes too long; then the others know nothing."""
        return self._room < 0

    @property
    def numbers(self) -> set[int]:
        """The numbers of the windows."""
        return {number for numbers, _ in self._pairs for number in distinct(numbers).tolist()}

    def note(self, pairs: Sequence[tuple[U64, U64]]) -> None:
        """Numbers of windows, and for each the host offset of a table that leads there."""
        self._room -= sum(len(numbers) for numbers, _ in pairs)
        self._pairs = [] if self.strewn else [*self._pairs, *pairs]

    def tables_of(self, number: int) -> U64:
        """The tables that lead to a window, in order."""
        found = [tables[numbers == np.uint64(number)] for numbers, tables in self._pairs]
        return distinct(np.concatenate([np.zeros(0, dtype=np.uint64), *found]))


class KeptReferences:
    """What the windows after the first are referred to by, one file a window."""

    def __init__(self, window_clusters: int, most: int) -> None:
        """Nothing is kept yet; the `most` lowest windows will be."""
        self._length, self._most = window_clusters, most
        self._files: dict[int, BinaryIO] = {}

    @property
    def numbers(self) -> set[int]:
        """The numbers of the windows of which references are kept."""
        return set(self._files)

    def keep(self, found: References | None) -> None:
        """Take all references to later windows; after None they are those of other table sets.

        Raises `NoRoom`.
        """
        if found is None:
            for number in self._files:
                self._write(number, _HEAD.pack(0, 0, _NEXT_SETS, 0))
            return
        windows = found.clusters // np.uint64(self._length)
        if len(windows) and windows.max() <= _SORTED_BY_DIGITS:
            windows = windows.astype(np.uint16)  # which is sorted ten times as fast
        order = np.argsort(windows, kind="stable")
        for begin, end in equal_runs(windows[order]).tolist():
            number = int(windows[order[begin]])
            if self._is_wanted(number):
                self._write(number, *self._written(number, found.part(order[begin:end])))

    def of_window(self, number: int) -> Iterator[References | None]:
        """The references to one window in the order in which they were kept; None where other table sets begin.

        Raises `NoRoom` if what was kept did not fit after all.
        """
        if number not in self._files:
            return
        file, first = self._files[number], np.uint64(number * self._length)
        try:
            file.seek(0)
        except OSError as error:
            raise _no_room(error) from error
        while head := file.read(_HEAD.size):
            times, sets, kind, count = _HEAD.unpack(head)
            if kind == _NEXT_SETS:
                yield None
                continue
            clusters = np.frombuffer(file.read(4 * count), dtype=np.uint32).astype(np.uint64) + first
            copied: Bools | bool | None = True if kind == _ALL_COPIED else None
            if kind == _BITS:
                packed = np.frombuffer(file.read(-(-count // 8)), dtype=np.uint8)
                copied = np.unpackbits(packed, count=count).view(np.bool_)
            yield References(clusters, times, sets, copied, kind == _COMPRESSED)

    def close(self) -> None:
        """Give up what is kept."""
        while self._files:
            _close(self._files.popitem()[1])

    def _is_wanted(self, number: int) -> bool:
        """Whether a window is not the first, nor comes after as many others as are wanted."""
        if number and number not in self._files:
            if len(self._files) >= self._most:
                last = max(self._files)
                if number > last:
                    return False
                _close(self._files.pop(last))
            from tempfile import TemporaryFile  # slow to load, and needed for the largest images alone

            try:
                self._files[number] = TemporaryFile()  # noqa: SIM115 - closed with the others
            except OSError as error:
                raise _no_room(error) from error
        return number > 0

    def _write(self, number: int, *parts: bytes | memoryview) -> None:
        try:
            for part in parts:
                self._files[number].write(part)
        except OSError as error:
            raise _no_room(error) from error

    def _written(self, number: int, found: References) -> Iterator[bytes | memoryview]:
        kind = _COMPRESSED if found.compressed else _NO_BITS
        if found.copied is not None:
            kind = _ALL_COPIED if found.copied is True else _BITS
        yield _HEAD.pack(found.times, found.sets, kind, len(found.clusters))
        yield (found.clusters - np.uint64(number * self._length)).astype(np.uint32).data
        if isinstance(found.copied, np.ndarray):
            yield np.packbits(found.copied).data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _close(file: BinaryIO) -> None:
    with suppress(OSError):  # what was still to be written is not wanted any more
        file.close()


def _no_room(error: OSError) -> NoRoom:
    from tempfile import gettempdir

    return NoRoom(f"{gettempdir()}: {error.strerror or error}")
