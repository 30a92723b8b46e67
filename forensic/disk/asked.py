"""Which disk of an image is asked for, by the words of whoever asks: the command line, or a form."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.disk.opening import SavedState, Supplied, find_snapshot, open_disk
from forensic.qcow2.metadata import Qcow1Metadata, Qcow2Metadata


class AskedDisk(Struct, frozen=True):
    """The options by their names on the command line; without any, the active disk.

    `snapshot` is an id, a name or `#` and an index, `bitmap` the name of a dirty bitmap of the active disk; with
    `vm_state` the machine state is asked for that was saved with the snapshot.
    """

    snapshot: str | None = None
    bitmap: str | None = None
    vm_state: bool = False

    def refuse_contradictions(self) -> None:
        """Raises `ValueError`, in words that name the options, for what does not go together."""
        if self.vm_state and self.snapshot is None:
            raise ValueError("--vm-state needs --snapshot, since a machine state is saved with one")
        if self.bitmap is not None and self.snapshot is not None:
            raise ValueError("--bitmap is about the active disk, and does not go with --snapshot")


def open_asked(image: Qcow2Metadata | Qcow1Metadata, asked: AskedDisk, supplied: Callable[[], Supplied]) -> Disk:
    """The disk that is asked for, with what `supplied` gives once it is known that there is something to open.

    Close it after use. Raises what `find_snapshot`, `open_disk` and `marked_by` raise, and `ValueError`.
    """
    asked.refuse_contradictions()
    if asked.snapshot is not None:
        snapshot = find_snapshot(image, asked.snapshot)
        return open_disk(image, SavedState(snapshot) if asked.vm_state else snapshot, supplied())
    disk = open_disk(image, None, supplied())
    if asked.bitmap is None:
        return disk
    from forensic.disk.bitmap_selection import marked_by  # with arrays, which are not needed for most disks

    try:
        return marked_by(image, disk, asked.bitmap)
    except BaseException:
        disk.close()
        raise
