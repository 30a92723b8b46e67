"""What an extraction is asked to do: as it was typed, and what that comes to."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import asdict

from forensic.numbers import parse_range, parse_size
from forensic.untrusted import Json, shown, shown_whole
from forensic.version import __version__

if TYPE_CHECKING:  # containers are asked for rarely
    from forensic.e01.layout import CaseData

SMALLEST_PIECE = 512

Value = TypeVar("Value")


class Container(Struct, frozen=True):
    """That the disk is written as E01: how well it is compressed (0 to 9), and the size of a segment in bytes."""

    level: int = 1
    segment_size: int | None = None
    case: CaseData | None = None


class Settings(Struct, frozen=True):
    """Sizes are in bytes.

    `guest_range` is (start, length); `split` the size of a segment; `hash_window` that of a window of the piecewise
    hashes. `strict` stops at the first range that cannot be read instead of filling it. `verify` reads the output
    again. `resume` continues an interrupted extraction; a partial output is kept with it or `keep_partial`.
    `in_use` extracts from files that another process may be writing to. With a `container` the output is E01, which is
    neither split nor continued nor read back.
    """

    hashes: tuple[str, ...] = ("sha256",)
    guest_range: tuple[int, int] | None = None
    split: int | None = None
    sparse: bool = True
    hash_window: int | None = None
    strict: bool = False
    verify: bool = False
    resume: bool = False
    keep_partial: bool = False
    force: bool = False
    in_use: bool = False
    container: Container | None = None

    def in_effect(self) -> dict[str, Json]:
        """All that is set, for the record of a run."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Asked(Struct, frozen=True):
    """The options of an extraction by their names on the command line, sizes and ranges as they were typed.

    None stands for an option that was not given; the last five are the case data of a container.
    """

    hash: str = "sha256"
    range: str | None = None
    split: str | None = None
    hash_window: str | None = None
    format: str | None = None
    level: int | None = None
    no_sparse: bool = False
    strict: bool = False
    verify: bool = False
    sidecars: bool = False
    resume: bool = False
    keep_partial: bool = False
    force: bool = False
    in_use: bool = False
    case_number: str | None = None
    evidence_number: str | None = None
    examiner: str | None = None
    description: str | None = None
    notes: str | None = None


def settings_of(asked: Asked, output: Path | None, disk_size: int) -> Settings:
    """What that comes to for a disk of so many bytes; `output` is None for standard output.

    Raises `ValueError`, in words that name the option, for what cannot be or does not go together.
    """
    container = _container(asked, output)
    settings = Settings(
        hashes=hashes_of(asked.hash),
        guest_range=_guest_range(asked.range, disk_size) if asked.range else None,
        split=None if container else _piece_size("--split", asked.split),
        sparse=not asked.no_sparse,
        hash_window=_piece_size("--hash-window", asked.hash_window),
        strict=asked.strict,
        verify=asked.verify,
        resume=asked.resume,
        keep_partial=asked.keep_partial,
        force=asked.force,
        in_use=asked.in_use,
        container=container,
    )
    if output is None:
        for name in ("split", "resume", "verify", "sidecars", "keep_partial"):
            if getattr(asked, name):
                raise ValueError(f"--{name.replace('_', '-')} cannot be used with standard output")
    if not settings.hashes:
        for name in ("verify", "resume", "sidecars"):
            if getattr(asked, name):
                raise ValueError(f"--{name} needs a hash; --hash none leaves nothing to compare")
    return settings


def is_container(format_: str | None, output: Path | None) -> bool:
    """Whether the output is to be E01: by its format, or without one by its name."""
    named = output is not None and output.suffix.lower() == ".e01"
    return format_ == "e01" or (format_ is None and named)


def level_of(text: str) -> int:
    """How well a container is compressed. Raises `ValueError`."""
    if len(text) != 1 or not text.isascii() or not text.isdigit():
        raise ValueError(f"{text!r} is not a number from 0 to 9")
    return int(text)


def hashes_of(text: str) -> tuple[str, ...]:
    """The hashes that a list separated by commas names; none for `none`. Raises `ValueError`."""
    from forensic.output.hashes import usable_hashes

    names = () if text == "none" else tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in usable_hashes()]
    if unknown:
        raise ValueError(f"unknown hash {shown(unknown[0])}; known are {', '.join(usable_hashes())}, none")
    return names


def _container(asked: Asked, output: Path | None) -> Container | None:
    """What is asked for of an E01 container; None for a raw output."""
    if not is_container(asked.format, output):
        if asked.level is not None:
            raise ValueError("--level is for an E01 container")
        return None
    from forensic.e01.layout import CaseData
    from forensic.e01.writer import FASTEST, SMALLEST_SEGMENT

    if output is None:
        raise ValueError("a container cannot go to standard output")
    for name in ("resume", "keep_partial", "sidecars", "no_sparse"):
        if getattr(asked, name):
            raise ValueError(f"--{name.replace('_', '-')} does not go with an E01 container")
    segment_size = _piece_size("--split", asked.split)
    if segment_size is not None and segment_size < SMALLEST_SEGMENT:
        raise ValueError(f"--split: the smallest segment has {SMALLEST_SEGMENT:,} bytes")
    case = CaseData(
        case_number=shown_whole(asked.case_number or ""),
        evidence_number=shown_whole(asked.evidence_number or ""),
        examiner=shown_whole(asked.examiner or ""),
        description=shown_whole(asked.description or ""),
        notes=shown_whole(asked.notes or ""),
        version=f"qcowscope {__version__}",
        system=os.uname().sysname,
        acquired=_moment(),
    )
    return Container(FASTEST if asked.level is None else asked.level, segment_size, case)


def _moment() -> int:
    """Seconds since 1970 of the acquisition; where outputs are to be reproducible they are given."""
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 11 else int(time.time())


def _guest_range(text: str, disk_size: int) -> tuple[int, int]:
    start, length = _parsed("--range", parse_range, text)
    if start < 0:
        start += disk_size
    if length is None:
        length = max(0, disk_size - start)
    if not 0 <= start <= start + length <= disk_size:
        raise ValueError(f"--range {shown(text)} is not within the disk of {disk_size:,} bytes")
    return start, length


def _piece_size(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    size = _parsed(option, parse_size, text)
    if size < SMALLEST_PIECE:
        raise ValueError(f"{option} {shown(text)}: the smallest is {SMALLEST_PIECE} bytes")
    return size


def _parsed(option: str, parse: Callable[[str], Value], text: str) -> Value:
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"{option}: {shown(str(error))}") from error
