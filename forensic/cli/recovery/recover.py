"""`qcowscope recover`: what can be recovered of a damaged image, and the plan by which it is read."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned, is_reliable
from forensic.cli.output import progress_bar
from forensic.cli.parser import Parser, Subparsers, UsageError, add_command, add_image, add_json, positive_number
from forensic.cli.sources import evidence_of, files_read_by
from forensic.errors import WrongSupply
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.numbers import counted, parse_size
from forensic.output.new_file import write_new_file
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.recovery.layout import Knowledge
    from forensic.recovery.recover import Recovery
    from forensic.recovery.summary import Summary
    from forensic.recovery.work import RecoverySettings

HEADER_BYTES = 1 << 21


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "recover",
        run,
        "show what can be recovered of a damaged image, and write the plan by which other commands read it",
        "Reads the whole file once and writes nothing to it. The exit status is 0 "
        "if all of the disk is certain, 5 if something is inferred or unknown, 63 if there is no trace of an image.",
    )
    add_image(parser)
    parser.add_argument(
        "-o",
        "--output",
        metavar="PLAN.json",
        type=Path,
        help="write the plan, for use with --plan; - for standard output",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing plan")
    add_json(parser)
    parser.add_argument(
        "--target",
        metavar="active|snapshot:ID|deleted:N|older",
        default="active",
        help="the disk to plan for: the active one; a snapshot by its id, name or #index; a deleted snapshot by its "
        "number in --deleted-snapshots; or the image that another was created or converted over",
    )
    parser.add_argument(
        "--deleted-snapshots",
        action="store_true",
        help="list the deleted snapshots that are still in the file; with -o DIR, write a plan for each",
    )
    parser.add_argument(
        "--carve",
        action="store_true",
        help="IMAGE is a larger file or a device: list every image that lies in it in one piece; with -o DIR, write a "
        "plan for each",
    )
    parser.add_argument(
        "--max-time",
        metavar="SECONDS",
        type=positive_number,
        help="stop searching after this time; what was not searched is said, and is unknown",
    )
    parser.add_argument(
        "--bad-map",
        metavar="FILE",
        help="the map that ddrescue wrote when it copied the device: what it does not call copied is no evidence",
    )
    parser.add_argument(
        "--min-confidence",
        metavar="0.5",
        type=_share,
        default=0.0,
        help="leave out decisions that are less sure than this, from 0 to 1; their ranges are unknown",
    )
    _add_knowledge(parser)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _add_knowledge(parser: Parser) -> None:
    group = parser.add_argument_group("known to the examiner")
    group.add_argument("--cluster-size", metavar="SIZE", help="the cluster size, such as 64KiB")
    group.add_argument("--virtual-size", metavar="SIZE", help="the size of the disk")
    group.add_argument("--l1", metavar="OFFSET", help="the host offset of the L1 table")
    group.add_argument(
        "--header-from",
        metavar="FILE",
        help="a file to take the header from, such as a new image of the same kind",
    )


def run(options: argparse.Namespace) -> int:
    """Make a plan; 5 if not all of the disk is certain. Raises `UsageError`, `NotAnImage`, `OutputFailed`."""
    knowledge, bad = _knowledge(options), _bad_ranges(options)
    if options.deleted_snapshots or options.carve:
        return _list(options, knowledge, bad)
    from forensic.cli.recovery.described import as_json, lines
    from forensic.cli.recovery.lists import summary_of
    from forensic.output.paths import refuse
    from forensic.recovery.plan import to_json
    from forensic.recovery.plan_seals import without_doubtful
    from forensic.recovery.work import RecoverySettings

    to_stdout = str(options.output) == "-"
    output = None if to_stdout else options.output
    if to_stdout and options.json:
        raise UsageError("qcowscope recover: the plan and --json cannot both go to standard output")
    with evidence_of(options.image, options, bad) as evidence:
        if output:
            refuse([output], [evidence, *files_read_by(options)], options.force)
        with progress_bar("scanning") as progress:
            recovery = _recovery(options, evidence, RecoverySettings(knowledge, progress, max_time=options.max_time))
        recovery.plan = without_doubtful(recovery.plan, options.min_confidence)
        summary = summary_of(evidence, recovery.plan)
        if output:
            write_new_file(output, to_json(recovery.plan), options.force)
        if options.json:
            print(json.dumps(as_json(recovery, summary), indent=2, sort_keys=True))
        else:
            without_plan = _without_plan(evidence, summary) if options.target == "active" else 0
            said = lines(options.image, output, recovery, summary, without_plan)
            print("\n".join(said), file=sys.stderr if to_stdout else sys.stdout)
        if to_stdout:
            sys.stdout.write(to_json(recovery.plan))
        sys.stdout.flush()
        status = ExitStatus.DONE if summary.complete else ExitStatus.RANGES_NOT_READ
        if bad and evidence.unchanged():  # what cannot be read was known before
            return status
        return cautioned([evidence], status if is_reliable([evidence]) else ExitStatus.NOT_COMPLETED)


def _list(options: argparse.Namespace, knowledge: Knowledge, bad: list[tuple[int, int]]) -> int:
    """What `--deleted-snapshots` or `--carve` asks for."""
    from forensic.cli.recovery.lists import list_deleted, list_images

    if str(options.output) == "-":
        raise UsageError("qcowscope recover: a plan for each needs -o DIR, not standard output")
    if options.deleted_snapshots and options.carve:
        raise UsageError("qcowscope recover: --carve and --deleted-snapshots exclude each other")
    if options.target != "active":
        raise UsageError("qcowscope recover: --target chooses one disk, --deleted-snapshots and --carve list several")
    return (list_images if options.carve else list_deleted)(options, knowledge, bad)


def _bad_ranges(options: argparse.Namespace) -> list[tuple[int, int]]:
    if options.bad_map is None:
        return []
    from forensic.bad_sectors import bad_ranges

    return bad_ranges(options.bad_map)


def _recovery(options: argparse.Namespace, evidence: Evidence, settings: RecoverySettings) -> Recovery:
    """The plan of one disk. Raises `UsageError` for a target that is none, `WrongSupply` for one that is not there."""
    from forensic.recovery.recover import recover, recover_deleted, recover_older, recover_snapshot

    kind, colon, word = options.target.partition(":")
    if kind == "active" and not colon:
        return recover(evidence, settings)
    if kind == "older" and not colon:
        return recover_older(evidence, settings)
    if kind == "snapshot" and word:
        return recover_snapshot(evidence, word, settings)
    if kind != "deleted" or not (word.isascii() and word.isdecimal()) or len(word) > 6:
        raise UsageError("qcowscope recover: --target is active, snapshot:ID, deleted:N or older")
    found = recover_deleted(evidence, settings)
    if int(word) >= len(found):
        said = f"{counted(len(found), 'deleted snapshot')} can be found in it"
        raise WrongSupply(evidence.path_as_given, said)
    return found[int(word)][1]


def _knowledge(options: argparse.Namespace) -> Knowledge:
    from forensic.recovery.layout import Knowledge

    size = _size("--cluster-size", options.cluster_size)
    if size is not None and (size.bit_count() != 1 or not 512 <= size <= 2 << 20):
        raise UsageError("qcowscope recover: --cluster-size is not a power of two from 512 to 2 MiB")
    header = None
    if options.header_from:
        with Evidence(options.header_from) as file:
            header = file.read_up_to_bad(0, HEADER_BYTES)
        if header[:4] != b"QFI\xfb":
            raise UsageError(f"qcowscope recover: --header-from {shown(options.header_from)} begins with no header")
    return Knowledge(size, _size("--virtual-size", options.virtual_size), _size("--l1", options.l1), header)


def _size(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"qcowscope recover: {option}: {shown(str(error))}") from error


def _without_plan(evidence: Evidence, summary: Summary) -> int:
    """Bytes of data that the file's own tables lead to; looked up only where the plan leaves something out."""
    from forensic.image import Qcow2Image, identify
    from forensic.recovery.summary import READ

    image = identify(evidence) if summary.by_reason else None
    if not isinstance(image, Qcow2Image):
        return 0
    runs = (run for some in image.disk().readable_runs() for run in some)
    return sum(length for _, length, _, _, state, _, _, _ in runs if state in READ)
