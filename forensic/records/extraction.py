"""An extraction and the hashes of what it read and wrote, as a report holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from forensic.records.common import Count, Hash, Hashes, Sha256, one_of

REASON_CODES = (
    "entry_beyond_eof", "entry_unaligned", "reserved_bits_set", "overlaps_metadata", "decompress_failed",
    "decompress_short", "compression_unknown", "l2_unreadable", "backing_not_supplied", "data_file_not_supplied",
    "key_not_supplied", "io_error", "limit_reached", "entry_misplaced", "decoder_failed", "entry_doubtful", "salvaged",
    "not_recovered", "emptiness_doubtful", "overwritten", "suspect_zone", "not_marked",
)  # fmt: skip
"""Why a guest range was not read."""

STATE_NAMES = ("data", "compressed", "zero", "zero_allocated", "unallocated", "filled")

ReasonCode: TypeAlias = Annotated[str, one_of(*REASON_CODES)]

Checkpoint: TypeAlias = Annotated[
    Mapping[str, Count | Hash],
    Meta(
        description="A hash of the disk's first bytes, under its name, so that a difference can be located.",
        min_length=2,
        max_length=2,
        extra_json_schema={
            "properties": {"length": {"type": "integer", "minimum": 0}},
            "additionalProperties": {"type": "string", "pattern": "^([0-9a-f]{2})+$"},
            "required": ["length"],
        },
    ),
]


class VirtualRangeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of the virtual disk."""

    offset: Count
    length: Count


class FillRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the output in place of bytes that were not read."""

    reason_counts: Annotated[
        Mapping[str, Count],
        Meta(description="Bytes by reason.", extra_json_schema={"propertyNames": {"enum": [*REASON_CODES]}}),
    ]
    pattern_hex: str


class UnreadableRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range that was not read."""

    virtual_offset: Count
    length: Count
    reason_code: ReasonCode
    host_offset: Count | None
    filled_with: str
    structure_path: str | UnsetType = UNSET


class SegmentRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One output file; there are several if the disk was split."""

    index: Count
    virtual_offset: Count
    size: Count
    hashes: Hashes
    verified: Annotated[str, one_of("match", "mismatch", "not_done")]
    format: Annotated[str, one_of("raw", "qcow2")]


class DifferenceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range on which the readings differ: in its bytes, or one of them cannot read it for reason_code."""

    virtual_offset: Count
    length: Count
    what: Annotated[str, one_of("bytes", "unreadable_first", "unreadable_second")]
    reason_code: str | None


class ComparisonRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two independent readings of the disk.

    The bytes agree, in so many places, of which the whole is one; bytes_not_judged lie on bad sectors.
    """

    method: Annotated[str, one_of("whole", "places")]
    summary: str
    bytes: Count
    places: Count
    bytes_not_judged: Count
    differences: Sequence[DifferenceRecord]
    differences_not_listed: Count


class VirtualPartRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range."""

    virtual_offset: Count
    length: Count


class CertainRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certain bytes alone, in guest order: their hash, so that a later plan can be compared, and where they lie."""

    sha256: str
    ranges: Sequence[VirtualPartRecord]
    ranges_not_listed: Count


class RecoveryRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the disk was read by a recovery plan: how sure its bytes are."""

    target: str
    examiner: Annotated[Sequence[str], Meta(description="Who edited the plan.")]
    bytes_by_certainty: Annotated[
        Mapping[str, Count],
        Meta(extra_json_schema={"propertyNames": {"enum": ["certain", "inferred", "unknown"]}}),
    ]
    bytes_by_method: Mapping[str, Count]
    sentence: str
    certain: CertainRecord


class ContainerRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the container that was written says of the disk."""

    format: Annotated[str, one_of("e01")]
    padding: Annotated[Count, Meta(description="Zeros at the end of the disk, which make its sectors whole.")]
    hashes: Annotated[Hashes, Meta(description="Those in the container, of the disk with the padding.")]


class NewImageRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The qcow2 image that was written, where the disk was rebuilt; sha256 is that of the file."""

    cluster_size: Count
    file_size: Count
    data_clusters: Count
    compressed_clusters: Count
    l2_tables: Count
    data_file: Annotated[
        str | None, Meta(description="The external data file that it refers to; null if the data was copied.")
    ]
    sha256: Sha256


class ExtractionRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was extracted, and each guest range that was not read."""

    recovery: RecoveryRecord | UnsetType = UNSET
    container: ContainerRecord | UnsetType = UNSET
    new_image: NewImageRecord | UnsetType = UNSET
    target: str
    virtual_range: VirtualRangeRecord
    status: Annotated[str, one_of("complete", "complete_with_unreadable", "partial", "failed", "aborted")]
    bytes_expected: Count
    bytes_done: Annotated[
        Count, Meta(description="Bytes of the output that were reached; less than expected only if it was stopped.")
    ]
    bytes_read: Count
    bytes_zero: Annotated[Count, Meta(description="Zeros because the image says so.")]
    bytes_filled: Annotated[Count, Meta(description="Zeros in place of bytes that could not be read.")]
    bytes_by_state: Annotated[
        Mapping[str, Count],
        Meta(
            description="The same bytes by the state of their range; they add up to bytes_expected.",
            extra_json_schema={"propertyNames": {"enum": [*STATE_NAMES]}},
        ),
    ]
    caveats: Annotated[
        Sequence[str],
        Meta(
            description="What a reader has to know about the bytes: still encrypted, from a chain whose files differ "
            "in length, ..."
        ),
    ]
    fill: FillRecord
    unreadable: Sequence[UnreadableRecord]
    unreadable_not_listed: Count
    hashes: Hashes
    checkpoints: Sequence[Checkpoint]
    segments: Sequence[SegmentRecord]
    compared: Annotated[
        ComparisonRecord | None,
        Meta(
            description="What a second, independent reading of the disk has in common with the output; null if the "
            "extraction did not get that far."
        ),
    ]


class HashMoments(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hashes of one thing when it was acquired, and when it was read again."""

    acquired: Hashes | None
    verified_source: Hashes | UnsetType | None = UNSET
    verified_output: Hashes | UnsetType | None = UNSET


class PiecewiseRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hashes of windows of the disk; digest_of_list is over all of them, one after the other."""

    window: Count
    windows: Count
    digest_of_list: Sha256
    algorithm: Annotated[str, one_of("sha256")]


class HashFamilies(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """container: the file as received; virtual_disk: what the guest sees. Never the same thing."""

    container: HashMoments | UnsetType = UNSET
    virtual_disk: HashMoments | UnsetType = UNSET
    snapshots: Sequence[object] | UnsetType = UNSET
    piecewise: PiecewiseRecord | UnsetType | None = UNSET
