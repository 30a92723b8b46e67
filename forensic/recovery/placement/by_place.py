"""Data of lost L2 tables that says itself where it belongs, and what lies between two such clusters in a row.

A cluster that holds a structure with its place in the file system has one guest offset, whatever its table was. Between
two of them that are as far apart in the file as on the disk, with nothing else in between, the others follow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from forensic.qcow2.arrays import I64, Bools
from forensic.qcow2.entries import host_offset_of
from forensic.recovery.anchors import find_anchors
from forensic.recovery.certainty import Method
from forensic.recovery.placement.by_anchors import starts_by_tables
from forensic.recovery.placement.in_streams import Decoded, anchors_of
from forensic.recovery.placement.placing import all_placed, disk_shape
from forensic.recovery.placement.starts import only_usual_start
from forensic.recovery.work import PlacedData, Work

LONGEST_RUN = 1 << 9
"""Clusters from one that says its place to the next: so far apart two could fit by chance."""


def by_place(work: Work, slots: I64) -> list[PlacedData]:
    """The clusters of these slots, whose tables are lost, that say their place, and those between them.

    It proves where a cluster belonged when it was written last. The file systems have to have a start by tables that
    are placed, or leave room on the disk for no other. Of two clusters for one place, or two places for one cluster,
    none is taken.
    """
    accounts = work.accounts
    if not len(slots) or not accounts.possible or work.everywhere:
        return []
    said = _said_places(work, set(slots.tolist()))
    found = _with_runs(said, lambda clusters: are_in_use_and_free(work, clusters), work.geometry.l2_entry_count)
    per_slot: dict[int, list[tuple[int, int]]] = {}
    for guest, host in sorted(found.items()):
        slot, index = divmod(guest, work.geometry.l2_entry_count)
        per_slot.setdefault(slot, []).append((index, host))
    because = "structures of the guest in these clusters, or before and after them, say where they lie"
    placed = []
    for slot, pairs in sorted(per_slot.items()):
        indices, hosts = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
        places = hosts << work.geometry.cluster_bits
        placed.append(PlacedData(slot, indices, places, Method.ANCHORED_DATA, because))
    return placed


def are_in_use_and_free(work: Work, clusters: I64) -> Bools:
    """Which of some host clusters are in use, though nothing claims them."""
    accounts, size = work.accounts, work.geometry.cluster_size
    found: Bools = ~accounts.are_claimed(clusters)
    if accounts.usable and accounts.stored is not None:
        found &= accounts.stored.at(clusters) == 1
    found &= ~work.found.zero_among(clusters, work.geometry.cluster_bits)
    tables = host_offset_of(work.layout.l1)  # those that are lost among them
    found &= ~np.isin(clusters, (tables // np.uint64(size)).astype(np.int64))
    for part in work.suspect:
        found &= (clusters < part.host_offset // size) | (clusters * size >= part.host_offset + part.length)
    return found


def said_places(work: Work, slots: set[int], decoded: Decoded | None = None) -> set[tuple[int, int]]:
    """Guest cluster and host offset, as structures in plain and in decoded clusters say; more than one for some."""
    geometry = work.geometry
    size = geometry.cluster_size
    disk = disk_shape(work)
    starts = starts_by_tables(work.accounts, all_placed(work), disk)
    found = [(one, one.host_offset % size, one.host_offset) for one in find_anchors(work.evidence, work.found)]
    for anchor, cluster, inside in anchors_of(decoded.clusters if decoded else [], size):
        found.append((anchor, inside, cluster.host_offset + inside))
    pairs: set[tuple[int, int]] = set()
    for anchor, inside, host_offset in found:
        start = starts.get(anchor.system, only_usual_start(anchor.span, disk))
        if start is None or not anchor.checked:
            continue
        guest, rest = divmod(start + anchor.place - inside, size)
        if not rest and guest // geometry.l2_entry_count in slots:
            pairs.add((guest, host_offset - inside))
    return pairs


def _said_places(work: Work, slots: set[int]) -> dict[int, int]:
    """Guest cluster → host cluster, as structures in the data say; each of either once."""
    pairs = {(guest, host_offset // work.geometry.cluster_size) for guest, host_offset in said_places(work, slots)}
    known: I64 = np.array(sorted({host for _, host in pairs}), dtype=np.int64)
    free = set(known[are_in_use_and_free(work, known)].tolist())
    pairs = {pair for pair in pairs if pair[1] in free}
    guests, hosts = Counter(guest for guest, _ in pairs), Counter(host for _, host in pairs)
    return {guest: host for guest, host in pairs if guests[guest] == hosts[host] == 1}


def _with_runs(said: dict[int, int], are_free: Callable[[I64], Bools], entries: int) -> dict[int, int]:
    """The same with the clusters between two that are equally far apart in the file and on the disk, in one slot."""
    found = dict(said)
    for (guest, host), (next_guest, next_host) in pairwise(sorted(said.items())):
        count = next_guest - guest
        if count != next_host - host or not 1 < count <= LONGEST_RUN or guest // entries != next_guest // entries:
            continue
        if are_free(np.arange(host, next_host + 1)).all():
            found.update(zip(range(guest, next_guest), range(host, next_host), strict=True))
    return found
