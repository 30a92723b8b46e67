"""`qcowscope check`: judge an image by every rule."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.output import make_report, start_run
from forensic.cli.parser import Subparsers, add_command, add_image, add_json
from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.finding import Severity

FORMATS = ("text", "json")


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "check",
        run,
        "walk all tables and report every fault with its code, place and explanation",
        "Needs no key, no backing file and no data file; nothing that the image names is opened.",
    )
    add_image(parser)
    add_json(parser)
    parser.add_argument("--no-streams", action="store_true", help="do not decode compressed clusters")
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to print the report (default: text)")
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=[severity.value for severity in Severity],
        default=Severity.MEDIUM.value,
        help="findings at or above this severity decide verdict and exit status (default: medium)",
    )


def run(options: argparse.Namespace) -> int:
    """Judge the image; the exit status follows from the verdict."""
    from forensic.checking import check
    from forensic.qcow2.describe import describe
    from forensic.qcow2.foreign import ForeignFile
    from forensic.qcow2.image import identify
    from forensic.report.model import EXIT_STATUS
    from forensic.report.to_json import to_json
    from forensic.report.to_text import check_text

    fail_on = Severity(options.fail_on)
    this_run = start_run({"fail_on": fail_on.value, "streams": not options.no_streams})
    with Evidence(options.image) as evidence:
        image = identify(evidence)
        judgement = check(image, with_streams=not options.no_streams)
        failed = any(made.failed for made in judgement.checks)
        foreign = isinstance(image, ForeignFile)
        status = NotAnImage.exit_status if foreign else 1 if failed else EXIT_STATUS[judgement.verdict(fail_on)]
        result = describe(image) | judgement.as_json(fail_on)
        if options.json or options.format == "json":
            print(to_json(make_report(evidence, result, this_run, status)), end="")
        elif not foreign:
            sys.stdout.write(check_text(evidence.path_as_given, judgement, fail_on))
        if isinstance(image, ForeignFile):
            raise NotAnImage(options.image, image.description)
    return status
