"""What an image is, as a report holds it: header, features, extensions, references and so on."""

from __future__ import annotations

import array
import sys
from collections.abc import Collection

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from forensic.disk.contents import contents_of_image
from forensic.evidence import ReadFailed
from forensic.measured import Measured
from forensic.numbers import in_utc
from forensic.qcow2.bitmaps import BitmapFlag
from forensic.qcow2.extensions import feature_names
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.header import V1_LENGTH, Autoclear, Compatible, CryptMethod, Incompatible
from forensic.qcow2.identify import ForeignFile, Identified
from forensic.qcow2.luks import SLOT_ACTIVE, LuksHeader
from forensic.qcow2.metadata import HeaderCluster, Qcow1Metadata, Qcow2Metadata
from forensic.qcow2.snapshots import Snapshot
from forensic.records.image import (
    BitmapRecord,
    EncryptionRecord,
    ExtensionRecord,
    FeatureRecord,
    FeaturesRecord,
    ForeignRecord,
    GuestRecord,
    L1Record,
    LuksRecord,
    NotListedRecord,
    Qcow1ImageRecord,
    Qcow2ImageRecord,
    RefcountRecord,
    SnapshotRecord,
)
from forensic.records.judgement import SummaryRecord, Verdict
from forensic.records.report import PlanRecord, ResultRecord, ResultSourceRecord
from forensic.references import references, version_1_references

FEATURES: dict[str, dict[int, str]] = {
    "incompatible": {
        Incompatible.DIRTY: "dirty",
        Incompatible.CORRUPT: "corrupt",
        Incompatible.EXTERNAL_DATA_FILE: "external data file",
        Incompatible.COMPRESSION_TYPE: "compression type",
        Incompatible.EXTENDED_L2: "extended L2 entries",
    },
    "compatible": {Compatible.LAZY_REFCOUNTS: "lazy refcounts"},
    "autoclear": {Autoclear.BITMAPS: "bitmaps", Autoclear.RAW_EXTERNAL_DATA: "raw external data"},
}

CRYPT_NAMES = {CryptMethod.NONE: "none", CryptMethod.AES: "aes", CryptMethod.LUKS: "luks"}

CRYPT_METHODS_OF_VERSION_1 = (CryptMethod.NONE, CryptMethod.AES)

COMPRESSION_NAMES = {0: "deflate", 1: "zstd"}

MAX_LISTED = 4096
"""Snapshots and bitmaps that a report lists; the tables may hold 65,536 of each."""

NO_VERDICT = SummaryRecord(verdict=Verdict.UNDETERMINED, reason="info gives no verdict; run check")


def describe(
    image: Identified, measured: Measured | None = None, guest: GuestRecord | UnsetType | None = None
) -> ResultRecord:
    """What an image is, as the result of a report that does not judge; with what a check measured, if there was one.

    `guest` is what is on the disk, if that was looked for already.
    """
    if guest is None:
        guest = UNSET if isinstance(image, ForeignFile) else contents_of_image(image)
    source = ResultSourceRecord(in_use=image.evidence.writer() is not None)
    if isinstance(image, ForeignFile):
        foreign = ForeignRecord(description=image.description, file_size=image.evidence.size)
        return ResultRecord(image=foreign, summary=NO_VERDICT, source=source)
    if isinstance(image, Qcow1Metadata):
        return ResultRecord(
            image=_version_1(image),
            summary=NO_VERDICT,
            source=source,
            references=version_1_references(image),
            snapshots=[],
            bitmaps=[],
            guest=guest,
        )
    cluster = image.header_cluster
    usable = isinstance(cluster.geometry, Geometry)
    return ResultRecord(
        image=_image(image, cluster, measured),
        summary=NO_VERDICT,
        source=source,
        references=references(cluster),
        snapshots=_snapshots(image, measured) if usable and image.header.nb_snapshots else [],
        bitmaps=_bitmaps(image, measured),
        not_listed=_not_listed(image, usable),
        guest=guest,
        plan=_plan(image) if image.planned else UNSET,
    )


def _plan(image: Qcow2Metadata) -> PlanRecord | UnsetType:
    from forensic.disk.planned import planned_of  # nothing to load where there is none

    return UNSET if (planned := planned_of(image)) is None else planned.record()


