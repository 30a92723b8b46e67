"""Decryption of guest data in bulk: AES in the modes that QEMU writes, 512-byte sectors, many of them at once.

Block ciphers are called once for a whole buffer in ECB; what the modes add to that (tweaks, chaining, counters) is a
matter of a few array operations. An object for each sector would be thirteen times slower.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from forensic.evidence import Evidence
from forensic.qcow2.content import Fault, read_data
from forensic.qcow2.entries import SECTOR_SIZE, U64
from forensic.qcow2.mapping import Reason

BLOCK = 16
BLOCKS = SECTOR_SIZE // BLOCK
BATCH_SECTORS = 1024
"""Sectors decrypted together: half a mebibyte. With twice as many each buffer is a fresh mapping of memory, whose page
faults cost more than the cipher."""

Blocks = npt.NDArray[np.uint64]
"""AES blocks as pairs of little-endian words, in the shape (sectors, blocks of a sector, 2)."""


class Mode(StrEnum):
    """How the blocks of a sector hang together."""

    ECB = "ecb"
    CBC = "cbc"
    CTR = "ctr"
    XTS = "xts"


class Iv(StrEnum):
    """How a sector's initialisation vector follows from its number."""

    PLAIN = "plain"
    PLAIN64 = "plain64"
    ESSIV = "essiv"


@dataclass(frozen=True)
class SectorCipher:
    """Decrypts whole sectors; see `sector_cipher` and `legacy_cipher`.

    A sector is numbered by where it lies in the file that holds it (`by_host_offset`, LUKS) or on the virtual disk.
    The keys are left out of the text form, so that no message can show them.
    """

    mode: Mode
    by_host_offset: bool
    decrypt_blocks: Callable[[Blocks], Blocks]
    encrypt_blocks: Callable[[Blocks], Blocks]
    initial: Callable[[U64], Blocks]

    def decrypt(self, data: memoryview, first_sector: int) -> None:
        """Decrypt a buffer of whole sectors in place."""
        sectors = np.frombuffer(data, dtype="<u8").reshape(-1, BLOCKS, 2)
        numbers = np.arange(first_sector, first_sector + len(sectors), dtype=np.uint64)
        for start in range(0, len(sectors), BATCH_SECTORS):
            batch = sectors[start : start + BATCH_SECTORS]
            batch[:] = self._decrypted(batch, numbers[start : start + BATCH_SECTORS])

    def _decrypted(self, sectors: Blocks, numbers: U64) -> Blocks:
        if self.mode == Mode.ECB:
            return self.decrypt_blocks(sectors)
        initial = self.initial(numbers)
        if self.mode == Mode.XTS:
            tweaks = _tweaks(self.encrypt_blocks(initial))
            return self.decrypt_blocks(sectors ^ tweaks) ^ tweaks
        if self.mode == Mode.CTR:
            return sectors ^ self.encrypt_blocks(_counters(initial))
        chained = np.concatenate([initial[:, np.newaxis], sectors[:, :-1]], axis=1)
        plain: Blocks = self.decrypt_blocks(sectors) ^ chained
        return plain


