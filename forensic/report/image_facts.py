"""What an image is, as labels and values: one list of facts for the text and the HTML of a report."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from forensic.numbers import counted
from forensic.records.image import (
    AllocationRecord,
    EncryptionRecord,
    FeaturesRecord,
    ForeignRecord,
    GuestRecord,
    Qcow1ImageRecord,
    Qcow2ImageRecord,
    ReferenceRecord,
    SnapshotRecord,
)
from forensic.records.report import ResultRecord
from forensic.report.model import Report
from forensic.report.values import by_plan, size, text, virtual_size, words

DISK_PARTS = (
    ("data", "of data"),
    ("in_data_file", "in the data file"),
    ("compressed", "compressed"),
    ("zero_explicit", "zero by flag"),
    ("from_backing", "left to the backing file"),
    ("unallocated", "not allocated"),
    ("unreadable", "that cannot be read"),
)
FILE_PARTS = (("metadata", "of metadata"), ("leaked", "leaked"), ("free", "free"))
"""Parts of `result.allocation` in a reader's words."""


def image_facts(report: Report) -> Iterator[tuple[str, str]]:
    """What an image is and what is on its disk, as labels and values."""
    yield from facts_of_container(report)
    yield from guest_facts(report.result.guest)
    yield from facts_of_states(report)


def facts_of_container(report: Report) -> Iterator[tuple[str, str]]:
    """What an image is by its header."""
    result = report.result
    image = result.image
    if isinstance(image, ForeignRecord):
        yield "format", f"{image.format}: {image.description}"
        return
    version = f"version {image.version}" if image.version else "of unknown version"
    yield "format", f"{'qcow' if isinstance(image, Qcow1ImageRecord) else 'qcow2'} {version}"
    if result.extraction is UNSET:  # it says the same of its bytes
        yield from by_plan(report)
    yield "virtual size", virtual_size(image)
    usage = report.source.disk_usage
    yield "file size", size(image.file_size) + ("" if usage is UNSET else f", on disk {size(usage)}")
    yield from _geometry_facts(image)
    yield from _allocation_facts(result.allocation)
    yield "compression", image.compression_type
    yield from _encryption_facts(image.encryption)
    yield from _feature_facts(image.features)
    for extension in image.header_extensions:
        name = extension.name or f"unknown {extension.type_hex}"
        where = f"{counted(extension.length, 'byte')} at host offset {extension.host_offset:#x}"
        yield "extension", f"{name}, {where}" + ("" if extension.complete else ", cut off")
    for reference in result.references or ():
        yield words(reference.kind), _reference_fact(reference)


def facts_of_states(report: Report) -> Iterator[tuple[str, str]]:
    """The snapshots and the bitmaps of an image."""
    result = report.result
    if isinstance(result.image, ForeignRecord):
        return
    yield from _snapshot_facts(result, result.image.snapshot_count)
    for bitmap in result.bitmaps or ():
        flags = " ".join(bitmap.flags) or "no flags"
        marked = bitmap.dirty_bytes
        dirty = "" if marked is None or marked is UNSET else f", marks {size(marked)}"
        yield "bitmap", f'"{text(bitmap.name)}", granularity {_granularity(bitmap.granularity)}, {flags}{dirty}'
    if result.not_listed and result.not_listed.bitmaps:
        yield "bitmaps", f"{result.not_listed.bitmaps:,} more are not listed"


def _granularity(length: int | str | None) -> str:
    return size(length) if isinstance(length, int) else "unknown"


def guest_facts(guest: GuestRecord | UnsetType) -> Iterator[tuple[str, str]]:
    """The volumes on the disk, as far as they are known."""
    if guest is UNSET:
        return
    if guest.missing:
        yield "volumes", f"not known: {words(guest.missing)}"
    if guest.partition_scheme:
        yield "partitions", guest.partition_scheme
    for volume in guest.volumes:
        where = "" if volume.guest_offset is None else f" at guest offset {volume.guest_offset:#x}"
        name = f' "{text(volume.name)}"' if volume.name else ""
        label = f', label "{text(volume.label)}"' if volume.label else ""
        system = volume.file_system or "no file system that is known"
        yield f"volume {text(volume.volume)}", f"{system}{label}; {volume.kind}{name}, {size(volume.length)}{where}"
    if guest.volume_count > len(guest.volumes):
        yield "volumes", f"{guest.volume_count - len(guest.volumes):,} more are not listed"
    for note in guest.notes or ():
        yield "volumes", note


