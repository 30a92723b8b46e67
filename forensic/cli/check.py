"""`qcowscope check`: judge images by every rule."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautions_about, is_reliable
from forensic.cli.many import Outcome, is_many, json_of_failure, look_at_many, look_at_one
from forensic.cli.output import make_report, start_run, through_plan
from forensic.cli.parser import Subparsers, UsageError, add_command, add_images, add_json, positive_number
from forensic.cli.reports import add_reports, refuse_bad_targets, report_targets, write_reports
from forensic.cli.sources import add_plan, evidence_of, files_read_by, identified
from forensic.evidence import Evidence, ReadFailed
from forensic.exit_status import ExitStatus
from forensic.finding import Severity
from forensic.mapped_report import drawing_of, with_drawings, with_map
from forensic.qcow2.identify import ForeignFile
from forensic.report.formats import FINDINGS, FORMATS, render
from forensic.report.json_text import one_line
from forensic.report.model import EXIT_STATUS, Judgement, Report
from forensic.report.run import source_record
from forensic.report.to_text import check_lines

if TYPE_CHECKING:
    from forensic.image import Identified

FORMATS_OF_MANY = ("text", "json", "jsonl", "markdown", FINDINGS)
"""The forms in which one image can follow another on one stream."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "check",
        run,
        "walk all tables and report every fault with its code, place and explanation",
        "Needs no key, no backing file and no data file; nothing that the image names is opened.",
    )
    add_images(parser)
    add_plan(parser)
    add_json(parser)
    parser.add_argument("--no-streams", action="store_true", help="do not decode compressed clusters")
    parser.add_argument(
        "--read-all",
        action="store_true",
        help="of evidence on a server, fetch compressed clusters and what nothing refers to as well, not tables alone",
    )
    parser.add_argument(
        "--format",
        choices=(*FORMATS, FINDINGS),
        default="text",
        help="how to print the report (default: text); findings is one flat JSON object a finding, for databases",
    )
    add_reports(parser)
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
        help="stop after this time, and report what was not examined (default: no limit)",
    )
    parser.add_argument(
        "--limit-memory",
        metavar="MIB",
        type=positive_number,
        help="aim to stay below this much memory; less memory costs time, not findings (default: 150)",
    )


def run(options: argparse.Namespace) -> int:
    """Judge the images; the exit status follows from the verdict. Raises `UsageError`."""
    if options.json:
        options.format = "json"
    report_targets("check", options.report)
    if not is_many(options.images):
        return look_at_one(options.images[0], options, _look)
    if options.format not in FORMATS_OF_MANY:
        raise UsageError(f"qcowscope check: --format {options.format} takes one image")
    if options.report:
        raise UsageError("qcowscope check: --report takes one image")
    from forensic.report.to_findings import findings_of_failure

    lines = {"json": json_of_failure, "jsonl": json_of_failure, FINDINGS: findings_of_failure}
    return look_at_many(options, _look, lines.get(options.format))


def _look(path: str, options: argparse.Namespace) -> Outcome:
    from forensic.budget import Limits
    from forensic.checking import check
    from forensic.description import describe
    from forensic.disk.contents import contents_of_image

    fail_on = Severity(options.fail_on)
    targets = report_targets("check", options.report)
    limits = Limits(
        seconds=options.limit_time,
        memory=None if options.limit_memory is None else int(options.limit_memory * (1 << 20)),
    )
    this_run = start_run(
        {
            "fail_on": fail_on.value,
            "streams": not options.no_streams,
            "limit_time": options.limit_time,
            "limit_memory_mib": options.limit_memory,
        },
        options.images,
        path,
    )
    with evidence_of(path, options) as evidence:
        refuse_bad_targets(targets, [evidence, *files_read_by(options)], options.force)
        image = identified(evidence, options)
        read_all = options.read_all or not evidence.is_remote
        formats = [options.format, *(target.format for target in targets)]
        drawing = drawing_of(image, formats)
        # Before the check: its verdict has to know of what cannot be read there.
        guest = None if isinstance(image, ForeignFile) else contents_of_image(image)
        judgement = check(
            image,
            with_streams=read_all and not options.no_streams,
            limits=limits,
            seen=drawing.see if drawing else None,
            with_free=read_all,
        )
        status = _status(image, judgement, fail_on) if is_reliable([evidence]) else ExitStatus.NOT_COMPLETED
        result = judgement.add_to(describe(image, judgement.measured, guest), fail_on)
        sha256 = _sha256(evidence) if options.format == FINDINGS and read_all else None
        if options.format in ("text", FINDINGS) and not targets:
            report = Report(result, source_record(evidence))
        else:
            report = make_report(evidence, result, this_run, status)
        report = through_plan(report, options.plan)
        if drawing:
            report = with_map(report, drawing.known)
            report = with_drawings(report, image, formats, cells=drawing.cells)
        write_reports(targets, report, options.force)
        refusal = [str(image.refusal())] if isinstance(image, ForeignFile) else []
        complaint = "\n".join([*refusal, *cautions_about([evidence])])
        if options.format == "text":
            return Outcome(status, "" if refusal else list(check_lines(report)), complaint)
        if options.format == FINDINGS:
            from forensic.report.to_findings import findings_lines

            return Outcome(status, findings_lines(report, sha256), complaint)
        if is_many(options.images) and options.format in ("json", "jsonl"):
            return Outcome(status, one_line(report.record()), complaint)
        return Outcome(status, render(options.format, report), complaint)


def _sha256(evidence: Evidence) -> str | None:
    """Of the whole file, so that images can be told apart wherever they are; None if it cannot be read."""
    try:
        return evidence.sha256()
    except ReadFailed:
        return None


def _status(image: Identified, judgement: Judgement, fail_on: Severity) -> ExitStatus:
    """The exit status of the contract; `NOT_COMPLETED` if a rule of ours failed."""
    if isinstance(image, ForeignFile):
        return image.refusal().exit_status
    failed = any(made.failed for made in judgement.checks)
    return ExitStatus.NOT_COMPLETED if failed else EXIT_STATUS[judgement.verdict(fail_on)]
