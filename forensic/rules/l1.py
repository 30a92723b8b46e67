"""Rules about L1 tables, of the active disk and of every snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from forensic.finding import Confidence, FindingClass, Problem, Severity, host_range
from forensic.qcow2.entries import l1_reserved_bits
from forensic.qcow2.geometry import ACTIVE, L1_ENTRY_SIZE, MAX_L1_ENTRIES
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.tables import L1Table
from forensic.rules.places import at_l1_entries, in_header
from forensic.rules.registry import rule


@rule(L1Table, Severity.CRITICAL, FindingClass.CORRUPTION)
def l1_table_unaligned(table: L1Table) -> Iterator[Problem]:
    """The L1 table does not begin on a cluster boundary.

    Why: the offset is damaged; the table is read from where it points, which may not be a table at all.
    Spec: Header, bytes 40-47
    QEMU: refuses the image.
    Next: look for a table on the cluster boundaries nearby.
    """
    if table.owner == ACTIVE and table.host_offset % table.geometry.cluster_size:
        yield Problem(
            f"l1_table_offset is {table.host_offset:#x}, not a multiple of the {table.geometry.cluster_size:#x}-byte "
            "cluster",
            (host_range(40, 8),),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def l1_table_too_large(cluster: HeaderCluster) -> Iterator[Problem]:
    """The L1 table is larger than 32 MiB.

    Why: older readers allocated what a header claims (CVE-2014-0144); only the first 32 MiB are examined here.
    Spec: Header, bytes 36-39 (the limit is QEMU's)
    QEMU: refuses the image.
    Next: compare with what the virtual size needs.
    """
    entries = cluster.header.l1_size
    if entries > MAX_L1_ENTRIES:
        yield Problem(
            f"l1_size is {entries:,} entries, more than {MAX_L1_ENTRIES:,}",
            in_header(cluster, "num_l1_entries"),
            "header",
        )


@rule(L1Table, Severity.HIGH, FindingClass.CORRUPTION)
def l1_table_outside_file(table: L1Table) -> Iterator[Problem]:
    """The L1 table reaches past the end of the file.

    Why: its missing entries are unknown; the guest ranges they stand for are absent, not zero.
    Spec: Header, bytes 36-47
    QEMU: check reports it; convert reads zeros, writes a disk of zeros and returns 0.
    Next: look for the rest of the file.
    """
    end = table.host_offset + table.claimed_entries * L1_ENTRY_SIZE
    believable = 0 < table.claimed_entries <= MAX_L1_ENTRIES
    if table.owner == ACTIVE and believable and end > table.file_size:
        yield Problem(
            f"the L1 table at host offset {table.host_offset:#x} ends at {end:#x}, the file at {table.file_size:#x}",
            (host_range(table.host_offset, table.claimed_entries * L1_ENTRY_SIZE),),
            "L1",
        )


@rule(L1Table, Severity.CRITICAL, FindingClass.CORRUPTION, Confidence.LIKELY)
def l1_table_overwritten(table: L1Table) -> Iterator[Problem]:
    """An L1 table was overwritten as a whole.

    Why: most of its entries are values that no writer produces, so none is trusted: the whole disk is doubtful, even
    where an entry is zero, and the L2 tables that it pointed to are unknown.
    Spec: Cluster mapping, L1 table entry
    QEMU: check reports the entries one by one; convert writes zeros for those without an offset.
    Next: the bytes in its place may show what overwrote it; search the file for L2 tables that no entry points to.
    """
    if found := table.overwritten:
        path = f"{table.owner} L1"
        yield Problem(
            f"the L1 table of {table.owner} at host offset {table.host_offset:#x} is overwritten by {found.content}: "
            f"{found.impossible:,} of the {found.set_entries:,} entries that are not zero are impossible",
            (host_range(table.host_offset, found.present * L1_ENTRY_SIZE),),
            path,
            {"overwritten_by": found.content.name.lower(), "impossible_entries": found.impossible},
        )


@rule(L1Table, Severity.HIGH, FindingClass.CORRUPTION)
def l1_entry_reserved_bits(table: L1Table) -> Iterable[Problem]:
    """Reserved bits of an L1 entry are set.

    Why: they must be zero; a set one is damage, or a feature that no reader knows.
    Spec: L1 table entry, bits 0-8 and 56-62
    QEMU: check reports a corruption; reading ignores the bits.
    Next: compare the entry with its neighbours.
    """
    if not table.bits:
        return ()
    reserved = l1_reserved_bits(table.entries)
    return at_l1_entries(table, reserved != 0, lambda _, entry: f"reserved bits {l1_reserved_bits(entry):#x} are set")


@rule(L1Table, Severity.CRITICAL, FindingClass.CORRUPTION)
def l1_entry_unaligned(table: L1Table) -> Iterable[Problem]:
    """An L1 entry points to an L2 table that does not begin on a cluster boundary.

    Why: no L2 table can be there; the guest range of the entry is absent.
    Spec: L1 table entry, bits 9-55
    QEMU: check reports a corruption; reading the range fails, writing to it marks the image corrupt.
    Next: L2 tables begin on cluster boundaries; search them for one that no entry points to.
    """
    if not table.bits:
        return ()
    size = table.geometry.cluster_size
    offsets = table.l2_offsets()
    return at_l1_entries(
        table,
        (offsets & np.uint64(size - 1)) != 0,
        lambda index, _: f"L2 table offset {int(offsets[index]):#x} is not a multiple of the {size:#x}-byte cluster",
    )


@rule(L1Table, Severity.HIGH, FindingClass.CORRUPTION)
def l1_entry_outside_file(table: L1Table) -> Iterable[Problem]:
    """An L1 entry points to an L2 table that lies outside the file, at least in part.

    Why: the guest range it stands for is absent, not zero.
    Spec: L1 table entry, bits 9-55
    QEMU: check reports it if a whole cluster is missing; convert reads zeros and returns 0.
    Next: look for the rest of the file.
    """
    if not table.bits:
        return ()
    offsets = table.l2_offsets()
    size = table.geometry.cluster_size
    return at_l1_entries(
        table,
        (offsets != 0) & (offsets + np.uint64(size) > table.file_size),
        lambda index, _: (
            f"the L2 table at host offset {int(offsets[index]):#x} ends at {int(offsets[index]) + size:#x}, "
            f"the file at {table.file_size:#x}"
        ),
    )


@rule(L1Table, Severity.HIGH, FindingClass.CORRUPTION)
def l1_entry_without_offset(table: L1Table) -> Iterable[Problem]:
    """An L1 entry has the copied bit but no L2 table.

    Why: it says both that there is a table and that there is none; the offset was lost.
    Spec: L1 table entry, bits 9-55 and 63
    QEMU: check reads the header cluster as an L2 table and reports its fields as errors; reading treats the range as
    unallocated.
    Next: search the file for an L2 table that no entry points to.
    """
    if not table.bits:
        return ()
    lost = (table.entries >> np.uint64(63) != 0) & (table.l2_offsets() == 0)
    return at_l1_entries(table, lost, lambda _, __: "the copied bit is set, the offset is zero")
