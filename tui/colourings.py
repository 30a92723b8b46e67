"""The ways to colour a map: what each can show, and from sums to the cells of a grid."""

from __future__ import annotations

from collections.abc import Mapping

from forensic import Severity
from forensic.explore import (
    ONE_BY_ONE,
    Count,
    Grid,
    Qcow1RegionIndex,
    RegionIndex,
    Space,
    SpaceUsage,
    Tenant,
    snapshot_of,
)
from tui.desk import Desk
from tui.kinds import FILLS, FINDING, FREE, HEATS, HIT, NOTE, ORPHAN, PENDING, STATES
from tui.looks import MARKS, Cell, Look
from tui.map_cells import cells_touched, file_cells, guest_cells, with_findings, with_hits, with_notes, with_orphans

KIND, ENTROPY, REFCOUNT, OWNER, TROUBLE = "kind", "entropy", "refcount", "owner", "finding"
COLOURS = (KIND, REFCOUNT, OWNER, TROUBLE, ENTROPY)
BY_CLUSTER_CODE = (REFCOUNT, OWNER)

COUNTS = {
    Count.NOWHERE: FREE,
    Count.UNKNOWN: Look("?", "pending", "cannot be read"),
    Count.ZERO: Look("0", "free", "no reference"),
    Count.ONE: Look("1", "data", "one"),
    Count.TWO: Look("2", "bitmap", "two"),
    Count.FEW: Look("3", "l2", "three to seven"),
    Count.MANY: Look("8", "header", "eight and more"),
}
TENANTS = {
    Tenant.NOBODY: FREE,
    Tenant.METADATA: Look("M", "zero-kept", "the image itself"),
    Tenant.ACTIVE: Look("A", "data", "active disk alone"),
    Tenant.SHARED: Look("=", "compressed", "active and snapshots"),
    Tenant.SEVERAL: Look("&", "refcount", "several snapshots"),
}
SNAPSHOT_KINDS = ("snapshot", "l2", "bitmap", "l1", "luks", "header", "refcount", "finding", "zero")
SEVERITIES = {
    Severity.CRITICAL: Look(MARKS[Severity.CRITICAL], "critical", "critical"),
    Severity.HIGH: Look(MARKS[Severity.HIGH], "high", "high"),
    Severity.MEDIUM: Look(MARKS[Severity.MEDIUM], "medium", "medium"),
    Severity.LOW: Look(MARKS[Severity.LOW], "low", "low"),
}
QUIET = Look("·", "free", "nothing found")


def looks_of(colour: str, space: Space, region_index: RegionIndex | Qcow1RegionIndex) -> Mapping[int, Look]:
    """What each row of the sums looks like; only for colours whose cells are sums."""
    if colour == REFCOUNT:
        return {int(key): look for key, look in COUNTS.items()}
    if colour == OWNER:
        return {int(key): look for key, look in TENANTS.items()} | _snapshots(region_index)
    table = FILLS if space == Space.HOST else STATES
    return {int(key): look for key, look in table.items()}


def legend_of(colour: str, region_index: RegionIndex | Qcow1RegionIndex) -> list[Look]:
    """Every look that a map in this colour may show, each once."""
    if colour == ENTROPY:
        return [*HEATS]
    if colour == TROUBLE:
        return [*SEVERITIES.values(), QUIET]
    if colour in BY_CLUSTER_CODE:
        return list(looks_of(colour, Space.HOST, region_index).values())
    return list(dict.fromkeys([*FILLS.values(), FREE, ORPHAN, *STATES.values(), FINDING, NOTE, HIT]))


def cells_of(
    colour: str,
    space: Space,
    usage: SpaceUsage,
    desk: Desk,
) -> list[Cell]:
    """The cells of a grid, with every place of every finding."""
    if colour == TROUBLE:
        return _cells_of_trouble(usage.grid, space, desk)
    if colour in BY_CLUSTER_CODE:
        looks = looks_of(colour, space, desk.region_index)
        choose = _highest if colour == REFCOUNT else _most
        return [choose(sums, looks, usage.done) for sums in usage.sums.T.tolist()]
    cells = file_cells(usage) if space == Space.HOST else guest_cells(usage)
    if desk.orphans and space == Space.HOST:
        cells = with_orphans(cells, usage.grid, desk.orphans)
    cells = with_findings(cells, usage.grid, desk.places_of_trouble(space))
    cells = with_notes(cells, usage.grid, [note.place for note in desk.notes.notes if note.place.space == space])
    return with_hits(cells, usage.grid, [place for place in desk.matches if place.space == space])


def _snapshots(region_index: RegionIndex | Qcow1RegionIndex) -> dict[int, Look]:
    looks: dict[int, Look] = {}
    for number in range(min(len(region_index.l1_tables) - 1, ONE_BY_ONE + 1)):
        code = Tenant.SNAPSHOT + number
        glyph = f"{number}" if number < ONE_BY_ONE else "+"
        looks[code] = Look(glyph, SNAPSHOT_KINDS[number], snapshot_of(code, region_index.l1_tables))
    return looks


def _cells_of_trouble(grid: Grid, space: Space, desk: Desk) -> list[Cell]:
    """Each cell by the worst finding that has a place in it."""
    cells = [QUIET.cell] * grid.cells
    for finding in reversed(desk.trouble()):
        places = desk.finding_places.of(finding.rule, space)
        for number in cells_touched(grid, places.begins, places.ends):
            cells[number] = SEVERITIES[finding.severity].cell
    return cells


def _highest(sums: list[int], looks: Mapping[int, Look], done: float) -> Cell:
    """The highest refcount that occurs in the cell."""
    return next((looks[key].cell for key in reversed(list(looks)) if sums[key]), _nothing(done))


def _most(sums: list[int], looks: Mapping[int, Look], done: float) -> Cell:
    """What fills most of the cell."""
    best = max((key for key in looks if key != Tenant.NOBODY), key=lambda key: sums[key])
    return looks[best].cell if sums[best] else _nothing(done)


def _nothing(done: float) -> Cell:
    return FREE.cell if done >= 1 else PENDING.cell
