"""`--report FORMAT:PATH`, which several commands take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from forensic.cli.output import write_new_file
from forensic.cli.parser import Parser, UsageError
from forensic.report.formats import DRAWS_MAP, FORMATS, render
from forensic.untrusted import shown

if TYPE_CHECKING:
    from pathlib import Path

    from forensic.evidence import Evidence
    from forensic.image import Identified
    from forensic.report.model import Report


class ReportTarget(Struct, frozen=True):
    """A report that was asked for: one of `FORMATS`, and the file to write."""

    format: str
    path: Path


def add_reports(parser: Parser, formats: Iterable[str] = FORMATS) -> None:
    """`--report` and `--force`."""
    parser.add_argument(
        "--report",
        metavar="FORMAT:PATH",
        action="append",
        default=[],
        help=f"write a report ({', '.join(formats)}); may be repeated",
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that exist")


def report_targets(command: str, texts: Iterable[str], formats: Iterable[str] = FORMATS) -> list[ReportTarget]:
    """What was asked for. Raises `UsageError`."""
    targets = [_target(command, text, formats) for text in texts]
    paths = [target.path.absolute() for target in targets]
    if len(set(paths)) < len(paths):
        raise UsageError(f"qcowscope {command}: two reports would go to the same file")
    return targets


def _target(command: str, text: str, formats: Iterable[str]) -> ReportTarget:
    from pathlib import Path  # slow to load, and needed for reports alone

    kind, colon, path = text.partition(":")
    if kind not in formats or not colon or not path:
        known = ", ".join(formats)
        raise UsageError(f"qcowscope {command}: --report {shown(text)}: expected FORMAT:PATH with one of {known}")
    return ReportTarget(kind, Path(path))


def refuse_bad_targets(targets: Sequence[ReportTarget], inputs: Sequence[Evidence], force: bool) -> None:
    """Before any work: a report must not land on an input, nor on another file without being told to.

    Raises `OutputFailed`.
    """
    if targets:
        from forensic.output.paths import refuse

        refuse([target.path for target in targets], inputs, force)


def write_reports(targets: Sequence[ReportTarget], report: Report, force: bool) -> None:
    """Write every report. Raises `OutputFailed`."""
    for target in targets:
        write_new_file(target.path, render(target.format, report), force)


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
    from forensic.report.file_map import file_map

    return replace(report, file_map=file_map(image.evidence.size, known_ranges(image), geometry.cluster_size))
