"""What volumes a disk holds, as a report has it: found by a few sectors, without loading what reads whole disks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import UNSET, UnsetType

from forensic.errors import Unsupported
from forensic.mapping.extents import Reason
from forensic.qcow2.metadata import Qcow2Metadata
from forensic.records.image import GuestRecord, VolumeRecord

if TYPE_CHECKING:  # nothing of all this is needed where the disk cannot be read
    from forensic.disk.disk import Disk
    from forensic.qcow2.identify import Metadata
    from forensic.volumes.listing import NamedVolume, Volumes
    from forensic.volumes.signatures import Read

MAX_LISTED = 256
"""Volumes that a report lists."""


def contents_of_image(image: Metadata) -> GuestRecord | UnsetType:
    """The volumes on the active disk, as far as they can be read without keys and other files."""
    try:
        if lacking := _lacking(image):
            return GuestRecord(volumes=[], missing=lacking.code)
        found = _found_by_few_sectors(image)
        return contents_of_disk(_disk(image)) if found is None else _record(found)
    except Unsupported:  # the header gives no geometry
        return UNSET


def contents_of_disk(disk: Disk) -> GuestRecord | UnsetType:
    """The volumes on a disk that is open with all that was supplied for it; a machine state has none."""
    if disk.target.startswith("vm-state"):
        return UNSET
    from forensic.volumes.listing import volumes_of

    return _record(volumes_of(read_of(disk), disk.size))


def read_of(disk: Disk) -> Read:
    """What reads a disk for those who look at a few sectors."""
    from forensic.disk.reader import RangeUnreadable

    reader = disk.reader()

    def read(guest_offset: int, length: int) -> bytes | str:
        buffer = bytearray(max(0, min(length, disk.size - guest_offset)))
        try:
            reader.read_at(guest_offset, memoryview(buffer))
        except RangeUnreadable as unreadable:
            return unreadable.reason.code
        return bytes(buffer)

    return read


def _found_by_few_sectors(image: Metadata) -> Volumes | None:
    """The volumes, unless that takes a reader of whole disks."""
    if not isinstance(image, Qcow2Metadata) or image.planned is not None:
        return None
    from forensic.disk.few_sectors import CloserLook, FewSectors
    from forensic.volumes.listing import volumes_of

    try:
        return volumes_of(FewSectors(image).read, image.virtual_size)
    except CloserLook:
        return None


def _lacking(image: Metadata) -> Reason:
    """Why nothing of the disk can be read."""
    if isinstance(image, Qcow2Metadata) and image.geometry.external_data_file:
        return Reason.DATA_FILE_NOT_SUPPLIED
    return Reason.KEY_NOT_SUPPLIED if image.encrypted else Reason.NONE


def _disk(image: Metadata) -> Disk:
    from forensic.disk.opening import open_disk

    return open_disk(image)


def _record(found: Volumes) -> GuestRecord | UnsetType:
    """What a report holds; nothing if there is nothing to say."""
    if not found.volumes and not found.missing and found.scheme == "none":
        return UNSET
    return GuestRecord(
        partition_scheme=UNSET if found.scheme == "none" else found.scheme,
        volumes=[_volume(one) for one in found.volumes[:MAX_LISTED]],
        volume_count=len(found.volumes),
        missing=found.missing or UNSET,
        notes=list(found.notes) or UNSET,
    )


def _volume(volume: NamedVolume) -> VolumeRecord:
    return VolumeRecord(
        volume=volume.name.record(),
        kind=volume.kind,
        guest_offset=volume.guest_offset,
        length=volume.length,
        name=volume.title.record() if volume.title.raw else None,
        file_system=volume.file_system or None,
        label=volume.label.record() if volume.label.raw else None,
    )
