"""What the commands of `fs` print as JSON, some of it entry by entry; tests hold every output against these types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from forensic.records.common import Count, Moment, one_of
from forensic.untrusted import UntrustedRecord


class ListedVolumeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A volume; `reason` says why it is not read."""

    volume: str
    kind: str
    start: Annotated[
        Count | None, Meta(description="Guest offset; null for a logical volume, which may lie in pieces.")
    ]
    length: Count
    name: UntrustedRecord
    file_system: str | None
    label: UntrustedRecord
    read: bool
    reason: str | None


class PathFaultRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why something of a path is not known."""

    volume: str
    path: UntrustedRecord
    reason: str
    absent: bool


class ReaderFailureRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A library that crashed on a volume, or was stopped."""

    rule: str
    volume: str
    library: str
    signal: int | None
    last_path: UntrustedRecord
    reason: str


class NameRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A path: the bytes in hex are the truth, however many they are; the text is safe to show."""

    text: str
    hex: Annotated[str, Meta(pattern="^([0-9a-f]{2})*$")]
    sanitised: bool


class FileRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file or folder with its metadata; times are null where there are none."""

    path: NameRecord
    inode: str
    kind: str
    size: int
    deleted: bool
    mode: Annotated[str, Meta(pattern="^[0-7]{4,}$")]
    uid: int
    gid: int
    links: int
    modified: Moment | None
    accessed: Moment | None
    changed: Moment | None
    created: Moment | None
    reallocated: bool | UnsetType = UNSET
    sequence: int | UnsetType = UNSET
    exceeds_volume: bool | UnsetType = UNSET
    target: NameRecord | UnsetType = UNSET
    faults: Sequence[str] | UnsetType = UNSET


class TimelineRecord(FileRecord, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of `fs timeline --format jsonl`."""

    volume: str


class VolumesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `fs ls` prints of a disk."""

    schema: Annotated[str, one_of("qcowscope-fs-ls/1")]
    scheme: str
    volumes: Sequence[ListedVolumeRecord]
    notes: Sequence[str]
    missing: Annotated[str | None, Meta(description="Why the beginning of the disk cannot be read.")]


class FilesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `fs ls` prints of a volume."""

    schema: Annotated[str, one_of("qcowscope-fs-ls/1")]
    volume: ListedVolumeRecord
    entries: Sequence[FileRecord]
    faults: Sequence[PathFaultRecord]
    failure: ReaderFailureRecord | None
    journal_open: Annotated[bool, Meta(description="Its journal, which is not replayed, holds changes.")]


class SharedRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another state of the disk that leads to the same place, and for how many of the bytes."""

    disk: str
    length: Count


class PlaceRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a part of a file lies: in the volume, on the disk, in the image file."""

    file_offset: Count
    length: Count
    volume_offset: Count | None
    guest_offset: Count | None
    state: str
    host_offset: Count | None
    stored_length: Count | None
    skip: Count
    depth: Count
    reason: str | None
    shared_with: Sequence[SharedRecord]


class WhereRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the content of a file lies."""

    schema: Annotated[str, one_of("qcowscope-fs-where/1")]
    path: NameRecord
    inode: str
    size: int
    in_inode: Annotated[bool, Meta(description="The content is part of the inode, and has no place of its own.")]
    places: Sequence[PlaceRecord]


class NotOnDiskRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A byte of the image file that is no part of the disk."""

    what: str


class NoFileRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A guest range that no file claims."""

    guest_offset: Count
    length: Count
    what: Annotated[
        str, one_of("free", "metadata", "in_use", "unknown", "past_disk_end", "outside_volumes", "not_read")
    ]
    volume: str | UnsetType = UNSET
    volume_offset: Count | UnsetType = UNSET
    reason: str | UnsetType = UNSET


class HolderRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that a guest range belongs to: to its content, to the slack after it, or to its list of blocks."""

    guest_offset: Count
    length: Count
    volume: str
    path: NameRecord
    inode: str
    deleted: bool
    what: Annotated[str, one_of("content", "slack", "table")]
    file_offset: Count
    reallocated: bool | UnsetType = UNSET


OwnedRecord: TypeAlias = Annotated[
    object, Meta(extra_json_schema={"anyOf": [{"$ref": "#/$defs/HolderRecord"}, {"$ref": "#/$defs/NoFileRecord"},
                                              {"$ref": "#/$defs/NotOnDiskRecord"}]})
]  # fmt: skip
"""The objects are told apart by their keys, which no union of structs can say."""


class FileOwnersRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which files a byte of the disk, or of the image file, belongs to."""

    schema: Annotated[str, one_of("qcowscope-fs-owner/1")]
    target: str
    found: Sequence[OwnedRecord]


class FileChangeRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that differs between two disks."""

    volume: str
    path: NameRecord
    what: Sequence[str]
    fields: Annotated[Sequence[str], Meta(description="Which of its metadata differ.")]
    reason: Annotated[str | None, Meta(description="Why its content could not be compared.")]
    before: FileRecord | None
    after: FileRecord | None


class FileChangesRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was done to the files between two states of a disk."""

    schema: Annotated[str, one_of("qcowscope-fs-diff/1")]
    first: str
    second: str
    volumes: Sequence[str]
    changes: Sequence[FileChangeRecord]
    notes: Sequence[str]
    faults: Sequence[PathFaultRecord]
    failures: Sequence[ReaderFailureRecord]
    journals_open: Annotated[
        Sequence[str], Meta(description="Volumes whose journal, which is not replayed, holds changes on either disk.")
    ]
