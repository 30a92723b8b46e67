"""The LUKS version 1 header that an image with encryption method 2 holds."""

from __future__ import annotations

from msgspec import Struct

from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.extensions import Extension
from forensic.structure import Structure, parse
from forensic.untrusted import Untrusted, c_string

LUKS_MAGIC = b"LUKS\xba\xbe"
LUKS1_HEADER_SIZE = 592
KEY_SLOTS = 8
SLOT_ACTIVE, SLOT_INACTIVE = 0x00AC71F3, 0x0000DEAD
LUKS_SECTOR_SIZE = 512
STRIPES = 4000
KEY_MATERIAL_ALIGNMENT = 4096


class KeySlot(Struct, frozen=True):
    """One key slot; `key_material_offset` counts 512-byte sectors from the start of the LUKS header."""

    state: int
    iterations: int
    salt: bytes
    key_material_offset: int
    stripes: int


class LuksHeader(Struct, frozen=True):
    """The LUKS header and where the image says it is; `missing` says why it is not complete.

    `length` includes the key material; `slack` are the bytes from there to the end of the cluster.
    """

    structure: Structure
    host_offset: int
    length: int
    magic: bytes
    version: int
    cipher_name: Untrusted
    cipher_mode: Untrusted
    hash_spec: Untrusted
    payload_offset: int
    key_bytes: int
    master_key_digest: bytes
    master_key_salt: bytes
    master_key_iterations: int
    uuid: Untrusted
    slots: tuple[KeySlot, ...]
    missing: str | None
    slack: bytes
    cluster_size: int
    file_size: int

    @property
    def plausible(self) -> bool:
        """Whether the header begins on a cluster boundary and is long enough for its active key slots.

        If not, the range that it takes is not known.
        """
        ends = [self.key_material(slot).stop for slot in self.slots if slot.state == SLOT_ACTIVE]
        return self.host_offset % self.cluster_size == 0 and max(ends, default=LUKS1_HEADER_SIZE) <= self.length

    @property
    def key_material_length(self) -> int:
        """Bytes that the key material of one slot takes."""
        return -(-self.key_bytes * STRIPES // KEY_MATERIAL_ALIGNMENT) * KEY_MATERIAL_ALIGNMENT

    def key_material(self, slot: KeySlot) -> range:
        """Where the key material of a slot lies, in bytes from the start of the LUKS header."""
        begins = slot.key_material_offset * LUKS_SECTOR_SIZE
        return range(begins, begins + self.key_material_length)


def read_luks(evidence: Evidence, extension: Extension, cluster_size: int) -> LuksHeader:
    """Read the LUKS header that the extension points to."""
    pointer = parse(Qcow2.EncryptionHeaderPointer, extension.data, extension.host_offset + 8, "encryption header")
    host_offset, length = pointer.integer("ofs_header"), pointer.integer("len_header")
    missing = None
    try:
        data = evidence.read_at(host_offset, LUKS1_HEADER_SIZE)
        slack = evidence.read_at(host_offset + length, -(host_offset + length) % cluster_size)
    except ReadFailed as failure:
        data, slack, missing = b"", b"", failure.reason
    structure = parse(Qcow2.Luks1Header, data, host_offset, "LUKS header")
    return LuksHeader(
        structure=structure,
        host_offset=host_offset,
        length=length,
        magic=structure.raw("magic"),
        version=structure.integer("version"),
        cipher_name=c_string(structure.raw("cipher_name")),
        cipher_mode=c_string(structure.raw("cipher_mode")),
        hash_spec=c_string(structure.raw("hash_spec")),
        payload_offset=structure.integer("payload_offset"),
        key_bytes=structure.integer("len_key"),
        master_key_digest=structure.raw("mk_digest"),
        master_key_salt=structure.raw("mk_digest_salt"),
        master_key_iterations=structure.integer("mk_digest_iterations"),
        uuid=c_string(structure.raw("uuid")),
        slots=tuple(_slot(structure, f"key_slots[{number}].") for number in range(KEY_SLOTS)),
        missing=missing or structure.missing,
        slack=slack,
        cluster_size=cluster_size,
        file_size=evidence.size,
    )


def _slot(structure: Structure, prefix: str) -> KeySlot:
    return KeySlot(
        state=structure.integer(prefix + "state"),
        iterations=structure.integer(prefix + "iterations"),
        salt=structure.raw(prefix + "salt"),
        key_material_offset=structure.integer(prefix + "key_material_offset"),
        stripes=structure.integer(prefix + "num_stripes"),
    )
