"""What each sector of a file looks like, in memory that grows with what is stored and not with the size of the file.

A file may have terabytes of holes, and most of what it stores looks the same throughout: tables, zeros, data. So it is
kept in pages: of those that are all of one kind the kind alone, of the others half a byte a sector, of holes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

import numpy as np

from forensic.qcow2.arrays import I64, Bools, NDArray, distinct

Bytes = NDArray[np.uint8]

PAGE_BITS = 7
PAGE = 1 << PAGE_BITS
"""Sectors of a page: 64 KiB, the usual cluster."""

PAIRS = PAGE // 2
MIXED = 16
"""The code of a page is its kind, or this and the number of its row of pairs."""

PAGES_AT_ONCE = 1 << 13


class Sector(IntEnum):
    """What a sector looks like. Of a table with compressed and other entries a sector is `COMPRESSED`."""

    ZERO = 0
    OTHER = 1
    STANDARD = 2
    COMPRESSED = 3
    EXTENDED = 4
    UNREAD = 5


class Kinds:
    """The kind of each sector, `ZERO` until it is put; from `unread_from` on `UNREAD`."""

    def __init__(self, count: int, unread_from: int | None = None) -> None:
        """So many sectors."""
        self._count = count
        self.unread_from = count if unread_from is None else -(-unread_from // PAGE) * PAGE
        # Bytes grow without being copied, as arrays do not; views of them must be gone before that.
        self._raw_numbers, self._raw_codes, self._raw_pairs = bytearray(), bytearray(), bytearray()

    @classmethod
    def of(cls, kinds: Sequence[int] | Bytes) -> Kinds:
        """Those of some sectors."""
        found = cls(len(kinds))
        found.put(np.arange(len(kinds)), np.array(kinds, dtype=np.uint8))
        return found

    def __len__(self) -> int:
        return self._count

    @property
    def pages(self) -> I64:
        """The numbers of the pages that were put, rising."""
        return np.frombuffer(self._raw_numbers, dtype=np.int64)

    def stop_at(self, sector: int) -> None:
        """From this sector on none was read; what is put later was looked at after all."""
        end = min(-(-sector // PAGE) * PAGE, self._count)
        self.put(np.arange(sector, end), np.full(end - sector, Sector.UNREAD, dtype=np.uint8))
        self.unread_from = end

    def part(self, start: int, stop: int) -> Bytes:
        """The kinds of sectors from `start` on, as far as there are any."""
        return self.at(np.arange(min(start, self._count), min(stop, self._count)))

    def at(self, sectors: I64) -> Bytes:
        """The kinds of some sectors, all of which there are."""
        pages = sectors >> PAGE_BITS
        codes, listed = self._codes_of(pages)
        found = np.where(listed, codes, self._unlisted(pages)).astype(np.uint8)
        mixed = listed & (codes >= MIXED)
        if mixed.any():
            places = sectors[mixed] & (PAGE - 1)
            pairs = self._pairs[codes[mixed] - MIXED, places >> 1]
            found[mixed] = (pairs >> ((places & 1) << 2).astype(np.uint8)) & np.uint8(15)
        return found

    def whole(self, pages: I64) -> Bytes:
        """A row of kinds for each of some pages, put or not; past the end of the file they are `ZERO`."""
        codes, listed = self._codes_of(pages)
        found = np.empty((len(pages), PAGE), dtype=np.uint8)
        found[:] = np.where(listed, codes, self._unlisted(pages)).astype(np.uint8)[:, np.newaxis]
        mixed = np.flatnonzero(listed & (codes >= MIXED))
        if len(mixed):
            pairs = self._pairs[codes[mixed] - MIXED]
            found[mixed, 0::2], found[mixed, 1::2] = pairs & 15, pairs >> 4
        if len(pages) and int(pages[-1]) == self._count >> PAGE_BITS:
            found[-1, self._count & (PAGE - 1) :] = Sector.ZERO
        return found

    def stretches(self, together: int = 1) -> Iterator[tuple[I64, Bytes]]:
        """Everything that was put, some pages at a time: their numbers, and a row of kinds for each.

        Pages of one cluster of so many pages come `together`.
        """
        first, count = 0, len(self.pages)
        while first < count:
            last = int(self.pages[min(first + PAGES_AT_ONCE, count) - 1])
            stop = int(np.searchsorted(self.pages, last - last % together + together))
            pages = self.pages[first:stop].copy()
            yield pages, self.whole(pages)
            first = stop

    def put(self, sectors: I64, kinds: Bytes) -> None:
        """Set the kinds of some sectors, each named once. One thread at a time: neighbours share a page."""
        if not len(sectors):
            return
        numbers = sectors >> PAGE_BITS
        pages = distinct(numbers)
        rows = self.whole(pages)
        rows[np.searchsorted(pages, numbers), sectors & (PAGE - 1)] = kinds
        self.put_pages(pages, rows)

    def put_run(self, first: int, kinds: Bytes) -> None:
        """Set the kinds of sectors that follow one another; quickly, if nothing was put from their page on."""
        page = first >> PAGE_BITS
        if first % PAGE or (self._raw_numbers and page <= int(self.pages[-1])):
            self.put(np.arange(first, first + len(kinds)), kinds)
            return
        count = -(-len(kinds) // PAGE)
        rows = kinds
        if len(kinds) % PAGE:
            rows = np.full(count * PAGE, self._unlisted(np.array([page + count - 1]))[0], dtype=np.uint8)
            rows[: len(kinds)] = kinds
        self.put_pages(np.arange(page, page + count), rows.reshape(count, PAGE))

    def put_pages(self, pages: I64, rows: Bytes) -> None:
        """Set whole pages, in rising order."""
        same = (rows == rows[:, :1]).all(axis=1)
        first_row = len(self._raw_pairs) // PAIRS
        codes = np.where(same, rows[:, 0], MIXED + first_row + np.cumsum(~same) - 1).astype(np.int32)
        mixed = rows[~same]
        self._raw_pairs += (mixed[:, 0::2] | (mixed[:, 1::2] << np.uint8(4))).tobytes()
        last = int(self.pages[-1]) if self._raw_numbers else -1
        if int(pages[0]) == last:  # a scan goes on within a page
            del self._raw_numbers[-8:], self._raw_codes[-4:]
            last -= 1
        if int(pages[0]) > last:
            self._raw_numbers += pages.astype(np.int64).tobytes()
            self._raw_codes += codes.tobytes()
            return
        kept = ~np.isin(self.pages, pages)  # rows of pairs that nothing leads to any more stay: few are put twice
        numbers = np.concatenate([self.pages[kept], pages])
        codes = np.concatenate([self._codes[kept], codes])
        order = np.argsort(numbers, kind="stable")
        self._raw_numbers, self._raw_codes = bytearray(numbers[order].tobytes()), bytearray(codes[order].tobytes())

    @property
    def _codes(self) -> NDArray[np.int32]:
        return np.frombuffer(self._raw_codes, dtype=np.int32)

    @property
    def _pairs(self) -> Bytes:
        return np.frombuffer(self._raw_pairs, dtype=np.uint8).reshape(-1, PAIRS)

    def _codes_of(self, pages: I64) -> tuple[NDArray[np.int32], Bools]:
        """The code of each page, and which of them were put."""
        numbers = self.pages
        if not len(numbers):
            return np.zeros(pages.shape, dtype=np.int32), np.zeros(pages.shape, dtype=np.bool_)
        near = np.minimum(np.searchsorted(numbers, pages), len(numbers) - 1)
        return self._codes[near], numbers[near] == pages

    def _unlisted(self, pages: I64) -> Bytes:
        """What pages are that were not put."""
        unread = pages >= -(-self.unread_from // PAGE)
        return np.where(unread, np.uint8(Sector.UNREAD), np.uint8(Sector.ZERO))
