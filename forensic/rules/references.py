"""Rules about the backing file that an image names; no file is ever opened or looked for because of a name."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from forensic.finding import FindingClass, Problem, Range, Severity, host_range
from forensic.qcow2.extensions import MAX_BACKING_NAME, ExtensionType
from forensic.qcow2.file_names import is_network_path, is_protocol, is_windows_path
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.header import Header
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.v1 import Qcow1Header
from forensic.rules.registry import rule
from forensic.untrusted import Untrusted

SYSTEM_DIRECTORIES = (b"/dev/", b"/proc/", b"/sys/", b"/etc/", b"/run/", b"/root/", b"/boot/", b"/var/run/")

STORAGE_DIRECTORIES = (
    b"/var/lib/libvirt/", b"/var/lib/nova/instances/", b"/var/lib/cinder/", b"/var/lib/glance/", b"/var/lib/vz/",
    b"/var/lib/one/", b"/var/lib/uvtool/", b"/var/lib/gnome-boxes/", b"/rhev/data-center/", b"/srv/", b"/mnt/",
    b"/media/",
)  # fmt: skip
"""Where managers of virtual machines keep their images: they write absolute names into overlays in ordinary work."""

FOREIGN = ("a path of Windows, outside the directory of the image", "a path to a share of a server (UNC)")


class Named(Struct, frozen=True):
    """A file that an image names, and where in the image the name is; `kind` is what a sentence calls the file."""

    kind: str
    name: Untrusted
    place: tuple[Range, ...]
    image_path: str

    @property
    def path(self) -> bytes:
        """The path that the host's C library would see: up to the first NUL, without doubled slashes and `file:`."""
        path = self.name.raw.split(b"\0", 1)[0].removeprefix(b"file:")
        return re.sub(rb"/(\./|/)*", b"/", path)

    @property
    def is_protocol(self) -> bool:
        """Whether QEMU would take the name for `json:…` or for something reached by a protocol such as `nbd:`."""
        return is_protocol(self.name.raw) and not self.name.raw.startswith(b"file:")

    @property
    def is_system_path(self) -> bool:
        """Whether the name leads to devices, to the kernel or to the host's own configuration."""
        return posixpath.normpath(self.path).startswith(SYSTEM_DIRECTORIES) or self.path.startswith(SYSTEM_DIRECTORIES)

    @property
    def climbs(self) -> bool:
        """Whether the name goes up with `..`."""
        return b".." in re.split(rb"[/\\]", self.path)

    @property
    def is_foreign_path(self) -> bool:
        """Whether it is an absolute name of Windows, with a drive letter or of a server."""
        return is_windows_path(self.name.raw.removeprefix(b"file:"))

    @property
    def in_directory_of_image(self) -> bool:
        """Whether an absolute name is of the very directory in which the image was found."""
        return posixpath.dirname(self.path) == os.path.dirname(os.fsencode(self.image_path))

    @property
    def is_the_image(self) -> bool:
        """Whether the name, read beside the image, is that of the image itself."""
        own = os.fsencode(self.image_path)
        return not self.is_protocol and posixpath.normpath(posixpath.join(posixpath.dirname(own), self.path)) == own

    def problem(self, what: str) -> Problem:
        """One sentence about the name."""
        return Problem(f'the {self.kind} is "{self.name}"{what}', self.place, self.kind)


def _header_of(cluster: HeaderCluster | Qcow1Header) -> Header | Qcow1Header:
    return cluster.header if isinstance(cluster, HeaderCluster) else cluster


