"""A sector at a time: AES as LUKS uses it in qcow2, and QEMU's older encryption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from forensic.evidence import Evidence
from forensic.second_reader.answers import Answer, Kind, data, stored_bytes, unreadable

SECTOR, BLOCK = 512, 16


class SectorDecryption:
    """Decrypts sectors by their numbers: `mode` is ecb, cbc, ctr or xts, `iv` is plain, plain64 or essiv."""

    def __init__(self, key: bytes, mode: str, iv: str, iv_hash: str, by_host_offset: bool) -> None:
        """The key of XTS is two keys, one after the other."""
        self.by_host_offset = by_host_offset
        self._cipher = algorithms.AES(key)
        self._mode, self._iv = mode, iv
        self._essiv = hashlib.new(iv_hash or "sha256", key, usedforsecurity=False).digest() if iv == "essiv" else b""

    def sector(self, raw: bytes, number: int) -> bytes:
        """The plain bytes of a sector, or of the whole blocks at its start."""
        decryptor = Cipher(self._cipher, self._mode_of(number)).decryptor()
        return decryptor.update(raw) + decryptor.finalize()

    def _mode_of(self, number: int) -> modes.ECB | modes.CBC | modes.CTR | modes.XTS:
        if self._mode == "ecb":
            return modes.ECB()
        initial = (number % (1 << (32 if self._iv == "plain" else 64))).to_bytes(BLOCK, "little")
        if self._essiv:
            hidden = Cipher(algorithms.AES(self._essiv), modes.ECB()).encryptor()
            initial = hidden.update(initial) + hidden.finalize()
        if self._mode == "xts":
            return modes.XTS(initial)
        return modes.CTR(initial) if self._mode == "ctr" else modes.CBC(initial)


def decrypted(
    evidence: Evidence, decryption: SectorDecryption, guest_offset: int, host_offset: int, length: int
) -> Iterator[Answer]:
    """Encrypted bytes of a file, sector by sector; what is no whole block at the end of the file is unreadable."""
    end = host_offset + length
    position = host_offset
    while position < end:
        lead = position % SECTOR
        wanted = min(SECTOR - lead, end - position)
        number = (position if decryption.by_host_offset else guest_offset + position - host_offset) // SECTOR
        yield from _sector(evidence, decryption, position - lead, number, lead, wanted)
        position += wanted


def _sector(
    evidence: Evidence, decryption: SectorDecryption, host_offset: int, number: int, lead: int, wanted: int
) -> Iterator[Answer]:
    """The `wanted` bytes of a sector that come after its first `lead`."""
    raw = b""
    for answer in stored_bytes(evidence, host_offset, SECTOR):
        if answer.kind == Kind.UNREADABLE and answer.reason != "entry_beyond_eof":
            yield unreadable(wanted, answer.reason)
            return
        raw += answer.data if answer.kind == Kind.DATA else bytes(answer.length * (answer.kind == Kind.ZEROS))
    whole = raw[: len(raw) // BLOCK * BLOCK]
    plain = decryption.sector(whole, number)[lead : lead + wanted] if whole else b""
    if plain:
        yield data(plain)
    if len(plain) < wanted:
        yield unreadable(wanted - len(plain), "entry_beyond_eof")
