"""An image of version 1 whose header is lost: the L1 table, which follows it, says what the header did."""

from __future__ import annotations

import struct

import numpy as np
from msgspec.structs import replace

from forensic.disk.codecs import decode
from forensic.evidence import Evidence
from forensic.qcow2.arrays import I64, U64, Bools, distinct
from forensic.qcow2.geometry import MAX_L1_ENTRIES
from forensic.qcow2.header import V1_LENGTH
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1 import V1_START, Qcow1Header, header_from
from forensic.qcow2.v1_tables import Qcow1L1, read_l2_batches
from forensic.recovery.candidates import MOST_OTHER, find_candidates, read_table
from forensic.recovery.certainty import Method
from forensic.recovery.headers import DEFLATE
from forensic.recovery.layout import Knowledge, Layout
from forensic.recovery.scan import Scan
from forensic.recovery.version_1.expressed import layout_of_tables
from forensic.recovery.version_1.tables import sound_entries

CLUSTER_BITS, TABLE_BITS = 12, 9
"""Those of every image that QEMU makes without a backing file: an L2 table fills a cluster."""

FEWEST_LEADING = 0.6
"""The share of entries that have to lead to tables, since nothing but they says that they are entries."""

DECODED = 16
"""Streams that are decoded to tell whether they are any; most of them have to be."""

WORDS_AT_ONCE = 1 << 16


def without_header(evidence: Evidence, found: Scan, layout: Layout | None, knowledge: Knowledge) -> Layout | None:
    """The layout that the L1 table of version 1 gives, where neither header nor content gave one with an L1 table.

    It begins with no cluster, so it is not found among the tables. Most of what lies there up to the first L2 table has
    to lead to tables, each to another.
    """
    if layout is not None and (layout.form != "plan" or layout.l1.any()):
        return layout
    if knowledge.header or knowledge.l1_offset or knowledge.cluster_size not in (None, 1 << CLUSTER_BITS):
        return layout
    l1 = _l1_after_header(evidence)
    header = _header(evidence, knowledge.virtual_size or 0)
    leading, packed = _tables(evidence, header, l1)
    if not len(leading) or len(leading) < FEWEST_LEADING * np.count_nonzero(l1):
        return layout
    candidates = find_candidates(evidence, found, CLUSTER_BITS, extended=False)
    if not packed and candidates.copied.any():  # the tables of another version
        return layout
    by_table = layout_of_tables(header, candidates, l1)
    if by_table is None:
        return layout
    entries = f"{len(leading):,} entries after a header of version 1 lead to tables"
    fields = {"l1_table_offset": entries}
    if knowledge.virtual_size:
        fields["size"] = "given by the examiner"
    return replace(by_table, by_content=fields, l1_method=Method.L1_BY_CONTENT)


def _header(evidence: Evidence, size: int) -> Qcow1Header:
    """The header that QEMU would have written."""
    fields = struct.pack(">QIIQBBHIQ", 0, 0, 0, size, CLUSTER_BITS, TABLE_BITS, 0, 0, V1_LENGTH)
    return header_from(V1_START + fields, evidence)


def _l1_after_header(evidence: Evidence) -> U64:
    """The words after a header up to the first table that one of them leads to, but for zeros at their end."""
    words, at = [np.zeros(0, dtype=np.uint64)], V1_LENGTH
    end = min(evidence.size, V1_LENGTH + MAX_L1_ENTRIES * ENTRY_SIZE)
    while at + ENTRY_SIZE <= end:
        part = read_table(evidence, at, min((end - at) // ENTRY_SIZE, WORDS_AT_ONCE) * ENTRY_SIZE)
        words.append(part)
        at += part.nbytes
        end = min(end, int(part[_may_lead(part, end)].min(initial=end)))
    l1 = np.concatenate(words)[: max(0, end - V1_LENGTH) // ENTRY_SIZE]
    used = np.flatnonzero(l1)
    return l1[: int(used[-1]) + 1] if len(used) else l1[:0]


def _may_lead(words: U64, end: int) -> Bools:
    """Which words are those of clusters before a place."""
    found: Bools = (words != 0) & (words & np.uint64((1 << CLUSTER_BITS) - 1) == 0) & (words < np.uint64(end))
    return found


def _tables(evidence: Evidence, header: Qcow1Header, l1: U64) -> tuple[I64, bool]:
    """The entries that lead to tables of their own, none if streams of these do not decode; and whether there are any.

    A table may have been overwritten in part, as one that is found by its content.
    """
    leading, streams = [np.zeros(0, dtype=np.int64)], list[tuple[int, int]]()
    inside = np.flatnonzero(_may_lead(l1, evidence.size))
    for batch in read_l2_batches(evidence, Qcow1L1(header, l1, evidence.size), inside):
        sound = sound_entries(batch)
        tables = (np.count_nonzero(~sound, axis=1) <= MOST_OTHER * sound.shape[1]) & (sound & (batch.entries != 0)).any(
            axis=1
        )
        leading.append(batch.l1_indices[tables])
        packed = sound & batch.compressed() & tables[:, np.newaxis]
        places, lengths = batch.stored_offsets()[packed], batch.stored_lengths()[packed]
        streams += zip(places[:DECODED].tolist(), lengths[:DECODED].tolist(), strict=True)
    found, tried = np.concatenate(leading), streams[:DECODED]
    decoded = sum(not decode(evidence.read_or_nothing(*one), DEFLATE, header.cluster_size).fault for one in tried)
    if 2 * decoded < len(tried) or len(distinct(l1[found])) < len(found):
        return found[:0], False
    return found, bool(tried)
