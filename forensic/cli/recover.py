"""`qcowscope recover`: what can be recovered of a damaged image, and the plan by which it is read."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned, is_reliable
from forensic.cli.output import progress_bar, write_new_file
from forensic.cli.parser import Parser, Subparsers, UsageError, add_command, add_image, add_json
from forensic.cli.sources import evidence_of, files_read_by
from forensic.errors import WrongSupply
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.numbers import parse_size
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.recovery.layout import Knowledge
    from forensic.recovery.recover import Recovery
    from forensic.recovery.summary import Summary

SCHEMA = "qcowscope-recovery/1"
LISTED_DECISIONS = 20
HEADER_BYTES = 1 << 21


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "recover",
        run,
        "show what can be recovered of a damaged image, and write the plan by which other commands read it",
        "Reads the whole file once and writes nothing to it. The exit status is 0 if all of the disk is certain, 5 if "
        "something is inferred or unknown, 63 if there is no trace of an image.",
    )
    add_image(parser)
    parser.add_argument("-o", "--output", metavar="PLAN.json", type=Path, help="write the plan, for use with --plan")
    parser.add_argument("--force", action="store_true", help="overwrite an existing plan")
    add_json(parser)
    parser.add_argument(
        "--target",
        metavar="active|deleted:N",
        default="active",
        help="the disk to plan for: the active one, or a deleted snapshot by its number in --deleted-snapshots",
    )
    parser.add_argument(
        "--deleted-snapshots",
        action="store_true",
        help="list the deleted snapshots that are still in the file; with -o DIR, write a plan for each",
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
    value = float(text)
    if not 0 <= value <= 1:
        raise ValueError(f"{text} is not from 0 to 1")
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
    from forensic.image import Qcow2Image
    from forensic.output.paths import refuse
    from forensic.recovery.plan import to_json, without_doubtful
    from forensic.recovery.reading import planned_by
    from forensic.recovery.summary import sum_up

    knowledge = _knowledge(options)
    if options.deleted_snapshots:
        return _list_deleted(options, knowledge)
    bad = _bad_ranges(options)
    with evidence_of(options.image, options, bad) as evidence:
        if options.output:
            refuse([options.output], [evidence, *files_read_by(options)], options.force)
        with progress_bar("scanning") as progress:
            recovery = _recovery(options.target, evidence, knowledge, progress)
        recovery.plan = without_doubtful(recovery.plan, options.min_confidence)
        summary = sum_up(Qcow2Image(evidence, planned_by(recovery.plan, evidence)).disk())
        if options.output:
            write_new_file(options.output, to_json(recovery.plan), options.force)
        if options.json:
            print(json.dumps(_as_json(recovery, summary), indent=2, sort_keys=True))
        else:
            print("\n".join(_lines(options, recovery, summary)))
        sys.stdout.flush()
        status = ExitStatus.DONE if summary.complete else ExitStatus.RANGES_NOT_READ
        if bad and evidence.unchanged():  # what cannot be read was known before
            return status
        return cautioned([evidence], status if is_reliable([evidence]) else ExitStatus.NOT_COMPLETED)


def _bad_ranges(options: argparse.Namespace) -> list[tuple[int, int]]:
    if options.bad_map is None:
        return []
    from forensic.bad_sectors import bad_ranges

    return bad_ranges(options.bad_map)


def _recovery(
    target: str, evidence: Evidence, knowledge: Knowledge, progress: Callable[[int, int], None] | None
) -> Recovery:
    """The plan of one disk. Raises `UsageError` for a target that is none, `WrongSupply` for one that is not there."""
    from forensic.recovery.recover import recover, recover_deleted

    if target == "active":
        return recover(evidence, knowledge, progress)
    kind, _, number = target.partition(":")
    if kind != "deleted" or not number.isdecimal() or len(number) > 6:
        raise UsageError("qcowscope recover: --target is active or deleted:N")
    found = recover_deleted(evidence, knowledge, progress)
    if int(number) >= len(found):
        raise WrongSupply(evidence.path_as_given, f"{len(found)} deleted snapshots can be found in it")
    return found[int(number)][1]


def _list_deleted(options: argparse.Namespace, knowledge: Knowledge) -> int:
    """List what is left of deleted snapshots, and write the plans; 0 if there are any or none."""
    from forensic.image import Qcow2Image
    from forensic.output.paths import refuse
    from forensic.recovery.plan import to_json
    from forensic.recovery.reading import planned_by
    from forensic.recovery.recover import recover_deleted
    from forensic.recovery.summary import sum_up

    rows: list[Json] = []
    with evidence_of(options.image, options, _bad_ranges(options)) as evidence:
        with progress_bar("scanning") as progress:
            found = recover_deleted(evidence, knowledge, progress)
        plans = [options.output / f"deleted-{number}.json" for number in range(len(found))] if options.output else []
        if plans:
            options.output.mkdir(exist_ok=True)
            refuse(plans, [evidence, *files_read_by(options)], options.force)
        for number, (snapshot, recovery) in enumerate(found):
            summary = sum_up(Qcow2Image(evidence, planned_by(recovery.plan, evidence)).disk())
            row: dict[str, Json] = {
                "target": f"deleted:{number}",
                "id": snapshot.id.as_json(),
                "name": snapshot.name.as_json(),
                "date_sec": snapshot.date_sec,
                "host_offset": snapshot.host_offset,
                "bytes": summary.as_json(),
            }
            rows.append(row)
            if plans:
                write_new_file(plans[number], to_json(recovery.plan), options.force)
            if not options.json:
                data, zero, _ = summary.row("inferred")
                absent = summary.row("unknown")[2]
                sizes = f"{data:,} bytes of data and {zero:,} of zeros inferred, {absent:,} overwritten"
                print(f'deleted:{number}  id {snapshot.id}  "{snapshot.name}"  {_moment(snapshot.date_sec)}  {sizes}')
        if options.json:
            print(json.dumps({"schema": SCHEMA, "deleted_snapshots": rows}, indent=2, sort_keys=True))
        elif not found:
            print("the file holds no entry of a deleted snapshot")
        sys.stdout.flush()
        return cautioned([evidence], ExitStatus.DONE if is_reliable([evidence]) else ExitStatus.NOT_COMPLETED)


def _moment(seconds: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


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


def _lines(options: argparse.Namespace, recovery: Recovery, summary: Summary) -> Iterator[str]:
    plan = recovery.plan
    word = "damaged" if recovery.damage else "not damaged, as far as its tables show"
    yield f"{shown(options.image)}: {word}"
    for sentence in recovery.damage:
        yield f"  {sentence}"
    for sentence in recovery.notes:
        yield f"  {sentence}"
    yield f"disk: {plan.geometry.virtual_size:,} bytes in clusters of {1 << plan.geometry.cluster_bits:,}"
    yield f"{'':10}{'data':>20}{'zero':>20}{'not read':>20}"
    for name in ("certain", "inferred", "unknown"):
        data, zero, absent = summary.row(name)
        yield f"{name:10}{data:>20,}{zero:>20,}{absent:>20,}"
    for number, (name, decision) in enumerate(plan.decisions.items()):
        if number == LISTED_DECISIONS:
            yield f"and {len(plan.decisions) - number:,} more decisions; see the plan"
            break
        because = f": {decision.because[0]}" if decision.because else ""
        how = f"{decision.certainty.value} {decision.confidence:.2f}  {decision.method.value}"
        yield f"{name}  {how}  {decision.what}{because}"
    if plan.segments:
        count = len(plan.segments) + plan.segments_not_listed
        yield f"L2 tables that could not be placed, whose data is not part of the disk: {count:,}"
    if summary.inferred:
        yield summary.sentence
    if options.output:
        yield f"plan: {shown(options.output)}"


def _as_json(recovery: Recovery, summary: Summary) -> Json:
    plan = recovery.plan
    return {
        "schema": SCHEMA,
        "damage": list(recovery.damage),
        "notes": list(recovery.notes),
        "virtual_size": plan.geometry.virtual_size,
        "cluster_size": 1 << plan.geometry.cluster_bits,
        "bytes": summary.as_json(),
        "decisions": {
            name: {
                "what": one.what,
                "class": one.certainty.value,
                "confidence": one.confidence,
                "method": one.method.value,
                "because": list(one.because),
            }
            for name, one in plan.decisions.items()
        },
        "unplaced_tables": len(plan.segments) + plan.segments_not_listed,
    }
