"""What the examiner supplies beside an image, and the disks that can be read with it.

Every file here was named by the examiner, once for each layer; the names in the images are compared with, never
opened. That is the only consent there is: no flag makes the toolkit follow a name by itself.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict

from forensic.disk.caveats import caveats, contradictions, undeclared
from forensic.disk.disk import Disk, Input, Role
from forensic.disk.layer import Layer, RawLayer
from forensic.disk.qcow2_layer import L1Place, Qcow2Layer, active_l1
from forensic.errors import Unsupported, WrongSupply
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.identify import ForeignFile, Identified, Metadata, identify_metadata
from forensic.qcow2.metadata import Qcow1Metadata, Qcow2Metadata
from forensic.qcow2.snapshots import Snapshot
from forensic.untrusted import Untrusted, shown

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone
    from forensic.disk.sector_ciphers import SectorCipher

MAX_LAYERS = 64
"""Files of one chain."""

MAX_KEY_BYTES = 8192


class Format(StrEnum):
    """What a backing file is read as."""

    RAW = "raw"
    QCOW2 = "qcow2"
    QCOW = "qcow"


class BackingFile(Struct, frozen=True):
    """A backing file as the examiner names it; without a format, that of the image's record or of the file's magic."""

    path: str | os.PathLike[str]
    format: Format | None = None


class Supplied(Struct, frozen=True):
    """All that the examiner supplies: backing files nearest first, a data file, a passphrase.

    A passphrase that ends with a newline is tried as it is, as QEMU uses it, and if LUKS rejects it without the
    newline; with `without_newline` only without it, which the old AES encryption cannot tell. `salvage` asks for what
    broken compressed clusters give before they break.
    `as_stored` asks for encrypted data as it is, `allow_slow_key` for key derivation however long it takes.
    """

    backing: tuple[BackingFile, ...] = ()
    data_file: str | os.PathLike[str] | None = None
    passphrase: bytes | None = None
    as_stored: bool = False
    allow_slow_key: bool = False
    without_newline: bool = False
    salvage: bool = False

    @property
    def words(self) -> tuple[bytes, ...]:
        """The passphrase in each way in which it is tried."""
        if self.passphrase is None:
            return ()
        shorter = self.passphrase.removesuffix(b"\n")
        return tuple(dict.fromkeys((shorter,) if self.without_newline else (self.passphrase, shorter)))

    def __rich_repr__(self) -> list[tuple[str, object]]:
        """What rich shows: all but the passphrase, which has to stand in no message and no log."""
        return [(name, value) for name, value in asdict(self).items() if name != "passphrase"]

    def __repr__(self) -> str:
        """The same in one line."""
        return f"Supplied({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"


NOTHING = Supplied()


class SavedState(Struct, frozen=True):
    """In place of a snapshot: the machine state that was saved with it."""

    snapshot: Snapshot


def open_disk(image: Metadata, target: Snapshot | SavedState | None = None, supplied: Supplied = NOTHING) -> Disk:
    """The active disk of an image, a snapshot, or a saved machine state, with what was supplied for reading it.

    The disk owns the supplied files: close it, or use it as a context manager. Raises `EvidenceUnreadable` for a file
    that cannot be opened, `WrongSupply` for one that does not belong there, `KeyRejected`, and `Unsupported` for an
    image that cannot be read.
    """
    opening = _Opening(supplied, image.evidence)
    try:
        layers: list[Layer] = [opening.first_layer(image, target)]
        for backing in supplied.backing:
            layers.append(opening.next_layer(layers[-1], backing, len(layers)))
        if supplied.data_file is not None and not opening.has_data_file:
            raise WrongSupply(supplied.data_file, "no image of the chain has an external data file")
    except BaseException:
        opening.close()
        raise
    inputs = tuple(opening.inputs)
    against = tuple(contradictions(layers, inputs))
    said = (
        *undeclared(layers, inputs),
        *against,
        *opening.key_notes,
        *(("broken compressed clusters are given as far as they can be decoded",) if supplied.salvage else ()),
        *caveats(layers, inputs, supplied.as_stored, supplied.passphrase is not None),
    )
    return Disk(_target(target), layers[0].size, tuple(layers), inputs, said, against)


def raw_disk(evidence: Evidence, taken_for: Identified | None = None) -> Disk:
    """A raw file as a disk; `taken_for` is what its first bytes look like, if it was not said to be raw."""
    caveat = f"{shown(evidence.path_as_given)} is read as a raw disk, since it is not a qcow2 image"
    if isinstance(taken_for, ForeignFile):
        caveat += f": {taken_for.description}"
    return Disk("raw", evidence.size, (RawLayer(evidence),), caveats=(caveat,) if taken_for else ())


def find_snapshot(image: Metadata, word: str) -> Snapshot:
    """The snapshot with this id, or else this name, or else this place in the table (`2` or `#2`, from 0).

    Raises `WrongSupply` if there is none, or if several have that id or name.
    """
    if isinstance(image, Qcow2Metadata) and image.planned is not None:
        message = "a plan describes one disk; recover --target snapshot:ID writes that of a snapshot"
        raise WrongSupply(image.evidence.path_as_given, message)
    has_snapshots = isinstance(image, Qcow2Metadata) and image.header.nb_snapshots
    snapshots = image.snapshots.snapshots if isinstance(image, Qcow2Metadata) and has_snapshots else ()
    path, raw = image.evidence.path_as_given, os.fsencode(word)
    for kind, found in (
        ("id", [snapshot for snapshot in snapshots if snapshot.id.raw == raw]),
        ("name", [snapshot for snapshot in snapshots if snapshot.name.raw == raw]),
    ):
        if len(found) > 1:
            places = ", ".join(f"#{snapshot.index}" for snapshot in found[:8])
            raise WrongSupply(path, f"{len(found)} snapshots have the {kind} {shown(word)}: choose among {places}")
        if found:
            return found[0]
    index = word.removeprefix("#")
    if index.isascii() and index.isdigit() and len(index) < 10 and int(index) < len(snapshots):
        return snapshots[int(index)]
    raise WrongSupply(path, f"no snapshot has the id, name or index {shown(word)}; {len(snapshots)} can be read")


def read_key_file(path: str | os.PathLike[str]) -> bytes:
    """The passphrase in a file, as it is: a newline at its end may be part of it, see `Supplied`.

    Raises `EvidenceUnreadable` for what is no regular file, `WrongSupply` if it is empty or too long for a passphrase.
    """
    with Evidence(path) as file:
        if file.size > MAX_KEY_BYTES:
            raise WrongSupply(path, f"is longer than {MAX_KEY_BYTES:,} bytes, too long for a passphrase")
        try:
            passphrase = file.read_at(0, file.size)
        except ReadFailed as failure:
            raise WrongSupply(path, failure.reason) from failure
    if passphrase in (b"", b"\n"):
        raise WrongSupply(path, "is empty")
    return passphrase


def _target(target: Snapshot | SavedState | None) -> str:
    if isinstance(target, SavedState):
        return f"vm-state:{target.snapshot.index}"
    return ACTIVE if target is None else f"snapshot:{target.index}"


class _Opening:
    """The files opened so far, so that none is opened twice and all are closed when one fails."""

    def __init__(self, supplied: Supplied, first: Evidence) -> None:
        self.inputs: list[Input] = []
        self.key_notes: list[str] = []
        self._supplied = supplied
        self._opened = [first]

    @property
    def has_data_file(self) -> bool:
        """Whether the data file has found the layer that needs it."""
        return any(one.role == Role.DATA_FILE for one in self.inputs)

    def close(self) -> None:
        """Close what was opened here."""
        for evidence in self._opened[1:]:
            evidence.close()

    def first_layer(self, image: Metadata, target: Snapshot | SavedState | None) -> Layer:
        """The image itself, read through the L1 table that belongs to the target."""
        if target is None or isinstance(image, Qcow1Metadata):
            return self._active_layer(image, 0)
        snapshot = target.snapshot if isinstance(target, SavedState) else target
        size = image.virtual_size if snapshot.disk_size is None else snapshot.disk_size
        l1 = L1Place(snapshot.owner, snapshot.l1_table_offset, snapshot.l1_size, size)
        if not isinstance(target, SavedState):
            return self._qcow2_layer(image, l1, size, 0, 0)
        if not snapshot.vm_state_size:
            raise WrongSupply(image.evidence.path_as_given, f"{snapshot.owner} holds no machine state")
        coverage = image.geometry.l1_coverage
        return self._qcow2_layer(image, l1, snapshot.vm_state_size, -(-size // coverage) * coverage, 0)

    def next_layer(self, above: Layer, backing: BackingFile, depth: int) -> Layer:
        """The backing file of the layer above."""
        if depth >= MAX_LAYERS:
            raise WrongSupply(backing.path, f"the chain has more than {MAX_LAYERS} files")
        if isinstance(above, RawLayer) or (isinstance(above, Qcow2Layer) and above.base):
            what = "a raw disk" if isinstance(above, RawLayer) else "a saved machine state"
            name = shown(above.evidences[0].path_as_given)
            raise WrongSupply(backing.path, f"{name} declares no backing file: it is read as {what}")
        evidence = self._open(backing.path)
        image = identify_metadata(evidence)
        found = format_of(image)
        declared = _declared_format(above.backing_format)
        chosen = backing.format or declared or found
        said_by = "given" if backing.format else "declared" if declared else "probed"
        self.inputs.append(Input(Role.BACKING, depth, evidence, above.backing_file, chosen, said_by))
        if chosen == Format.RAW:
            return RawLayer(evidence)
        if isinstance(image, ForeignFile) or chosen != found:
            looks = image.description if isinstance(image, ForeignFile) else f"it is a {found} image"
            raise WrongSupply(backing.path, f"is to be read as {chosen}, but {looks}")
        return self._active_layer(image, depth)

    def _active_layer(self, image: Metadata, depth: int) -> Layer:
        if isinstance(image, Qcow1Metadata):
            from forensic.disk.v1_layer import Qcow1Layer

            cipher, supplied = self._cipher(image), self._supplied
            return Qcow1Layer(image, image.l1, cipher, supplied.as_stored, salvage=supplied.salvage)
        return self._qcow2_layer(image, active_l1(image), image.virtual_size, 0, depth)

    def _qcow2_layer(self, image: Qcow2Metadata, l1: L1Place, size: int, base: int, depth: int) -> Layer:
        data_file, path = None, self._supplied.data_file
        if path is not None and image.geometry.external_data_file and not self.has_data_file:
            data_file = self._open(path)
            self.inputs.append(Input(Role.DATA_FILE, depth, data_file, image.data_file, Format.RAW, "declared"))
        cipher, supplied = self._cipher(image), self._supplied
        return Qcow2Layer(image, l1, size, base, data_file, cipher, supplied.as_stored, salvage=supplied.salvage)

    def _cipher(self, image: Metadata) -> SectorCipher | None:
        words = self._supplied.words
        if not words or not image.encrypted or self._supplied.as_stored:
            return None
        from forensic.disk import luks_keys

        path = image.evidence.path_as_given
        if isinstance(image, Qcow1Metadata) or image.header.crypt_method == CryptMethod.AES:
            if len(words) > 1:
                self.key_notes.append(
                    f"{shown(path)}: the passphrase was used with its trailing newline, as QEMU does; "
                    "--key-without-newline leaves it out"
                )
            return luks_keys.unlock_legacy(path, words[0])
        if image.luks is None:
            raise Unsupported(path, "the image is LUKS encrypted, but has no LUKS header")
        cipher, word = luks_keys.unlock_luks(image.evidence, image.luks, words, self._supplied.allow_slow_key)
        if len(words) > 1:
            how = "with" if word == words[0] else "without"
            self.key_notes.append(f"{shown(path)}: the passphrase fits {how} its trailing newline")
        return cipher

    def _open(self, path: str | os.PathLike[str]) -> Evidence:
        evidence = Evidence(path)
        for other in self._opened:
            if other.identities & evidence.identities:
                evidence.close()
                raise WrongSupply(path, f"is the same file as {shown(other.path_as_given)}, which is already in use")
        self._opened.append(evidence)
        return evidence


def _declared_format(declared: Untrusted | None) -> Format | None:
    """What an image calls the format of its backing file, as far as it is one of ours."""
    raw = dict.fromkeys((b"raw", b"file", b"host_device"), Format.RAW)
    return (raw | {b"qcow2": Format.QCOW2, b"qcow": Format.QCOW}).get(declared.raw) if declared else None


def format_of(image: Identified) -> Format:
    """What the first bytes say; what is none of ours is raw."""
    return {"qcow2": Format.QCOW2, "qcow1": Format.QCOW}.get(image.format, Format.RAW)
