"""A new image read back before it gets its name: its metadata by the rules, its disk against a second reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

from forensic.checking import check
from forensic.disk.disk import Disk
from forensic.disk.reader import DiskReader
from forensic.errors import InternalError
from forensic.extraction.output_comparison import compare_places, compare_whole
from forensic.extraction.plan import parts_to_read
from forensic.extraction.result import Extraction
from forensic.extraction.second_reading import Comparison, Unread
from forensic.extraction.spot_checks import Places
from forensic.finding import FindingClass
from forensic.image import Identified
from forensic.mapping.extents import State

FAULTS = (FindingClass.CORRUPTION, FindingClass.LEAK)
"""What no image of ours may have; what it holds of the guest may be suspicious all the same."""


def refuse_faults(image: Identified) -> None:
    """Examine the metadata of a new image. Raises `InternalError` if they are not clean."""
    judgement = check(image, with_streams=False)
    for finding in judgement.findings:
        if finding.finding_class in FAULTS:
            raise InternalError(f"the image that was written is not clean: {finding.rule}: {finding.title}")


def compared(
    disk: Disk,
    written: Disk,
    extraction: Extraction,
    places: Places,
    whole: bool,
    cancelled: Callable[[], bool] | None,
) -> Comparison:
    """What a second reading of the disk has in common with that of the new image, in some places or all over."""
    output, unread = DiskBytes(written), Unread.of(extraction.ledger.unreadable())
    if whole:
        return compare_whole(disk, output, 0, disk.size, unread, None, cancelled)
    seed = int(next(iter(extraction.hashes.values()), f"{disk.size:x}"), 16)
    return compare_places(disk, output, places.chosen(0, disk.size, seed), unread)


class DiskBytes:
    """The bytes of a disk by guest offset, for several threads; what cannot be read is zeros."""

    def __init__(self, disk: Disk) -> None:
        """Read this disk."""
        self._disk = disk
        self._thread = threading.local()

    def read(self, guest_offset: int, length: int) -> bytes:
        """See `OutputBytes`."""
        if not hasattr(self._thread, "reader"):
            self._thread.reader = DiskReader(self._disk, fill_missing=True)
        reader: DiskReader = self._thread.reader
        found = bytearray(max(0, min(length, self._disk.size - guest_offset)))
        reader.read_at(guest_offset, memoryview(found))
        return bytes(found)

    def stored(self, guest_offset: int, length: int) -> Iterator[tuple[int, int]]:
        """See `OutputBytes`."""
        for run in (run for runs in self._disk.runs(guest_offset, guest_offset + length) for run in runs):
            start, count, host_offset, stored_length, state, _, depth, _ = run
            if stored_length and state == State.COMPRESSED:
                yield start, start + count
            elif state == State.DATA:
                shift = start - host_offset
                for begin, end in parts_to_read(self._disk.layers[depth].plain_data, host_offset, host_offset + count):
                    yield begin + shift, end + shift
