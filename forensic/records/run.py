"""The files that were read, the tool, the run and the case, as a report holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from forensic.records.common import Count, Hashes, Moment, Notes, one_of


class IdentityRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes when a file is changed."""

    size: Count
    mtime_ns: int
    ctime_ns: int
    etag: Annotated[str, Meta(description="The version that a server gives an object.")] | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET


class IntegrityRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The proof that a file was not changed."""

    before: IdentityRecord
    after: IdentityRecord | None
    unchanged: bool | None
    method: str


class InUseRecord(Struct, frozen=True, kw_only=True):
    """What other processes have to do with a file."""

    locked: Annotated[
        bool | None, Meta(description="Whether another process holds locks on the file; null if that cannot be told.")
    ]
    writer: (
        Annotated[
            str | None,
            Meta(
                description="What one of them may do to the file, by the locks it holds; null if all of them only read."
            ),
        ]
        | UnsetType
    ) = UNSET


class UnreadRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range of a file that could not be read."""

    host_offset: Count
    length: Count
    reason: str


class PieceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of evidence that was split."""

    path: str
    size: Count


class SourceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file that was read, and the proof that it was not changed."""

    path_as_given: str
    path_resolved: str | UnsetType = UNSET
    plan: Annotated[str, Meta(description="The recovery plan that the file was read by, as given.")] | UnsetType = UNSET
    kind: Annotated[str, one_of("file", "block", "remote")] | UnsetType = UNSET
    image_offset: (
        Annotated[Count, Meta(description="Where in the file the image begins, if not at its start.")] | UnsetType
    ) = UNSET
    pieces: (
        Annotated[Sequence[PieceRecord], Meta(description="The files of evidence that was split, in order.")]
        | UnsetType
    ) = UNSET
    device: Count | UnsetType = UNSET
    inode: Count | UnsetType = UNSET
    size: Count | UnsetType = UNSET
    disk_usage: Count | UnsetType = UNSET
    mode: Annotated[str, Meta(pattern="^[0-7]{4}$")] | UnsetType = UNSET
    owner: Count | UnsetType = UNSET
    mtime_ns: int | UnsetType = UNSET
    ctime_ns: int | UnsetType = UNSET
    open_flags: Sequence[str] | UnsetType = UNSET
    in_use: InUseRecord | UnsetType = UNSET
    notes: Notes | UnsetType = UNSET
    unread: (
        Annotated[Sequence[UnreadRecord], Meta(description="Ranges of the file that could not be read.")] | UnsetType
    ) = UNSET
    integrity: IntegrityRecord | UnsetType = UNSET


class LibraryRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A library that touched bytes; the version is null if it is not installed."""

    name: str
    version: str | None


class ToolRecord(Struct, frozen=True, kw_only=True):
    """The versions of everything that touched a byte."""

    name: Annotated[str, one_of("qcowscope")]
    version: str
    python: str
    platform: str
    libraries: Sequence[LibraryRecord]


class InputRecord(Struct, frozen=True, kw_only=True):
    """A file that was read: the image, or one that was supplied beside it."""

    role: str
    path: str
    size: Count | UnsetType = UNSET
    hashes: Hashes | UnsetType = UNSET
    verified_source: (
        Annotated[
            Hashes | None,
            Meta(description="The hashes of a second reading after the work; null if there was none."),
        ]
        | UnsetType
    ) = UNSET
    integrity: IntegrityRecord | UnsetType = UNSET
    notes: Notes | UnsetType = UNSET


class ArtifactRecord(Struct, frozen=True, kw_only=True):
    """A file that was written."""

    role: str
    name: str
    segment_index: Count | UnsetType = UNSET
    size: Count | UnsetType = UNSET
    sparse: bool | UnsetType = UNSET
    sha256: str | UnsetType | None = UNSET


class RunRecord(Struct, frozen=True, kw_only=True):
    """When, where, by whom and how; all that differs between two runs."""

    run_id: Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
    command_line: Sequence[str]
    options: Annotated[Mapping[str, object], Meta(description="The options as they took effect.")]
    started_at: Moment
    ended_at: Moment
    local_utc_offset: Annotated[str, Meta(pattern="^[+-][0-9]{4}([0-9]{2})?$")]
    elapsed_seconds: Annotated[float, Meta(ge=0)]
    exit_code: Count
    exit_reason: str
    interrupted: bool
    inputs: Sequence[InputRecord]
    artifacts: Sequence[ArtifactRecord]
    hostname: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    uid: Count | UnsetType = UNSET
    os: str | UnsetType = UNSET
    kernel: str | UnsetType = UNSET
    pid: Count | UnsetType = UNSET
    working_directory: str | UnsetType = UNSET


class CaseRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the examiner wants to see on the report."""

    case_number: str | UnsetType | None = UNSET
    evidence_number: str | UnsetType | None = UNSET
    examiner: str | UnsetType | None = UNSET
    organisation: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    notes: str | UnsetType | None = UNSET
