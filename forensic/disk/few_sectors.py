"""A few sectors of the active disk, read without arrays and decoders: the beginning of a disk tells what is on it.

What needs a closer look, or more than the standard library, is left to the reader of whole disks.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right

from forensic.evidence import ReadFailed
from forensic.mapping.extents import Reason, Run, State
from forensic.mapping.fast_path import few_runs
from forensic.qcow2.metadata import Qcow2Metadata

MOST_TABLE_BYTES = 16 << 20
"""Bytes of L2 tables that are looked at."""

DEFLATE = 0
WINDOW_BITS = -12
"""A raw stream with a window of 4 KiB, as the specification has it; what was made with another is left as well."""


class CloserLook(Exception):
    """This cannot be told here."""


class FewSectors:
    """Reads the active disk of an image that has neither key nor plan; extended entries are left to others."""

    def __init__(self, image: Qcow2Metadata) -> None:
        """Read this image. Raises `Unsupported` where the header gives no geometry."""
        self._image = image
        self._tables: dict[int, list[Run]] = {}
        self._table_bytes = 0
        self._stream: tuple[int, bytes] = (-1, b"")

    def read(self, guest_offset: int, length: int) -> bytes | str:
        """Bytes of the disk, fewer at its end, or the code of the reason why there are none. Raises `CloserLook`."""
        end = min(guest_offset + length, self._image.virtual_size)
        parts = []
        while guest_offset < end:
            run = self._run_at(guest_offset)
            stop = min(end, run[0] + run[1])
            part = self._bytes(run, guest_offset, stop - guest_offset)
            if isinstance(part, str):
                return part
            parts.append(part)
            guest_offset = stop
        return b"".join(parts)

    def _run_at(self, guest_offset: int) -> Run:
        coverage = self._image.geometry.l1_coverage
        number = guest_offset // coverage
        if number not in self._tables:
            self._tables[number] = self._runs_of(number, coverage)
        runs = self._tables[number]
        at = bisect_right(runs, guest_offset, key=lambda run: run[0]) - 1
        if at < 0 or guest_offset >= runs[at][0] + runs[at][1]:
            raise CloserLook
        return runs[at]

    def _runs_of(self, number: int, coverage: int) -> list[Run]:
        image, geometry = self._image, self._image.geometry
        self._table_bytes += geometry.cluster_size
        if self._table_bytes > MOST_TABLE_BYTES:
            raise CloserLook
        end = min((number + 1) * coverage, image.virtual_size)
        place, count = geometry.l1_table_offset, geometry.l1_entry_count
        found = few_runs(image.evidence, geometry, place, count, number * coverage, end)
        return [run for runs in found for run in runs]

    def _bytes(self, run: Run, guest_offset: int, length: int) -> bytes | str:
        start, _, host_offset, stored_length, state, *_ = run
        if state == State.UNALLOCATED and self._image.has_backing_file:
            return Reason.BACKING_NOT_SUPPLIED.code
        if state == State.COMPRESSED:
            within = guest_offset - start + run[7]
            return self._cluster(host_offset, stored_length)[within : within + length]
        if state != State.DATA:
            return bytes(length)
        try:
            return self._image.evidence.read_at(host_offset + guest_offset - start, length)
        except ReadFailed:
            return Reason.IO_ERROR.code

    def _cluster(self, host_offset: int, stored_length: int) -> bytes:
        """A compressed cluster, remembered for the next sector of it."""
        if self._stream[0] == host_offset:
            return self._stream[1]
        geometry = self._image.geometry
        try:
            stored = self._image.evidence.read_at(host_offset, stored_length)
            if geometry.compression_type == DEFLATE:
                decoded = zlib.decompressobj(WINDOW_BITS).decompress(stored, geometry.cluster_size)
            else:
                from forensic.disk.codecs import decode

                decoded = bytes(decode(stored, geometry.compression_type, geometry.cluster_size).data)
        except (ReadFailed, zlib.error) as error:
            raise CloserLook from error
        if len(decoded) < geometry.cluster_size:
            raise CloserLook
        self._stream = (host_offset, decoded)
        return decoded
