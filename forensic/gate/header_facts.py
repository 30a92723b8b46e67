"""What the header alone says against an image: other files, features, versions, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forensic.gate.decision import GateCheck, Reason
from forensic.gate.policy import Allow, Policy, SizeLimits
from forensic.image import Image, Qcow1Image, Qcow2Image
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import Unusable
from forensic.qcow2.header import CryptMethod, Incompatible, unknown_bits
from forensic.rules.references import Named
from forensic.untrusted import Untrusted

HEADER_BYTES = 64 << 10
"""Bytes of a stream after which its header is judged."""

VERSION_END = 8
"""Where the version ends in the header, in bytes."""

METHODS = {CryptMethod.NONE: "none", CryptMethod.AES: "aes", CryptMethod.LUKS: "luks"}


def against(image: Image, policy: Policy) -> list[Reason]:
    """The reasons in the header, which may be all that is there of the file."""
    found = [*_other_files(image, policy.allow), *_kind(image, policy.allow)]
    if isinstance(image, Qcow2Image):
        found += _of_qcow2(image, policy.allow)
    most = policy.limits.virtual_bytes
    if most is not None and image.virtual_size > most:
        observed = f"the virtual disk has {image.virtual_size:,} bytes, more than the {most:,} that are allowed"
        found.append(_reason(GateCheck.VIRTUAL_SIZE, observed))
    return found


def against_sizes(virtual_size: int, file_size: int, limits: SizeLimits) -> Iterator[Reason]:
    """The reasons in the size of the whole file, in bytes."""
    most = limits.file_bytes
    if most is not None and file_size > most:
        yield too_long(most)
    if limits.expansion is not None and virtual_size > limits.expansion * file_size:
        observed = f"the virtual disk of {virtual_size:,} bytes is more than {limits.expansion:,} times the file"
        yield _reason(GateCheck.EXPANSION, f"{observed} of {file_size:,} bytes")


def too_long(most: int) -> Reason:
    """The file is longer than `most` bytes."""
    return _reason(GateCheck.FILE_SIZE, f"the file has more than the {most:,} bytes that are allowed")


def _other_files(image: Image, allow: Allow) -> Iterator[Reason]:
    """A name is refused whatever it is; so is the place for one whose name is damaged or missing."""
    if image.has_backing_file and not allow.backing_file:
        yield _reason(GateCheck.BACKING_FILE, _names("backing file", image.backing_file), "backing-file-declared")
    elif image.has_backing_file and not allow.outside_directory:
        yield from _outside(image, GateCheck.BACKING_FILE, image.backing_file)
    if not isinstance(image, Qcow2Image):
        return
    declared = image.header_cluster.extensions.first(ExtensionType.DATA_FILE)
    if not (declared or image.header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE):
        return
    if not allow.data_file:
        yield _reason(GateCheck.DATA_FILE, _names("data file", image.data_file), "data-file-declared")
    elif not allow.outside_directory:
        yield from _outside(image, GateCheck.DATA_FILE, image.data_file)


def _outside(image: Image, check: GateCheck, name: Untrusted | None) -> Iterator[Reason]:
    """A name that leads out of the directory of the image; of a stream, which has none, any that is not plain.

    An absolute name is none of the image's directory because a rule calls it ordinary: to whom the image comes, it
    leads to whatever is there.
    """
    if name is None or not name.raw:
        return
    named = Named(check.replace("_", " "), name, (), image.evidence.path)
    if named.is_protocol:
        what, rule = "which is not a file name but a protocol", "protocol"
    elif named.is_system_path:
        what, rule = "a path of the host system", "system-path"
    elif named.climbs or named.is_foreign_path or named.path.startswith(b"\\"):
        what, rule = "which lies outside the directory of the image", "outside-directory"
    elif named.path.startswith(b"/") and not named.in_directory_of_image:
        what, rule = "an absolute name outside the directory of the image", "outside-directory"
    elif not image.evidence.path and re.search(rb"[/\\]", named.path):
        what, rule = "which is more than the name of a file beside the image", "outside-directory"
    else:
        return
    yield _reason(check, f"{_names(named.kind, name)}, {what}", f"{check.replace('_', '-')}-{rule}")


def _names(kind: str, name: Untrusted | None) -> str:
    if name is None or not name.raw:
        return f"the image needs a {kind} whose name is not in its header"
    return f'the image names the {kind} "{name}"'


def _kind(image: Image, allow: Allow) -> Iterator[Reason]:
    version = 1 if isinstance(image, Qcow1Image) else image.header.version
    if image.evidence.size < VERSION_END:
        observed = f"the file ends after {image.evidence.size} bytes, before the end of its version"
        yield _reason(GateCheck.VERSION, observed, "header-version")
    elif version not in allow.versions:
        rule = "version-1-image" if version == 1 else None if version in (2, 3) else "header-version"
        expected = " or ".join(map(str, allow.versions)) or "none"
        yield _reason(GateCheck.VERSION, f"the image is of version {version}, expected {expected}", rule)
    known = image.header.crypt_method in list(CryptMethod)
    method = METHODS[CryptMethod(image.header.crypt_method)] if known else f"unknown ({image.header.crypt_method})"
    if method not in allow.encryption:
        expected = " or ".join(allow.encryption) or "no method at all"
        rule = "image-encrypted" if known else "header-crypt-method"
        yield _reason(GateCheck.ENCRYPTION, f"the encryption is {method}, expected {expected}", rule)


def _of_qcow2(image: Qcow2Image, allow: Allow) -> Iterator[Reason]:
    header = image.header
    if unknown := unknown_bits(header.incompatible_features, Incompatible):
        observed = f"incompatible feature bits are set that are not known: {', '.join(map(str, unknown))}"
        yield _reason(GateCheck.UNKNOWN_FEATURES, observed, "header-unknown-incompatible-features")
    if header.nb_snapshots > allow.snapshots:
        observed = f"the header announces {header.nb_snapshots:,} snapshots, expected at most {allow.snapshots:,}"
        yield _reason(GateCheck.SNAPSHOTS, observed, "snapshots-present")
    if header.incompatible_features & Incompatible.EXTENDED_L2 and not allow.extended_l2:
        yield _reason(GateCheck.EXTENDED_L2, "the image has extended L2 entries")
    geometry = image.header_cluster.geometry
    if isinstance(geometry, Unusable) and header.version in (2, 3):
        yield _reason(GateCheck.HEADER, geometry.reason)


def _reason(check: GateCheck, observation: str, rule: str | None = None) -> Reason:
    return Reason(check=check, rule=rule, observation=observation)
