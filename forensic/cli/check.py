"""`qcowscope check`: judge an image by every rule."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.output import make_report, start_run
from forensic.cli.parser import Subparsers, add_command, add_image, add_json, positive_number
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
    parser.add_argument("--format", choices=FORMATS, default="text", help="how to print the report (default: text)")
    parser.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=[severity.value for severity in Severity],
        default=Severity.MEDIUM.value,
        help="findings at or above this severity decide verdict and exit status (default: medium)",
    )
    parser.add_argument(
        "--limit-time",
        metavar="SECONDS",
        type=positive_number,
        help="stop after this time, and say what was not looked at (default: no limit)",
    )
    parser.add_argument(
        "--limit-memory",
        metavar="MIB",
        type=positive_number,
        help="aim to stay below this much memory; less memory costs time, not findings (default: 150)",
    )


def run(options: argparse.Namespace) -> int:
    """Judge the image; the exit status follows from the verdict."""
    from forensic.checking import check
    from forensic.qcow2.budget import Limits
    from forensic.qcow2.describe import describe
    from forensic.qcow2.foreign import ForeignFile
    from forensic.qcow2.image import identify
    from forensic.report.model import EXIT_STATUS
    from forensic.report.to_json import to_json
    from forensic.report.to_text import check_text

    fail_on = Severity(options.fail_on)
    limits = Limits(
        seconds=options.limit_time,
        memory=None if options.limit_memory is None else int(options.limit_memory * (1 << 20)),
    )
    this_run = start_run(
        {"fail_on": fail_on.value, "limit_time": options.limit_time, "limit_memory_mib": options.limit_memory}
    )
    with Evidence(options.image) as evidence:
        image = identify(evidence)
        judgement = check(image, limits=limits)
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
