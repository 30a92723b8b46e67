"""Tables of version 1 expressed as those of version 3, which plans and accounts are made of."""

from __future__ import annotations

import numpy as np

from forensic.qcow2.arrays import U64, is_among
from forensic.qcow2.geometry import Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.qcow2.v1 import Qcow1Header
from forensic.recovery.candidates import Candidates
from forensic.recovery.headers import DEFLATE, MadeHeader
from forensic.recovery.layout import Layout

NOWHERE = 0
"""In place of the host offset of the L1 table, which lies on no cluster boundary; a plan lists all of its entries."""


def layout_of_tables(header: Qcow1Header, candidates: Candidates, l1: U64) -> Layout | None:
    """What a header of version 1 and an L1 table say, expressed as version 3 does; None if that cannot be."""
    made = MadeHeader(header.cluster_bits, False, (0, 0), 4, DEFLATE)
    raw = made.header(header.size, NOWHERE, len(l1))
    geometry = resolve(parse_header(raw))
    if not isinstance(geometry, Geometry):
        return None
    plain = ~candidates.partial & (candidates.copied == 0) & (candidates.flagged == 0) & (candidates.streams == 0)
    named = is_among(candidates.host_offsets, np.sort(l1))
    candidates = candidates.chosen(plain & (named | ~candidates.l1_like))
    return Layout(geometry, raw, candidates, l1, {}, header.size > 0, form="plan", version_1=header)
