"""The layout that a header of version 1 gives: its tables are read as those of an image without refcounts.

An entry for a cluster is the same in both versions. One for a compressed cluster is not, and no entry of version 1 has
flags: a table with either is left to `tables`, which reads it entry by entry.
"""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from forensic.errors import Unsupported
from forensic.image import Qcow1Image
from forensic.qcow2.arrays import is_among
from forensic.qcow2.header import V1_LENGTH
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1_tables import read_l1
from forensic.recovery.candidates import find_candidates
from forensic.recovery.layout import Knowledge, Layout, is_coherent, layout_by_content
from forensic.recovery.scan import Scan
from forensic.recovery.version_1.expressed import layout_of_tables
from forensic.recovery.version_1.lost_header import without_header


def layout_of_version_1(image: Qcow1Image, found: Scan) -> Layout | None:
    """What the header gives, or else the L1 table after it, or the content; None if none of them leads to a table.

    Raises `Unsupported` where what version 3 cannot express would be left out in silence.
    """
    evidence, header = image.evidence, image.header
    wrong = header.unusable or ("" if header.size else "it says that the disk has no bytes")
    refused = header.crypt_method or header.backing_file_offset
    if wrong and not refused and (by_tables := without_header(evidence, found, None, Knowledge())):
        return replace(by_tables, by_content={**by_tables.by_content, "header": wrong})
    by_header = None if header.unusable else _by_header(image, found)
    if by_header is not None and is_coherent(by_header, evidence.size):
        return by_header
    by_content = layout_by_content(evidence, found, Knowledge())
    if by_header is None or by_content is None:
        return by_header or by_content
    same = by_content.geometry.cluster_bits == by_header.geometry.cluster_bits
    return by_header if same else by_content


def _by_header(image: Qcow1Image, found: Scan) -> Layout | None:
    header, evidence = image.header, image.evidence
    _refuse_others(image)
    candidates = find_candidates(evidence, found, header.cluster_bits, extended=False)
    in_place = replace(header, l1_table_offset=V1_LENGTH)  # where QEMU has it, if no name of a backing file precedes it
    tables = [read_l1(evidence, one).entries for one in (in_place, header)]
    l1 = max(tables, key=lambda one: int(np.count_nonzero(is_among(one, candidates.host_offsets))))
    layout = layout_of_tables(header, candidates, l1)
    if layout is None or header.l1_table_offset == V1_LENGTH:
        return layout
    why = {"l1_table_offset": "the header names no backing file, so the table follows it"}
    return replace(layout, by_content=why, doubtful=True)


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
