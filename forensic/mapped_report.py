"""Adding to a report what only some forms of it draw: maps of the file and of the disk, and the time line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forensic.errors import ForensicError
from forensic.numbers import NANOSECONDS, SECTOR_SIZE, moment
from forensic.report.file_map import CellMap, StateStrip, cell_size_for, file_map
from forensic.report.formats import DRAWS_MAP

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.explore.disk_cells import DiskCells
    from forensic.explore.known_ranges import KnownRanges
    from forensic.explore.time_line import Strip
    from forensic.extraction.piece_reader import Missing
    from forensic.image import Identified, Image
    from forensic.report.model import Report

STRIP_CELLS = 240
"""Parts of the disk in the time line."""

MAX_ROWS = 1 << 24
"""Rows that are compared for the time line."""


def ranges_to_draw(image: Identified, formats: Iterable[str]) -> KnownRanges | None:
    """What is to see the structures of a check, if one of the formats draws a map and there is something to draw."""
    from forensic.image import Qcow2Image
    from forensic.qcow2.geometry import Geometry

    if not isinstance(image, Qcow2Image) or DRAWS_MAP.isdisjoint(formats):
        return None
    geometry = image.header_cluster.geometry
    if not isinstance(geometry, Geometry):
        return None
    from forensic.explore.known_ranges import KnownRanges

    return KnownRanges(image.evidence.size, geometry)


def with_map(report: Report, known: KnownRanges | None) -> Report:
    """The report with the map of the file, if there is one to draw."""
    if not known:
        return report
    return replace(report, file_map=file_map(known.file_size, known.ranges(), known.cluster_size))


def with_drawings(
    report: Report,
    image: Identified,
    formats: Iterable[str],
    extracted: tuple[Disk, Sequence[Missing]] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Report:
    """The report with a map of the disk and, of an image with snapshots, the time line, if one of the formats draws.

    `extracted` is the disk that was read, with what could not be; without it the active disk is drawn by its tables.
    A disk without usable tables is not drawn.
    """
    from forensic.image import Qcow2Image
    from forensic.qcow2.identify import ForeignFile

    if isinstance(image, ForeignFile) or DRAWS_MAP.isdisjoint(formats):
        return report
    try:
        granularity = image.geometry.cluster_size if isinstance(image, Qcow2Image) else SECTOR_SIZE
        if extracted:
            disk_map = _disk_map(extracted[0], granularity, extracted[1])
        else:
            with image.disk() as disk:
                disk_map = _disk_map(disk, granularity, None)
        strips = _time_line(image, cancelled)
    except ForensicError:
        return report
    return replace(report, disk_map=disk_map, time_line=strips)


def _disk_map(disk: Disk, granularity: int, faults: Sequence[Missing] | None) -> CellMap | None:
    """`faults` are None for a disk that was not read."""
    from forensic.explore.disk_cells import disk_cells
    from forensic.explore.space_usage import FURTHEST
    from forensic.report.values import size

    length = min(disk.size, FURTHEST)
    if not length:
        return None
    cell_size = cell_size_for(length, granularity)
    found = disk_cells(disk, cell_size, faults or (), for_reading=faults is not None)
    kinds = {kind: total for kind, row in found.kinds.items() if (total := int(row.sum()))}
    note = "" if found.reached >= length else f"The tables were read up to guest offset {found.reached:#x} alone."
    if length < disk.size:
        note = f"Only the first {size(length)} are drawn."
    return CellMap(
        length,
        cell_size,
        tuple(_shown_kinds(found)),
        kinds,
        tuple(_least_sure(found)),
        {word: int(row.sum()) for word, row in found.certainties.items()},
        note,
    )


def _shown_kinds(found: DiskCells) -> Iterable[str]:
    """Of each cell the kind that stands for it: what cannot be read, else what is stored most of, else the largest."""
    import numpy as np

    from forensic.explore.disk_cells import CANNOT_BE_READ, FROM_BACKING, STATES
    from forensic.mapping.extents import State

    names = list(found.kinds)
    if not names:
        return ["not looked at"] * found.grid.cells
    sums = np.array([found.kinds[name] for name in names])
    stored = np.isin(names, [STATES[State.DATA], STATES[State.COMPRESSED], FROM_BACKING])
    rank = np.where(sums > 0, 1, 0) + np.where((sums > 0) & stored[:, None], 1, 0)
    if CANNOT_BE_READ in names:
        rank[names.index(CANNOT_BE_READ)] = 3 * (found.kinds[CANNOT_BE_READ] > 0)
    best = np.where(rank == rank.max(axis=0), sums, -1).argmax(axis=0)
    known = sums.sum(axis=0).tolist()
    return [names[kind] if total else "not looked at" for kind, total in zip(best.tolist(), known, strict=True)]


def _least_sure(found: DiskCells) -> list[str]:
    from forensic.explore.disk_cells import MOST_SURE_FIRST

    if not found.certainties:
        return []
    words = [""] * found.grid.cells
    for word in MOST_SURE_FIRST:
        for cell in found.certainties[word].nonzero()[0].tolist() if word in found.certainties else ():
            words[cell] = word
    return words


def _time_line(image: Image, cancelled: Callable[[], bool] | None) -> tuple[StateStrip, ...]:
    from forensic.explore.time_line import strips_of

    return tuple(map(_strip, strips_of(image, STRIP_CELLS, cancelled or _never, MAX_ROWS)))


def _strip(strip: Strip) -> StateStrip:
    from forensic.explore.time_line import Since

    names = [each.name.lower() for each in Since]
    snapshot = strip.snapshot
    return StateStrip(
        "active disk" if snapshot is None else f'snapshot {snapshot.index} "{snapshot.name.text}"',
        "" if snapshot is None else moment(snapshot.date_sec * NANOSECONDS) or "",
        tuple(names[cell] for cell in strip.cells),
        *(strip.sums[each] for each in (Since.NEW, Since.SHARED, Since.GONE)),
    )


def _never() -> bool:
    return False
