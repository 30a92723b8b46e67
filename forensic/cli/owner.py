"""`qcowscope owner`: whose is this byte of the file?"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned
from forensic.cli.parser import Subparsers, add_command, add_image, add_json, file_offset
from forensic.cli.sources import add_plan, open_as_planned
from forensic.cli.wrapping import wrapped
from forensic.errors import NotAnImage
from forensic.exit_status import ExitStatus
from forensic.untrusted import Json

if TYPE_CHECKING:
    from forensic.accounting.ownership import Ownership


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "owner",
        run,
        "show what a byte of the image file belongs to: every structure and guest range that uses its cluster",
        "Walks all tables of the active disk and of all snapshots.",
    )
    add_image(parser)
    parser.add_argument(
        "--at", required=True, type=file_offset, metavar="HOST_OFFSET", help="offset in the image file (0x for hex)"
    )
    add_plan(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> int:
    """Print the owners of one host cluster."""
    from forensic.accounting.ownership import ownership
    from forensic.image import Qcow1Image

    with open_as_planned(options) as image:
        if isinstance(image, Qcow1Image):
            raise NotAnImage(options.image, "it is a qcow version 1 image")
        found = ownership(image, options.at)
        if options.json:
            print(json.dumps(_as_json(found), indent=2, sort_keys=True))
        else:
            print("\n".join(wrapped(line, 4) for line in _lines(found, image.evidence.size)))
        sys.stdout.flush()
        return cautioned([image.evidence], ExitStatus.DONE)


def _as_json(found: Ownership) -> Json:
    return {
        "host_offset": found.host_offset,
        "cluster": {"host_offset": found.cluster_host_offset, "length": found.cluster_size},
        "refcount_stored": found.stored,
        "references_counted": found.counted,
        "not_known": found.lost,
        "owners": [owned.as_json() for owned in found.owners],
    }


def _lines(found: Ownership, file_size: int) -> Iterator[str]:
    stored = "cannot be read" if found.stored is None else f"{found.stored:,}"
    yield f"host offset {found.host_offset:#x}, in the cluster at {found.cluster_host_offset:#x}"
    if found.host_offset >= file_size:
        yield f"  the file ends at {file_size:#x}"
    yield f"  refcount stored: {stored}, references counted: {found.counted:,}"
    if not found.owners and found.lost:
        yield f"  owner not known: {found.lost}"
    elif not found.owners:
        yield "  no owner: nothing in the image refers to this cluster"
    elif found.lost:
        yield f"  there may be more owners: {found.lost}"
    for owned in found.owners:
        within = owned.host_offset <= found.host_offset < owned.host_offset + owned.length
        place = f"{owned.host_offset:#x} to {owned.host_offset + owned.length:#x}"
        guest = ""
        if owned.guest_offset is not None:
            guest = f", guest offset {owned.guest_offset:#x}"
        yield f"  {owned.owner.value}: {owned.path}, {place}{guest}{'' if within else ' (beside this byte)'}"