def backing_file(cluster: HeaderCluster | Qcow1Header) -> Named | None:
    """The backing file that the image names."""
    name = cluster.backing_file
    if name is None or not name.raw:
        return None
    place = (host_range(_header_of(cluster).backing_file_offset, len(name.raw)),)
    return Named("backing file", name, place, cluster.image_path)


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION, also=(Qcow1Header,))
def backing_name_outside_header(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file name leaves the header cluster or is too long.

    Why: a reader that trusts the length reads or allocates too much (CVE-2014-0144).
    Spec: Header, bytes 8-19
    QEMU: refuses the image.
    Next: what lies within the cluster is shown; the rest is not part of a name.
    """
    header = _header_of(cluster)
    if isinstance(cluster, Qcow1Header):  # it has no header cluster: the name may lie anywhere in the file
        limit = cluster.file_size
    elif isinstance(cluster.geometry, Geometry):
        limit = cluster.geometry.cluster_size
    else:
        return
    room = min(MAX_BACKING_NAME, limit - header.backing_file_offset)
    if header.backing_file_offset and header.backing_file_size > room:
        yield Problem(
            f"the backing file name at host offset {header.backing_file_offset:#x} is {header.backing_file_size} bytes "
            f"long, expected at most {max(room, 0)}",
            (host_range(8, 8),),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.SPEC_VIOLATION)
def backing_name_in_header(cluster: HeaderCluster) -> Iterator[Problem]:
    """The backing file name overlaps the header or its extensions.

    Why: a name in the header's own bytes is hidden from a reader of the fields, and hides every extension from QEMU.
    Spec: Header, bytes 8-15; Header extensions
    QEMU: reports nothing, uses the name, and ignores the extensions where the name begins inside the header.
    Next: read the header cluster as hex; the extensions are listed here as the file has them.
    """
    header, ended = cluster.header, cluster.extensions.end_offset
    begins, length = header.backing_file_offset, header.backing_file_size
    # An extension that runs into a name after the header is that extension's fault and reported as such.
    if 0 < begins < header.header_length and length:
        yield Problem(
            f"the backing file name lies at {begins:#x} to {begins + length:#x}, inside what ends at {ended:#x}: the "
            "header and its extensions",
            (host_range(begins, length),),
            "header",
        )


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY, also=(Qcow1Header,))
def backing_name_incomplete(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """Only one of offset and length of the backing file name is set.

    Why: consistent with a name that was removed by something other than QEMU, which clears both.
    Spec: Header, bytes 8-19
    QEMU: reports nothing and treats the image as one without a backing file.
    Next: look for a name after the extensions in the header cluster; the disk may need a backing file after all.
    """
    header = _header_of(cluster)
    offset, length = header.backing_file_offset, header.backing_file_size
    if bool(offset) != bool(length):
        yield Problem(
            f"backing_file_offset is {offset:#x}, backing_file_size is {length}", (host_range(8, 12),), "header"
        )


@rule(HeaderCluster, Severity.LOW, FindingClass.REFERENCE)
def backing_format_missing(cluster: HeaderCluster) -> Iterator[Problem]:
    """The format of the backing file is not recorded.

    Why: a program that opens the image guesses the format from the backing file's first bytes, which the guest of a raw
    disk can choose (CVE-2008-2004). Old versions of QEMU recorded no format in ordinary work, hence the low severity.
    Spec: Backing file format name
    QEMU: reports nothing when it opens the image; newer versions refuse to create one like this.
    Next: specify the format when supplying the backing file; never let it be guessed.
    """
    named = backing_file(cluster)
    known = cluster.extensions.text(ExtensionType.BACKING_FORMAT) or cluster.extensions_unknown
    if named and not named.name.raw.startswith(b"json:") and not known:
        yield named.problem(", and no header extension 0xe2792aca names its format")


@rule(HeaderCluster, Severity.INFO, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_declared(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The image names a backing file.

    Why: what the image does not hold comes from there; the image alone is not the whole disk. Whether the file's size
    and format agree with the image can only be judged when it is supplied.
    Spec: Header, bytes 8-19
    QEMU: opens the file by the name in the image, even for its check.
    Next: obtain the backing file; it is not opened unless it is supplied.
    """
    if named := backing_file(cluster):
        yield named.problem("; it was not opened")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_protocol(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file name is a protocol or a json: description.

    Why: opening the image makes the host connect to a network service or set up an arbitrary block device.
    Spec: Header, bytes 8-19
    QEMU: tries the connection, even for its check.
    Next: do not open the image with QEMU on a connected host.
    """
    named = backing_file(cluster)
    if named and named.is_protocol:
        yield named.problem(", which is not a file name but a protocol")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_system_path(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file is a device or a system file of the host.

    Why: converting the image copies the host's own data into the output.
    Spec: Header, bytes 8-19
    QEMU: opens it; convert has been observed to copy a password file into the raw image, with exit status 0.
    Next: do not open the image with QEMU; consistent with an attempt to read the host's files.
    """
    named = backing_file(cluster)
    if named and named.is_system_path:
        yield named.problem(", a path of the host system")


@rule(HeaderCluster, Severity.HIGH, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_outside_directory(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file lies outside the directory of the image.

    Why: the host that opens the image may have a different file there than the host that wrote it.
    Spec: Header, bytes 8-19
    QEMU: resolves the name against the directory of the image and opens it.
    Next: check that the location belongs to the system that the image comes from.
    """
    named = backing_file(cluster)
    if named and named.is_foreign_path:
        yield named.problem(f", {FOREIGN[is_network_path(named.name.raw)]}")
    elif named and not named.is_system_path and (named.climbs or _elsewhere(named)):
        yield named.problem(", which lies outside the directory of the image")


@rule(HeaderCluster, Severity.LOW, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_in_storage_directory(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file has an absolute name in a directory where hosts keep disk images.

    Why: managers of virtual machines write such names in ordinary work; opened on another host, the name leads to
    whatever file is there.
    Spec: Header, bytes 8-19
    QEMU: opens it.
    Next: obtain the backing file from the host that the image comes from.
    """
    named = backing_file(cluster)
    if named and _stored_with_others(named) and not named.climbs and not named.in_directory_of_image:
        yield named.problem(", an absolute name")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE, also=(Qcow1Header,))
def backing_file_is_image(cluster: HeaderCluster | Qcow1Header) -> Iterator[Problem]:
    """The backing file is the image itself.

    Why: the chain is endless, and following it never stops. Only names are compared here, since nothing that an image
    names is looked up; a loop over links or other files shows when the chain is supplied.
    Spec: Header, bytes 8-19
    QEMU: check and convert hang.
    Next: do not open the image with QEMU; extract without a backing file.
    """
    named = backing_file(cluster)
    if named and named.is_the_image:
        yield named.problem(", which is the name of the image itself")


def _elsewhere(named: Named) -> bool:
    absolute = named.path.startswith(b"/")
    return absolute and not named.in_directory_of_image and not _stored_with_others(named)


def _stored_with_others(named: Named) -> bool:
    return named.path.startswith(STORAGE_DIRECTORIES)
