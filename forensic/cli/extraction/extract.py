"""`qcowscope extract`: write the virtual disk to a raw file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.extraction.reports import EXTRACTION_FORMATS, ExtractionReports
from forensic.cli.extraction.settings import CASE_FIELDS, settings_of
from forensic.cli.output import progress_bar, start_run
from forensic.cli.parser import Parser, Subparsers, UsageError, add_command, add_image
from forensic.cli.reports import add_reports, report_targets
from forensic.cli.sources import (
    add_bitmap,
    add_files,
    add_key,
    add_plan,
    add_snapshot,
    disk_of,
    files_read_by,
    open_as_planned,
)
from forensic.errors import ForensicError, Interrupted, OutputFailed
from forensic.exit_status import ExitStatus

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.extraction.extract import Extractor
    from forensic.rebuilding.rebuild import Rebuilder
    from forensic.report.run import Run


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "extract",
        run,
        "write the virtual disk to a raw file, with its hashes and a report",
        "Unreadable guest ranges are filled with zeros and listed, and the exit status is 5. "
        "The output is called OUT.raw.partial until it is complete. When the extraction fails or is interrupted, that "
        "file is removed, unless --resume or --keep-partial is given. If the process is killed, the "
        "file and a journal remain, from which --resume continues.",
    )
    add_image(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT.raw|OUT.E01",
        required=True,
        type=Path,
        help="the file to write (-: standard output, raw)",
    )
    parser.add_argument(
        "--format",
        choices=("raw", "e01"),
        help="write a raw file or an E01 container (default: e01 if the name of the output ends like one)",
    )
    parser.add_argument(
        "--level",
        metavar="0..9",
        type=_level,
        help="how well an E01 container is compressed: 0 not at all, 9 best and slowest (default: 1)",
    )
    add_reports(parser, EXTRACTION_FORMATS)
    _add_what(parser)
    _add_hashes(parser)
    add_snapshot(parser)
    add_bitmap(parser)
    parser.add_argument("--vm-state", action="store_true", help="write the machine state saved with the --snapshot")
    add_plan(parser)
    add_files(parser)
    add_key(parser)
    _add_case_data(parser)


def _add_what(parser: Parser) -> None:
    parser.add_argument(
        "--range",
        metavar="START:LENGTH",
        help="only this range of the disk; sizes look like 4096, 0x1000, 64KiB, 2G, 63s (sectors)",
    )
    parser.add_argument("--split", metavar="SIZE", help="write OUT.raw.001, OUT.raw.002, … of at most this size each")
    parser.add_argument(
        "--in-use", action="store_true", help="extract even if another process may be writing to an input file"
    )
    parser.add_argument("--no-sparse", action="store_true", help="write zeros instead of leaving holes")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="stop at the first range that cannot be read, with exit status 1; refuse a supplied file other than "
        "the one that the image declares",
    )
    parser.add_argument(
        "--salvage",
        action="store_true",
        help="write what can be decoded of a broken compressed cluster; it still counts as not read",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="continue with the .partial file of an interrupted extraction, after verifying it",
    )
    parser.add_argument(
        "--keep-partial", action="store_true", help="keep the .partial file when the extraction is interrupted"
    )


def _add_hashes(parser: Parser) -> None:
    parser.add_argument(
        "--hash",
        metavar="LIST",
        default="sha256",
        help="hashes of the disk, separated by commas, such as md5,sha1,sha256; none for no hash (default: sha256)",
    )
    parser.add_argument(
        "--hash-window",
        metavar="SIZE",
        help="also take the SHA-256 of each window of this size; --report manifest:PATH lists them",
    )
    parser.add_argument("--sidecars", action="store_true", help="write OUT.raw.sha256 and so on, as sha256sum does")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read the output and the inputs back, and the disk with a second, independent reader; exit status 6 if "
        "anything differs",
    )


def _add_case_data(parser: Parser) -> None:
    group = parser.add_argument_group("case data, for the report")
    for field, meaning in CASE_FIELDS.items():
        group.add_argument("--" + field.replace("_", "-"), metavar="TEXT", help=meaning)


def _level(text: str) -> int:
    """A level of compression."""
    from forensic.extraction.settings import level_of

    try:
        return level_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def run(options: argparse.Namespace) -> int:
    """Extract; 5 if something was not read. Raises `UsageError` and `OutputFailed` before anything is written."""
    from forensic.extraction.extract import Extractor

    this_run = start_run()
    targets = report_targets("extract", options.report, EXTRACTION_FORMATS)
    output = None if str(options.output) == "-" else options.output
    with open_as_planned(options) as image, disk_of(image, options) as disk:
        settings = settings_of(options, output, disk)
        reports = ExtractionReports(targets, image, disk, output, settings, options.sidecars)
        try:
            extractor = Extractor(disk, output, settings)
        except ValueError as error:
            raise UsageError(f"qcowscope extract: {error}") from error
        reports.refuse(extractor.extraction.segments, files_read_by(options))
        this_run.options = reports.options()
        case = {field: getattr(options, field) for field in CASE_FIELDS}
        with reports:
            status, failure = carry_out(extractor, disk, reports, this_run, case, "extracting")
        reports.print_summary(extractor.extraction)
    if failure:
        raise failure
    return status


Failure = ForensicError | BrokenPipeError


def carry_out(
    extractor: Extractor | Rebuilder,
    disk: Disk,
    reports: ExtractionReports,
    this_run: Run,
    case: dict[str, str | None],
    doing: str,
) -> tuple[ExitStatus, Failure | None]:
    """Extract and write the reports; the exit status, and what stopped it, or that a report could not be written."""
    failure = _run(extractor, reports, doing)
    try:
        verified = ExitStatus.DONE if failure else _verify_sources(reports)
        status = _status(extractor, disk, failure, verified)
        status = reports.write(extractor.extraction, this_run, status, case)
    except OutputFailed as error:
        # What stopped the extraction comes before; without that the disk is there, and what is said of it has to be.
        failure = failure or error
        status = failure.exit_status if isinstance(failure, ForensicError) else ExitStatus.BROKEN_PIPE
    except KeyboardInterrupt:
        if failure is None:
            reports.print_interrupted(extractor.extraction)
        raise
    return status, failure


def _run(extractor: Extractor | Rebuilder, reports: ExtractionReports, doing: str) -> Failure | None:
    """Extract, and give back what stopped it: reports are written of a failure as well, but not after Ctrl-C."""
    try:
        with progress_bar(doing, then="verifying") as progress:
            extractor.run(progress, None, reports.begin(), reports.manifest, begun=reports.hash_inputs)
    except Interrupted:
        raise
    except (ForensicError, BrokenPipeError) as error:
        return error
    return None


def _verify_sources(reports: ExtractionReports) -> ExitStatus:
    with progress_bar("verifying the source") as progress:
        return reports.verify_sources(progress)


def _status(
    extractor: Extractor | Rebuilder, disk: Disk, failure: Failure | None, verified_sources: ExitStatus
) -> ExitStatus:
    if isinstance(failure, BrokenPipeError):
        return ExitStatus.BROKEN_PIPE
    if failure:
        return failure.exit_status
    if extractor.tables_unread or not all(evidence.unchanged() for evidence in disk.evidences):
        return ExitStatus.NOT_COMPLETED
    return verified_sources or (ExitStatus.DONE if extractor.extraction.complete else ExitStatus.RANGES_NOT_READ)
