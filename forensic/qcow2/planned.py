"""Header and L1 table that come from a recovery plan in place of the file's; see `forensic.disk.planned`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.qcow2.geometry import ACTIVE

if TYPE_CHECKING:  # numpy is loaded to walk tables, not to look at the header
    from forensic.qcow2.arrays import U64
    from forensic.qcow2.geometry import Geometry
    from forensic.qcow2.tables import L1Table


class PlannedMetadata(Struct, frozen=True):
    """What a plan says in place of the file.

    `header` is the header cluster, `l1_entries` the L1 table of the active disk, which lies at `l1_offset` if it is in
    the file at all.
    """

    header: bytes
    l1_offset: int
    l1_entries: U64

    @property
    def size_is_least(self) -> bool:
        """Whether the size of the disk is only where its tables end: it has that many bytes, or more."""
        return False

    @property
    def header_is_made(self) -> bool:
        """Whether no field of the header comes from the file."""
        return False

    def l1(self, geometry: Geometry, file_size: int) -> L1Table:
        """The L1 table of the disk."""
        from forensic.qcow2.tables import L1Table

        size = geometry.virtual_size
        count = len(self.l1_entries)
        return L1Table(ACTIVE, self.l1_offset, count, self.l1_entries, geometry, file_size, size, by_plan=True)