def _geometry_facts(image: Qcow2ImageRecord | Qcow1ImageRecord) -> Iterator[tuple[str, str]]:
    if image.cluster_size is UNSET:
        yield "cluster size", f"unknown: cluster_bits is {image.cluster_bits}"
        return
    yield "cluster size", size(image.cluster_size)
    yield "L1 table", f"{counted(image.l1.entries, 'entry', 'entries')} at host offset {image.l1.host_offset:#x}"
    yield "L2 tables", f"{image.l2_tables} of the L1 entries are in use"
    if isinstance(image, Qcow1ImageRecord) or image.refcount is UNSET:
        return
    clusters = counted(image.refcount.table_clusters, "cluster")
    table = f"table of {clusters} at host offset {image.refcount.table_host_offset:#x}"
    width = "unknown width" if image.refcount.bits is None else counted(image.refcount.bits, "bit")
    yield "refcounts", f"{width}, {table}"


def _allocation_facts(allocation: AllocationRecord | UnsetType) -> Iterator[tuple[str, str]]:
    """What the active disk consists of, and the file beside it; only after a check."""
    for label, parts in (("disk holds", DISK_PARTS), ("file holds", FILE_PARTS)):
        held = [f"{size(length)} {words}" for name, words in parts if (length := getattr(allocation, name, 0))]
        if held:
            yield label, ", ".join(held)


def _machine_state(snapshot: SnapshotRecord) -> str:
    """The memory that was saved with a snapshot, and the time on the machine's clock."""
    if not snapshot.vm_state_size:
        return ", no machine state"
    seconds, nanoseconds = divmod(snapshot.vm_clock_ns, 1_000_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{nanoseconds // 1_000_000:03}"
    return f", machine state {size(snapshot.vm_state_size)}, machine clock {clock}"


def _shares(snapshot: SnapshotRecord) -> str:
    if snapshot.unique_clusters is UNSET:
        return ""
    alone = counted(snapshot.unique_clusters, "cluster")
    return f", {alone} of its own, {snapshot.shared_clusters or 0:,} shared"


def _encryption_facts(encryption: EncryptionRecord) -> Iterator[tuple[str, str]]:
    yield "encryption", encryption.method
    luks = encryption.luks_header
    if luks:
        cipher = f"{text(luks.cipher_name)}-{text(luks.cipher_mode)}, {text(luks.hash)}"
        slots = ", ".join(map(str, luks.active_key_slots)) or "none"
        yield "", f"LUKS {luks.version}, {cipher}, key of {luks.key_bytes} bytes, active slots: {slots}"


def _feature_facts(features: FeaturesRecord) -> Iterator[tuple[str, str]]:
    words = {
        "incompatible": features.incompatible,
        "compatible": features.compatible,
        "autoclear": features.autoclear,
    }
    for kind, bits in words.items():
        for feature in bits:
            own = f' (called "{text(feature.name_in_image)}" in the image)' if feature.name_in_image else ""
            name = feature.name or "unknown feature" + own
            yield "feature", f"{name} ({kind} bit {feature.bit})"


def _reference_fact(reference: ReferenceRecord) -> str:
    name = f'"{text(reference.declared)}"' if reference.declared else "without a name"
    of_format = f", format {text(reference.declared_format)}" if reference.declared_format else ""
    return f"{name}{of_format}; " + ("supplied by the examiner" if reference.followed else "not opened")


def readable_snapshots(result: ResultRecord) -> int:
    """How many snapshots the table has, as far as it can be read; not all of them need be listed."""
    return len(result.snapshots or ()) + ((result.not_listed and result.not_listed.snapshots) or 0)


def _snapshot_facts(result: ResultRecord, claimed: int) -> Iterator[tuple[str, str]]:
    snapshots = result.snapshots or ()
    for snapshot in snapshots:
        yield (
            "snapshot",
            f'{snapshot.index}: id "{text(snapshot.id)}", name "{text(snapshot.name)}", '
            f"{snapshot.created_at}, disk {size(snapshot.virtual_size)}" + _machine_state(snapshot) + _shares(snapshot),
        )
    readable = readable_snapshots(result)
    if claimed != readable:
        yield "snapshots", f"{claimed:,} claimed, {readable:,} readable"
    if more := readable - len(snapshots):
        yield "snapshots", f"{more:,} more are not listed"
