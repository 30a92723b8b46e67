"""From the examiner's passphrase to the cipher of an image: LUKS version 1 key slots, and QEMU's legacy AES."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence

from forensic.disk.sector_ciphers import Iv, Mode, SectorCipher, legacy_cipher, sector_cipher
from forensic.errors import KeyRejected, SlowKey, Unsupported
from forensic.evidence import Evidence, ReadFailed
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.luks import LUKS_MAGIC, SLOT_ACTIVE, KeySlot, LuksHeader

AES_KEY_LENGTHS = (16, 24, 32)
DIGEST_LENGTH = 20
MAX_STRIPES = 1 << 16
"""QEMU and cryptsetup write 4000."""

SLOW_ROUNDS = 1 << 26
"""Rounds of key derivation that all key slots in use may ask for together, for every passphrase that is tried: some
twenty seconds. Two seconds of a fast machine, as QEMU and cryptsetup choose by default for a slot, are a tenth of that.
"""


def unlock_legacy(path: str | os.PathLike[str], passphrase: bytes) -> SectorCipher:
    """The cipher of encryption method 1; `path` is for messages. Raises `KeyRejected` for an empty passphrase."""
    if not passphrase:
        raise KeyRejected(path, "the passphrase is empty")
    return legacy_cipher(passphrase)


def unlock_luks(
    evidence: Evidence, luks: LuksHeader, passphrases: Sequence[bytes], allow_slow: bool = False
) -> tuple[SectorCipher, bytes]:
    """The cipher of a LUKS image by the first key slot that the first of the passphrases opens, and that passphrase.

    Raises `KeyRejected` if they open none, `Unsupported` if the header cannot be used, or if all that may have to be
    tried asks for more than `SLOW_ROUNDS` iterations of key derivation (without `allow_slow`).
    """
    path = evidence.path_as_given
    if luks.missing or luks.magic != LUKS_MAGIC or luks.version != 1:
        raise Unsupported(path, "there is no LUKS version 1 header to open with a key")
    make_cipher = _CipherOf(path, luks)
    active = [slot for slot in luks.slots if slot.state == SLOT_ACTIVE]
    if not active:
        raise Unsupported(path, "no key slot is in use, so no passphrase can open the image")
    if not allow_slow:
        _refuse_slow(path, luks, active, len(passphrases))
    for passphrase in passphrases:
        for slot in active:
            key = _master_key(evidence, luks, slot, passphrase, make_cipher)
            if key is not None and hmac.compare_digest(_digest(luks, key), luks.master_key_digest):
                return make_cipher(key), passphrase
    raise KeyRejected(path, f"the passphrase opens none of the {len(active)} key slots in use")


class _CipherOf:
    """The cipher that a LUKS header names, for any key of it."""

    def __init__(self, path: str | os.PathLike[str], luks: LuksHeader) -> None:
        """Raises `Unsupported` for a cipher, mode or hash that is not known."""
        mode, _, rest = luks.cipher_mode.text.lower().partition("-")
        iv, _, self._iv_hash = rest.partition(":")
        hashes = [luks.hash_spec.text, *([self._iv_hash] if self._iv_hash else [])]
        try:
            self._mode, self._iv = Mode(mode), Iv(iv or Iv.PLAIN64)
            for name in hashes:
                hashlib.new(name, usedforsecurity=False)
        except ValueError as error:
            raise _unknown(path, luks) from error
        keys = 2 if self._mode == Mode.XTS else 1
        if (
            luks.cipher_name.text.lower() != "aes"
            or luks.key_bytes % keys
            or luks.key_bytes // keys not in AES_KEY_LENGTHS
        ):
            raise _unknown(path, luks)
        self._path, self._luks = path, luks

    def __call__(self, key: bytes) -> SectorCipher:
        """Raises `Unsupported` where the hash of ESSIV gives no key for AES."""
        try:
            return sector_cipher(key, self._mode, self._iv, self._iv_hash or None)
        except ValueError as error:
            raise _unknown(self._path, self._luks) from error


def _unknown(path: str | os.PathLike[str], luks: LuksHeader) -> Unsupported:
    cipher = f"{luks.cipher_name}-{luks.cipher_mode} with {luks.hash_spec}, key of {luks.key_bytes} bytes"
    return Unsupported(path, f"the LUKS header asks for {cipher}, which is not supported")


def _refuse_slow(path: str | os.PathLike[str], luks: LuksHeader, slots: list[KeySlot], tries: int) -> None:
    digest_size = hashlib.new(luks.hash_spec.text, usedforsecurity=False).digest_size
    parts = -(-luks.key_bytes // digest_size)
    rounds = tries * sum(slot.iterations * parts + luks.master_key_iterations for slot in slots)
    if rounds > SLOW_ROUNDS:
        what = "the key slot in use asks" if len(slots) == 1 else f"the {len(slots)} key slots in use ask"
        twice = ", with and without its trailing newline" if tries > 1 else ""
        raise SlowKey(
            path,
            f"{what} for {rounds:,} iterations of key derivation to try the passphrase{twice}, more than "
            f"{SLOW_ROUNDS:,}; "
            "--allow-slow-key tries it anyway",
        )


def _master_key(
    evidence: Evidence, luks: LuksHeader, slot: KeySlot, passphrase: bytes, make_cipher: _CipherOf
) -> bytes | None:
    """The master key as this slot and passphrase give it, right or wrong; None if the slot cannot hold one."""
    length = luks.key_bytes * slot.stripes
    if not (slot.iterations and luks.master_key_iterations and 0 < slot.stripes <= MAX_STRIPES):
        return None
    try:
        material = evidence.read_at(luks.host_offset + slot.key_material_offset * SECTOR_SIZE, length)
    except ReadFailed:
        return None
    if len(material) < length:
        return None
    slot_key = hashlib.pbkdf2_hmac(luks.hash_spec.text, passphrase, slot.salt, slot.iterations, luks.key_bytes)
    sectors = memoryview(bytearray(material.ljust(-(-length // SECTOR_SIZE) * SECTOR_SIZE, b"\0")))
    make_cipher(slot_key).decrypt(sectors, 0)
    return _merged(sectors[:length], luks.key_bytes, luks.hash_spec.text)


def _merged(material: memoryview, key_bytes: int, hash_name: str) -> bytes:
    """The key out of its stripes: each is mixed into the sum of those before it (LUKS's anti-forensic splitter)."""
    total = 0
    for start in range(0, len(material) - key_bytes, key_bytes):
        total ^= int.from_bytes(material[start : start + key_bytes], "big")
        total = int.from_bytes(_diffused(total.to_bytes(key_bytes, "big"), hash_name), "big")
    return (total ^ int.from_bytes(material[len(material) - key_bytes :], "big")).to_bytes(key_bytes, "big")


def _diffused(block: bytes, hash_name: str) -> bytes:
    """Each hash-sized part of a block replaced by the hash of its number and itself."""
    size = hashlib.new(hash_name, usedforsecurity=False).digest_size
    mixed = b""
    for number, start in enumerate(range(0, len(block), size)):
        part = block[start : start + size]
        mixed += hashlib.new(hash_name, number.to_bytes(4, "big") + part, usedforsecurity=False).digest()[: len(part)]
    return mixed


def _digest(luks: LuksHeader, key: bytes) -> bytes:
    return hashlib.pbkdf2_hmac(
        luks.hash_spec.text, key, luks.master_key_salt, luks.master_key_iterations, DIGEST_LENGTH
    )
