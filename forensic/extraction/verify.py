"""Comparing a raw file, its segments, or an E01 container with what the report of its extraction says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.errors import BadReport, EvidenceUnreadable
from forensic.evidence import ReadFailed
from forensic.extraction.container_output import base_of, sha256_of_file, together
from forensic.extraction.expected_output import Expected, ExpectedContainer, read_expected
from forensic.extraction.output_comparison import compare
from forensic.extraction.second_reading import Comparison
from forensic.extraction.verification import Differences, Verification, WindowComparison, first_difference
from forensic.output.chunk import Chunk, length_of, split_chunk
from forensic.output.hashes import Hashes
from forensic.output.piecewise import Manifest
from forensic.output.segments import read_in_a_row, segment_path
from forensic.untrusted import shown

if TYPE_CHECKING:  # containers are asked for rarely
    from forensic.e01.reader import E01Bytes


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
    if expected.container:
        return _verify_container(raw, expected, expected.container, progress, manifest)
    files = raw_files(raw, len(expected.segments))
    outcome = _verify_bytes(raw, read_in_a_row(files), expected, progress, manifest)
    return replace(outcome, segment_sizes=_wrong_sizes(expected, files))


def _verify_bytes(
    raw: Path,
    found: Iterable[tuple[int, Chunk]],
    expected: Expected,
    progress: Callable[[int, int], None] | None,
    manifest: Path | None,
) -> Verification:
    """Hash the bytes of an output, each with its place, and compare."""
    windows = WindowComparison(Manifest(manifest), expected.piecewise) if manifest else None
    hashes = Hashes(_leading_first(expected), expected.size, expected.segment_size)
    size = 0
    try:
        for offset, chunk in found:
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
        reservations=expected.reservations,
        readings_differed=expected.differs,
    )


def _verify_container(
    raw: Path,
    expected: Expected,
    said: ExpectedContainer,
    progress: Callable[[int, int], None] | None,
    manifest: Path | None,
) -> Verification:
    """Read a container to its end: every checksum, the hashes in it, its list of read errors, and the disk."""
    from forensic.e01.layout import error_sectors
    from forensic.e01.reader import ContainerDamaged, E01Bytes
    from forensic.e01.writer import HASHES

    files = container_files(raw)
    whole = Hashes(HASHES, expected.size + said.padding)
    try:
        with E01Bytes(files, expected.guest_start) as found:
            outcome = _verify_bytes(raw, _without_padding(found, whole, expected.size), expected, progress, manifest)
            whole.finish()
            faults = list(_contradictions(found, whole.hexdigests(), expected, said))
            unread = expected.unread.places(expected.guest_start, expected.guest_start + expected.size)
            if found.errors != error_sectors(unread):
                faults.append("its list of read errors is not what the report calls unreadable")
    except ContainerDamaged as error:
        return Verification(expected.size, expected.size, {}, {}, None, faults=(str(error),))
    except ReadFailed as error:
        raise EvidenceUnreadable(raw, str(error)) from error
    finally:
        whole.stop()
    faults += _changed_files(files, said)
    return replace(outcome, faults=tuple(faults), segment_sizes=_sizes_of_files(files, said))


def _changed_files(files: Sequence[Path], said: ExpectedContainer) -> Iterator[str]:
    """The files that are not what was written, whatever they say of the disk; reports of before hold no hashes.

    Raises `EvidenceUnreadable`.
    """
    for path, wanted in zip(files, said.digests, strict=False):
        try:
            digest = sha256_of_file(path)
        except OSError as error:
            raise EvidenceUnreadable(path, (error.strerror or "cannot be read").lower()) from error
        if digest != wanted:
            yield f"the sha256 of {shown(path)} is {digest}, the report says {shown(wanted)}"


def _without_padding(found: E01Bytes, whole: Hashes, size: int) -> Iterator[tuple[int, Chunk]]:
    """The disk in a container with the place of each part; all of what is stored goes to `whole`."""
    offset = 0
    for chunk in together(found.in_order()):
        whole.take(chunk)
        if offset < size:
            yield offset, split_chunk(chunk, size - offset)[0]
        offset += length_of(chunk)


def _contradictions(
    found: E01Bytes, hashes: dict[str, str], expected: Expected, said: ExpectedContainer
) -> Iterator[str]:
    """What a container says of the disk in it that is not so, or that the report does not say."""
    if found.size != expected.size + said.padding:
        padded = f"{expected.size + said.padding:,} with {said.padding:,} of padding"
        yield f"the container holds {found.size:,} bytes, the report says {padded}"
    for name, value in found.hashes.items():
        if value != hashes[name]:
            yield f"the {name} in the container is {value}, that of the disk in it {hashes[name]}"
        if value != said.hashes.get(name):
            yield f"the {name} in the container is {value}, the report says {shown(said.hashes.get(name, 'nothing'))}"


def container_files(raw: Path) -> list[Path]:
    """The segments of a container, of which the first is named, or the name without its ending."""
    from forensic.e01.writer import segments_after

    if raw.suffix.lower() != ".e01" and not raw.exists():
        raw = raw.with_name(f"{raw.name}.E01")
    return [raw, *segments_after(base_of(raw), 1)]


def _sizes_of_files(files: Sequence[Path], said: ExpectedContainer) -> tuple[tuple[int, int, int], ...]:
    sizes = zip_longest((path.stat().st_size for path in files), said.sizes, fillvalue=0)
    return tuple((number, has, had) for number, (has, had) in enumerate(sizes, 1) if has != had)


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
    if expected.container:
        return _compare_container(disk, raw, expected, extent, progress, cancelled)
    files = raw_files(raw, len(expected.segments))
    return compare(disk, files, (), extent, True, expected.unread, progress, cancelled)


def _compare_container(
    disk: Disk,
    raw: Path,
    expected: Expected,
    extent: tuple[int, int],
    progress: Callable[[int, int], None] | None,
    cancelled: Callable[[], bool] | None,
) -> Comparison:
    from forensic.e01.reader import ContainerDamaged, E01Bytes

    try:
        with E01Bytes(container_files(raw), expected.guest_start) as found:
            return compare(disk, found, (), extent, True, expected.unread, progress, cancelled)
    except (ContainerDamaged, ReadFailed) as error:
        raise EvidenceUnreadable(raw, str(error)) from error


def files_of(output: Path, report: Path) -> list[Path]:
    """The files of the output that a report is about. Raises `BadReport`, `EvidenceUnreadable`."""
    expected = read_expected(report)
    return container_files(output) if expected.container else raw_files(output, len(expected.segments))


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
