"""Rules about other files that an image names; none of them is ever opened for that."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Range, Severity, host
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.header import Incompatible
from forensic.qcow2.image import HeaderCluster
from forensic.qcow2.names import is_protocol
from forensic.rules.header import in_header
from forensic.rules.registry import rule
from forensic.untrusted import Untrusted

SYSTEM_DIRECTORIES = (b"/dev/", b"/proc/", b"/sys/", b"/etc/", b"/run/", b"/root/", b"/boot/")


def is_system_path(name: bytes) -> bool:
    """Whether a name leads to devices, to the kernel or to the host's own configuration."""
    return _path(name).startswith(SYSTEM_DIRECTORIES)


def leaves_directory(name: bytes) -> bool:
    """Whether a name is absolute or climbs with `..`."""
    path = _path(name)
    return path.startswith(b"/") or b".." in path.split(b"/")


def _path(name: bytes) -> bytes:
    """The path that the host's C library would see: up to the first NUL, without doubled slashes and `file:`."""
    path = name.split(b"\0", 1)[0].removeprefix(b"file:")
    return re.sub(rb"/(\./|/)*", b"/", path)


def _backing(cluster: HeaderCluster) -> tuple[Untrusted, tuple[Range, ...]] | None:
    header = cluster.header
    if cluster.backing_file is None or not cluster.backing_file.raw:
        return None
    return cluster.backing_file, (host(header.backing_file_offset, len(cluster.backing_file.raw)),)


def _data_file(cluster: HeaderCluster) -> tuple[Untrusted, tuple[Range, ...]] | None:
    extension = cluster.extensions.first(ExtensionType.DATA_FILE)
    if extension is None:
        return None
    return Untrusted(extension.data), (host(extension.host_offset, 8 + len(extension.data)),)


def _protocol(kind: str, named: tuple[Untrusted, tuple[Range, ...]] | None) -> Iterator[Problem]:
    if named and is_protocol(named[0].raw) and not named[0].raw.startswith(b"file:"):
        yield Problem(f'the {kind} is "{named[0]}", which is not a file name but a protocol', named[1], kind)


def _system_path(kind: str, named: tuple[Untrusted, tuple[Range, ...]] | None) -> Iterator[Problem]:
    if named and is_system_path(named[0].raw):
        yield Problem(f'the {kind} is "{named[0]}", a path of the host system', named[1], kind)


def _outside_directory(kind: str, named: tuple[Untrusted, tuple[Range, ...]] | None) -> Iterator[Problem]:
    if named and leaves_directory(named[0].raw) and not is_system_path(named[0].raw):
        yield Problem(f'the {kind} is "{named[0]}", which lies outside the directory of the image', named[1], kind)


@rule(HeaderCluster, Severity.INFO, FindingClass.REFERENCE)
def backing_file_declared(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image names a backing file.

    Why: what the image does not hold comes from there; the image alone is not the whole disk.
    Spec: Header, bytes 8-19
    QEMU: opens the file by the name in the image, even for its check.
    Next: obtain the backing file; it is not opened unless it is supplied.
    """
    if named := _backing(cluster):
        yield Problem(f'the backing file is "{named[0]}"; it was not opened', named[1], "backing file")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def backing_file_protocol(cluster: HeaderCluster) -> Iterator[Problem]:
    """The backing file name is a protocol or a json: description.

    Why: opening the image makes a host connect to a network service or assemble any block device.
    Spec: Header, bytes 8-19
    QEMU: tries the connection, even for its check.
    Next: do not open the image with QEMU on a connected host.
    """
    yield from _protocol("backing file", _backing(cluster))


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def backing_file_system_path(cluster: HeaderCluster) -> Iterator[Problem]:
    """The backing file is a device or a system file of the host.

    Why: whoever converts the image copies the host's own data into the output.
    Spec: Header, bytes 8-19
    QEMU: opens it; convert was seen to copy a password file into the raw image, with exit status 0.
    Next: do not open the image with QEMU; consistent with an attempt to read the host's files.
    """
    yield from _system_path("backing file", _backing(cluster))


@rule(HeaderCluster, Severity.HIGH, FindingClass.REFERENCE)
def backing_file_outside_directory(cluster: HeaderCluster) -> Iterator[Problem]:
    """The backing file lies outside the directory of the image.

    Why: on the host that opens the image another file may stand there than on the one that wrote it.
    Spec: Header, bytes 8-19
    QEMU: resolves the name against the directory of the image and opens it.
    Next: managed hosts use absolute names in ordinary work; check that the place belongs to the image's system.
    """
    yield from _outside_directory("backing file", _backing(cluster))


@rule(HeaderCluster, Severity.INFO, FindingClass.REFERENCE)
def data_file_declared(cluster: HeaderCluster) -> Iterator[Problem]:
    """The guest's data lies in an external data file.

    Why: the image holds metadata only; without the other file nothing of the disk can be read.
    Spec: Header, incompatible feature bit 2; External data file name
    QEMU: opens the file by the name in the image, resolved against the working directory of the process.
    Next: obtain the data file; it is not opened unless it is supplied.
    """
    if named := _data_file(cluster):
        yield Problem(f'the data file is "{named[0]}"; it was not opened', named[1], "data file")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def data_file_name_missing(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image has an external data file but no name of it.

    Why: where the guest's data lies is not known.
    Spec: External data file name
    QEMU: refuses the image unless it is given the file.
    Next: look for a file of the virtual disk's size beside the image.
    """
    flagged = cluster.header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE
    if flagged and _data_file(cluster) is None:
        yield Problem(
            "incompatible feature bit 2 is set, but no header extension 0x44415441 was found",
            in_header(cluster, "incompatible_features.has_external_data_file"),
            "header",
        )


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def data_file_protocol(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file name is a protocol or a json: description.

    Why: opening the image makes a host connect to a network service or assemble any block device (CVE-2024-4467).
    Spec: External data file name
    QEMU: patched versions take the name literally; older ones opened it even for `info`.
    Next: do not open the image with QEMU on a connected host.
    """
    yield from _protocol("data file", _data_file(cluster))


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def data_file_system_path(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file is a device or a system file of the host.

    Why: whoever reads the image reads the host's own data, and whoever writes to it writes there (CVE-2024-32498).
    Spec: External data file name
    QEMU: opens it, even for its check.
    Next: do not open the image with QEMU; consistent with an attempt to read the host's files.
    """
    yield from _system_path("data file", _data_file(cluster))


@rule(HeaderCluster, Severity.HIGH, FindingClass.REFERENCE)
def data_file_outside_directory(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file lies outside the directory of the image.

    Why: on the host that opens the image another file may stand there than on the one that wrote it.
    Spec: External data file name
    QEMU: opens it, even for its check.
    Next: managed hosts use absolute names in ordinary work; check that the place belongs to the image's system.
    """
    yield from _outside_directory("data file", _data_file(cluster))
