"""Decryption in bulk gives what the same cipher gives sector by sector."""

import hashlib
import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from forensic.disk.sector_ciphers import BATCH_SECTORS, Iv, Mode, legacy_cipher, sector_cipher

SECTOR = 512


def noise(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def vector(iv: Iv, key: bytes, number: int) -> bytes:
    """The initialisation vector of one sector, after LUKS's on-disk format."""
    if iv == Iv.PLAIN:
        return (number & 0xFFFF_FFFF).to_bytes(16, "little")
    if iv == Iv.PLAIN64:
        return number.to_bytes(16, "little")
    hidden = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB()).encryptor()
    return hidden.update(number.to_bytes(16, "little"))


def encryptor(key: bytes, mode: Mode, initial: bytes) -> CipherContext:
    aes = algorithms.AES(key)
    if mode == Mode.ECB:
        return Cipher(aes, modes.ECB()).encryptor()
    if mode == Mode.CBC:
        return Cipher(aes, modes.CBC(initial)).encryptor()
    if mode == Mode.CTR:
        return Cipher(aes, modes.CTR(initial)).encryptor()
    return Cipher(aes, modes.XTS(initial)).encryptor()


def encrypted(data: bytes, key: bytes, mode: Mode, iv: Iv, first: int) -> bytes:
    """The data encrypted one sector after the other by the library's own modes."""
    found = b""
    for start in range(0, len(data), SECTOR):
        initial = vector(iv, key, first + start // SECTOR)
        found += encryptor(key, mode, initial).update(data[start : start + SECTOR])
    return found


@pytest.mark.parametrize("first", [0, 1, 0xFFFF_FFFE, 0x1_0000_0000, (1 << 55) - 3])
@pytest.mark.parametrize("iv", list(Iv))
@pytest.mark.parametrize(
    ("mode", "key_bytes"), [(Mode.ECB, 16), (Mode.CBC, 32), (Mode.CTR, 24), (Mode.XTS, 32), (Mode.XTS, 64)]
)
def test_bulk_decryption_is_sector_by_sector_decryption(mode: Mode, key_bytes: int, iv: Iv, first: int) -> None:
    data, key = noise(5 * SECTOR), noise(key_bytes)
    buffer = bytearray(encrypted(data, key, mode, iv, first))
    sector_cipher(key, mode, iv).decrypt(memoryview(buffer), first)
    assert buffer == data


@pytest.mark.parametrize("sectors", [0, 1, BATCH_SECTORS - 1, BATCH_SECTORS, BATCH_SECTORS + 1])
def test_batches_join_without_a_seam(sectors: int) -> None:
    data, key = noise(sectors * SECTOR), noise(64)
    buffer = bytearray(encrypted(data, key, Mode.XTS, Iv.PLAIN64, 77))
    sector_cipher(key, Mode.XTS, Iv.PLAIN64).decrypt(memoryview(buffer), 77)
    assert buffer == data


@pytest.mark.parametrize("passphrase", [b"", b"secret", b"sixteen bytes ok", b"longer than sixteen bytes"])
def test_the_key_of_the_old_encryption_is_the_passphrase(passphrase: bytes) -> None:
    data = noise(2 * SECTOR)
    key = (passphrase + bytes(16))[:16]
    buffer = bytearray(encrypted(data, key, Mode.CBC, Iv.PLAIN64, 9))
    cipher = legacy_cipher(passphrase)
    cipher.decrypt(memoryview(buffer), 9)
    assert buffer == data
    assert not cipher.by_host_offset


def test_no_text_form_shows_a_key() -> None:
    assert "6b65" not in repr(sector_cipher(b"key!" * 8, Mode.XTS, Iv.ESSIV))
    assert "key!" not in repr(sector_cipher(b"key!" * 8, Mode.XTS, Iv.ESSIV))
