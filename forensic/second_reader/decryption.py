"""A sector at a time: AES as LUKS uses it in qcow2, and QEMU's older encryption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes

from forensic.second_reader.answers import Answer, AnswerKind, StoredFile, data, unreadable

SECTOR, BLOCK = 512, 16
SECTORS_AT_ONCE = 128
"""Sectors that are read together; they are decrypted one at a time."""

XTS_UNKNOWN = 24
"""Bytes of a key with which the library has no XTS, though AES has."""

XTS_POLYNOMIAL = 1 << 128 | 0x87
"""By which a tweak is doubled: x^128 + x^7 + x^2 + x + 1."""


class SectorDecryption:
    """Decrypts sectors by their numbers: `mode` is ecb, cbc, ctr or xts, `iv` is plain, plain64 or essiv."""

    def __init__(self, key: bytes, mode: str, iv: str, iv_hash: str, by_host_offset: bool) -> None:
        """The key of XTS is two keys, one after the other. Raises `ValueError` for a length that AES does not know."""
        self.by_host_offset = by_host_offset
        half = len(key) // 2 if mode == "xts" else len(key)
        self._ciphers = algorithms.AES(key[:half]), algorithms.AES(key[-half:])
        self._by_definition = mode == "xts" and half == XTS_UNKNOWN
        self._cipher = self._ciphers[0] if self._by_definition else algorithms.AES(key)
        self._mode, self._iv = mode, iv
        self._essiv = hashlib.new(iv_hash or "sha256", key, usedforsecurity=False).digest() if iv == "essiv" else b""

    def sector(self, raw: bytes, number: int) -> bytes:
        """The plain bytes of a sector, or of the whole blocks at its start."""
        if self._by_definition:
            return self._xts(raw, self._initial(number))
        return _through(Cipher(self._cipher, self._mode_of(number)).decryptor(), raw)

    def _mode_of(self, number: int) -> modes.ECB | modes.CBC | modes.CTR | modes.XTS:
        if self._mode == "ecb":
            return modes.ECB()
        initial = self._initial(number)
        if self._mode == "xts":
            return modes.XTS(initial)
        return modes.CTR(initial) if self._mode == "ctr" else modes.CBC(initial)

    def _initial(self, number: int) -> bytes:
        """The initialisation vector of a sector."""
        initial = (number % (1 << (32 if self._iv == "plain" else 64))).to_bytes(BLOCK, "little")
        return (
            _through(Cipher(algorithms.AES(self._essiv), modes.ECB()).encryptor(), initial) if self._essiv else initial
        )

    def _xts(self, raw: bytes, initial: bytes) -> bytes:
        """XTS by its definition (IEEE 1619)."""
        tweak = int.from_bytes(_through(Cipher(self._ciphers[1], modes.ECB()).encryptor(), initial), "little")
        tweaks = 0
        for place in range(0, 8 * len(raw), 8 * BLOCK):
            tweaks |= tweak << place
            tweak = tweak << 1 ^ (tweak >> 127) * XTS_POLYNOMIAL
        mixed = (int.from_bytes(raw, "little") ^ tweaks).to_bytes(len(raw), "little")
        plain = _through(Cipher(self._ciphers[0], modes.ECB()).decryptor(), mixed)
        return (int.from_bytes(plain, "little") ^ tweaks).to_bytes(len(raw), "little")


def _through(context: CipherContext, raw: bytes) -> bytes:
    return context.update(raw) + context.finalize()


def decrypted(
    file: StoredFile, decryption: SectorDecryption, guest_offset: int, host_offset: int, length: int
) -> Iterator[Answer]:
    """Encrypted bytes of a file, sector by sector; what is no whole block at the end of the file is unreadable."""
    end = host_offset + length
    position = host_offset
    while position < end:
        lead = position % SECTOR
        first = position - lead
        number = (first if decryption.by_host_offset else guest_offset + first - host_offset) // SECTOR
        count = min(SECTORS_AT_ONCE, -(-(end - first) // SECTOR))
        wanted = min(count * SECTOR - lead, end - position)
        raw = _readable(file, first, count * SECTOR)
        if raw is None:
            wanted = min(SECTOR - lead, wanted)
            yield from _sector(file, decryption, first, number, lead, wanted)
        else:
            sectors = (raw[at : at + SECTOR] for at in range(0, len(raw), SECTOR))
            plain = b"".join([decryption.sector(sector, number + index) for index, sector in enumerate(sectors)])
            yield data(plain[lead : lead + wanted])
        position += wanted


def _readable(file: StoredFile, host_offset: int, length: int) -> bytes | None:
    """These bytes; None if any of them cannot be read."""
    parts = []
    for answer in file.bytes(host_offset, length):
        if answer.kind == AnswerKind.UNREADABLE:
            return None
        parts.append(answer.data or bytes(answer.length))
    return b"".join(parts)


def _sector(
    file: StoredFile, decryption: SectorDecryption, host_offset: int, number: int, lead: int, wanted: int
) -> Iterator[Answer]:
    """The `wanted` bytes of a sector that come after its first `lead`."""
    raw = b""
    for answer in file.bytes(host_offset, SECTOR):
        if answer.kind == AnswerKind.UNREADABLE and answer.reason != "entry_beyond_eof":
            yield unreadable(wanted, answer.reason)
            return
        raw += (
            answer.data if answer.kind == AnswerKind.DATA else bytes(answer.length * (answer.kind == AnswerKind.ZEROS))
        )
    whole = raw[: len(raw) // BLOCK * BLOCK]
    plain = decryption.sector(whole, number)[lead : lead + wanted] if whole else b""
    if plain:
        yield data(plain)
    if len(plain) < wanted:
        yield unreadable(wanted - len(plain), "entry_beyond_eof")
