"""Rules about the external data file that an image names; no file is opened or looked for because of a name."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.file_names import is_network_path
from forensic.qcow2.header import Incompatible
from forensic.qcow2.metadata import HeaderCluster
from forensic.rules.places import in_header
from forensic.rules.references import FOREIGN, Named
from forensic.rules.registry import rule
from forensic.untrusted import Untrusted


def data_file(cluster: HeaderCluster) -> Named | None:
    """The data file that the image names and uses."""
    return _named(cluster) if _has_data_file(cluster) else None


@rule(HeaderCluster, Severity.INFO, FindingClass.REFERENCE)
def data_file_declared(cluster: HeaderCluster) -> Iterator[Problem]:
    """The guest's data lies in an external data file.

    Why: the image holds metadata only; without the other file nothing of the disk can be read. Whether the file is
    there, how long it is, and whether it says the same as the tables can only be judged when it is supplied.
    Spec: Header, incompatible feature bit 2; External data file name
    QEMU: opens the file by the name in the image, resolved against the working directory of the process.
    Next: obtain the data file; it is not opened unless it is supplied.
    """
    if named := data_file(cluster):
        yield named.problem("; it was not opened")


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def data_file_name_missing(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image has an external data file but does not name it.

    Why: the location of the guest's data is unknown.
    Spec: External data file name
    QEMU: refuses the image unless it is given the file.
    Next: look for a file of the virtual disk's size beside the image.
    """
    if _has_data_file(cluster) and _named(cluster) is None and not cluster.extensions_unknown:
        yield Problem(
            "incompatible feature bit 2 is set, but no header extension 0x44415441 was found",
            in_header(cluster, "incompatible_features.has_external_data_file"),
            "header",
        )


@rule(HeaderCluster, Severity.MEDIUM, FindingClass.ANOMALY)
def data_file_name_unused(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image names an external data file but does not say that it has one.

    Why: if the bit was lost, every host offset refers to another file, and what is read here is not the guest's data.
    Spec: Header, incompatible feature bit 2; External data file name
    QEMU: does not open the file; `info` lists the name.
    Next: if L2 entries point to their own guest offsets, a data file is missing.
    """
    named = _named(cluster)
    if named and not _has_data_file(cluster):
        yield named.problem(", but incompatible feature bit 2 is clear")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def data_file_protocol(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file name is a protocol or a json: description.

    Why: opening the image makes the host connect to a network service or set up an arbitrary block device
    (CVE-2024-4467).
    Spec: External data file name
    QEMU: patched versions take the name literally; older ones opened it even for `info`.
    Next: do not open the image with QEMU on a connected host.
    """
    named = data_file(cluster)
    if named and named.is_protocol:
        yield named.problem(", which is not a file name but a protocol")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def data_file_system_path(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file is a device or a system file of the host.

    Why: reading the image reads the host's own data, and writing to it writes there (CVE-2024-32498).
    Spec: External data file name
    QEMU: opens it, even for its check.
    Next: do not open the image with QEMU; consistent with an attempt to read the host's files.
    """
    named = data_file(cluster)
    if named and named.is_system_path:
        yield named.problem(", a path of the host system")


@rule(HeaderCluster, Severity.HIGH, FindingClass.REFERENCE)
def data_file_outside_directory(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file lies outside the directory of the image.

    Why: the host that opens the image may have a different file there than the host that wrote it.
    Spec: External data file name
    QEMU: opens it, even for its check.
    Next: check that the location belongs to the system that the image comes from.
    """
    named = data_file(cluster)
    if named is None or named.is_system_path:
        return
    if named.is_foreign_path:
        yield named.problem(f", {FOREIGN[is_network_path(named.name.raw)]}")
        return
    if named.climbs or (named.path.startswith(b"/") and not named.in_directory_of_image):
        yield named.problem(", which lies outside the directory of the image")


@rule(HeaderCluster, Severity.CRITICAL, FindingClass.REFERENCE)
def data_file_is_image(cluster: HeaderCluster) -> Iterator[Problem]:
    """The data file is the image itself.

    Why: reading the disk reads the tables of the image, and writing to the disk overwrites them. Only names are
    compared.
    Spec: External data file name
    QEMU: opens the file a second time; a lock stops it when it wants to write.
    Next: do not open the image with QEMU.
    """
    named = data_file(cluster)
    if named and named.is_the_image:
        yield named.problem(", which is the name of the image itself")


def _has_data_file(cluster: HeaderCluster) -> bool:
    return bool(cluster.header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE)


def _named(cluster: HeaderCluster) -> Named | None:
    extension = cluster.extensions.first(ExtensionType.DATA_FILE)
    if extension is None or not extension.data:
        return None
    place = (host_range(extension.host_offset, 8 + len(extension.data)),)
    return Named("data file", Untrusted(extension.data), place, cluster.image_path)
