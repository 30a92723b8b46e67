"""What an extraction is asked to do."""

from __future__ import annotations

from msgspec import Struct


class Settings(Struct, frozen=True):
    """Sizes are in bytes.

    `guest_range` is (start, length); `split` the size of a segment; `hash_window` that of a window of the piecewise
    hashes. `strict` stops at the first range that cannot be read instead of filling it. `verify` reads the output
    again. `resume` continues an interrupted extraction; a partial output is kept with it or `keep_partial`.
    `in_use` extracts from files that another process may be writing to.
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
