"""From a passphrase to the decryption of an image: LUKS version 1 key slots, and the older encryption."""

from __future__ import annotations

import hashlib

from forensic.errors import Unsupported
from forensic.evidence import Evidence, ReadFailed
from forensic.format.qcow2 import Qcow2
from forensic.second_reader.decryption import SECTOR, SectorDecryption
from forensic.second_reader.header import AES, Header, luks_at
from forensic.second_reader.source import Passphrase
from forensic.untrusted import c_string

MODES, IVS = ("ecb", "cbc", "ctr", "xts"), ("plain", "plain64", "essiv")
KEY_LENGTHS = (16, 24, 32)
SLOT_IN_USE = Qcow2.Luks1KeySlotState.enabled
MOST_STRIPES = 1 << 16
MOST_ROUNDS = 1 << 26
"""Rounds of key derivation for all attempts together, unless the passphrase may take as long as it likes."""


def decryption_of(
    evidence: Evidence, header: Header, passphrase: Passphrase, in_place: bytes = b""
) -> SectorDecryption:
    """How sectors are decrypted with this passphrase. Raises `Unsupported` where it gives no key for the image.

    With `in_place` these bytes stand for the file's first cluster.
    """
    if header.encryption == AES:
        # The sectors of the older encryption are numbered by where they lie on the disk.
        return SectorDecryption(aes_key(passphrase.raw), "cbc", "plain64", "", by_host_offset=False)
    luks, host_offset = luks_at(evidence, in_place)
    try:
        return _opened(evidence, luks, host_offset, passphrase)
    except (ValueError, TypeError) as error:
        raise Unsupported(evidence.path_as_given, "the LUKS header asks for a cipher that is not known") from error


def aes_key(passphrase: bytes) -> bytes:
    """The key of the older encryption: the passphrase, cut or filled up to 16 bytes."""
    return passphrase[:16].ljust(16, b"\0")


def _opened(evidence: Evidence, luks: Qcow2.Luks1Header, host_offset: int, passphrase: Passphrase) -> SectorDecryption:
    """By the first slot that opens. Raises `ValueError` for what no header of QEMU asks for, and `Unsupported`."""
    mode = _mode_and_iv(luks.cipher_mode)
    if luks.len_key // (2 if mode[0] == "xts" else 1) not in KEY_LENGTHS:
        raise ValueError("not known")
    hash_name = c_string(luks.hash_spec).text
    slots = [slot for slot in luks.key_slots if slot.state == SLOT_IN_USE]
    words = list(dict.fromkeys((passphrase.raw, passphrase.raw.removesuffix(b"\n"))))
    if not passphrase.allow_slow and _rounds(luks, slots, hash_name) * len(words) > MOST_ROUNDS:
        raise Unsupported(evidence.path_as_given, "the key slots ask for too many iterations of key derivation")
    for word in words:
        for slot in slots:
            stripes = _stripes(evidence, luks, slot, host_offset)
            if stripes is None:
                continue
            slot_key = hashlib.pbkdf2_hmac(hash_name, word, slot.salt, slot.iterations, luks.len_key)
            opener = SectorDecryption(slot_key, *mode, by_host_offset=True)
            plain = b"".join(
                opener.sector(stripes[at : at + SECTOR], at // SECTOR) for at in range(0, len(stripes), SECTOR)
            )
            key = _key_in(plain, luks.len_key, slot.num_stripes, hash_name)
            if _is_master_key(luks, key, hash_name):
                return SectorDecryption(key, *mode, by_host_offset=True)
    raise Unsupported(evidence.path_as_given, "the passphrase opens no key slot when it is tried a second time")


def _rounds(luks: Qcow2.Luks1Header, slots: list[Qcow2.Luks1KeySlot], hash_name: str) -> int:
    """Rounds that trying all these slots takes; a key that is longer than the hash takes each several times."""
    parts = -(-luks.len_key // hashlib.new(hash_name, usedforsecurity=False).digest_size)
    return sum(slot.iterations * parts + luks.mk_digest_iterations for slot in slots)


def _stripes(evidence: Evidence, luks: Qcow2.Luks1Header, slot: Qcow2.Luks1KeySlot, host_offset: int) -> bytes | None:
    """The encrypted key material of a slot in whole sectors; None where it cannot be read."""
    if not (slot.iterations and luks.mk_digest_iterations and 0 < slot.num_stripes <= MOST_STRIPES):
        return None
    length = luks.len_key * slot.num_stripes
    try:
        found = evidence.read_at(host_offset + slot.key_material_offset * SECTOR, length)
    except ReadFailed:
        return None
    return found.ljust(-(-length // SECTOR) * SECTOR, b"\0") if len(found) == length else None


def _key_in(plain: bytes, key_length: int, stripes: int, hash_name: str) -> bytes:
    """The key that its stripes hide: every one but the last is added (XOR) and the sum is hashed."""
    total = bytes(key_length)
    for number in range(stripes - 1):
        total = _hashed(_sum(total, plain[number * key_length : (number + 1) * key_length]), hash_name)
    return _sum(total, plain[(stripes - 1) * key_length : stripes * key_length])


def _sum(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")


def _hashed(block: bytes, hash_name: str) -> bytes:
    """Each part of a block, as long as the hash, is replaced by the hash of its number and itself."""
    size = hashlib.new(hash_name, usedforsecurity=False).digest_size
    parts = [block[at : at + size] for at in range(0, len(block), size)]
    return b"".join(
        hashlib.new(hash_name, number.to_bytes(4, "big") + part, usedforsecurity=False).digest()[: len(part)]
        for number, part in enumerate(parts)
    )


def _is_master_key(luks: Qcow2.Luks1Header, key: bytes, hash_name: str) -> bool:
    rounds, expected = luks.mk_digest_iterations, bytes(luks.mk_digest)
    return hashlib.pbkdf2_hmac(hash_name, key, luks.mk_digest_salt, rounds, len(expected)) == expected


def _mode_and_iv(cipher_mode: bytes) -> tuple[str, str, str]:
    """Such as `xts`, `plain64` and nothing, or `cbc`, `essiv` and `sha256`. Raises `ValueError`."""
    mode, _, rest = c_string(cipher_mode).text.lower().partition("-")
    iv, _, iv_hash = rest.partition(":")
    if mode not in MODES or (iv or "plain64") not in IVS:
        raise ValueError("not known")
    return mode, iv or "plain64", iv_hash
