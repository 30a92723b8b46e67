"""Rules about encrypted images: the method, and where the LUKS header is."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.luks import LUKS1_HEADER_SIZE, LuksHeader
from forensic.qcow2.metadata import HeaderCluster
from forensic.rules.places import in_header
from forensic.rules.registry import rule

POINTER_LENGTH = 16


@rule(HeaderCluster, Severity.INFO, FindingClass.INFO)
def image_encrypted(cluster: HeaderCluster) -> Iterator[Problem]:
    """The guest's data is encrypted.

    Why: without the key only metadata can be judged, and nothing of the disk can be read. Encryption does not protect
    integrity: clusters can be swapped without a trace. The legacy AES method is weak, and QEMU supports it only in its
    tools.
    Spec: Header, bytes 32-35
    QEMU: needs the key even for its check.
    Next: obtain the passphrase; all checks of metadata are made without it.
    """
    names = {CryptMethod.AES: "AES-CBC (legacy, method 1)", CryptMethod.LUKS: "LUKS (method 2)"}
    method = cluster.header.crypt_method
    if method in names:
        yield Problem(
            f"data is encrypted with {names[CryptMethod(method)]}", in_header(cluster, "crypt_method"), "header"
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_header_missing(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image says it is LUKS encrypted but has no pointer to a LUKS header.

    Why: without that header no passphrase opens the data.
    Spec: Full disk encryption header pointer
    QEMU: refuses the image; version 7.2 crashes when asked for information about it.
    Next: search the file for the bytes 4c 55 4b 53 ba be, with which the header begins.
    """
    pointer = cluster.extensions.first(ExtensionType.ENCRYPTION_HEADER)
    if cluster.header.crypt_method == CryptMethod.LUKS and pointer is None and not cluster.extensions_unknown:
        yield Problem(
            "crypt_method is 2 (LUKS), but no header extension 0x0537be77 was found",
            in_header(cluster, "crypt_method"),
            "header",
        )


@rule(LuksHeader, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_header_outside_file(luks: LuksHeader) -> Iterator[Problem]:
    """The LUKS header reaches past the end of the file.

    Why: key slots or key material are missing; perhaps no passphrase opens the data any more.
    Spec: Full disk encryption header pointer
    QEMU: says that the volume is not in LUKS format.
    Next: look for the rest of the file.
    """
    end = luks.host_offset + max(luks.length, LUKS1_HEADER_SIZE)
    if end > luks.file_size:
        yield Problem(
            f"the LUKS header at host offset {luks.host_offset:#x} ends at {end:#x}, the file at {luks.file_size:#x}",
            (host_range(luks.host_offset, luks.length),),
            "LUKS header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_header_unexpected(cluster: HeaderCluster) -> Iterator[Problem]:
    """The image points to a LUKS header but does not say that it is LUKS encrypted.

    Why: one of the two is wrong; read as plain, encrypted data is noise.
    Spec: Full disk encryption header pointer; Header, bytes 32-35
    QEMU: refuses the image.
    Next: look at the data: high entropy from guest offset 0 onwards indicates encryption.
    """
    pointer = cluster.extensions.first(ExtensionType.ENCRYPTION_HEADER)
    if pointer and cluster.header.crypt_method != CryptMethod.LUKS:
        yield Problem(
            f"header extension 0x0537be77 at {pointer.host_offset:#x}, but crypt_method is "
            f"{cluster.header.crypt_method}",
            (host_range(pointer.host_offset, 8 + len(pointer.data)),),
            "header",
        )


@rule(HeaderCluster, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_pointer_length(cluster: HeaderCluster) -> Iterator[Problem]:
    """The pointer to the LUKS header is not 16 bytes long.

    Why: offset and length of the LUKS header are 8 bytes each; one of them is missing or cut short.
    Spec: Full disk encryption header pointer
    QEMU: refuses the image.
    Next: search the file for the bytes 4c 55 4b 53 ba be, with which the header begins.
    """
    pointer = cluster.extensions.first(ExtensionType.ENCRYPTION_HEADER)
    if pointer and pointer.length != POINTER_LENGTH:
        yield Problem(
            f"header extension 0x0537be77 at {pointer.host_offset:#x} holds {pointer.length:,} bytes, expected "
            f"{POINTER_LENGTH}",
            (host_range(pointer.host_offset, 8 + len(pointer.data)),),
            "header",
        )
