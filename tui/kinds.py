"""How kinds and states look: a glyph that distinguishes them without colour, a class of the stylesheet, a name."""

from __future__ import annotations

from forensic import State
from forensic.explore import Fate, Fill
from tui.looks import Cell, Look

FILLS = {
    Fill.HEADER: Look("H", "header", "header"),
    Fill.L1: Look("L", "l1", "L1 table"),
    Fill.L2: Look("T", "l2", "L2 tables"),
    Fill.REFCOUNT: Look("R", "refcount", "refcounts"),
    Fill.SNAPSHOT: Look("S", "snapshot", "snapshot table"),
    Fill.BITMAP: Look("B", "bitmap", "bitmaps"),
    Fill.LUKS: Look("K", "luks", "LUKS header"),
    Fill.DATA: Look("■", "data", "data"),
    Fill.COMPRESSED: Look("◆", "compressed", "compressed"),
    Fill.ZERO_ALLOCATED: Look("▫", "zero-kept", "allocated zeros"),
    Fill.SNAPSHOT_DATA: Look("▦", "snapshot", "only in snapshots"),
}
ORPHAN = Look("▒", "orphan", "orphan")
FREE = Look("·", "free", "not in use")

STATES = {
    State.DATA: Look("■", "data", "data"),
    State.COMPRESSED: Look("◆", "compressed", "compressed"),
    State.ZERO: Look("□", "zero", "zeros"),
    State.ZERO_ALLOCATED: Look("▫", "zero-kept", "zeros, cluster kept"),
    State.UNALLOCATED: Look("·", "unallocated", "unallocated"),
    State.ABSENT: Look("✗", "absent", "absent"),
}

FINDING = Look("▲", "finding", "finding")
NOTE = Look("✎", "note", "note")
HIT = Look("★", "hit", "search hit")
PENDING = Look("░", "pending", "not read yet")
FATES = {
    Fate.READ: Look("■", "data", "read"),
    Fate.ZERO: Look("·", "zero", "zero"),
    Fate.MISSING: Look("✗", "absent", "unreadable"),
}
HEATS = (
    Look("·", "heat0", "one byte value"),
    Look("░", "heat1", "below 2 bits a byte"),
    Look("▒", "heat2", "below 5"),
    Look("▓", "heat3", "below 7.5"),
    Look("█", "heat4", "noise"),
)


def words_of_entropy(entropy: float | None) -> str:
    """An entropy as it is said of a cell."""
    return "cannot be read" if entropy is None else f"entropy {entropy:.2f} bits a byte"


def heat(entropy: float | None) -> Cell:
    """The look of an entropy in bits a byte."""
    if entropy is None:
        return STATES[State.ABSENT].cell
    limits = (0.01, 2.0, 5.0, 7.5)
    return HEATS[sum(entropy >= limit for limit in limits)].cell
