"""Sectors one at a time, by the library's modes and by our own XTS for the key length that the library leaves out."""

import random

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from forensic.disk.sector_ciphers import Iv, Mode, sector_cipher
from forensic.second_reader.decryption import SectorDecryption

RAW = random.Random(5).randbytes(512)


@pytest.mark.parametrize("number", [0, 7, 1 << 40])
@pytest.mark.parametrize("length", [512, 48, 16])
@pytest.mark.parametrize("key_length", [32, 64])
def test_our_xts_is_that_of_the_library(
    key_length: int, length: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = RAW[-key_length:]
    theirs = Cipher(algorithms.AES(key), modes.XTS(number.to_bytes(16, "little"))).decryptor()
    monkeypatch.setattr("forensic.second_reader.decryption.XTS_UNKNOWN", key_length // 2)
    ours = SectorDecryption(key, "xts", "plain64", "", by_host_offset=True)
    assert ours.sector(RAW[:length], number) == theirs.update(RAW[:length]) + theirs.finalize()


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("iv", Iv)
@pytest.mark.parametrize("bits", [128, 192, 256])
def test_both_readers_decrypt_alike_with_every_key_length_mode_and_initialisation_vector(
    mode: Mode, iv: Iv, bits: int
) -> None:
    key = RAW[: bits // 8 * (2 if mode == Mode.XTS else 1)]
    number = (1 << 32) + 3
    buffer = bytearray(RAW)
    sector_cipher(key, mode, iv, "sha256").decrypt(memoryview(buffer), number)
    second = SectorDecryption(key, mode.value, iv.value, "sha256", by_host_offset=True)
    assert second.sector(RAW, number) == bytes(buffer)
