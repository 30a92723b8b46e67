"""`qcowscope map`: where each guest range is."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.parser import Subparsers, add_command, add_image, add_json
from forensic.cli.sources import add_files, add_plan, add_snapshot, disk_of, open_as_planned
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.mapping.extents import Reason
from forensic.numbers import counted
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.mapping.extents import Run, State

WORDS = {
    Reason.L2_UNREADABLE: "of the disk are not known: their tables cannot be read",
    Reason.ENTRY_DOUBTFUL: "of the disk are not known: their tables are overwritten",
}
"""Where it is not the tables that say that bytes are missing, but the tables that are missing."""

FEW_EXTENTS = 1 << 20
"""Extents that are listed without asking how many there can be."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "map",
        run,
        "list the guest extents: where each range of the virtual disk is in the file",
        "The JSON is a list of objects with the names that qemu-img map uses, plus some of its own. The exit status is "
        "5 if some of the tables cannot be read.",
    )
    add_image(parser)
    add_json(parser)
    add_snapshot(parser)
    add_plan(parser)
    add_files(parser)


def run(options: argparse.Namespace) -> int:
    """Print the extents of the active disk or of a snapshot; no key is needed, and no file that it lies on."""
    with open_as_planned(options) as image, disk_of(image, options, with_key=False) as disk:
        lacks = _lacks_backing(disk)
        print_runs = _print_json if options.json else _print_text
        unknown: Counter[Reason] = Counter()
        ended_at = print_runs(_counting_unknown(_bounded(disk), unknown), lacks)
        sys.stdout.flush()
        for caveat in disk.caveats:
            complain(f"note: {caveat}")
        status = ExitStatus.DONE
        if ended_at < disk.size:
            where = f"guest offset {ended_at:#x} of {disk.size:#x}"
            reason = "L1 entries lead to the same L2 tables again and again"
            complain(f"qcowscope map: {shown(options.image)}: stopped at {where}: {reason}")
            status = ExitStatus.NOT_COMPLETED
        for why, length in sorted(unknown.items()):
            complain(f"qcowscope map: {shown(options.image)}: {counted(length, 'byte')} {WORDS[why]}")
            status = status or ExitStatus.RANGES_NOT_READ
        return cautioned(disk.evidences, status)


def _lacks_backing(disk: Disk) -> int | None:
    """The layer whose unallocated ranges come from a file that was not supplied."""
    last = len(disk.layers) - 1
    return None if disk.layers[last].backing_file is None else last


def _bounded(disk: Disk) -> Iterator[list[Run]]:
    """The runs of a disk, but no more than its distinct tables can make: tables used twice could make any number."""
    left = FEW_EXTENTS
    bounded = False
    for runs in disk.runs():
        if len(runs) > left and not bounded:
            left += max(0, sum(layer.most_extents() for layer in disk.layers) - FEW_EXTENTS)
            bounded = True
        if len(runs) > left:
            return
        left -= len(runs)
        yield runs


def _counting_unknown(found: Iterator[list[Run]], unknown: Counter[Reason]) -> Iterator[list[Run]]:
    """The same runs; sums up the bytes of those that no table is known for."""
    for runs in found:
        for run in runs:
            if run[5] in WORDS:
                unknown[Reason(run[5])] += run[1]
        yield runs


def _print_json(found: Iterator[list[Run]], lacks: int | None) -> int:
    """One extent a line, printed as it is found: a list of millions need not fit into memory. Gives where they end."""
    separator, end = "[", 0
    for runs in found:
        print(separator + ",\n".join(_lines(runs, lacks)), end="")
        separator, end = ",\n", runs[-1][0] + runs[-1][1]
    print("[]" if separator == "[" else "]")
    return end


def _lines(runs: list[Run], lacks: int | None) -> Iterator[str]:
    """Extents as JSON, with the names of qemu-img map, and `state`, where it is stored, why it is absent.

    Put together by hand, since there may be millions of them and the parts that vary are numbers.
    """
    from forensic.mapping.extents import State, is_located

    unallocated = int(State.UNALLOCATED)
    compressed = int(State.COMPRESSED)  # looking up a member takes as long as a number to print
    located = [is_located(state, Reason.NONE) for state in State]
    constant = {int(state): json.dumps(_said_of(state))[1:-1] for state in State}
    for guest_offset, length, host_offset, stored_length, state, reason, depth, skip in runs:
        line = f'{{"start": {guest_offset}, "length": {length}, "depth": {depth}, {constant[state]}'
        if state == compressed:  # QEMU gives no offset for these either: it would not be that of the bytes
            line += f', "stored_offset": {host_offset}, "stored_length": {stored_length}'
            if skip:  # the extent begins inside the cluster, since the layer above hides what comes before
                line += f', "decoded_offset": {skip}'
        elif located[state] or (reason and is_located(state, reason)):
            line += f', "offset": {host_offset}'
        if reason:
            line += f', "reason": "{Reason(reason).code}"'
        elif state == unallocated and depth == lacks:
            line += f', "reason": "{Reason.BACKING_NOT_SUPPLIED.code}"'
        yield line + "}"


def _said_of(state: State) -> dict[str, Json]:
    """What all extents in one state have in common."""
    from forensic.mapping.extents import State

    return {
        "present": state != State.UNALLOCATED,
        "zero": state in (State.ZERO, State.ZERO_ALLOCATED, State.UNALLOCATED),
        "data": state in (State.DATA, State.COMPRESSED),
        "compressed": state == State.COMPRESSED,
        "state": state.name.lower(),
    }


def _print_text(found: Iterator[list[Run]], lacks: int | None) -> int:
    """One extent a line; the words that extents have in common are put together once. Gives where they end."""
    from forensic.mapping.extents import State, is_located

    end = 0
    states = [state.name.lower().replace("_", " ") for state in State]
    reasons = {int(reason): f" ({reason.code})" if reason else "" for reason in Reason}
    unallocated, not_supplied = int(State.UNALLOCATED), int(Reason.BACKING_NOT_SUPPLIED)
    print(f"{'guest offset':>18}  {'length':>18}  {'host offset':>18}  level  state")
    for runs in found:
        lines = []
        for guest_offset, length, host_offset, _, state, reason, depth, _ in runs:
            place = f"{host_offset:#018x}" if is_located(state, reason) else "                 -"
            why = reasons[not_supplied if state == unallocated and depth == lacks else reason]
            lines.append(f"{guest_offset:#018x}  {length:#18x}  {place}  {depth:>5}  {states[state]}{why}")
        print("\n".join(lines))
        end = runs[-1][0] + runs[-1][1]
    return end
