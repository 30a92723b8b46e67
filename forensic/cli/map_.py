"""`qcowscope map`: where each guest range is."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.parser import Subparsers, add_command, add_image, add_json
from forensic.cli.sources import add_files, add_snapshot, disk_of
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.qcow2.mapping import Extent


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "map",
        run,
        "list the guest extents: where each range of the virtual disk is in the file",
        "The JSON is a list of objects with the names that qemu-img map uses, and some more.",
    )
    add_image(parser)
    add_json(parser)
    add_snapshot(parser)
    add_files(parser)


def run(options: argparse.Namespace) -> int:
    """Print the extents of the active disk or of a snapshot; no key is needed, and no file that it lies on."""
    from forensic.qcow2.image import open_any

    with open_any(options.image) as image, disk_of(image, options, with_key=False) as disk:
        if options.json:
            _print_json(disk.extents())
        else:
            _print_text(disk.extents())
    return 0


def extent_json(extent: Extent) -> dict[str, Json]:
    """One extent with the names of qemu-img map, and `state`, `compressed`, where it is stored, why it is absent."""
    from forensic.qcow2.mapping import State

    described: dict[str, Json] = {
        "start": extent.guest_offset,
        "length": extent.length,
        "depth": extent.depth,
        "present": extent.state != State.UNALLOCATED,
        "zero": extent.state in (State.ZERO, State.ZERO_ALLOCATED, State.UNALLOCATED),
        "data": extent.state in (State.DATA, State.COMPRESSED),
        "compressed": extent.state == State.COMPRESSED,
        "state": extent.state.name.lower(),
    }
    if extent.state == State.COMPRESSED:  # QEMU gives no offset for these either: it would not be that of the bytes
        described |= {"stored_offset": extent.host_offset, "stored_length": extent.stored_length}
        if extent.skip:  # the extent begins inside the cluster, since the level above hides what comes before
            described["decoded_offset"] = extent.skip
    elif extent.host_offset is not None:
        described["offset"] = extent.host_offset
    if extent.reason:
        described["reason"] = extent.reason.code
    return described


def _print_json(extents: Iterator[Extent]) -> None:
    """One extent a line, printed as it is found: a list of millions need not fit into memory."""
    separator = "["
    for extent in extents:
        print(separator + json.dumps(extent_json(extent)), end="")
        separator = ",\n"
    print("[]" if separator == "[" else "]")


def _print_text(extents: Iterator[Extent]) -> None:
    print(f"{'guest offset':>18}  {'length':>18}  {'host offset':>18}  level  state")
    for extent in extents:
        place = f"{extent.host_offset:#018x}" if extent.host_offset is not None else "-"
        state = extent.state.name.lower().replace("_", " ")
        reason = f" ({extent.reason.code})" if extent.reason else ""
        print(f"{extent.guest_offset:#018x}  {extent.length:#18x}  {place:>18}  {extent.depth:>5}  {state}{reason}")
