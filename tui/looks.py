"""What cells of maps look like; light, since the first screen draws with it before any table is read."""

from __future__ import annotations

from msgspec import Struct

from forensic import Severity


class Cell(Struct, frozen=True):
    """The look of one cell: a glyph that needs no colour, and a component class."""

    glyph: str
    kind: str


class Look(Struct, frozen=True):
    """A glyph, the class `map--…`, and the word in the legend."""

    glyph: str
    kind: str
    name: str

    @property
    def cell(self) -> Cell:
        """A cell that looks so."""
        return Cell(self.glyph, self.kind)


EMPTY = Cell(" ", "none")
MARKS = {Severity.CRITICAL: "✖", Severity.HIGH: "▲", Severity.MEDIUM: "●", Severity.LOW: "○", Severity.INFO: "·"}

MAP_CLASSES = frozenset(
    f"map--{kind}"
    for kind in (
        *("none", "header", "l1", "l2", "refcount", "snapshot", "bitmap", "luks", "data", "compressed"),
        *(
            "zero",
            "zero-kept",
            "free",
            "unallocated",
            "absent",
            "finding",
            "note",
            "hit",
            "orphan",
            "pending",
            "cursor",
        ),
        *("critical", "high", "medium", "low"),
        *("heat0", "heat1", "heat2", "heat3", "heat4"),
    )
)
"""The component classes of every widget that draws cells."""