def sector_cipher(key: bytes, mode: Mode, iv: Iv, iv_hash: str | None = None) -> SectorCipher:
    """AES as a LUKS header asks for it; an XTS key is two keys, one for the data and one for the tweaks.

    Raises `ValueError` for a key whose length AES does not know.
    """
    data_key, tweak_key = (key[: len(key) // 2], key[len(key) // 2 :]) if mode == Mode.XTS else (key, key)
    initial = _numbers_as_blocks(0xFFFF_FFFF if iv == Iv.PLAIN else 0xFFFF_FFFF_FFFF_FFFF)
    if iv == Iv.ESSIV:
        hide = _ecb(hashlib.new(iv_hash or "sha256", key, usedforsecurity=False).digest(), True)
        number_blocks = initial
        initial = lambda numbers: hide(number_blocks(numbers))  # noqa: E731
    return SectorCipher(mode, True, _ecb(data_key, False), _ecb(tweak_key, True), initial)


def legacy_cipher(passphrase: bytes) -> SectorCipher:
    """QEMU's first encryption (method 1): AES-128-CBC whose key is the passphrase itself, cut or padded to 16 bytes.

    Nothing in the image tells a wrong passphrase from the right one.
    """
    key = passphrase[:16].ljust(16, b"\0")
    initial = _numbers_as_blocks(0xFFFF_FFFF_FFFF_FFFF)
    return SectorCipher(Mode.CBC, False, _ecb(key, False), _ecb(key, True), initial)


def read_encrypted(
    evidence: Evidence, cipher: SectorCipher, guest_offset: int, host_offset: int, buffer: memoryview
) -> list[Fault]:
    """Fill the buffer with decrypted data; it may begin and end inside a sector.

    Of a block that the end of the file cuts nothing can be decrypted.
    """
    lead = host_offset % SECTOR_SIZE
    window = memoryview(bytearray(-(-(lead + len(buffer)) // SECTOR_SIZE) * SECTOR_SIZE))
    there = min(len(window), evidence.size - (host_offset - lead))
    faults = read_data(evidence, host_offset - lead, window[:there])
    place = host_offset if cipher.by_host_offset else guest_offset
    cipher.decrypt(window, (place - lead) // SECTOR_SIZE)
    buffer[:] = window[lead : lead + len(buffer)]
    whole_blocks = there // BLOCK * BLOCK
    if whole_blocks < there:
        faults.append(Fault(whole_blocks, there - whole_blocks, Reason.ENTRY_BEYOND_EOF))
    return _within(faults, lead, buffer)


def _within(faults: list[Fault], lead: int, buffer: memoryview) -> list[Fault]:
    """Faults of a window as faults of the buffer that begins `lead` bytes into it, zeroed there."""
    kept = []
    for fault in faults:
        start, end = max(0, fault.start - lead), min(len(buffer), fault.start + fault.length - lead)
        if start < end:
            buffer[start:end] = bytes(end - start)
            kept.append(Fault(start, end - start, fault.reason))
    return kept


def _ecb(key: bytes, encrypt: bool) -> Callable[[Blocks], Blocks]:
    cipher = Cipher(algorithms.AES(key), modes.ECB())

    def run(blocks: Blocks) -> Blocks:
        context = cipher.encryptor() if encrypt else cipher.decryptor()
        result = context.update(np.ascontiguousarray(blocks).data.cast("B"))
        return np.frombuffer(result, dtype="<u8").reshape(blocks.shape)

    return run


def _numbers_as_blocks(mask: int) -> Callable[[U64], Blocks]:
    """The function that makes one block of each sector number: the number, and eight zero bytes."""

    def blocks(numbers: U64) -> Blocks:
        found = np.zeros((len(numbers), 2), dtype="<u8")
        found[:, 0] = numbers & np.uint64(mask)
        return found

    return blocks


def _tweaks(first: Blocks) -> Blocks:
    """The tweak of every block: that of a sector's first block times x, x^2, x^3 ... in GF(2^128).

    Each step makes as many as there are already, so that five steps make all.
    """
    tweaks = np.empty((len(first), BLOCKS, 2), dtype="<u8")
    tweaks[:, 0] = first
    count = 1
    while count < BLOCKS:
        _multiply(tweaks[:, :count], count, tweaks[:, count : 2 * count])
        count *= 2
    return tweaks


def _multiply(blocks: Blocks, power: int, product: Blocks) -> None:
    """Put the blocks times x^power into `product`; the field's polynomial is x^128 + x^7 + x^2 + x + 1."""
    low, high = blocks[..., 0], blocks[..., 1]
    up, down = np.uint64(power), np.uint64(64 - power)
    carry = high >> down
    product[..., 1] = (high << up) | (low >> down)
    product[..., 0] = (low << up) ^ carry ^ (carry << np.uint64(1)) ^ (carry << np.uint64(2)) ^ (carry << np.uint64(7))


def _counters(first: Blocks) -> Blocks:
    """The counter of every block: a sector's first one and its successors, as big-endian numbers of 128 bits."""
    numbers = np.arange(BLOCKS, dtype=np.uint64)
    low = first[:, 1].byteswap()[:, np.newaxis] + numbers
    carry = (low < numbers).astype(np.uint64)
    high = first[:, 0].byteswap()[:, np.newaxis] + carry
    return np.stack([high.byteswap(), low.byteswap()], axis=2)
