"""What `map`, `owner`, `diff`, `bitmap`, `recover`, `rules` and `check --format findings` print as JSON.

Some of it is written line by line while it is found, so that it need not fit into memory; tests hold every output
against these types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType, field

from forensic.finding import Confidence, FindingClass, Severity, Space
from forensic.records.common import Count, Sha256, one_of
from forensic.records.extraction import ReasonCode
from forensic.untrusted import UntrustedRecord

Caveats: TypeAlias = Annotated[Sequence[str], Meta(description="What a reader has to know beside the ranges.")]
State: TypeAlias = Annotated[
    str, one_of("unallocated", "data", "compressed", "zero", "zero_allocated", "absent")
]  # fmt: skip
Certainty: TypeAlias = Annotated[str, one_of("certain", "inferred", "unknown")]


class ExtentRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range in one state, with the names of `qemu-img map` and some more."""

    start: Annotated[Count, Meta(description="Guest offset.")]
    length: Count
    depth: Annotated[Count, Meta(description="Level of the backing chain; 0 is the image itself.")]
    present: bool
    zero: bool
    data: bool
    compressed: bool
    state: State
    offset: Annotated[Count, Meta(description="Host offset in the file of that level.")] | UnsetType = UNSET
    stored_offset: Annotated[Count, Meta(description="Host offset of a compressed stream.")] | UnsetType = UNSET
    stored_length: Count | UnsetType = UNSET
    decoded_offset: Annotated[Count, Meta(description="Decoded bytes that come before.")] | UnsetType = UNSET
    reason: Annotated[ReasonCode, Meta(description="Why the bytes cannot be read.")] | UnsetType = UNSET


MapRecord: TypeAlias = Annotated[
    Sequence[ExtentRecord], Meta(description="The guest extents in order, without a gap; of qcowscope map --json.")
]


class ClusterRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The host cluster around the byte."""

    host_offset: Count
    length: Count


class OwnerRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A structure or a guest range that uses the cluster."""

    owner: str
    name: Annotated[str, Meta(description="The kind of owner in words.")]
    structure_path: str
    host_offset: Count
    length: Count
    guest_offset: Count | None
    references: Count


class OwnershipRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose a byte of the image file is."""

    host_offset: Count
    cluster: ClusterRecord
    refcount_stored: Annotated[Count | None, Meta(description="Null if it cannot be read.")]
    references_counted: Count
    not_known: Annotated[str | None, Meta(description="Why there may be more owners; null if all are known.")]
    owners: Sequence[OwnerRecord]


class ComparedDiskRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of two disks that are compared, and the files it was read from."""

    target: str
    size: Count
    files: Sequence[str]


class DifferingRangeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range on which two disks differ, or on which that cannot be told for the reasons."""

    start: Count
    length: Count
    relation: Annotated[str, one_of("differs", "not_compared", "only_in_first", "only_in_second")]
    reasons: Sequence[ReasonCode] | UnsetType = UNSET


class DiskDiffRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The guest ranges in which two disks differ."""

    schema: Annotated[str, one_of("qcowscope-diff/1")]
    first: ComparedDiskRecord
    second: ComparedDiskRecord
    ranges: Sequence[DifferingRangeRecord]
    bytes: Annotated[Mapping[str, Count], Meta(description="Bytes by relation.")]
    caveats: Caveats


class NamedBitmapRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The bitmap; granularity in bytes, null where it is none."""

    index: Count
    name: UntrustedRecord
    granularity: Count | None


class BitmapRangeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range that is marked, or of which that cannot be told; the others are clear."""

    start: Count
    length: Count
    mark: Annotated[str, one_of("marked", "unknown")]


class BitmapBytesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes of the disk by mark."""

    clear: Count
    marked: Count
    unknown: Count


class BitmapRangesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which guest ranges a dirty bitmap marks."""

    schema: Annotated[str, one_of("qcowscope-bitmap/1")]
    bitmap: NamedBitmapRecord
    virtual_size: Count
    ranges: Sequence[BitmapRangeRecord]
    bytes: BitmapBytesRecord
    caveats: Caveats


class FlatFindingRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of `check --format findings`; an image without findings has one line whose rule is null."""

    path: str
    sha256: Sha256 | None
    verdict: str | None
    rule: str | None
    severity: Severity | None
    finding_class: FindingClass | None = field(name="class")
    count: Count | None
    space: Space | None
    offset: int | None
    length: int | None
    error: Annotated[str | None, Meta(description="Why the image could not be looked at.")]


class RuleRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule and its documentation."""

    code: str
    title: str
    severity: Severity
    finding_class: FindingClass = field(name="class")
    confidence: Confidence
    structure: str
    family: str
    spec: str
    why: str
    qemu: str
    next: str


class RulesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every rule there is."""

    rules: Sequence[RuleRecord]


class CertaintyBytesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes of one certainty: of data, of zeros, and not read."""

    data: Count
    zero: Count
    not_read: Count


class RecoveredBytesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan gives of a disk."""

    by_certainty: Mapping[Certainty, CertaintyBytesRecord]
    by_method: Mapping[str, Count]


class DecisionRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A decision of a plan."""

    what: str
    certainty: Certainty = field(name="class")
    confidence: Annotated[float, Meta(ge=0, le=1)]
    method: str
    because: Sequence[str]


class RecoveryOutlineRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `recover` finds of one disk."""

    schema: Annotated[str, one_of("qcowscope-recovery/1")]
    damage: Sequence[str]
    notes: Sequence[str]
    virtual_size: Count
    cluster_size: Count
    bytes: RecoveredBytesRecord
    decisions: Mapping[str, DecisionRecord]
    unplaced_tables: Count
    unplaced_streams: Count


class DeletedSnapshotRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left of a deleted snapshot."""

    target: str
    id: UntrustedRecord
    name: UntrustedRecord
    date_sec: int
    host_offset: Count
    bytes: RecoveredBytesRecord


class DeletedSnapshotsRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `recover --deleted-snapshots` finds."""

    schema: Annotated[str, one_of("qcowscope-recovery/1")]
    deleted_snapshots: Sequence[DeletedSnapshotRecord]


class CarvedImageRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An image within a larger file; `bytes` and `damage` of what can be recovered, or the reason why nothing can."""

    offset: Count
    length: Count
    version: Count
    virtual_size: Count
    cluster_size: Count
    tables: Count
    tables_in_place: Count
    goes_on_after_the_end: bool
    bytes: RecoveredBytesRecord | UnsetType = UNSET
    damage: Sequence[str] | UnsetType = UNSET
    plan: UnsetType | None = UNSET
    reason: str | UnsetType = UNSET


class CarvedImagesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `recover --carve` finds."""

    schema: Annotated[str, one_of("qcowscope-recovery/1")]
    images: Sequence[CarvedImageRecord]
    headers_not_looked_at: Count
