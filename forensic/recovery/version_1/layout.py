"""The layout that a header of version 1 gives: its tables are read as those of an image without refcounts.

An entry for a cluster is the same in both versions. One for a compressed cluster is not, and no entry of version 1 has
flags: a table with either is left to `tables`, which reads it entry by entry.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.image import Qcow1Image
from forensic.qcow2.arrays import distinct, is_among
from forensic.qcow2.geometry import MAX_L1_ENTRIES, Geometry, resolve
from forensic.qcow2.header import V1_LENGTH, parse_header
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1_tables import read_l1
from forensic.recovery.candidates import find_candidates, read_table
from forensic.recovery.headers import DEFLATE, MadeHeader
from forensic.recovery.layout import Knowledge, Layout, is_coherent, layout_by_content
from forensic.recovery.scan import Scan

NOWHERE = 0
"""In place of the host offset of the L1 table, which lies on no cluster boundary; a plan lists all of its entries."""

FEWEST_LEADING = 0.6
"""The share of entries that have to lead to tables where nothing but they says that they are entries."""


def layout_of_version_1(image: Qcow1Image, found: Scan) -> Layout | None:
    """What the header gives, or else the content; None if neither leads to a table.

    Raises `Unsupported` where what version 3 cannot express would be left out in silence.
    """
    evidence = image.evidence
    by_header = None if image.header.unusable else _by_header(image, found)
    if by_header is not None and is_coherent(by_header, evidence.size):
        return by_header
    by_content = layout_by_content(evidence, found, Knowledge())
    if by_header is None or by_content is None:
        return by_header or by_content
    same = by_content.geometry.cluster_bits == by_header.geometry.cluster_bits
    return by_header if same else by_content


def with_l1_after_header(evidence: Evidence, found: Scan, layout: Layout) -> Layout:
    """A layout by content without an L1 table, with the one that follows a header of version 1 if it is still there.

    It begins with no cluster, so it is not found among the tables. Most of what lies there up to the first L2 table has
    to lead to tables, each to another, and none of these may have flags. There are no refcounts then; one of the tables
    may have been taken for theirs.
    """
    if layout.form != "plan" or layout.l1.any() or layout.geometry.extended_l2:
        return layout
    candidates = find_candidates(evidence, found, layout.geometry.cluster_bits, extended=False)
    if candidates.copied.any():
        return layout
    room = min(int(candidates.host_offsets[0]) - V1_LENGTH, MAX_L1_ENTRIES * ENTRY_SIZE)
    words = read_table(evidence, V1_LENGTH, max(0, room) // ENTRY_SIZE * ENTRY_SIZE)
    used = np.flatnonzero(words)
    leading = used[is_among(words[used], candidates.host_offsets)]
    if not len(leading) or len(leading) < FEWEST_LEADING * len(used) or len(distinct(words[leading])) < len(leading):
        return layout
    l1 = words[: int(used[-1]) + 1]
    geometry = replace(layout.geometry, l1_table_offset=NOWHERE, l1_entry_count=len(l1))
    geometry = replace(geometry, refcount_table_offset=0, refcount_table_clusters=0)
    fields = {
        **layout.by_content,
        "l1_table_offset": f"{len(leading):,} entries after a header of version 1 lead to tables",
    }
    return replace(layout, candidates=candidates, l1=l1, geometry=geometry, by_content=fields)


def _by_header(image: Qcow1Image, found: Scan) -> Layout | None:
    header = image.header
    _refuse_others(image)
    candidates = find_candidates(image.evidence, found, header.cluster_bits, extended=False)
    in_place = replace(header, l1_table_offset=V1_LENGTH)  # where QEMU has it, if no name of a backing file precedes it
    tables = [read_l1(image.evidence, one).entries for one in (in_place, header)]
    l1 = max(tables, key=lambda one: int(np.count_nonzero(is_among(one, candidates.host_offsets))))
    made = MadeHeader(header.cluster_bits, False, (0, 0), 4, DEFLATE)
    raw = made.header(header.size, NOWHERE, len(l1))
    geometry = resolve(parse_header(raw))
    if not isinstance(geometry, Geometry):
        return None
    plain = ~candidates.partial & (candidates.copied == 0) & (candidates.flagged == 0) & (candidates.streams == 0)
    named = is_among(candidates.host_offsets, np.sort(l1))
    candidates = candidates.chosen(plain & (named | ~candidates.l1_like))
    wrong = header.l1_table_offset != V1_LENGTH
    why = {"l1_table_offset": "the header names no backing file, so the table follows it"} if wrong else {}
    return Layout(geometry, raw, candidates, l1, why, header.size > 0, form="plan", doubtful=wrong, version=1)


def _refuse_others(image: Qcow1Image) -> None:
    header = image.header
    why = ""
    if header.crypt_method:
        why = "its clusters are encrypted"
    elif header.backing_file_offset:
        why = "it names a backing file, which a plan of version 1 cannot do"
    elif header.l2_entry_count * ENTRY_SIZE != header.cluster_size:
        why = f"an L2 table has {header.l2_entry_count * ENTRY_SIZE:,} bytes in clusters of {header.cluster_size:,}"
    if why:
        raise Unsupported(image.evidence.path_as_given, f"recovery does not support this image of version 1: {why}")
