"""Rules about persistent dirty bitmaps."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host
from forensic.qcow2.bitmaps import BitmapDirectory
from forensic.rules.registry import rule


@rule(BitmapDirectory, Severity.INFO, FindingClass.INFO)
def bitmaps_present(directory: BitmapDirectory) -> Iterator[Problem]:
    """The image holds persistent dirty bitmaps.

    Why: a bitmap says which parts of the disk were written since some backup; that is a fact about use.
    Spec: Bitmaps extension
    QEMU: keeps them up to date while it has the image open.
    Next: none needed for reading the disk.
    """
    for bitmap in directory.bitmaps:
        yield Problem(
            f'bitmap {bitmap.index} is called "{bitmap.name}"',
            (host(bitmap.host_offset, bitmap.length),),
            f"bitmaps[{bitmap.index}]",
        )