def _image(image: Qcow2Metadata, cluster: HeaderCluster, measured: Measured | None) -> Qcow2ImageRecord:
    header, geometry = cluster.header, cluster.geometry
    end = measured.end_of_data if measured else None
    described = Qcow2ImageRecord(
        version=header.version,
        file_size=image.evidence.size,
        virtual_size=header.size,
        virtual_size_hex=hex(header.size),
        virtual_size_is_least=True if image.planned is not None and image.planned.size_is_least else UNSET,
        header_length=header.header_length,
        cluster_bits=header.cluster_bits,
        features=FeaturesRecord(**{kind: _features(cluster, number) for number, kind in enumerate(FEATURES)}),
        header_extensions=[
            ExtensionRecord(
                type_hex=f"{extension.type:08x}",
                name=extension.known.name.lower() if extension.known is not None else None,
                length=extension.length,
                host_offset=extension.host_offset,
                known=extension.known is not None,
                complete=extension.complete,
            )
            for extension in cluster.extensions.extensions
        ],
        encryption=EncryptionRecord(
            method=_crypt_name(header.crypt_method, list(CryptMethod)),
            luks_header=_luks(image.luks) if image.luks else None,
        ),
        compression_type=COMPRESSION_NAMES.get(header.compression_type, f"unknown ({header.compression_type})"),
        l1=_l1(header.l1_size, header.l1_table_offset),
        snapshot_count=header.nb_snapshots,
        end_of_data_host_offset=UNSET if end is None else end,
        trailing_bytes=UNSET if end is None else image.evidence.size - end,
    )
    if not isinstance(geometry, Geometry):
        return described
    return replace(
        described,
        cluster_size=geometry.cluster_size,
        extended_l2=geometry.extended_l2,
        refcount=RefcountRecord(
            bits=geometry.refcount_bits,
            table_host_offset=geometry.refcount_table_offset,
            table_host_offset_hex=hex(geometry.refcount_table_offset),
            table_clusters=geometry.refcount_table_clusters,
        ),
        l2_tables=_used_entries(image, geometry.l1_table_offset, geometry.l1_entry_count),
    )


def _l1(entries: int, host_offset: int) -> L1Record:
    return L1Record(entries=entries, host_offset=host_offset, host_offset_hex=hex(host_offset))


def _version_1(image: Qcow1Metadata) -> Qcow1ImageRecord:
    """The same of the predecessor, as far as there is something to say."""
    header = image.header
    described = Qcow1ImageRecord(
        version=1,
        file_size=image.evidence.size,
        virtual_size=header.size,
        virtual_size_hex=hex(header.size),
        header_length=V1_LENGTH,
        cluster_bits=header.cluster_bits,
        l2_bits=header.l2_bits,
        features=FeaturesRecord(incompatible=[], compatible=[], autoclear=[]),
        header_extensions=[],
        encryption=EncryptionRecord(
            method=_crypt_name(header.crypt_method, CRYPT_METHODS_OF_VERSION_1), luks_header=None
        ),
        compression_type=COMPRESSION_NAMES[0],
        l1=_l1(0 if header.unusable else header.l1_entry_count, header.l1_table_offset),
        snapshot_count=0,
    )
    if header.unusable:
        return described
    tables = _used_entries(image, header.l1_table_offset, header.l1_entry_count)
    return replace(described, cluster_size=header.cluster_size, extended_l2=False, l2_tables=tables)


def _crypt_name(method: int, known: Collection[CryptMethod]) -> str:
    return CRYPT_NAMES[CryptMethod(method)] if method in known else f"unknown ({method})"


def _features(cluster: HeaderCluster, number: int) -> list[FeatureRecord]:
    """The bits that are set in one feature word, by our name for them or else by the image's own."""
    header = cluster.header
    word = (header.incompatible_features, header.compatible_features, header.autoclear_features)[number]
    known = [*FEATURES.values()][number]
    own = {feature.bit: feature.name for feature in feature_names(cluster.extensions) if feature.feature_type == number}
    return [
        FeatureRecord(
            bit=bit,
            name=known.get(1 << bit),
            known=1 << bit in known,
            name_in_image=own[bit].record() if bit in own else None,
        )
        for bit in range(64)
        if word >> bit & 1
    ]


