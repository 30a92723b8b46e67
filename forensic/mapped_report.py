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
    from forensic.explore.walked_cells import WalkedCells
    from forensic.extraction.piece_reader import Missing
    from forensic.image import Identified, Image
    from forensic.report.model import Report

STRIP_CELLS = 240
"""Parts of the disk in the time line."""

MAX_ROWS = 1 << 24
"""Rows that are compared for the time line."""


class Drawing:
    """What a check sees on its walk and maps are drawn from, so that they need no walk of their own."""

    def __init__(self, known: KnownRanges | None, cells: WalkedCells | None) -> None:
        """Nothing is seen yet; None where there is nothing to draw."""
        self.known, self.cells = known, cells
        self._see = [taker.see for taker in (known, cells) if taker]

    def see(self, structure: object) -> None:
        """Take a structure of the walk."""
        for see in self._see:
            see(structure)


def drawing_of(image: Identified, formats: Iterable[str], extracted: Disk | None = None) -> Drawing | None:
    """What is to see the structures of a check, if one of the formats draws; `extracted` is the disk that was read."""
    from forensic.qcow2.identify import ForeignFile

    if isinstance(image, ForeignFile) or DRAWS_MAP.isdisjoint(formats):
        return None
    return Drawing(ranges_to_draw(image, formats), _cells_to_draw(image, extracted))


def _cells_to_draw(image: Image, extracted: Disk | None) -> WalkedCells | None:
    """What fills the map of a disk, if the check walks over all that there is of it; its files need not be open."""
    from forensic.explore.walked_cells import WalkedCells, is_walked

    try:
        disk = extracted or image.disk()
    except ForensicError:
        return None
    if not disk.size or not is_walked(disk):
        return None
    return WalkedCells(disk, _cell_size(disk, image), for_reading=extracted is not None)


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
    cells: WalkedCells | None = None,
) -> Report:
    """The report with a map of the disk and, of an image with snapshots, the time line, if one of the formats draws.

    `extracted` is the disk that was read, with what could not be; without it the active disk is drawn by its tables.
    The tables are walked over unless `cells` saw them in a check that did.
    A disk without usable tables is not drawn.
    """
    from forensic.qcow2.identify import ForeignFile

    if isinstance(image, ForeignFile) or DRAWS_MAP.isdisjoint(formats):
        return report
    try:
        if extracted:
            disk_map = _disk_map(extracted[0], image, extracted[1], cells)
        else:
            with image.disk() as disk:
                disk_map = _disk_map(disk, image, None, cells)
        strips = _time_line(image, cancelled)
    except ForensicError:
        return report
    return replace(report, disk_map=disk_map, time_line=strips)


def _cell_size(disk: Disk, image: Image) -> int:
    from forensic.explore.space_usage import FURTHEST
    from forensic.image import Qcow2Image

    granularity = image.geometry.cluster_size if isinstance(image, Qcow2Image) else SECTOR_SIZE
    return cell_size_for(min(disk.size, FURTHEST), granularity)


def _disk_map(disk: Disk, image: Image, faults: Sequence[Missing] | None, cells: WalkedCells | None) -> CellMap | None:
    """`faults` are None for a disk that was not read."""
    from forensic.explore.disk_cells import disk_cells
    from forensic.report.values import size

    if not disk.size:
        return None
    found = cells.found(faults or ()) if cells else None
    found = found or disk_cells(disk, _cell_size(disk, image), faults or (), for_reading=faults is not None)
    length, cell_size = found.size, found.grid.cell_size
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
