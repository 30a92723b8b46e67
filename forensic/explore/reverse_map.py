"""From the file back to the disk: which guest offset of the active disk a host offset holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forensic.explore.fields import Inspection, Row
from forensic.finding import host_range
from forensic.format.documentation import words_of
from forensic.image import Qcow1Image, Qcow2Image
from forensic.mapping.extents import State
from forensic.mapping.rows import ROW, Rows

MAX_ROWS = 4 << 20
"""Runs that are remembered (33 bytes each); beyond that the index has gaps and says so."""

NEIGHBOURS = 8
"""Runs on either side of a stream that are looked at for sectors shared with it."""


class ReverseMap:
    """Where the runs of the active disk lie in the file, in the order of the file."""

    def __init__(self, rows: Rows, complete: bool) -> None:
        """`rows` are extents of the mapping that have a place in the file, in any order."""
        self._rows = rows[np.argsort(rows["host_offset"], kind="stable")]
        self.complete = complete

    def guest_offset_of(self, host_offset: int) -> int | None:
        """The guest offset of a byte of the file; for a compressed cluster that of the cluster. None if unknown."""
        number = int(np.searchsorted(self._rows["host_offset"], np.uint64(host_offset), side="right")) - 1
        if number < 0:
            return None
        start, length, place, stored_length, state, *_ = self._rows[number].tolist()
        within = host_offset - place
        if within >= (stored_length or length):
            return None
        return int(start) if state == State.COMPRESSED else int(start + within)

    def stream_at(self, host_offset: int) -> Inspection | None:
        """The compressed stream around a byte, of two that share its sector the later one; None if there is none.

        An entry gives the length of a stream in whole sectors: the last of them may hold the next one's beginning.
        Specification: "Compressed clusters descriptor".
        """
        number = int(np.searchsorted(self._rows["host_offset"], np.uint64(host_offset), side="right")) - 1
        if number < 0 or self._rows["state"][number] != State.COMPRESSED:
            return None
        start, _, place, length, *_ = self._rows[number].tolist()
        if host_offset >= place + length:
            return None
        around = self._rows[max(0, number - NEIGHBOURS) : number + NEIGHBOURS + 1]
        rows = [Row("begins", f"{place:#x}"), Row("ends before", f"{place + length:#x}")]
        rows += [Row("stored length", f"{length:,} bytes"), Row("decoded at", f"guest {start:#x}")]
        for guest, _, other, other_length, state, *_ in around.tolist():
            shared = min(place + length, other + other_length) > max(place, other)
            if state == State.COMPRESSED and shared and (guest, other) != (start, place):
                rows.append(Row("shares sectors", f"{other:#x} +{other_length:,}, guest {guest:#x}"))
        title, path = "compressed stream", f"compressed stream of guest {start:#x}"
        words = words_of("l2_entry_compressed")
        return Inspection(title, path, host_range(place, length), tuple(rows), None, start, words, known=False)

    def next_run(self, host_offset: int, backwards: bool = False) -> int | None:
        """The host offset of the next run that begins after (or before) this one; None if there is none."""
        starts = self._rows["host_offset"]
        if backwards:
            number = int(np.searchsorted(starts, np.uint64(host_offset))) - 1
        else:
            number = int(np.searchsorted(starts, np.uint64(host_offset), side="right"))
        return int(starts[number]) if 0 <= number < len(starts) else None


def build_reverse_map(image: Qcow2Image | Qcow1Image, cancelled: Callable[[], bool] = lambda: False) -> ReverseMap:
    """Walk the active disk once. Raises `Unsupported` where the header gives no geometry."""
    found: list[Rows] = []
    count = 0
    if isinstance(image, Qcow2Image) and image.geometry.external_data_file:
        return ReverseMap(np.zeros(0, dtype=ROW), True)
    for rows in image.row_batches():
        if cancelled() or count > MAX_ROWS:
            return ReverseMap(_concatenated(found), False)
        located = np.isin(rows["state"], (State.DATA, State.COMPRESSED, State.ZERO_ALLOCATED))
        found.append(rows[located])
        count += len(found[-1])
    return ReverseMap(_concatenated(found), True)


def _concatenated(found: list[Rows]) -> Rows:
    return np.concatenate(found) if found else np.zeros(0, dtype=ROW)
