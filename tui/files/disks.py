"""The disks of an image whose files are looked at, each opened once, with what was supplied."""

from __future__ import annotations

from forensic import Disk, Qcow1Image, Qcow2Image, open_disk
from forensic.explore import GuestFiles, Snapshot
from tui.session.supplies import Supplies

ACTIVE = -1
"""The number of the active disk; those of snapshots count from 0."""


class DisksOfImage:
    """Disks by number; they stay open, since what was found on one may be asked about again."""

    def __init__(self, image: Qcow2Image | Qcow1Image) -> None:
        self._image = image
        self._open: dict[tuple[int, Supplies], GuestFiles] = {}

    def open(self, number: int, supplies: Supplies) -> GuestFiles:
        """The files on a disk. Raises what opening a disk raises."""
        if (number, supplies) not in self._open:
            disk: Disk = open_disk(self._image, self.snapshot(number), supplies.supplied())
            self._open[number, supplies] = GuestFiles(self._image, disk)
        return self._open[number, supplies]

    def snapshot(self, number: int) -> Snapshot | None:
        """The snapshot of a number; None for the active disk."""
        return self.snapshots[number] if number != ACTIVE else None

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Those that can be read; an image that is read by a plan has but the disk of the plan."""
        image = self._image
        if isinstance(image, Qcow1Image) or image.planned is not None or not image.header.nb_snapshots:
            return ()
        return tuple(image.snapshots.snapshots)

    def name(self, number: int) -> str:
        """What a disk is called."""
        snapshot = self.snapshot(number)
        return "active disk" if snapshot is None else f"snapshot {number} “{snapshot.name.text}”"

    def others(self, *numbers: int) -> list[int]:
        """The numbers of all disks but these."""
        return [each for each in (ACTIVE, *range(len(self.snapshots))) if each not in numbers]