def _not_listed(image: Qcow2Metadata, usable: bool) -> NotListedRecord | UnsetType:
    """How many snapshots and bitmaps are left out of the lists, if any are."""
    snapshots = len(image.snapshots.snapshots) if usable and image.header.nb_snapshots else 0
    bitmaps = len(image.bitmaps.bitmaps) if image.bitmaps else 0
    if max(snapshots, bitmaps) <= MAX_LISTED:
        return UNSET
    return NotListedRecord(snapshots=_beyond_list(snapshots), bitmaps=_beyond_list(bitmaps))


def _beyond_list(count: int) -> int | UnsetType:
    return count - MAX_LISTED if count > MAX_LISTED else UNSET


def _snapshots(image: Qcow2Metadata, measured: Measured | None) -> list[SnapshotRecord]:
    return [_snapshot(image, snapshot, measured) for snapshot in image.snapshots.snapshots[:MAX_LISTED]]


def _snapshot(image: Qcow2Metadata, snapshot: Snapshot, measured: Measured | None) -> SnapshotRecord:
    """One snapshot; with the host clusters of data that it holds alone or shares, if they were counted."""
    size = image.virtual_size if snapshot.disk_size is None else snapshot.disk_size
    shares = measured.snapshot_clusters.get(snapshot.index) if measured else None
    alone, shared = shares or (UNSET, UNSET)
    return SnapshotRecord(
        index=snapshot.index,
        id=snapshot.id.record(),
        name=snapshot.name.record(),
        created_at=in_utc(snapshot.date_sec),
        vm_clock_ns=snapshot.vm_clock_nsec,
        vm_clock_ns_hex=hex(snapshot.vm_clock_nsec),
        vm_state_size=snapshot.vm_state_size,
        vm_state_size_hex=hex(snapshot.vm_state_size),
        icount=snapshot.icount,
        virtual_size=size,
        virtual_size_hex=hex(size),
        l1=_l1(snapshot.l1_size, snapshot.l1_table_offset),
        unique_clusters=alone,
        shared_clusters=shared,
    )


def _bitmaps(image: Qcow2Metadata, measured: Measured | None) -> list[BitmapRecord]:
    return [
        BitmapRecord(
            index=bitmap.index,
            name=bitmap.name.record(),
            granularity=1 << bitmap.granularity_bits if bitmap.granularity_bits < 64 else None,
            flags=[flag.name.lower() for flag in BitmapFlag if bitmap.flags & flag and flag.name],
            table_host_offset=bitmap.table_offset,
            table_host_offset_hex=hex(bitmap.table_offset),
            table_entries=bitmap.table_size,
            dirty_bytes=measured.dirty_bytes.get(bitmap.index) if measured else UNSET,
        )
        for bitmap in (image.bitmaps.bitmaps[:MAX_LISTED] if image.bitmaps else ())
    ]


def _luks(luks: LuksHeader) -> LuksRecord:
    return LuksRecord(
        host_offset=luks.host_offset,
        length=luks.length,
        version=luks.version,
        cipher_name=luks.cipher_name.record(),
        cipher_mode=luks.cipher_mode.record(),
        hash=luks.hash_spec.record(),
        key_bytes=luks.key_bytes,
        uuid=luks.uuid.record(),
        active_key_slots=[number for number, slot in enumerate(luks.slots) if slot.state == SLOT_ACTIVE],
    )


def _used_entries(image: Qcow2Metadata | Qcow1Metadata, host_offset: int, entry_count: int) -> int | None:
    """How many entries of the L1 table are in use; without numpy, since `info` is to start at once."""
    if "l1" in vars(image) and len(image.l1.entries) == entry_count:  # who has walked the tables has read it
        return sum(map(bool, image.l1.entries.tolist()))
    length = min(entry_count, MAX_L1_ENTRIES) * L1_ENTRY_SIZE
    try:
        raw = image.evidence.read_at(host_offset, length)
    except ReadFailed:
        return None
    entries = array.array("Q", raw[: len(raw) // L1_ENTRY_SIZE * L1_ENTRY_SIZE])
    if sys.byteorder == "little":
        entries.byteswap()
    return len(entries) - entries.count(0)
