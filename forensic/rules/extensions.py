"""Rules about the header extensions: their frame, the backing format and the names of the feature bits."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.qcow2.extensions import (
    FEATURE_NAME_SIZE,
    Extension,
    ExtensionType,
    feature_names,
)
from forensic.qcow2.metadata import HeaderCluster
from forensic.rules.registry import rule
from forensic.untrusted import Untrusted

EXTENSION_HEAD = 8
MAX_BACKING_FORMAT = 15
MAX_FEATURE_BIT = 63

FORMATS_OF_QEMU = frozenset(
    b"raw qcow qcow2 qed vmdk vdi vhdx vpc parallels bochs cloop dmg luks file host_device host_cdrom nbd rbd iscsi "
    b"nfs http https ftp ftps ssh gluster vvfat blkdebug blkverify quorum throttle compress preallocate".split()
)
"""The block drivers of QEMU that have ever stood as the format of a backing file."""

FEATURE_NAMES: dict[tuple[int, int], tuple[bytes, ...]] = {
    (0, 0): (b"dirty bit",),
    (0, 1): (b"corrupt bit",),
    (0, 2): (b"external data file",),
    (0, 3): (b"compression type",),
    (0, 4): (b"extended L2 entries",),
    (1, 0): (b"lazy refcounts",),
    (2, 0): (b"bitmaps",),
    (2, 1): (b"raw external data",),
}
"""What QEMU calls each feature bit: kind (incompatible, compatible, autoclear) and number."""


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.CORRUPTION)
def extension_outside_area(cluster: HeaderCluster) -> Iterator[Problem]:
    """A header extension reaches past the end of the extension area.

    Why: a reader that trusts the length reads or allocates too much (CVE-2014-0144); what follows is unknown.
    Spec: Header extensions
    QEMU: refuses the image.
    Next: read the header cluster as hex; the extensions before this one are sound.
    """
    for extension in cluster.extensions.extensions:
        if not extension.complete and not cluster.cut:
            yield _at(
                extension,
                f"claims {extension.length:,} bytes, {len(extension.data):,} are left in the extension area",
            )


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def extension_end_missing(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header extensions lack an end marker.

    Why: they run up to the backing file name or the end of the cluster; consistent with a writer other than QEMU. The
    first versions of QEMU that wrote extensions reportedly omitted the marker, hence the low severity.
    Spec: Header extensions, type 0x00000000
    QEMU: reports nothing.
    Next: examine the last extension's bytes.
    """
    found = cluster.extensions
    if found.extensions and not found.ended and not cluster.cut and found.extensions[-1].complete and not found.capped:
        yield _at(found.extensions[-1], f"is the last one, and the area ends at {found.end_offset:#x} without a marker")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.RESOURCE)
def extension_count_too_large(cluster: HeaderCluster) -> Iterator[Problem]:
    """The header has more extensions than were looked at.

    Why: no writer makes more than a handful; a cluster full of empty ones only costs a reader time.
    Spec: Header extensions
    QEMU: reports nothing.
    Next: read the header cluster as hex from where the list stops.
    """
    found = cluster.extensions
    if found.capped:
        yield Problem(
            f"{len(found.extensions):,} header extensions were looked at, more follow at {found.end_offset:#x}",
            (host_range(found.end_offset, EXTENSION_HEAD),),
            "header extensions",
        )


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def extension_end_with_length(cluster: HeaderCluster) -> Iterator[Problem]:
    """The end marker of the header extensions claims to have data.

    Why: nothing reads what follows the marker, so it is a place to hide something.
    Spec: Header extensions, type 0x00000000
    QEMU: reports nothing, unless the length leaves the area; then it refuses the image.
    Next: examine the bytes.
    """
    for extension in cluster.extensions.extensions:
        if extension.type == ExtensionType.END and extension.length and extension.complete:
            yield _at(extension, f"claims {extension.length:,} bytes, expected 0")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.SPEC_VIOLATION)
