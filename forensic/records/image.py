"""What an image is: its header and the single structures it points to, as a report holds them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from forensic.records.common import Count, HexNumber, Moment, Sha256, one_of
from forensic.untrusted import UntrustedRecord


class FeatureRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A bit that is set in a feature word, by our name for it and by the image's own."""

    bit: Annotated[int, Meta(ge=0, le=63)]
    name: str | None
    known: bool
    name_in_image: UntrustedRecord | None


class FeaturesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bits that are set in the three feature words."""

    incompatible: Sequence[FeatureRecord]
    compatible: Sequence[FeatureRecord]
    autoclear: Sequence[FeatureRecord]


class ExtensionRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A header extension."""

    type_hex: Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
    name: str | None
    length: Count
    host_offset: Count
    known: bool
    complete: Annotated[bool, Meta(description="Whether all of it lies inside the header cluster.")]


class LuksRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The LUKS header of an encrypted image."""

    host_offset: Count
    length: Count
    version: Count
    cipher_name: UntrustedRecord
    cipher_mode: UntrustedRecord
    hash: UntrustedRecord
    key_bytes: Count
    uuid: UntrustedRecord
    active_key_slots: Sequence[Count]


class EncryptionRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the guest's data is encrypted, if it is."""

    method: str
    luks_header: LuksRecord | None


class L1Record(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An L1 table, as the header or a snapshot says."""

    entries: Count
    host_offset: Count
    host_offset_hex: HexNumber


class RefcountRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The refcount table, and how wide a refcount is."""

    bits: Count | None
    table_host_offset: Count
    table_host_offset_hex: HexNumber
    table_clusters: Count


class ForeignRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format", tag="unknown"):
    """A file that is no image of ours."""

    description: str
    file_size: Count

    @property
    def format(self) -> str:
        """`unknown`."""
        return str(self.__struct_config__.tag)


class _ImageRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="format"):
    """What the header and the structures it points to say."""

    version: Count
    file_size: Count
    virtual_size: Count
    virtual_size_hex: HexNumber
    header_length: Count
    cluster_bits: Count
    features: FeaturesRecord
    header_extensions: Sequence[ExtensionRecord]
    encryption: EncryptionRecord
    compression_type: str
    l1: L1Record
    snapshot_count: Annotated[Count, Meta(description="As the header claims.")]
    virtual_size_is_least: (
        Annotated[
            bool,
            Meta(description="By a recovery plan: the size is only where the tables end, and the disk may have more."),
        ]
        | UnsetType
    ) = UNSET
    cluster_size: (
        Annotated[Count, Meta(description="Missing, with what depends on it, where the header gives no geometry.")]
        | UnsetType
    ) = UNSET
    extended_l2: bool | UnsetType = UNSET
    l2_tables: (
        Annotated[
            Count | None,
            Meta(description="Entries of the active L1 table that are in use; null if the table cannot be read."),
        ]
        | UnsetType
    ) = UNSET

    @property
    def format(self) -> str:
        """`qcow2` or `qcow1`."""
        return str(self.__struct_config__.tag)


class Qcow2ImageRecord(_ImageRecord, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="qcow2"):
    """What the header and the structures it points to say."""

    refcount: RefcountRecord | UnsetType = UNSET
    end_of_data_host_offset: (
        Annotated[
            Count,
            Meta(
                description="Where the last host cluster in use ends. In a report of check, if all tables "
                "could be read."
            ),
        ]
        | UnsetType
    ) = UNSET
    trailing_bytes: Annotated[Count, Meta(description="Bytes of the file after that.")] | UnsetType = UNSET


class Qcow1ImageRecord(_ImageRecord, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="qcow1"):
    """The same of version 1, which has no refcounts."""

    l2_bits: Annotated[Count, Meta(description="Its L2 tables have a size of their own.")]


class ReferenceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another file that the image names. It is opened only if the examiner supplies it."""

    kind: str
    declared: UntrustedRecord | None
    declared_format: UntrustedRecord | None
    scheme: Annotated[str, one_of("plain", "json", "protocol", "device")] | None
    followed: bool
    consent: Annotated[str, one_of("none", "cli", "interactive")]
    level: (
        Annotated[Count, Meta(description="Which file of the chain names it; 0 is the image itself.")] | UnsetType
    ) = UNSET
    format: (
        Annotated[str, one_of("raw", "qcow2", "qcow"), Meta(description="What the supplied file was read as.")]
        | UnsetType
    ) = UNSET
    format_from: Annotated[str, one_of("given", "declared", "probed")] | UnsetType = UNSET
    supplied_size: Count | UnsetType = UNSET
    supplied_sha256: Sha256 | UnsetType | None = UNSET
    declared_name_matches: bool | UnsetType | None = UNSET


class SnapshotRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the snapshot table."""

    index: Count
    id: UntrustedRecord
    name: UntrustedRecord
    created_at: Moment
    vm_clock_ns: Count
    vm_clock_ns_hex: HexNumber
    vm_state_size: Count
    vm_state_size_hex: HexNumber
    virtual_size: Count
    virtual_size_hex: HexNumber
    l1: L1Record
    icount: (
        Annotated[
            Count | None,
            Meta(description="Instructions that the guest had executed; null where they were not counted."),
        ]
        | UnsetType
    ) = UNSET
    unique_clusters: (
        Annotated[Count, Meta(description="Host clusters of data that it alone refers to.")] | UnsetType
    ) = UNSET
    shared_clusters: (
        Annotated[Count, Meta(description="Those that the active disk or another snapshot also holds.")] | UnsetType
    ) = UNSET
    extractable: bool | UnsetType = UNSET


class BitmapRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of the bitmap directory."""

    index: Count
    name: UntrustedRecord
    granularity: Annotated[
        Count | None, Meta(description="Guest bytes a bit stands for; null if the number is invalid.")
    ]
    flags: Sequence[str]
    table_host_offset: Count
    table_host_offset_hex: HexNumber
    table_entries: Count
    dirty_bytes: (
        Annotated[
            Count | None,
            Meta(
                description="Guest bytes it marks; null if its bits are broken or were not written when the image was "
                "closed."
            ),
        ]
        | UnsetType
    ) = UNSET


class VolumeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A partition, the whole disk where it has none, or a logical volume of LVM2."""

    volume: Annotated[UntrustedRecord, Meta(description="By which `fs` knows it: a number, or group/name.")]
    kind: str
    guest_offset: Annotated[Count | None, Meta(description="Null for a logical volume, which may lie in pieces.")]
    length: Count
    name: UntrustedRecord | None
    file_system: Annotated[str | None, Meta(description="By its magic number alone.")]
    label: UntrustedRecord | None


class GuestRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is on the disk by its partition table and magic numbers. Missing where nothing was found."""

    volumes: Annotated[Sequence[VolumeRecord], Meta(description="The first 256 of them.")]
    volume_count: Count = 0
    partition_scheme: Annotated[str, one_of("GPT", "MBR")] | UnsetType = UNSET
    missing: (
        Annotated[str, Meta(description="The code of the reason why the beginning of the disk cannot be read.")]
        | UnsetType
    ) = UNSET
    notes: Sequence[str] | UnsetType = UNSET


class NotListedRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many snapshots and bitmaps were read beyond the 4096 of each that are listed."""

    snapshots: Count | UnsetType = UNSET
    bitmaps: Count | UnsetType = UNSET


class AllocationRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes of the active disk by state, and of the file by use.

    Missing where tables could not be walked; a number that is not known is missing, too.
    """

    compressed: Annotated[Count, Meta(description="As the guest sees them.")]
    compressed_stored: Annotated[
        Count, Meta(description="Sectors they take in the file; one that several share counts for each.")
    ]
    zero_explicit: Annotated[Count, Meta(description="Zero by a flag.")]
    zero_allocated: Annotated[Count, Meta(description="The part of zero_explicit that keeps host clusters.")]
    unreadable: Annotated[
        Count, Meta(description="Promised by tables that are broken or lead past the end of the file.")
    ]
    data: Count | UnsetType = UNSET
    in_data_file: (
        Annotated[Count, Meta(description="Instead of data, where there is an external data file.")] | UnsetType
    ) = UNSET
    unallocated: Count | UnsetType = UNSET
    from_backing: (
        Annotated[Count, Meta(description="Instead of unallocated, where there is a backing file.")] | UnsetType
    ) = UNSET
    encrypted: Annotated[Count, Meta(description="The part of data that is encrypted.")] | UnsetType = UNSET
    metadata: (
        Annotated[
            Count, Meta(description="Host clusters of tables and headers; one that several claim counts for each.")
        ]
        | UnsetType
    ) = UNSET
    leaked: Annotated[Count, Meta(description="Host clusters with a refcount that nothing refers to.")] | UnsetType = (
        UNSET
    )
    free: (
        Annotated[Count, Meta(description="Parts of the file that nothing refers to and no refcount counts.")]
        | UnsetType
    ) = UNSET
