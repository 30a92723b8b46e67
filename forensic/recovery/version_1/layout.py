"""The layout that a header of version 1 gives: its tables are read as those of an image without refcounts.

An entry for a cluster is the same in both versions. One for a compressed cluster is not, and no entry of version 1 has
flags: a table with either is left to `tables`, which reads it entry by entry.
"""

from __future__ import annotations

import numpy as np

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.image import Qcow1Image
from forensic.qcow2.geometry import Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.qcow2.table_reading import ENTRY_SIZE
from forensic.qcow2.v1_tables import read_l1
from forensic.recovery.candidates import find_candidates
from forensic.recovery.headers import MadeHeader
from forensic.recovery.layout import DEFLATE, Knowledge, Layout, is_coherent, layout_by_content
from forensic.recovery.scan import Scan


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


def _by_header(image: Qcow1Image, found: Scan) -> Layout | None:
    header = image.header
    _refuse_others(image.evidence, image)
    l1 = read_l1(image.evidence, header).entries
    made = MadeHeader(header.cluster_bits, False, (0, 0), 4, DEFLATE)
    raw = made.header(header.size, header.l1_table_offset, len(l1))
    geometry = resolve(parse_header(raw))
    if not isinstance(geometry, Geometry):
        return None
    candidates = find_candidates(image.evidence, found, header.cluster_bits, extended=False)
    plain = ~candidates.partial & (candidates.copied == 0) & (candidates.flagged == 0) & (candidates.streams == 0)
    in_place = l1[(l1 != 0) & (l1 & np.uint64(header.cluster_size - 1) == 0)]
    named = np.isin(candidates.host_offsets, in_place)
    candidates = candidates.chosen(plain & (named | ~candidates.l1_like))
    return Layout(geometry, raw, candidates, l1, {}, header.size > 0, form="plan", version=1)


def _refuse_others(evidence: Evidence, image: Qcow1Image) -> None:
    header = image.header
    why = ""
    if header.crypt_method:
        why = "its clusters are encrypted"
    elif header.backing_file_offset:
        why = "it names a backing file, which a plan of version 1 cannot do"
    elif header.l2_entry_count * ENTRY_SIZE != header.cluster_size:
        why = f"an L2 table has {header.l2_entry_count * ENTRY_SIZE:,} bytes in clusters of {header.cluster_size:,}"
    if why:
        raise Unsupported(evidence.path_as_given, f"recovery does not support this image of version 1: {why}")
