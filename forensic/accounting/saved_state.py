"""Saved states of machines that no snapshot lists any more: reverting to a snapshot leaves its state past the
end of the active disk, and deleting the snapshot afterwards does not take it away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forensic.evidence import ReadFailed
from forensic.image import Qcow2Image
from forensic.qcow2.tables import believed_l2_batches

START = b"QEVM"
"""What a machine's saved state begins with."""

DESCRIPTION = b'"vmsd_name"'
"""Stands many times at the end of a saved state, where the machine's devices are described; a later and shorter state
takes away only the start of an earlier one."""

MAX_TABLES = 64
MAX_SEARCHED = 64 << 20
"""Bytes past the end of the disk in which the description is searched for."""


def is_left_behind(image: Qcow2Image) -> bool:
    """Whether what the active tables map past the last table that the disk needs is a machine's saved state.

    If it is encrypted that cannot be told, and it is taken for one.
    """
    before, searched = b"", 0
    for part in _parts(image):
        if not searched and (image.encrypted or part.startswith(START)):
            return True
        if DESCRIPTION in before[-len(DESCRIPTION) :] + part:
            return True
        before, searched = part, searched + len(part)
        if searched >= MAX_SEARCHED:
            break
    return False


def _parts(image: Qcow2Image) -> Iterator[bytes]:
    """The host clusters past the last table that the disk needs, in guest order."""
    geometry, l1 = image.geometry, image.l1
    if geometry.external_data_file:
        return
    first = geometry.l1_entries_needed
    indices = np.flatnonzero(l1.readable()[first:])[:MAX_TABLES] + first
    for batch in believed_l2_batches(image.evidence, geometry, l1.owner, indices, l1.l2_offsets()[indices]):
        for offset in batch.data_offsets[batch.data_offsets != 0].tolist():
            try:
                yield image.evidence.read_at(offset, geometry.cluster_size)
            except ReadFailed:
                return
