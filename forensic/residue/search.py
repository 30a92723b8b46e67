"""Remains: bytes that are not zero where no structure and no guest data is, found without reading guest data."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

import numpy as np
from msgspec import Struct, field

from forensic.accounting.owners import Metadata, Owner
from forensic.budget import Budget
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.qcow2.arrays import I64, Bools, distinct
from forensic.qcow2.entries import ALL_SUBCLUSTERS, SUBCLUSTERS, allocated_subclusters, has_zero_flag
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.header import PADDED_LENGTH
from forensic.qcow2.intervals import clipped, joined, merged, pieces, true_runs
from forensic.qcow2.luks import LUKS1_HEADER_SIZE, SLOT_ACTIVE, SLOT_INACTIVE, LuksHeader
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import EXTRA_OFFSET
from forensic.qcow2.tables import L2Batch
from forensic.residue.content import MEASURED_BYTES, READ_BYTES

GRANULE_BYTES = 512
"""Bytes that are zero or not as a whole."""

NEAR_BYTES = 64 << 10
"""Ranges with less than this between them are read together, and remains with less than this between them are one."""

SEARCHED = "bytes searched for remains"


class Place(Enum):
    """Where remains can be."""

    HEADER = "header cluster"
    SLACK = "table slack"
    FREE = "free clusters"
    FILE_END = "end of the file"
    APPENDED = "after the last structure"
    NEVER_ALLOCATED = "after all refcounts"
    ZERO_CLUSTER = "zero clusters"
    SUBCLUSTER = "subclusters"
    DISK_END = "end of the disk"
    KEY_SLOT = "key slots"


class Residue(Struct, frozen=True):
    """Areas of one place that hold something: `areas[i]` is begin and end in bytes of the file."""

    place: Place
    name: str
    evidence: Evidence
    areas: I64


class FreeResidue(Residue, frozen=True):
    """Areas in clusters that nothing refers to. Only there if every table could be read."""


def nonzero_areas(evidence: Evidence, begins: I64, ends: I64, budget: Budget) -> I64:
    """The parts of these rising ranges of the file that are not zero, in whole granules.

    Holes of the file are skipped, and nothing between ranges that lie far from one another is read.
    """
    nothing = np.zeros((0, 2), dtype=np.int64)
    if not len(begins):
        return nothing
    found = [nothing]
    ranges = merged(np.stack([begins, ends], axis=1))
    for first, last in pieces(ranges[1:, 0] - ranges[:-1, 1] >= NEAR_BYTES).tolist():
        at, end = int(ranges[first, 0]), int(ranges[last - 1, 1])
        while (data := evidence.next_data_from(at)) < end:
            at = min(evidence.hole_from(data), end)
            for start in range(data, at, READ_BYTES):
                if budget.exceeded(SEARCHED, budget.limits.residue_bytes, READ_BYTES):
                    return _remains(np.concatenate(found), ranges)
                budget.spend(SEARCHED, READ_BYTES)
                granules = _nonzero_granules(evidence, start, min(start + READ_BYTES, at))
                found.append(clipped(granules, ranges[first:last]))
    return _remains(np.concatenate(found), ranges)


def header_residue(cluster: HeaderCluster, evidence: Evidence) -> Residue:
    """What the header cluster holds after the extensions and around the backing file name."""
    header, extensions, limit = cluster.header, cluster.extensions, len(cluster.data)
    # What stands where version 3 has its fields is judged with the header.
    begin = max(extensions.end_offset, PADDED_LENGTH)
    ranges = [(begin, limit)] if extensions.ended else []
    name = header.backing_file_offset
    if ranges and begin <= name < limit:
        ranges = [(begin, name), (name + header.backing_file_size, limit)]
    areas: list[tuple[int, int]] = []
    for begin, end in ranges:
        areas += _nonzero_part(cluster.data[begin:end], begin)
    return Residue(Place.HEADER, "header cluster", evidence, np.array(areas, dtype=np.int64).reshape(-1, 2))


def slack_residue(image: Qcow2Image, metadata: Metadata) -> Iterator[Residue]:
    """What stands after the end of tables in their last cluster, and in the padding of snapshot table entries."""
    size, evidence = image.geometry.cluster_size, image.evidence
    ends = {owned.host_offset + owned.length: owned for owned in reversed(metadata.single)}
    for end, owned in reversed(ends.items()):
        judged = owned.host_offset and owned.owner not in (Owner.HEADER, Owner.LUKS_HEADER, Owner.REFCOUNT_TABLE)
        if judged and end % size:
            yield from _slack(evidence, f"{owned.owner.value} ({owned.path})", end, -(-end // size) * size)
    for snapshot in image.snapshots.snapshots:
        texts = snapshot.id_length + snapshot.name_length
        end = snapshot.host_offset + EXTRA_OFFSET + snapshot.extra_data_size + texts
        yield from _slack(
            evidence, f"padding of snapshots[{snapshot.index}]", end, snapshot.host_offset + snapshot.length
        )


def key_slot_residue(luks: LuksHeader, evidence: Evidence) -> Iterator[Residue]:
    """Key material of key slots that are not active."""
    active = [luks.key_material(slot) for slot in luks.slots if slot.state == SLOT_ACTIVE]
    for number, slot in enumerate(luks.slots):
        place = luks.key_material(slot)
        apart = all(place.stop <= other.start or other.stop <= place.start for other in active)
        if slot.state == SLOT_INACTIVE and apart and LUKS1_HEADER_SIZE <= place.start < place.stop <= luks.length:
            begin, end = (
                luks.host_offset + place.start,
                luks.host_offset + place.start + min(len(place), MEASURED_BYTES),
            )
            yield from _slack(evidence, f"key slot {number}", begin, end, Place.KEY_SLOT)


def table_residue(batch: L2Batch, evidence: Evidence, budget: Budget) -> Iterator[Residue]:
    """What host clusters hold that the guest cannot see: under zero flags, in subclusters, past the end of the disk."""
    geometry = batch.geometry
    if geometry.external_data_file:
        return
    if geometry.zero_flag_allowed and has_zero_flag(batch.bits):
        flagged = has_zero_flag(batch.entries) & _locatable(batch)
        begins = distinct(batch.data_offsets[flagged]).astype(np.int64)
        yield _found(Place.ZERO_CLUSTER, evidence, begins, geometry.cluster_size, budget)
    if batch.bitmaps is not None:
        begins = _hidden_subclusters(batch, batch.bitmaps)
        yield _found(Place.SUBCLUSTER, evidence, begins, geometry.subcluster_size, budget)
    if batch.owner == ACTIVE:
        yield from _disk_end(batch, evidence)


class FreeSearch(Struct):
    """Remains in free clusters; whether they lie after the last cluster in use is only known at the end."""

    evidence: Evidence
    budget: Budget
    _open: I64 = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int64))

    def search(self, begins: I64, ends: I64, last_used_end: int) -> Iterator[FreeResidue]:
        """Look at free ranges; `last_used_end` is the end of the last cluster in use that is known so far."""
        areas = np.concatenate([self._open, nonzero_areas(self.evidence, begins, ends, self.budget)])
        before = areas[:, 0] < last_used_end
        self._open = areas[~before]
        yield FreeResidue(Place.FREE, Place.FREE.value, self.evidence, areas[before])

    def rest(self, counted_end: int, appended: I64) -> Iterator[FreeResidue]:
        """What lies after the last cluster in use, up to where refcounts end, and after that.

        `appended` is the area at the very end of the file that is known not to be QEMU's, if there is one.
        """
        yield FreeResidue(Place.APPENDED, Place.APPENDED.value, self.evidence, appended)
        self._open = self._open[self._open[:, 1] <= appended[:, 0].min(initial=self.evidence.size)]
        counted = self._open[:, 0] < counted_end
        for place, areas in ((Place.FILE_END, self._open[counted]), (Place.NEVER_ALLOCATED, self._open[~counted])):
            yield FreeResidue(place, place.value, self.evidence, areas)


def _found(place: Place, evidence: Evidence, begins: I64, length: int, budget: Budget) -> Residue:
    ends = np.minimum(begins + length, evidence.size)
    return Residue(place, place.value, evidence, nonzero_areas(evidence, begins, ends, budget))


def _slack(evidence: Evidence, name: str, begin: int, end: int, place: Place = Place.SLACK) -> Iterator[Residue]:
    """What a short range holds, from its first to its last byte that is not zero."""
    kept = evidence.read_or_nothing(begin, min(end, evidence.size) - begin)
    if area := _nonzero_part(kept, begin):
        yield Residue(place, name, evidence, np.array(area, dtype=np.int64))


def _nonzero_part(data: bytes, begin: int) -> list[tuple[int, int]]:
    """From the first byte of some at host offset `begin` that is not zero to after the last; nothing if all are."""
    if data == bytes(len(data)):  # quicker than to strip a cluster of zeros byte by byte
        return []
    return [(begin + len(data) - len(data.lstrip(b"\0")), begin + len(data.rstrip(b"\0")))]


def _locatable(batch: L2Batch) -> Bools:
    """Which standard entries lead to a cluster of the file."""
    offsets = batch.data_offsets
    aligned: Bools = (offsets & np.uint64(batch.geometry.cluster_size - 1)) == 0
    aligned &= (offsets != 0) & (offsets < np.uint64(batch.file_size))
    aligned &= batch.in_file()
    return aligned


def _hidden_subclusters(batch: L2Batch, bitmaps: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> I64:
    """The host offsets of subclusters that have a place in the file but are not allocated."""
    full = allocated_subclusters(bitmaps) == ALL_SUBCLUSTERS
    partial = _locatable(batch) & ~full
    numbers = np.arange(SUBCLUSTERS, dtype=np.uint64)
    hidden = ((bitmaps[partial][:, np.newaxis] >> numbers) & np.uint64(1)) == 0
    places = batch.data_offsets[partial][:, np.newaxis] + numbers * np.uint64(batch.geometry.subcluster_size)
    begins = distinct(places[hidden]).astype(np.int64)
    return begins[begins < batch.file_size]


def _disk_end(batch: L2Batch, evidence: Evidence) -> Iterator[Residue]:
    """What the last data cluster holds past the end of the virtual disk."""
    geometry = batch.geometry
    cluster, beyond = divmod(geometry.virtual_size, geometry.cluster_size)
    rows = np.flatnonzero(batch.l1_indices == cluster // geometry.l2_entry_count)
    if not beyond or not len(rows):
        return
    index = int(rows[0]), cluster % geometry.l2_entry_count
    if _locatable(batch)[index] and not (geometry.zero_flag_allowed and has_zero_flag(int(batch.entries[index]))):
        offset = int(batch.data_offsets[index])
        yield from _slack(
            evidence, Place.DISK_END.value, offset + beyond, offset + geometry.cluster_size, Place.DISK_END
        )


def _nonzero_granules(evidence: Evidence, begin: int, end: int) -> I64:
    """Runs of granules of a piece of the file that are not zero."""
    data = evidence.read_or_nothing(begin, end - begin)
    padded = np.frombuffer(data + bytes(-len(data) % GRANULE_BYTES), dtype=np.uint64).reshape(-1, GRANULE_BYTES // 8)
    kept = np.logical_or.reduce(padded != 0, axis=1)
    return np.minimum(true_runs(kept) * GRANULE_BYTES + begin, end)


def _remains(areas: I64, ranges: I64) -> I64:
    """Areas of one range with little between them as one."""
    numbers = np.searchsorted(ranges[:, 0], areas[:, 0], side="right")
    return joined(areas, (areas[1:, 0] - areas[:-1, 1] >= NEAR_BYTES) | (numbers[1:] != numbers[:-1]))
