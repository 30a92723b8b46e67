"""Rules about text in the image: names that act on a terminal, go on where a reader stops, or stand for two things."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Range, Severity, host_range
from forensic.numbers import counted
from forensic.qcow2.extensions import ExtensionType, feature_names
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.snapshots import Snapshot, SnapshotTable
from forensic.qcow2.v1 import Qcow1Header
from forensic.rules.registry import rule
from forensic.untrusted import SHOWN_LIMIT, Untrusted

Name = tuple[str, Untrusted, tuple[Range, ...]]
"""What the name is of, the name, and where it lies."""


@rule(HeaderCluster, Severity.HIGH, FindingClass.ANOMALY, also=(Qcow1Header,))
def name_control_characters(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """A name in the header cluster has control characters, invisible characters or bytes that are not UTF-8.

    Why: printed as it is, it can move the cursor, fake other output or run commands of the terminal.
    Spec: String header extensions; Feature name table
    QEMU: prints names raw on the terminal.
    Next: read the hexadecimal form; do not print the name with other tools.
    """
    for name in _header_names(cluster):
        yield from _harmful(name)


@rule(HeaderCluster, Severity.HIGH, FindingClass.HIDDEN_DATA, also=(Qcow1Header,))
def name_hidden_after_nul(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """A name in the header cluster continues after a NUL byte.

    Why: names have a length and no terminator; readers in C stop at the NUL and show only what comes before.
    Spec: String header extensions; Header, bytes 8-19
    QEMU: uses the part before the NUL and reports nothing.
    Next: read the hexadecimal form.
    """
    for name in _header_names(cluster):
        yield from _hidden(name)


@rule(SnapshotTable, Severity.HIGH, FindingClass.ANOMALY)
def snapshot_name_control_characters(table: SnapshotTable) -> Iterator[Problem]:
    """The id or name of a snapshot has control characters, invisible characters or bytes that are not UTF-8.

    Why: printed as it is, it can move the cursor, fake other output or run commands of the terminal.
    Spec: Snapshots, unique ID string and name
    QEMU: prints both raw on the terminal.
    Next: read the hexadecimal form; do not print the name with other tools.
    """
    for name in _snapshot_names(table):
        yield from _harmful(name)


@rule(SnapshotTable, Severity.HIGH, FindingClass.HIDDEN_DATA)
def snapshot_name_hidden_after_nul(table: SnapshotTable) -> Iterator[Problem]:
    """The id or name of a snapshot continues after a NUL byte.

    Why: both have a length and no terminator; readers in C stop at the NUL and show only what comes before.
    Spec: Snapshots, unique ID string and name
    QEMU: shows the part before the NUL and reports nothing.
    Next: read the hexadecimal form.
    """
    for name in _snapshot_names(table):
        yield from _hidden(name)


@rule(SnapshotTable, Severity.MEDIUM, FindingClass.ANOMALY)
def snapshot_duplicate_id(table: SnapshotTable) -> Iterator[Problem]:
    """Two snapshots have the same id, or one has none.

    Why: the id distinguishes snapshots; QEMU gives each a new number.
    Spec: Snapshots, unique ID string
    QEMU: reports nothing; the first of them is found, the others cannot be reached.
    Next: extract each by its place in the table.
    """
    seen: dict[bytes, int] = {}
    for snapshot in table.snapshots:
        first = seen.setdefault(snapshot.id.raw, snapshot.index)
        if not snapshot.id.raw:
            yield _repeated(snapshot, "the id is empty", "len_id")
        elif first != snapshot.index:
            yield _repeated(snapshot, f'the id "{snapshot.id}" is also that of snapshot {first}', "id")


@rule(SnapshotTable, Severity.LOW, FindingClass.ANOMALY)
def snapshot_duplicate_name(table: SnapshotTable) -> Iterator[Problem]:
    """Two snapshots have the same name.

    Why: by name only the first can be reached. QEMU allows it in ordinary work.
    Spec: Snapshots, name of the snapshot
    QEMU: reports nothing; the first of them is found.
    Next: extract each by its id.
    """
    seen: dict[bytes, int] = {}
    for snapshot in table.snapshots:
        first = seen.setdefault(snapshot.name.raw, snapshot.index)
        if snapshot.name.raw and first != snapshot.index:
            yield _repeated(snapshot, f'the name "{snapshot.name}" is also that of snapshot {first}', "name")


def _harmful(name: Name) -> Iterator[Problem]:
    what, text, place = name
    seen_by_c = text.raw.split(b"\0", 1)[0]
    pieces = (seen_by_c[start : start + SHOWN_LIMIT] for start in range(0, len(seen_by_c), SHOWN_LIMIT))
    if any(Untrusted(piece).sanitised for piece in pieces):
        yield Problem(f'the {what} is "{text}"', place, what, {"name": text.as_json()})


def _hidden(name: Name) -> Iterator[Problem]:
    what, text, place = name
    before, _, after = text.raw.partition(b"\0")
    if any(after):
        yield Problem(
            f"the {what} is {counted(len(text.raw), 'byte')} long and has a NUL after {len(before)}, "
            f"{len(after)} more follow",
            place,
            what,
            {"name": text.as_json()},
        )


def _header_names(cluster: HeaderCluster | Qcow1Header) -> Iterator[Name]:
    header = cluster.header if isinstance(cluster, HeaderCluster) else cluster
    if cluster.backing_file:
        raw = cluster.backing_file.raw
        yield "backing file name", cluster.backing_file, (host_range(header.backing_file_offset, len(raw)),)
    if isinstance(cluster, Qcow1Header):
        return
    kinds = {ExtensionType.BACKING_FORMAT: "backing format name", ExtensionType.DATA_FILE: "data file name"}
    for extension in cluster.extensions.extensions:
        if extension.known in kinds:
            place = (host_range(extension.host_offset + 8, len(extension.data)),)
            yield kinds[extension.known], Untrusted(extension.data), place
    table = cluster.extensions.first(ExtensionType.FEATURE_NAMES)
    if table:
        for feature in feature_names(cluster.extensions):
            place = (host_range(table.host_offset + 8, len(table.data)),)
            yield f"name of bit {feature.bit} of feature type {feature.feature_type}", feature.name, place


def _snapshot_names(table: SnapshotTable) -> Iterator[Name]:
    for snapshot in table.snapshots:
        for what, text in (("id", snapshot.id), ("name", snapshot.name)):
            found = snapshot.place(what)
            yield f"{what} of snapshot {snapshot.index}", text, (host_range(*found),) if found else ()


def _repeated(snapshot: Snapshot, text: str, field: str) -> Problem:
    found = snapshot.place(field)
    place = (host_range(*found),) if found else ()
    return Problem(f"snapshot {snapshot.index}: {text}", place, f"snapshots[{snapshot.index}]")
