"""Comparing a raw file, or its segments, with what the report of its extraction says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.errors import BadReport, EvidenceUnreadable
from forensic.evidence import ReadFailed
from forensic.extraction.expected_output import Expected, read_expected
from forensic.extraction.output_comparison import compare
from forensic.extraction.second_reading import Comparison
from forensic.extraction.verification import Differences, Verification, WindowComparison, first_difference
from forensic.output.chunk import length_of
from forensic.output.hashes import Hashes
from forensic.output.piecewise import Manifest
from forensic.output.segments import read_in_a_row, segment_path
from forensic.untrusted import shown


def verify(
    raw: Path,
    report: Path,
    progress: Callable[[int, int], None] | None = None,
    manifest: Path | None = None,
) -> Verification:
    """Hash a raw file again, or its segments, and compare with the report of its extraction.

    With a `manifest` of piecewise hashes the result names every window that differs. Raises `EvidenceUnreadable` if a
    file cannot be read, `BadReport` if there is nothing to compare with.
    """
    expected = read_expected(report)
    if not expected.hashes and manifest is None:
        raise BadReport(report, "holds only piecewise hashes; compare them with the --manifest of the extraction")
    windows = WindowComparison(Manifest(manifest), expected.piecewise) if manifest else None
    hashes = Hashes(_leading_first(expected), expected.size, expected.segment_size)
    size = 0
    files = raw_files(raw, len(expected.segments))
    try:
        for offset, chunk in read_in_a_row(files):
            hashes.take(chunk)
            if windows:
                windows.take(chunk)
            size = offset + length_of(chunk)
            if progress:
                progress(size, expected.size)
        hashes.finish()
        differences = windows.finish() if windows else None
    except ReadFailed as error:
        raise EvidenceUnreadable(raw, str(error)) from error
    finally:
        hashes.stop()
        if windows:
            windows.stop()
    return replace(
        _verification(expected, hashes, size, differences),
        segment_sizes=_wrong_sizes(expected, files),
        reservations=expected.reservations,
        readings_differed=expected.differs,
    )


def compare_with_image(
    disk: Disk,
    raw: Path,
    report: Path,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Comparison:
    """Read the disk again, by the second reader, and compare all of the raw file or its segments with it.

    `report` says what was extracted. Raises `BadReport` if it is of another disk than this one, `EvidenceUnreadable`,
    `Unsupported` where the image cannot be read a second time.
    """
    expected = read_expected(report)
    extent = (expected.guest_start, expected.guest_start + expected.size)
    if disk.target != expected.target:
        raise BadReport(report, f"is about {shown(expected.target)} of the image, not {disk.target}")
    if extent[1] > disk.size:
        raise BadReport(
            report, f"ends at guest offset {extent[1]:#x}, past the end of this disk of {disk.size:,} bytes"
        )
    files = raw_files(raw, len(expected.segments))
    return compare(disk, files, (), extent, True, expected.unread, progress, cancelled)


def raw_files(raw: Path, count: int) -> list[Path]:
    """The files that hold a disk of `count` segments: the one that is named, or the segments beside it.

    Of a split disk either the common name or the first segment may be named, or one file into which all were put.
    """
    if raw.is_dir():
        return [raw]
    if raw.exists():
        common = raw.with_suffix("")
        is_first = count > 1 and raw == segment_path(common, 1, count)
        return [segment_path(common, index + 1, count) for index in range(count)] if is_first else [raw]
    split = [segment_path(raw, index + 1, count) for index in range(count)]
    return split if split and split[0].exists() else [raw]


def _wrong_sizes(expected: Expected, files: Sequence[Path]) -> tuple[tuple[int, int, int], ...]:
    """Number, size and expected size of the segments that are longer or shorter than they were."""
    if len(files) < 2:
        return ()
    sizes = [(index + 1, path.stat().st_size, expected.segments[index][0]) for index, path in enumerate(files)]
    return tuple(entry for entry in sizes if entry[1] != entry[2])


def _leading_first(expected: Expected) -> list[str]:
    """The hashes with the one first whose checkpoints the report holds, so that the same are kept now."""
    return sorted(expected.hashes, key=lambda name: name != expected.leading)


def _verification(expected: Expected, hashes: Hashes, size: int, windows: Differences | None) -> Verification:
    found = hashes.hexdigests()
    same = found == expected.hashes and size == expected.size
    differs_between = None if same else first_difference(expected.checkpoints, hashes.checkpoints, expected.size, size)
    segments = _segments(expected, hashes)
    return Verification(expected.size, size, expected.hashes, found, differs_between, segments, windows)


def _segments(expected: Expected, hashes: Hashes) -> tuple[int, ...]:
    """The numbers of the segments that differ."""
    if expected.segment_size is None:
        return ()
    found = hashes.of_segments(len(expected.segments))
    return tuple(index + 1 for index, (_, wanted) in enumerate(expected.segments) if wanted != found[index])