def extension_duplicate(cluster: HeaderCluster) -> Iterator[Problem]:
    """A header extension occurs more than once.

    Why: it is undefined which one counts: this tool takes the first, QEMU the last.
    Spec: Header extensions
    QEMU: reports nothing; the last one wins.
    Next: compare the two; they may come from two states of the image.
    """
    seen: dict[int, Extension] = {}
    for extension in cluster.extensions.extensions:
        first = seen.setdefault(extension.type, extension)
        if first is not extension:
            yield _at(extension, f"occurs before, at host offset {first.host_offset:#x}")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def extension_unknown(cluster: HeaderCluster) -> Iterator[Problem]:
    """A header extension has a type that the specification does not define.

    Why: it comes from another writer or a newer format, or it holds something that no tool shows.
    Spec: Header extensions
    QEMU: keeps it and reports nothing.
    Next: examine the bytes.
    """
    for extension in cluster.extensions.extensions:
        if extension.known is None:
            start = extension.data[:16].hex(" ")
            yield _at(extension, f"has an unknown type and holds {extension.length:,} bytes: {start}")


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def extension_padding(cluster: HeaderCluster) -> Iterator[Problem]:
    """The padding of a header extension is not zero.

    Why: up to seven bytes that no reader looks at.
    Spec: Header extensions
    QEMU: reports nothing.
    Next: examine the bytes.
    """
    for extension in cluster.extensions.extensions:
        if extension.complete and any(extension.padding):
            yield _at(extension, f"is padded with {extension.padding.hex(' ')}, expected zeros")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def backing_format_too_long(cluster: HeaderCluster) -> Iterator[Problem]:
    """The name of the backing file's format is longer than any format name.

    Why: QEMU reserves 15 bytes for it, a limit that older versions did not check.
    Spec: Backing file format name (the limit is QEMU's)
    QEMU: refuses the image.
    Next: examine the bytes; supply the format with the backing file.
    """
    extension = cluster.extensions.first(ExtensionType.BACKING_FORMAT)
    if extension and extension.complete and extension.length > MAX_BACKING_FORMAT:
        yield _at(extension, f"holds {extension.length:,} bytes, expected at most {MAX_BACKING_FORMAT}")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def backing_format_unused(cluster: HeaderCluster) -> Iterator[Problem]:
    """The format of a backing file is recorded, but there is no backing file.

    Why: consistent with a backing file name that was removed by something other than QEMU, which removes both.
    Spec: Backing file format name
    QEMU: reports nothing.
    Next: look for a name after the extensions; the disk may need a backing file after all.
    """
    extension = cluster.extensions.first(ExtensionType.BACKING_FORMAT)
    if extension and extension.length and not cluster.header.backing_file_offset:
        yield _at(extension, "is there, but backing_file_offset is 0")


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.CORRUPTION)
def backing_format_unknown(cluster: HeaderCluster) -> Iterator[Problem]:
    """The recorded format of the backing file is not one that QEMU knows.

    Why: the backing file cannot be opened with it, so the name is damaged, or is not a format name at all.
    Spec: Backing file format name
    QEMU: info reports nothing; opening the chain fails.
    Next: supply the format with the backing file.
    """
    extension = cluster.extensions.first(ExtensionType.BACKING_FORMAT)
    text = cluster.extensions.text(ExtensionType.BACKING_FORMAT)
    if extension is None or text is None or not 0 < extension.length <= MAX_BACKING_FORMAT:
        return
    if text.raw.split(b"\0", 1)[0] not in FORMATS_OF_QEMU:
        yield _at(extension, f'names the format "{text}"')


@rule(HeaderCluster, Severity.LOW, FindingClass.SPEC_VIOLATION)
def feature_names_malformed(cluster: HeaderCluster) -> Iterator[Problem]:
    """The feature name table is malformed, or calls a known feature by another name.

    Why: readers that refuse an unknown feature print the name from here, so it can mislead; a bit above 63 makes QEMU
    shift a number by more than its width.
    Spec: Feature name table
    QEMU: reports nothing.
    Next: trust the feature bits, not their names.
    """
    table = cluster.extensions.first(ExtensionType.FEATURE_NAMES)
    if table is None or not table.complete:
        return
    if table.length % FEATURE_NAME_SIZE:
        yield _at(table, f"holds {table.length:,} bytes, not a multiple of {FEATURE_NAME_SIZE}")
    seen: set[tuple[int, int]] = set()
    for number, feature in enumerate(feature_names(cluster.extensions)):
        place = (feature.feature_type, feature.bit)
        known = FEATURE_NAMES.get(place)
        if feature.feature_type > 2 or feature.bit > MAX_FEATURE_BIT:
            yield _at(table, f"names bit {feature.bit} of feature type {feature.feature_type} in entry {number}")
        elif place in seen:
            yield _at(table, f"names bit {feature.bit} of feature type {feature.feature_type} again in entry {number}")
        elif known and feature.name.raw not in known:
            yield _at(table, f'calls the feature "{Untrusted(known[0])}" by the name "{feature.name}"')
        seen.add(place)


def _at(extension: Extension, what: str) -> Problem:
    """One sentence about an extension and where it lies, as far as it is there."""
    return Problem(
        f"the header extension {extension.type:#010x} at {extension.host_offset:#x} {what}",
        (host_range(extension.host_offset, EXTENSION_HEAD + len(extension.data)),),
        f"extension {extension.type:#010x}",
    )
