"""Rules about remains: bytes where the image has nothing.

What QEMU leaves behind in ordinary use is worth knowing and no fault: it frees clusters without wiping them, allocates
tables over old data without clearing the rest of the cluster, and keeps what lies under a zero flag. What no ordinary
writer leaves is hidden data. What lies in fields of structures (unknown extensions, extra data of snapshots, strings
with NULs, bytes after a compressed stream, sizes that are cut off) is reported where those structures are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from forensic.finding import FindingClass, Problem, Problems, Severity, host_range
from forensic.residue.content import measure
from forensic.residue.search import FreeResidue, Place, Residue
from forensic.rules.registry import rule


def at_areas(residue: Residue, place: Place, say: Callable[[int, int], str]) -> Problems:
    """One problem for each area of one place, measured when it is worded."""
    areas = residue.areas if residue.place == place else residue.areas[:0]

    def described() -> Iterator[Problem]:
        for begin, end in areas.tolist():
            found = measure(residue.evidence, begin, end)
            looks = f", looks like {found.looks_like}" if found.looks_like else ""
            yield Problem(
                f"{end - begin:,} bytes at host offset {begin:#x} {say(begin, end)}, entropy {found.entropy:.2f} bits "
                f"a byte, begin with {found.first_bytes.hex(' ')}{looks}",
                (host_range(begin, end - begin),),
                residue.name,
                found.as_json(),
            )

    return Problems(len(areas), described)


@rule(Residue, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def residue_in_header(residue: Residue) -> Iterable[Problem]:
    """The header cluster holds data after its last field.

    Why: writers clear the rest of the header cluster; what is there was added by hand, or by a tool that makes one file
    pass as two formats.
    Spec: Header extensions (the rest of the cluster has no use)
    QEMU: does not check this, and clears it when it next writes the header.
    Next: examine the bytes.
    """
    return at_areas(residue, Place.HEADER, lambda *_: "of the header cluster belong to no field")


@rule(Residue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_in_table_slack(residue: Residue) -> Iterable[Problem]:
    """The last cluster of a table holds data after the last entry.

    Why: QEMU writes only the entries, so a table in a reused cluster still shows the end of the old data; but the space
    can also be used to hide something.
    Spec: Cluster mapping; Snapshots; Bitmaps extension
    QEMU: does not check this.
    Next: examine the bytes.
    """
    return at_areas(residue, Place.SLACK, lambda *_: f"after the last entry: {residue.name}")


@rule(FreeResidue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_in_free_clusters(residue: FreeResidue) -> Iterable[Problem]:
    """Host clusters that nothing refers to hold data.

    Why: QEMU frees clusters without wiping them. They may hold deleted data (discarded data, old tables, data of
    deleted snapshots), or data that was hidden there.
    Spec: Reference counts
    QEMU: does not check this, and overwrites it sooner or later.
    Next: carve the bytes.
    """
    return at_areas(residue, Place.FREE, lambda *_: "lie in clusters that nothing refers to")


@rule(FreeResidue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_at_file_end(residue: FreeResidue) -> Iterable[Problem]:
    """The file continues after the last host cluster in use, and not with zeros.

    Why: QEMU does not shorten a file whose last clusters it frees; but data can also be appended to an image.
    Spec: Reference counts
    QEMU: does not check this; check prints where the image ends, but not that the file continues.
    Next: carve the bytes.
    """
    return at_areas(residue, Place.FILE_END, lambda *_: "lie after the last cluster in use")


@rule(FreeResidue, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def residue_appended(residue: FreeResidue) -> Iterable[Problem]:
    """The file ends with data that no writer of images leaves there.

    Why: a file that ends inside a cluster ends with a table or a compressed stream, in use or freed. These bytes lie
    after all that is in use and are neither: they are consistent with a file that was appended to the image.
    Spec: Reference counts
    QEMU: does not check this, and overwrites it sooner or later.
    Next: carve the bytes; appended data that is whole clusters long cannot be told from freed clusters.
    """
    return at_areas(residue, Place.APPENDED, lambda *_: "lie after all that is in use, up to the end of the file")


@rule(FreeResidue, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def residue_never_allocated(residue: FreeResidue) -> Iterable[Problem]:
    """The file holds data where no cluster was ever allocated.

    Why: a writer makes a refcount block before it uses the clusters that the block counts, and keeps it. Where the
    refcount table has no more blocks up to the end of the file, something else has written.
    Spec: Reference counts
    QEMU: does not check this.
    Next: carve the bytes.
    """
    return at_areas(residue, Place.NEVER_ALLOCATED, lambda *_: "lie after all clusters that have a refcount")


@rule(Residue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_under_zero_flag(residue: Residue) -> Iterable[Problem]:
    """Host clusters that read as zeros hold data.

    Why: a zero flag hides the cluster's bytes from the guest without removing them.
    Spec: Standard Cluster Descriptor, bit 0
    QEMU: does not check this; it leaves the bytes when it zeroes a cluster in place.
    Next: carve the bytes: they are what the guest had there before.
    """
    return at_areas(residue, Place.ZERO_CLUSTER, lambda *_: "lie under a zero flag")


@rule(Residue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_in_subclusters(residue: Residue) -> Iterable[Problem]:
    """Subclusters that are not allocated hold data.

    Why: their place in the file belongs to the cluster, but the guest sees zeros or the backing file there.
    Spec: Extended L2 Entries, subcluster allocation bitmap
    QEMU: does not check this; it leaves what was in the cluster before.
    Next: carve the bytes.
    """
    return at_areas(residue, Place.SUBCLUSTER, lambda *_: "lie in subclusters that are not allocated")


@rule(Residue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_behind_disk_end(residue: Residue) -> Iterable[Problem]:
    """The last data cluster holds data past the end of the virtual disk.

    Why: no guest or converter reads it; shrinking a disk leaves its data there.
    Spec: Header, bytes 24-31
    QEMU: does not check this.
    Next: examine the bytes.
    """
    return at_areas(residue, Place.DISK_END, lambda *_: "lie past the end of the virtual disk")


@rule(Residue, Severity.INFO, FindingClass.HIDDEN_DATA)
def residue_in_key_slot(residue: Residue) -> Iterable[Problem]:
    """A key slot that is not active has key material.

    Why: a slot that was disabled without being wiped still opens the data with its old passphrase; a slot that was
    wiped holds noise, which cannot be told from key material.
    Spec: Full disk encryption header pointer
    QEMU: overwrites the material of a slot that it removes.
    Next: try the passphrases that were in use before.
    """
    return at_areas(residue, Place.KEY_SLOT, lambda *_: f"of {residue.name}, which is not active")
