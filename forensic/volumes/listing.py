"""Every volume of a disk under the name by which it is asked for: the number of a partition, or group/name of LVM2."""

from __future__ import annotations

from msgspec import Struct

from forensic.untrusted import Json, Untrusted
from forensic.volumes.layout import Layout, in_one_piece
from forensic.volumes.partitions import Contents, Volume, look_inside
from forensic.volumes.signatures import Read, file_system_at

WHOLE_DISK = 0
"""The number of a disk without partitions; those of partitions count from 1, as Linux does."""

PHYSICAL_VOLUME = "LVM2 physical volume"

LIBRARIES = {
    **dict.fromkeys(("ext2", "ext3", "ext4", "ext2/3/4", "NTFS", "FAT12", "FAT16", "FAT32", "exFAT"), "tsk"),
    "XFS": "xfs",
}
"""What reads the file systems that are read."""


MOST_BYTES = 1 << 62
"""No volume is longer for those who read it; a partition table may claim any number."""


class NamedVolume(Struct, frozen=True):
    """A volume: `name` is the number of a partition or `group/name` of a logical volume.

    `guest_offset` is where a partition begins, None for a logical volume. `library` reads its file system, and is empty
    where none does; `not_read` says why, in words that follow a colon.
    """

    name: Untrusted
    kind: str
    guest_offset: int | None
    length: int
    title: Untrusted
    file_system: str
    label: Untrusted
    layout: Layout
    library: str
    not_read: str

    def as_json(self) -> dict[str, Json]:
        """The object that `fs ls --json` prints."""
        return {
            "volume": self.name.text,
            "kind": self.kind,
            "start": self.guest_offset,
            "length": self.length,
            "name": self.title.as_json(),
            "file_system": self.file_system or None,
            "label": self.label.as_json(),
            "read": bool(self.library),
            "reason": self.not_read or None,
        }


class Volumes(Struct, frozen=True):
    """The volumes of a disk, the partition scheme, and sentences about what is not as it should be.

    `missing` is the code of the reason why the partition table cannot be read.
    """

    scheme: str
    volumes: tuple[NamedVolume, ...]
    notes: tuple[str, ...]
    missing: str = ""


def volumes_of(read: Read, disk_size: int) -> Volumes:
    """Every volume; reads the tables and the first sectors of each alone."""
    contents = look_inside(read, disk_size)
    notes = [*contents.notes]
    partitions = [_partition(contents, one, disk_size) for one in contents.volumes]
    places = [(one.guest_offset, one.length) for one in contents.volumes if one.file_system == PHYSICAL_VOLUME]
    logical: list[NamedVolume] = []
    if places:
        from forensic.volumes.lvm import read_lvm

        lvm = read_lvm(read, places)
        notes += lvm.notes
        for volume in lvm.volumes:
            layout = volume.layout or Layout(volume.length, ())
            system, label = file_system_at(through(read, layout), 0)
            library, reason = _library(system, volume.not_read)
            name = Untrusted(volume.group.raw + b"/" + volume.name.raw)
            empty = Untrusted(b"")
            logical.append(
                NamedVolume(name, "logical volume", None, volume.length, empty, system, label, layout, library, reason)
            )
    return Volumes(contents.scheme, (*partitions, *logical), tuple(notes), contents.missing)


def _partition(contents: Contents, volume: Volume, disk_size: int) -> NamedVolume:
    number = WHOLE_DISK if contents.scheme == "none" else volume.index + 1
    library, reason = _library(volume.file_system, "")
    return NamedVolume(
        Untrusted(b"%d" % number),
        volume.kind,
        volume.guest_offset,
        volume.length,
        volume.name,
        volume.file_system,
        volume.label,
        in_one_piece(volume.guest_offset, min(volume.length, MOST_BYTES)),
        library,
        reason,
    )


def _library(file_system: str, reason: str) -> tuple[str, str]:
    """What reads it, and otherwise why nothing does."""
    if reason:
        return "", reason
    if file_system in LIBRARIES:
        return LIBRARIES[file_system], ""
    if not file_system:
        return "", "no file system that is known"
    if file_system == PHYSICAL_VOLUME:
        return "", "its logical volumes are volumes of their own"
    return "", f"{file_system} is not read; `qcowscope nbd` serves the disk to what reads it"


def through(read: Read, layout: Layout) -> Read:
    """What reads a volume of this layout, by what reads its disk."""

    def read_volume(offset: int, length: int) -> bytes | str:
        parts = []
        for piece in layout.pieces(offset, length):
            part = "the physical volume is not on this disk" if piece.guest_offset is None else read(
                piece.guest_offset, piece.length
            )  # fmt: skip
            if isinstance(part, str):
                return part
            parts.append(part)
        return b"".join(parts)

    return read_volume
