"""`qcowscope rebuild`: write the virtual disk to a new qcow2 image with tables and refcounts of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from forensic.cli.extraction.extract import carry_out
from forensic.cli.extraction.reports import EXTRACTION_FORMATS, ExtractionReports
from forensic.cli.extraction.settings import hashes_of
from forensic.cli.output import start_run
from forensic.cli.parser import Subparsers, UsageError, add_command, add_image
from forensic.cli.reports import add_reports, report_targets
from forensic.cli.sources import add_files, add_key, add_plan, add_snapshot, disk_of, files_read_by, open_as_planned
from forensic.report.formats import MANIFEST

FORMATS = tuple(name for name in EXTRACTION_FORMATS if name != MANIFEST)


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "rebuild",
        run,
        "write the virtual disk to a new qcow2 image, with metadata of its own",
        "Data and compressed streams are copied, zero clusters stay zero clusters; L1, L2 and refcount tables are made "
        "anew. Guest ranges that cannot be read are listed and stay unallocated, and the exit status is 5. The new "
        "image has one disk, without snapshots, bitmaps, encryption or a backing file. It is called NEW.qcow2.partial "
        "until it has been read back.",
    )
    add_image(parser)
    parser.add_argument(
        "-o", "--output", metavar="NEW.qcow2", required=True, type=Path, help="the image to write; never the evidence"
    )
    add_reports(parser, FORMATS)
    parser.add_argument(
        "--reference",
        action="store_true",
        help="copy no data: name the file that holds it as external data file. QEMU reads that only if each cluster "
        "lies at its guest offset, as in the external data file of an image; open such an image read-only",
    )
    parser.add_argument(
        "--in-use", action="store_true", help="go on even if another process may be writing to an input file"
    )
    parser.add_argument(
        "--hash",
        metavar="LIST",
        default="none",
        help="hashes of the disk as extract has them, separated by commas (default: none, only that of the new file)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="read the inputs again, and compare all of the new disk with a second reading; status 6 if they differ",
    )
    add_snapshot(parser)
    add_plan(parser)
    add_files(parser)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Rebuild; 5 if something was not read. Raises `UsageError` and `OutputFailed` before anything is written."""
    from forensic.extraction.settings import Settings
    from forensic.rebuilding.rebuild import Rebuilder

    this_run = start_run()
    targets = report_targets("rebuild", options.report, FORMATS)
    if str(options.output) == "-":
        raise UsageError("qcowscope rebuild: an image cannot be written to standard output: its header comes last")
    settings = Settings(
        hashes=hashes_of(options.hash), verify=options.verify, force=options.force, in_use=options.in_use
    )
    with open_as_planned(options) as image, disk_of(image, options) as disk:
        reports = ExtractionReports(targets, image, disk, options.output, settings, sidecars=False)
        rebuilder = Rebuilder(disk, options.output, settings, options.reference)
        reports.refuse(rebuilder.extraction.segments, files_read_by(options), can_resume=False)
        this_run.options = {**reports.options(), "reference": options.reference}
        with reports:
            status, failure = carry_out(rebuilder, disk, reports, this_run, {}, "rebuilding")
        reports.print_summary(rebuilder.extraction)
    if failure:
        raise failure
    return status
