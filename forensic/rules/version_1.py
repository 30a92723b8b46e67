"""Rules about images of version 1, the format before qcow2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.finding import FindingClass, Problem, Problems, Range, Severity, guest_range, host_range
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1 import Qcow1Header
from forensic.qcow2.v1_tables import Qcow1L1, Qcow1L2Batch
from forensic.rules.registry import rule
from forensic.walk_v1 import Qcow1Usage


@rule(Qcow1Header, Severity.INFO, FindingClass.INFO)
def version_1_image(header: Qcow1Header) -> Iterator[Problem]:
    """The image is of version 1, the format before qcow2.

    Why: it has no refcounts, so nothing in it says which clusters should be in use; few tools read it.
    Spec: none; the description is that of the .ksy, after QEMU's block/qcow.c
    QEMU: reads and writes it under the name qcow; it has no check for it.
    Next: extract it and continue with the raw image.
    """
    yield Problem("the version in the header is 1", _place(header, "version"), "header")


@rule(Qcow1Header, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_header_unusable(header: Qcow1Header) -> Iterator[Problem]:
    """The header of a version 1 image gives no usable table sizes.

    Why: neither the L1 table nor anything after it can be located.
    Spec: none; QEMU's limits are cluster_bits 9 to 16 and l2_bits 6 to 13
    QEMU: refuses the image.
    Next: compare with a sound image of the same writer; QEMU writes 12 and 9, or 9 and 12 with a backing file.
    """
    if header.unusable:
        places = (*_place(header, "cluster_bits"), *_place(header, "l2_bits"))
        yield Problem(header.unusable, places, "header")


@rule(Qcow1L1, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_l1_table_outside_file(table: Qcow1L1) -> Iterator[Problem]:
    """The L1 table of a version 1 image reaches past the end of the file.

    Why: its missing entries are unknown; the guest ranges they stand for are absent, not zero.
    Spec: none; bytes 40-47 of the header
    QEMU: refuses the image.
    Next: look for the rest of the file.
    """
    length = table.header.l1_entry_count * ENTRY_SIZE
    if table.host_offset + length > table.file_size:
        yield Problem(
            f"the L1 table at host offset {table.host_offset:#x} ends at {table.host_offset + length:#x}, the file at "
            f"{table.file_size:#x}",
            (host_range(table.host_offset, length),),
            "L1 table",
        )


@rule(Qcow1L1, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_l1_entry_outside_file(table: Qcow1L1) -> Iterable[Problem]:
    """An L1 entry of a version 1 image leads past the end of the file.

    Why: the L2 table is not there; the guest range it stands for is absent, not zero.
    Spec: none; each entry is the host offset of an L2 table
    QEMU: reading the range fails.
    Next: look for the rest of the file.
    """
    end = table.entries + np.uint64(table.header.l2_entry_count * ENTRY_SIZE)
    hits = np.flatnonzero((table.entries != 0) & ((end > table.file_size) | (end < table.entries)))

    def described() -> Iterator[Problem]:
        for index in hits.tolist():
            place = (host_range(table.host_offset + index * ENTRY_SIZE, ENTRY_SIZE),)
            leads = f"leads to an L2 table at host offset {int(table.entries[index]):#x}"
            yield Problem(f"L1[{index}] {leads} that ends past the file's {table.file_size:#x} bytes", place)

    return Problems(len(hits), described)


@rule(Qcow1L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_l2_entry_outside_file(batch: Qcow1L2Batch) -> Iterable[Problem]:
    """An L2 entry of a version 1 image leads past the end of the file.

    Why: the cluster's bytes are not in the file; they are absent, not zero.
    Spec: none; bits 0-62 are the host offset of a plain cluster
    QEMU: reads zeros, or fails for a compressed cluster.
    Next: look for the rest of the file.
    """
    beyond = (batch.entries != 0) & (batch.stored_offsets() >= np.uint64(batch.file_size))
    return _at_entries(batch, beyond, lambda offset: f"host offset {offset:#x}, past the end of the file")


@rule(Qcow1L2Batch, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_l2_entry_unaligned(batch: Qcow1L2Batch) -> Iterable[Problem]:
    """An L2 entry of a version 1 image does not point to a sector boundary.

    Why: plain clusters begin on a sector of 512 bytes; the cluster's bytes are absent.
    Spec: none; bits 0-62 are the host offset of a plain cluster
    QEMU: reading the cluster fails.
    Next: compare the entry with its neighbours.
    """
    unaligned = ~batch.compressed() & (batch.entries % np.uint64(SECTOR_SIZE) != 0)
    return _at_entries(batch, unaligned, lambda offset: f"host offset {offset:#x}, not a multiple of 0x200")


@rule(Qcow1Usage, Severity.CRITICAL, FindingClass.CORRUPTION)
def version_1_data_overlaps_metadata(usage: Qcow1Usage) -> Iterable[Problem]:
    """A data cluster of a version 1 image lies where a table or the header is.

    Why: the guest reads the table as data, and writing to the disk overwrites it.
    Spec: none; each cluster belongs to one place of the disk
    QEMU: does not check this.
    Next: compare the L2 entry with its neighbours.
    """
    return _at_clusters(usage, usage.in_metadata, usage.in_metadata_guest, "where the header or a table is")


@rule(Qcow1Usage, Severity.HIGH, FindingClass.CORRUPTION)
def version_1_data_cluster_shared(usage: Qcow1Usage) -> Iterable[Problem]:
    """Two places of the disk of a version 1 image lead to the same bytes.

    Why: version 1 has no snapshots and shares nothing, so one of the entries is wrong.
    Spec: none; each cluster belongs to one place of the disk
    QEMU: does not check this.
    Next: examine the bytes to tell which of the places they belong to.
    """
    return _at_clusters(usage, usage.twice, usage.twice_guest, "where another data cluster is")


def _at_clusters(usage: Qcow1Usage, offsets: U64, guests: U64, what: str) -> Problems:
    size = usage.header.cluster_size

    def described() -> Iterator[Problem]:
        for offset, guest_offset in zip(offsets.tolist(), guests.tolist(), strict=True):
            yield Problem(
                f"the data of guest offset {guest_offset:#x} lies at host offset {offset:#x}, {what}",
                (host_range(offset, size), guest_range(guest_offset, size)),
            )

    return Problems(len(offsets), described)


def _place(header: Qcow1Header, name: str) -> tuple[Range, ...]:
    offset, length = header.field_range(name)
    return (host_range(offset, length),) if length else ()


def _at_entries(batch: Qcow1L2Batch, hits: Bools, say: Callable[[int], str]) -> Problems:
    tables, indices = np.nonzero(hits & batch.in_file())

    def described() -> Iterator[Problem]:
        offsets, count = batch.stored_offsets(), batch.header.l2_entry_count
        for table, index in zip(tables.tolist(), indices.tolist(), strict=True):
            cluster = int(batch.l1_indices[table]) * count + index
            yield Problem(
                f"{batch.path(table, index)} leads to {say(int(offsets[table, index]))}",
                (
                    host_range(batch.entry_host_offset(table, index), ENTRY_SIZE),
                    guest_range(cluster * batch.header.cluster_size, batch.header.cluster_size),
                ),
                batch.path(table, index),
                {"entry_hex": f"{int(batch.entries[table, index]):016x}"},
            )

    return Problems(len(tables), described)
