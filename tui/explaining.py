"""What the inspector says of the byte at the cursor besides what the format knows of it."""

from __future__ import annotations

from forensic.explore import Inspection, Space
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
