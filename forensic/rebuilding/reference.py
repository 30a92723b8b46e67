"""Where data can stay as it is: in one file, each cluster at its guest offset, which a new image names as data file."""

from __future__ import annotations

from forensic.disk.disk import Disk
from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.mapping.extents import State

CANNOT_REFER = (
    "--reference is not possible, since QEMU reads an external data file only if every cluster lies in it at its guest "
    "offset; without --reference the data is copied"
)


def data_file_of(disk: Disk, cluster_size: int) -> Evidence:
    """The one file in which all data of a disk lies, each cluster at its guest offset.

    Raises `Unsupported` where there is none: QEMU reads an external data file only if every cluster in it lies at the
    offset that it has on the disk, and nothing in it is compressed or encrypted.
    """
    path = disk.layers[0].evidences[0].path_as_given
    found: Evidence | None = None
    for runs in disk.readable_runs():
        for guest_offset, length, host_offset, stored_length, state, _, depth, _ in runs:
            if state not in (State.DATA, State.COMPRESSED):
                continue
            why = ""
            file = disk.layers[depth].plain_data
            if stored_length:
                why = "is compressed"
            elif file is None:
                why = "is encrypted"
            elif guest_offset != host_offset:
                why = f"lies at host offset {host_offset:#x}"
            elif found not in (None, file):
                why = "lies in another file than what comes before it"
            elif guest_offset % cluster_size or (length % cluster_size and guest_offset + length != disk.size):
                why = "is less than a cluster"
            if why:
                raise Unsupported(path, f"{CANNOT_REFER}: the data at guest offset {guest_offset:#x} {why}")
            found = file
    if found is None:
        raise Unsupported(path, f"{CANNOT_REFER}: there is no data")
    return found
