"""The options of `extract` as settings of an extraction, and what they may not be together."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from forensic.cli.parser import UsageError
from forensic.numbers import parse_range, parse_size
from forensic.untrusted import shown, shown_whole
from forensic.version import __version__

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.extraction.settings import Container, Settings

CASE_FIELDS = {
    "case_number": "case number",
    "evidence_number": "number of the evidence item",
    "examiner": "name of the examiner",
    "description": "description of the evidence",
    "notes": "any other notes for the report",
}
SMALLEST_PIECE = 512

Value = TypeVar("Value")


def settings_of(options: argparse.Namespace, output: Path | None, disk: Disk) -> Settings:
    """What the options ask for; `output` is None for standard output. Raises `UsageError`."""
    from forensic.extraction.settings import Settings

    container = _container(options, output)
    settings = Settings(
        hashes=hashes_of(options.hash),
        guest_range=_guest_range(options.range, disk.size) if options.range else None,
        split=None if container else _piece_size("--split", options.split),
        sparse=not options.no_sparse,
        hash_window=_piece_size("--hash-window", options.hash_window),
        strict=options.strict,
        verify=options.verify,
        resume=options.resume,
        keep_partial=options.keep_partial,
        force=options.force,
        in_use=options.in_use,
        container=container,
    )
    if output is None:
        for name in ("split", "resume", "verify", "sidecars", "keep_partial"):
            if getattr(options, name):
                raise UsageError(f"qcowscope extract: --{name.replace('_', '-')} cannot be used with standard output")
    if not settings.hashes:
        for name in ("verify", "resume", "sidecars"):
            if getattr(options, name):
                raise UsageError(f"qcowscope extract: --{name} needs a hash; --hash none leaves nothing to compare")
    return settings


def _container(options: argparse.Namespace, output: Path | None) -> Container | None:
    """What is asked for of an E01 container; None for a raw output. Raises `UsageError`."""
    named = output is not None and output.suffix.lower() == ".e01"
    if options.format == "raw" or (options.format is None and not named):
        if options.level is not None:
            raise UsageError("qcowscope extract: --level is for an E01 container")
        return None
    from forensic.e01.layout import CaseData
    from forensic.e01.writer import FASTEST, SMALLEST_SEGMENT
    from forensic.extraction.settings import Container

    if output is None:
        raise UsageError("qcowscope extract: a container cannot go to standard output")
    for name in ("resume", "keep_partial", "sidecars", "no_sparse"):
        if getattr(options, name):
            raise UsageError(f"qcowscope extract: --{name.replace('_', '-')} does not go with an E01 container")
    segment_size = _piece_size("--split", options.split)
    if segment_size is not None and segment_size < SMALLEST_SEGMENT:
        raise UsageError(f"qcowscope extract: --split: the smallest segment has {SMALLEST_SEGMENT:,} bytes")
    given = {name: shown_whole(getattr(options, name) or "") for name in CASE_FIELDS}
    tool = f"qcowscope {__version__}"
    case = CaseData(**given, version=tool, system=os.uname().sysname, acquired=_moment())
    return Container(FASTEST if options.level is None else options.level, segment_size, case)


def _moment() -> int:
    """Seconds since 1970 of the acquisition; where outputs are to be reproducible they are given."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 11 else int(time.time())


def hashes_of(text: str) -> tuple[str, ...]:
    """The hashes that a list separated by commas names; none for `none`. Raises `UsageError`."""
    from forensic.output.hashes import usable_hashes

    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in usable_hashes()]
    if unknown:
        known = ", ".join(usable_hashes())
        raise UsageError(f"qcowscope extract: unknown hash {shown(unknown[0])}; known are {known}, none")
    return names


def _guest_range(text: str, disk_size: int) -> tuple[int, int]:
    start, length = _parsed("--range", parse_range, text)
    if start < 0:
        start += disk_size
    if length is None:
        length = max(0, disk_size - start)
    if not 0 <= start <= start + length <= disk_size:
        raise UsageError(f"qcowscope extract: --range {shown(text)} is not within the disk of {disk_size:,} bytes")
    return start, length


def _piece_size(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    size = _parsed(option, parse_size, text)
    if size < SMALLEST_PIECE:
        raise UsageError(f"qcowscope extract: {option} {shown(text)}: the smallest is {SMALLEST_PIECE} bytes")
    return size


def _parsed(option: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"qcowscope extract: {option}: {shown(str(error))}") from error
