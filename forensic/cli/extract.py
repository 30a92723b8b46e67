"""`qcowscope extract`: write the virtual disk to a raw file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.output import make_report, progress_bar, start_run
from forensic.cli.parser import Parser, Subparsers, UsageError, add_command, add_image
from forensic.cli.reports import (
    ReportTarget,
    add_reports,
    refuse_bad_targets,
    report_targets,
    with_map,
    write_reports,
)
from forensic.cli.sources import add_files, add_key, add_snapshot, disk_of
from forensic.errors import OutputFailed
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.extraction.extract import Extraction
    from forensic.qcow2.image import Qcow2Image
    from forensic.report.run import Run

INCOMPLETE = 5
CASE_FIELDS = ("case_number", "evidence_number", "examiner", "description", "notes")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "extract",
        run,
        "write the virtual disk to a raw file, with its hashes and a report",
        "Guest ranges whose bytes cannot be had are filled with zeros and listed, and the exit status is 5.",
    )
    add_image(parser)
    parser.add_argument("-o", "--output", metavar="OUT.raw", required=True, type=Path, help="the raw file to write")
    add_reports(parser)
    parser.add_argument("--hash", metavar="LIST", default="sha256", help="hashes of the disk, or none (sha256)")
    parser.add_argument("--no-sparse", action="store_true", help="write zeros instead of leaving holes")
    parser.add_argument("--keep-partial", action="store_true", help="keep the .partial file when it is interrupted")
    add_snapshot(parser)
    parser.add_argument("--vm-state", action="store_true", help="write the machine state saved with the --snapshot")
    add_files(parser)
    add_key(parser)
    _add_case_data(parser)


def _add_case_data(parser: Parser) -> None:
    group = parser.add_argument_group("case data, for the report")
    for field in CASE_FIELDS:
        group.add_argument("--" + field.replace("_", "-"), metavar="TEXT")


def run(options: argparse.Namespace) -> int:
    """Extract; 5 if something was not read. Raises `UsageError` and `OutputFailed` before anything is written."""
    from forensic.extraction.extract import extract
    from forensic.qcow2.image import open_image

    hashes = _hashes(options.hash)
    reports = report_targets("extract", options.report)
    this_run = start_run({"hash": list(hashes), "sparse": not options.no_sparse, "force": options.force})
    with open_image(options.image) as image, disk_of(image, options) as disk:
        _refuse(reports, options.output, image, options.force)
        with progress_bar("extracting") as progress:
            extraction = extract(
                disk,
                options.output,
                hashes,
                sparse=not options.no_sparse,
                force=options.force,
                keep_partial=options.keep_partial,
                progress=progress,
            )
        status = 0 if extraction.complete else INCOMPLETE
        case = {field: getattr(options, field) for field in CASE_FIELDS}
        _write_reports(reports, image, extraction, this_run, status, case, options.force)
    _print_summary(extraction, image)
    return status


def _hashes(text: str) -> tuple[str, ...]:
    from forensic.extraction.sinks import HASHES

    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in HASHES]
    if unknown:
        raise UsageError(f"qcowscope extract: unknown hash {shown(unknown[0])}; known are {', '.join(HASHES)}, none")
    return names


def _refuse(reports: list[ReportTarget], output: Path, image: Qcow2Image, force: bool) -> None:
    """A report must not land on the evidence or on the output, and not on another file without being told to."""
    for target in reports:
        if target.path.absolute() == output.absolute():
            raise OutputFailed(target.path, "is the output as well")
    refuse_bad_targets(reports, [image.evidence], force)


def _write_reports(
    reports: list[ReportTarget],
    image: Qcow2Image,
    extraction: Extraction,
    this_run: Run,
    status: int,
    case: dict[str, Json],
    force: bool,
) -> None:
    if not reports:
        return
    from forensic.checking import check
    from forensic.finding import Severity
    from forensic.qcow2.describe import describe

    result = describe(image) | check(image).as_json(Severity.MEDIUM)
    result["extraction"] = extraction.as_json()
    result["hashes"] = {
        "container": {"acquired": {"sha256": image.evidence.sha256()}},
        "virtual_disk": {"acquired": extraction.hashes},
    }
    artifact: Json = {"role": "raw", "name": shown(extraction.path), "size": extraction.size}
    report = make_report(image.evidence, result, this_run, status, [artifact], case)
    write_reports(reports, with_map(report, image, [target.format for target in reports]), force)


def _print_summary(extraction: Extraction, image: Qcow2Image) -> None:
    print(f"{shown(extraction.path)}: {extraction.size:,} bytes", end="")
    print(f", {extraction.bytes_read:,} read, {extraction.bytes_zero:,} zero by the image's word", end="")
    print(f", {extraction.ledger.bytes_missing:,} not read")
    for name, value in extraction.hashes.items():
        print(f"{name}  {value}")
    for code, length in sorted(extraction.ledger.bytes_by_reason.items()):
        print(f"not read: {length:,} bytes, filled with zeros: {code}", file=sys.stderr)
    if not image.evidence.unchanged():
        print("qcowscope: the image file changed while it was read", file=sys.stderr)
