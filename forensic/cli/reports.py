"""`--report FORMAT:PATH`, which several commands take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.cli.parser import Parser, UsageError
from forensic.output.new_file import write_new_file
from forensic.report.formats import FORMATS, render
from forensic.untrusted import shown

if TYPE_CHECKING:
    from pathlib import Path

    from forensic.output.paths import Input
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
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


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


def refuse_bad_targets(targets: Sequence[ReportTarget], inputs: Sequence[Input], force: bool) -> None:
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
