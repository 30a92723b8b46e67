"""Adding to a report the map of the image file, for the forms that draw it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forensic.report.file_map import file_map
from forensic.report.formats import DRAWS_MAP

if TYPE_CHECKING:
    from forensic.explore.known_ranges import KnownRanges
    from forensic.image import Identified
    from forensic.report.model import Report


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
