"""Tables as raw bytes: entries are cut out of them one at a time, and the tables read last are kept."""

from __future__ import annotations

from collections import OrderedDict

from forensic.evidence import Evidence, ReadFailed

KEPT_BYTES = 16 << 20
"""Bytes of tables that are kept; one table has at most 2 MiB."""

PAGE_BYTES = 64 << 10
"""Bytes of an L1 table that are read together; such a table can be as long as the file."""


class Tables:
    """The tables of one file."""

    def __init__(self, evidence: Evidence) -> None:
        """Read tables of this file when they are asked for."""
        self._evidence = evidence
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._kept_bytes = 0

    def entry(self, table_offset: int, table_length: int, index: int, entry_size: int) -> bytes | None:
        """The bytes of an entry; None if the file ends before it does, or it lies on a bad sector."""
        start = index * entry_size
        page = start // PAGE_BYTES * PAGE_BYTES if table_length > 2 << 20 else 0
        length = PAGE_BYTES if table_length > 2 << 20 else table_length
        raw = self._table(table_offset + page, length)[start - page : start - page + entry_size]
        return raw if len(raw) == entry_size else None

    def whole(self, table_offset: int, table_length: int) -> bytes:
        """As much of a table as there is."""
        if table_length > 2 << 20:
            return self._read(table_offset, table_length)
        return self._table(table_offset, table_length)

    def _table(self, host_offset: int, length: int) -> bytes:
        key = (host_offset, length)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        raw = self._read(host_offset, length)
        self._kept[key] = raw
        self._kept_bytes += len(raw)
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])
        return raw

    def _read(self, host_offset: int, length: int) -> bytes:
        """As much as there is before the end of the file or the first bad sector."""
        while True:
            try:
                return self._evidence.read_at(host_offset, length)
            except ReadFailed as failure:
                length = failure.host_offset - host_offset
