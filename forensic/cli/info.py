"""`qcowscope info`: what an image is."""

from __future__ import annotations

import argparse

from forensic.cli.cautions import cautions_about, is_reliable
from forensic.cli.many import Outcome, is_many, json_of_failure, look_at_many, look_at_one
from forensic.cli.output import make_report, start_run, through_plan
from forensic.cli.parser import Parser, Subparsers, add_command, add_images, add_json
from forensic.cli.sources import add_plan, evidence_of, identified
from forensic.description import describe
from forensic.exit_status import ExitStatus
from forensic.qcow2.identify import ForeignFile
from forensic.report.json_text import one_line
from forensic.report.model import Report
from forensic.report.run import source_record
from forensic.report.to_json import to_json
from forensic.report.to_text import info_lines


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser: Parser = add_command(
        subparsers,
        "info",
        run,
        "describe an image: header, features, extensions, references, snapshots, bitmaps, encryption, space",
        "Reads the header and single structures only; nothing that the image names is opened.",
    )
    add_images(parser)
    add_plan(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Describe the images; 63 if one is none."""
    if is_many(options.images):
        return look_at_many(options, _look, json_of_failure if options.json else None)
    return look_at_one(options.images[0], options, _look)


def _look(path: str, options: argparse.Namespace) -> Outcome:
    this_run = start_run(None, options.images, path)
    with evidence_of(path, options) as evidence:
        image = identified(evidence, options)
        result = describe(image)
        status = ExitStatus.DONE
        said = cautions_about([evidence])
        if not is_reliable([evidence]):
            status = ExitStatus.NOT_COMPLETED
        if isinstance(image, ForeignFile):
            refusal = image.refusal()
            status, said = status or refusal.exit_status, [str(refusal), *said]
            if not options.json:
                return Outcome(status, "", "\n".join(said))
            from forensic.checking import check

            result = check(image).add_to(result)
        complaint = "\n".join(said)
        if not options.json:
            report = through_plan(Report(result, source_record(evidence)), options.plan)
            return Outcome(status, list(info_lines(report)), complaint)
        report = through_plan(make_report(evidence, result, this_run, status), options.plan)
        document = one_line(report.record()) if is_many(options.images) else to_json(report)
        return Outcome(status, document, complaint)
