"""Adding to a report the map of the image file, for the forms that draw it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from forensic.report.file_map import file_map
from forensic.report.formats import DRAWS_MAP

if TYPE_CHECKING:
    from forensic.image import Identified
    from forensic.report.model import Report


def with_map(report: Report, image: Identified, formats: Iterable[str]) -> Report:
    """The report with the map of the file, if one of the formats draws it and there is something to draw."""
    from forensic.image import Qcow2Image
    from forensic.qcow2.geometry import Geometry

    if not isinstance(image, Qcow2Image) or DRAWS_MAP.isdisjoint(formats):
        return report
    geometry = image.header_cluster.geometry
    if not isinstance(geometry, Geometry):
        return report
    from forensic.explore.known_ranges import known_ranges

    return replace(report, file_map=file_map(image.evidence.size, known_ranges(image), geometry.cluster_size))
