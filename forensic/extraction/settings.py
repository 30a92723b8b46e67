"""What an extraction is asked to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:  # containers are asked for rarely
    from forensic.e01.layout import CaseData


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
