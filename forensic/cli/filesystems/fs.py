"""`qcowscope fs`: the commands about the files inside a disk."""

from __future__ import annotations

from forensic.cli.filesystems import cat, diff, ls, owner, timeline, where
from forensic.cli.parser import UNMEASURED, Parser, Subparsers

SUMMARY = "list, read, date, place and compare the files inside a disk"


def add(subparsers: Subparsers) -> None:
    """Add the commands to the parser."""
    parser: Parser = subparsers.add_parser(
        "fs",
        help=SUMMARY,
        description=f"{SUMMARY[0].upper()}{SUMMARY[1:]}. Reads ext2/3/4, NTFS, FAT and exFAT by The Sleuth Kit, "
        "which the extra `fs` installs, and XFS, on partitions and LVM2 logical volumes.",
        allow_abbrev=False,
        formatter_class=UNMEASURED,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="qcowscope fs")
    for module in (ls, cat, timeline, where, owner, diff):
        module.add(commands)
