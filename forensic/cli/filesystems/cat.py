"""`qcowscope fs cat`: one file out of a disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.filesystems.sources import (
    add_disk,
    add_file,
    add_limit,
    add_volume,
    as_path,
    bounds_of,
    chosen,
    ended,
    file_named,
    found_on,
    is_missing,
    opened,
    report,
)
from forensic.cli.parser import Subparsers, UsageError, add_command
from forensic.cli.sources import files_read_by
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus, status_of_all
from forensic.output.hashes import new_digest, usable_hashes
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.filesystems.entries import Entry, Unread
    from forensic.filesystems.reading import Reading
    from forensic.output.hashes import Digest
    from forensic.volumes.listing import NamedVolume

UNREAD_SHOWN = 20
"""Ranges that are printed one by one."""

Write = Callable[[bytes], object]


class _NotWhole(Exception):
    """There is no such file, or its reader failed: nothing is kept."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "cat",
        run,
        "give the content of one file",
        "What cannot be read is given as zeros and listed on standard error; the exit status is 5 then. A file that "
        "claims to be larger than its volume is given up to the volume's size.",
    )
    add_disk(parser)
    add_file(parser)
    add_volume(parser, "the only one that can be read")
    parser.add_argument("--deleted", action="store_true", help="look for PATH among deleted entries as well")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it (default: standard output)")
    parser.add_argument("--force", action="store_true", help="overwrite FILE")
    parser.add_argument(
        "--hash",
        metavar="NAME,...",
        type=_hashes,
        default=(),
        help=f"print these hashes; without -o instead of the content ({', '.join(usable_hashes())})",
    )
    add_limit(parser)


def run(options: argparse.Namespace) -> int:
    """Give the file. Raises what opening the disk raises, `UsageError`, `OutputFailed` and `ReaderNotInstalled`."""
    if options.force and options.output in (None, "-"):
        raise UsageError("qcowscope fs cat: --force is for -o")
    name = file_named(options, "cat")
    with opened(options) as (_, disk):
        volume = chosen(found_on(disk), options)[0]
        return ended([disk], _give(disk, volume, name, options))


def _hashes(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in usable_hashes()]:
        raise argparse.ArgumentTypeError(f"unknown hash {shown(unknown[0])}; known are {', '.join(usable_hashes())}")
    return names


def _give(disk: Disk, volume: NamedVolume, name: str, options: argparse.Namespace) -> ExitStatus:
    from forensic.filesystems.reading import Reading
    from forensic.filesystems.walking import Task

    path = as_path(options.path or "")
    task = Task(
        path=path,
        address=options.inode or "",
        deleted=options.deleted,
        content=True,
        most=min(volume.length, disk.size),
    )
    reading = Reading(disk, volume, task, bounds_of(options))
    digests = {one: new_digest(one) for one in options.hash}
    entry = None
    try:
        with _output(disk, options) as write:
            entry = _copied(reading, write, digests, name)
            if entry is None or reading.failure:
                raise _NotWhole
    except _NotWhole:
        return _judged(reading, None, name)
    for hash_name, digest in digests.items():
        print(f"{hash_name}  {digest.hexdigest()}  {name}")
    sys.stdout.flush()
    return _judged(reading, entry, name)


def _copied(reading: Reading, write: Write, digests: dict[str, Digest], name: str) -> Entry | None:
    """Pass the content on; the entry it belongs to, None if there is none. Raises `UsageError` for a folder."""
    entry = None
    for item in reading.items():
        if isinstance(item, bytes):
            write(item)
            for digest in digests.values():
                digest.update(memoryview(item))
            continue
        entry = item
        if entry.kind == "directory":
            raise UsageError(f"qcowscope fs cat: {name} is a directory")
    return entry


@contextmanager
def _output(disk: Disk, options: argparse.Namespace) -> Iterator[Write]:
    """Where the content goes. Raises `OutputFailed`."""
    if options.output in (None, "-"):
        yield _nowhere if options.hash else _to_standard_output
        return
    from forensic.output.new_file import NewFile
    from forensic.output.paths import refuse

    path = Path(options.output)
    refuse([path], [*disk.evidences, *files_read_by(options)], options.force)
    file = NewFile(path, options.force)
    try:
        yield file.append
        file.complete()
    finally:
        file.abandon()


def _nowhere(content: bytes) -> None:
    """Only the hashes are wanted."""


def _to_standard_output(content: bytes) -> None:
    sys.stdout.buffer.write(content)


def _judged(reading: Reading, entry: Entry | None, name: str) -> ExitStatus:
    """Say what was not read; the exit status."""
    status = report([reading])
    if is_missing(reading, name):
        return ExitStatus.NOT_COMPLETED
    if entry is not None and entry.reallocated:
        from forensic.filesystems.entries import REALLOCATED

        complain(f"note: {name}: {REALLOCATED}, and so does this content (inode {entry.address})")
    for start, length, reason in _joined(reading.unread)[:UNREAD_SHOWN]:
        complain(f"qcowscope: {name}: bytes {start:,} to {start + length:,} cannot be read: {shown(reason)}")
    if len(_joined(reading.unread)) > UNREAD_SHOWN:
        complain(f"qcowscope: {name}: {len(_joined(reading.unread)) - UNREAD_SHOWN:,} more ranges cannot be read")
    if entry is not None and entry.size > reading.most_bytes:
        complain(
            f"qcowscope: {name}: claims {entry.size:,} bytes, more than the {reading.most_bytes:,} of its volume, "
            "which is how many are given"
        )
        return status_of_all([status, ExitStatus.RANGES_NOT_READ])
    return status


def _joined(unread: list[Unread]) -> list[tuple[int, int, str]]:
    """Neighbours as one: start, length, and the reason of the first."""
    found: list[tuple[int, int, str]] = []
    for one in unread:
        if found and found[-1][0] + found[-1][1] == one.offset:
            start, length, reason = found[-1]
            found[-1] = (start, length + one.length, reason)
        else:
            found.append((one.offset, one.length, one.fault.reason))
    return found
