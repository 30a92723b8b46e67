"""The size of the disk: by header or examiner, by what the guest says of it, or no less than what its tables map."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry
from forensic.recovery import certainty as sure
from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.anchors.partitions import by_mbr
from forensic.recovery.certainty import CONFIDENCE, Method
from forensic.recovery.placement.by_anchors import anchors_with_starts
from forensic.recovery.placement.by_pattern import reader_of
from forensic.recovery.placement.in_streams import Decoded
from forensic.recovery.placement.placing import all_placed, disk_shape, header_with
from forensic.recovery.placement.usedmap import Read
from forensic.recovery.plan import Decision
from forensic.recovery.understanding import image_of
from forensic.recovery.work import Work

BEGINNING = 2 << 20
"""Bytes from the start of the disk in which the first partition begins, and its file system says how long it is."""

PROTECTIVE = 0xEE
"""The kind of partition that only says that there is a GPT; its length may be the largest that can be said."""


class Said(Struct, frozen=True):
    """The end of the disk by a structure of the guest; if it is not `whole`, there may be more behind it."""

    end: int
    whole: bool
    because: str


def decide_size(work: Work, last: int, slots: int) -> tuple[Decision, Geometry]:
    """The decision, and the geometry with this size; up to guest offset `last` something is mapped."""
    geometry, layout = work.geometry, work.layout
    size, clusters_end = geometry.virtual_size, -(-geometry.virtual_size // geometry.cluster_size)
    has_snapshots = layout.form != "plan" and image_of(work.evidence, layout).header.nb_snapshots > 0
    too_small = last > clusters_end * geometry.cluster_size
    told = "size" in layout.by_content or not layout.has_header
    if layout.size_known and told and too_small:
        kept = ": what lies after it is left out" if has_snapshots else ""
        work.damage.append(f"the size that was given, {size:,} bytes, is too small for the tables{kept}")
    if layout.size_known and not (too_small and not has_snapshots):
        method = Method.EXAMINER if told else Method.HEADER
        because = "given by the examiner" if told else "given by the header"
        decision = _decision(f"the disk has {size:,} bytes", method, because, told)
    else:
        said = None if layout.size_known else _said_by_guest(work)
        if said is not None and said.whole and said.end >= last:
            size = said.end
            work.damage.append(f"the size of the disk is unknown: {size:,} bytes, as the guest says")
            decision = _decision(f"the disk has {size:,} bytes", Method.ANCHORS, said.because)
        else:
            reason, where = "its tables map nothing after that", "where its last table ends"
            if said is not None and said.end > max(size, last):
                size, reason, where = said.end, said.because, "as the guest says"
            size = max(size, last)
            work.damage.append(f"the size of the disk is unknown: at least {size:,} bytes, {where}")
            decision = _decision(f"the disk has {size:,} bytes, or more that read as zeros", Method.CONTENT, reason)
    count = max(slots, -(-size // geometry.l1_coverage))
    return decision, replace(geometry, virtual_size=size, l1_entry_count=count)


def _decision(what: str, method: Method, because: str, told: bool = True) -> Decision:
    return Decision(what, sure.of_size(not told, told), CONFIDENCE[method], method, (because,))


def _said_by_guest(work: Work) -> Said | None:
    """What a partition table or a file system says that lies in its place at the beginning of the disk.

    It proves nothing: a disk may be larger than what is on it. A GPT header names its copy in the last sector, and a
    file system that begins with the disk usually fills it; partitions need not.
    """
    slots = -(-BEGINNING // work.geometry.l1_coverage)
    placed = [(slot, table) for slot, table in all_placed(work) if slot < slots]
    read = reader_of(work.accounts, header_with(work, slots), placed, slots)
    nothing = np.zeros(0, dtype=np.uint64)
    found: list[Said] = []
    for anchor, start in anchors_with_starts(work.accounts, nothing, placed, disk_shape(work), Decoded()):
        if anchor.span and _is_in_place(work, read, anchor, start):
            what = anchor.kind if anchor.absolute else f"{anchor.kind} of a file system that begins at {start:#x}"
            found.append(Said(start + anchor.span, start == 0, f"a structure of the guest says so: {what}"))
    sector = read(0, SECTOR_SIZE) or b""
    if not any(one.whole for one in found) and (end := by_mbr(sector).end) and sector[450] != PROTECTIVE:
        found.append(Said(end, False, "the partition table of the guest says so"))
    possible = [one for one in found if -(-one.end // work.geometry.l1_coverage) <= MAX_L1_ENTRIES]
    return max(possible, key=lambda one: one.end, default=None)


def _is_in_place(work: Work, read: Read, anchor: Anchor, start: int) -> bool:
    """Whether the disk has this very structure where it says that it lies; one in a file of the guest has not."""
    stored = anchor.raw[:SECTOR_SIZE] or work.evidence.read_or_nothing(anchor.host_offset, SECTOR_SIZE)
    return bool(stored) and read(start + anchor.place, len(stored)) == stored
