"""Disk: one virtual disk to read, whatever files its bytes come from.

It is the active disk of an image, one of its snapshots, or a machine state saved with one; below the image lie the
backing files that the examiner supplied, layer by layer. Nothing that an image names is opened here or anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.disk.layer import Fault, Layer
from forensic.errors import EvidenceInUse
from forensic.evidence import Evidence, ReadFailed
from forensic.excerpt import Excerpt, read_excerpt
from forensic.mapping.extents import Extent, Reason, Run, extent
from forensic.qcow2.file_names import last_name
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # numpy is loaded where arrays are needed
    from forensic.disk.reader import DiskReader
    from forensic.mapping.rows import Rows


class Role(StrEnum):
    """What a supplied file is to the image that needs it."""

    BACKING = "backing"
    DATA_FILE = "data_file"


class Input(Struct, frozen=True):
    """A file that the examiner supplied: for which layer, and what that layer calls it (None: nothing).

    `format` is what it is read as, `format_from` who said so: `given`, `declared` or `probed`.
    """

    role: Role
    depth: int
    evidence: Evidence
    declared: Untrusted | None
    format: str
    format_from: str

    @property
    def name_matches(self) -> bool | None:
        """Whether the declared name ends in the name of the file; None if nothing is declared."""
        if self.declared is None:
            return None
        return last_name(self.declared.raw) == os.fsencode(os.path.basename(self.evidence.path_as_given))


class Disk(Struct, frozen=True):
    """One virtual disk: `target` is `active`, `snapshot:<index>` or `vm-state:<index>`; `size` is in guest bytes.

    `layers[0]` is the image itself, the others are its backing files, nearest first. `inputs` are the files that were
    supplied beside the image; the disk owns them and closes them. `caveats` are sentences that belong in every report
    of what is read from it; `contradictions` are those of them by which a supplied file is not the declared one.
    """

    target: str
    size: int
    layers: tuple[Layer, ...]
    inputs: tuple[Input, ...] = ()
    caveats: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """Every file that is open for reading this disk."""
        return tuple(evidence for layer in self.layers for evidence in layer.evidences)

    def refuse_if_written_to(self, *when: str) -> None:
        """Raise `EvidenceInUse` if another process may write to one of the files; `when` is as there."""
        for evidence in self.evidences:
            if what := evidence.writer():
                raise EvidenceInUse(evidence.path_as_given, what, *when)

    def row_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """Where each guest byte lies, in guest order without a gap; row by row, `depth` says on which layer.

        A range is UNALLOCATED where no layer that was supplied holds it.
        """
        end = self.size if guest_end is None else min(guest_end, self.size)
        if guest_start >= end:
            return iter(())
        from forensic.disk.chain import rows_of_chain

        return rows_of_chain(self.layers, 0, guest_start, end)

    def readable_batches(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Rows]:
        """The same, with every range absent whose bytes lie in a file or under a key that was not supplied."""
        for rows in self.row_batches(guest_start, guest_end):
            self.mark_what_was_not_supplied(rows)
            yield rows

    def runs(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[list[Run]]:
        """The rows of `row_batches` as plain numbers, neighbours of one kind merged, some at a time.

        As far as the disk has few entries and nothing remarkable in them, no array is needed, nor numpy loaded.
        """
        end = self.size if guest_end is None else min(guest_end, self.size)
        if len(self.layers) == 1:
            for found in self.layers[0].few_runs(guest_start, end):
                yield found
                guest_start = found[-1][0] + found[-1][1]
        if guest_start < end:
            from forensic.mapping.rows import joined

            for rows in joined(self.row_batches(guest_start, end)):
                if len(rows):
                    yield rows.tolist()

    def readable_runs(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[list[Run]]:
        """The rows of `readable_batches` in the same form."""
        if all(layer.data_lacks == Reason.NONE for layer in self.layers) and self.layers[-1].backing_file is None:
            yield from self.runs(guest_start, guest_end)
            return
        for rows in self.readable_batches(guest_start, guest_end):
            yield rows.tolist()

    def extents(self, guest_start: int = 0, guest_end: int | None = None) -> Iterator[Extent]:
        """The runs as objects."""
        return (extent(run) for runs in self.runs(guest_start, guest_end) for run in runs)

    def read(
        self,
        depth: int,
        guest_offset: int,
        host_offset: int,
        stored_length: int,
        skip: int,
        buffer: memoryview,
    ) -> list[Fault]:
        """Fill the buffer with the bytes of (part of) one row that is DATA, or COMPRESSED where it has a stored length.

        Worker threads may call it at the same time.
        """
        layer = self.layers[depth]
        if stored_length:
            return layer.decoder.read(host_offset, stored_length, skip, buffer)
        return layer.read_data(guest_offset, host_offset, buffer)

    def stored(self, depth: int, host_offset: int, end: int) -> Excerpt | None:
        """What a layer's image holds from `host_offset` to `end`; None if not all of it can be read."""
        try:
            return read_excerpt(self.layers[depth].evidences[0], host_offset, end)
        except ReadFailed:
            return None

    def decode_stored(self, depth: int, stored: bytes, skip: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer with what a stream that was read already decodes to, from its byte `skip` on."""
        return self.layers[depth].decoder.decode_stored(stored, skip, buffer)

    def reader(self, fill_missing: bool = False) -> DiskReader:
        """The disk as a seekable binary file for other libraries; see `DiskReader`."""
        from forensic.disk.reader import DiskReader

        return DiskReader(self, fill_missing)

    def close(self) -> None:
        """Close what was supplied beside the image; the image itself is its owner's."""
        for supplied in self.inputs:
            supplied.evidence.close()

    def __enter__(self) -> Disk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def mark_what_was_not_supplied(self, rows: Rows) -> None:
        """Turn rows of `row_batches` into those of `readable_batches`, in place."""
        from forensic.disk.chain import mark_what_was_not_supplied

        mark_what_was_not_supplied(self.layers, rows)
