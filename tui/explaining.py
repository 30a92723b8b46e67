"""What the inspector says of the byte at the cursor besides what the format knows of it."""

from __future__ import annotations

from collections.abc import Iterable

from forensic.explore import Inspection, Range, Space
from tui.desk import Desk


def guest_inspection(desk: Desk) -> Inspection | None:
    """What the guest keeps there: a field of a partition table or of a file system."""
    guest_offset = desk.guest_offset()
    inspection = desk.inspection() if desk.place.space == Space.HOST else None
    if guest_offset is None or desk.lens is None or (inspection and inspection.known):
        return None
    return desk.lens.inspect(guest_offset)


def numbers_at(desk: Desk, little_endian: bool, guest: Inspection | None) -> list[tuple[str, str]]:
    """The bytes from the cursor on, read as numbers; none where the format or the guest's says what they are."""
    from forensic.explore import numbers_of

    inspection = desk.inspection()
    if guest or (desk.place.space == Space.HOST and inspection and inspection.known):
        return []
    data = desk.view_of(desk.place.space).read(desk.place.offset, 8)
    return numbers_of(data, little_endian) if isinstance(data, bytes) else []


def owners_at(desk: Desk) -> list[str]:
    """What owns the cluster there, and whether its refcount is right; empty while that is not known."""
    owned, host_offset = desk.ownership, desk.host_offset()
    if owned is None or host_offset is None:
        return []
    if host_offset // owned.cluster_size * owned.cluster_size != owned.cluster_host_offset:
        return []
    from tui.facts import owners_of

    return owners_of(owned)


def findings_at(desk: Desk, host_offset: int | None) -> list[str]:
    """What the rules say of a byte: in words where the place is one of those that are worded."""
    if host_offset is None:
        return []
    found = []
    for finding in desk.trouble():
        if not desk.finding_places.of(finding.rule, Space.HOST).overlapping(host_offset, host_offset + 1):
            continue
        said = [each.observation for each in finding.problems if _holds(each.ranges, host_offset)]
        found += [f"{finding.severity.value} {finding.rule}: {words}" for words in said or [finding.title]]
    return found[:4]


def _holds(places: Iterable[Range], host_offset: int) -> bool:
    return any(
        place.space == Space.HOST and place.offset <= host_offset < place.offset + place.length for place in places
    )
