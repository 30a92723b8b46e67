"""Decryption of guest data in bulk: AES in the modes that QEMU writes, 512-byte sectors, many of them at once.

Block ciphers are called once for a whole buffer in ECB; what the modes add to that (tweaks, chaining, counters) is a
matter of a few array operations. An object for each sector would be thirteen times slower.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from enum import StrEnum

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msgspec import Struct

from forensic.disk.layer import Fault, read_data
from forensic.evidence import Evidence
from forensic.mapping.extents import Reason
from forensic.qcow2.arrays import U64, NDArray
from forensic.qcow2.entries import SECTOR_SIZE

AES_BLOCK_BYTES = 16
AES_BLOCKS = SECTOR_SIZE // AES_BLOCK_BYTES
BATCH_SECTORS = 1024
"""Sectors decrypted together: half a mebibyte, so that all buffers of a batch stay in a processor's cache."""

Blocks = NDArray[np.uint64]
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


class BlockCipher:
    """AES without a mode: each block for itself."""

    def __init__(self, key: bytes, encrypt: bool) -> None:
        """Raises `ValueError` for a key whose length AES does not know."""
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())
        self._encrypt = encrypt

    def __call__(self, blocks: Blocks, room: bytearray) -> Blocks:
        """The blocks encrypted or decrypted, as a view of `room`, which must have a block more than they need."""
        context = self._cipher.encryptor() if self._encrypt else self._cipher.decryptor()
        context.update_into(np.ascontiguousarray(blocks).data.cast("B"), room)
        return np.frombuffer(room, dtype="<u8", count=blocks.size).reshape(blocks.shape)


class _Workspace(threading.local):
    """Buffers for one batch, one set for each thread.

    Fresh ones for every batch would be fresh mappings of memory, whose page faults take longer than the cipher.
    """

    def __init__(self) -> None:
        shape = (BATCH_SECTORS, AES_BLOCKS, 2)
        self.tweaks, self.mixed = np.empty(shape, dtype="<u8"), np.empty(shape, dtype="<u8")
        self.decrypted = bytearray(BATCH_SECTORS * SECTOR_SIZE + AES_BLOCK_BYTES)
        self.encrypted = bytearray(BATCH_SECTORS * AES_BLOCK_BYTES + AES_BLOCK_BYTES)
        self._planes = np.empty((3, *shape[:2]), dtype=np.uint64)

    def make_tweaks(self, first: Blocks) -> Blocks:
        """The tweak of every block: that of a sector's first block times 1, x, x^2 ... x^31 in GF(2^128).

        All powers at once: a few passes over long arrays, where thirty-one multiplications by x would be many.
        """
        tweaks, (over, part, product) = self.tweaks[: len(first)], self._planes[:, : len(first)]
        low, high = first[:, :1], first[:, 1:]
        # What a shift moves out at the top comes back at the bottom: the polynomial is x^128 + x^7 + x^2 + x + 1.
        np.right_shift(high, _DOWN, out=over)
        np.bitwise_xor(np.left_shift(low, _UP, out=product), over, out=product)
        for shift in (1, 2, 7):
            np.bitwise_xor(product, np.left_shift(over, np.uint64(shift), out=part), out=product)
        tweaks[..., 0] = product
        np.right_shift(low, _DOWN, out=over)
        np.bitwise_or(np.left_shift(high, _UP, out=product), over, out=tweaks[..., 1])
        return tweaks


_UP = np.arange(AES_BLOCKS, dtype=np.uint64)
_DOWN = np.uint64(64) - _UP
"""By which two halves of a block are shifted for each power of x; numpy shifts all 64 bits out where that is asked."""

_workspace = _Workspace()


class Secret:
    """Bytes that are left out of the text form of all that holds them, so that no message can show them."""

    def __init__(self, raw: bytes) -> None:
        """Keep them."""
        self.raw = raw


class SectorCipher(Struct, frozen=True):
    """Decrypts whole sectors; see `sector_cipher` and `legacy_cipher`.

    A sector is numbered by where it lies in the file that holds it (`by_host_offset`, LUKS) or on the virtual disk.
    It was made of `secret`: a master key, or the passphrase of the legacy encryption.
    """

    secret: Secret
    mode: Mode
    by_host_offset: bool
    decrypt_blocks: BlockCipher
    encrypt_blocks: BlockCipher
    initial: Callable[[U64], Blocks]

    def decrypt(self, data: memoryview, first_sector: int) -> None:
        """Decrypt a buffer of whole sectors in place."""
        sectors = np.frombuffer(data, dtype="<u8").reshape(-1, AES_BLOCKS, 2)
        numbers = np.arange(first_sector, first_sector + len(sectors), dtype=np.uint64)
        for start in range(0, len(sectors), BATCH_SECTORS):
            self._decrypt_batch(sectors[start : start + BATCH_SECTORS], numbers[start : start + BATCH_SECTORS])

    def _decrypt_batch(self, sectors: Blocks, numbers: U64) -> None:
        work = _workspace
        if self.mode == Mode.ECB:
            sectors[:] = self.decrypt_blocks(sectors, work.decrypted)
            return
        initial = self.initial(numbers)
        if self.mode == Mode.XTS:
            tweaks = work.make_tweaks(self.encrypt_blocks(initial, work.encrypted))
            mixed = np.bitwise_xor(sectors, tweaks, out=work.mixed[: len(sectors)])
            np.bitwise_xor(self.decrypt_blocks(mixed, work.decrypted), tweaks, out=sectors)
        elif self.mode == Mode.CTR:
            np.bitwise_xor(sectors, self.encrypt_blocks(_counters(initial), work.decrypted), out=sectors)
        else:
            plain = self.decrypt_blocks(sectors, work.decrypted)
            plain[:, 1:] ^= sectors[:, :-1]
            plain[:, 0] ^= initial
            sectors[:] = plain


def sector_cipher(key: bytes, mode: Mode, iv: Iv, iv_hash: str | None = None) -> SectorCipher:
    """AES as a LUKS header asks for it; an XTS key is two keys, one for the data and one for the tweaks.

    Raises `ValueError` for a key whose length AES does not know.
    """
    data_key, tweak_key = (key[: len(key) // 2], key[len(key) // 2 :]) if mode == Mode.XTS else (key, key)
    initial = _numbers_as_blocks(0xFFFF_FFFF if iv == Iv.PLAIN else 0xFFFF_FFFF_FFFF_FFFF)
    if iv == Iv.ESSIV:
        hide = BlockCipher(hashlib.new(iv_hash or "sha256", key, usedforsecurity=False).digest(), encrypt=True)
        initial = _hidden(initial, hide)
    return SectorCipher(Secret(key), mode, True, BlockCipher(data_key, False), BlockCipher(tweak_key, True), initial)


def legacy_cipher(passphrase: bytes) -> SectorCipher:
    """QEMU's first encryption (method 1): AES-128-CBC whose key is the passphrase itself, cut or padded to 16 bytes.

    Nothing in the image tells a wrong passphrase from the right one.
    """
    key = passphrase[:16].ljust(16, b"\0")
    initial = _numbers_as_blocks(0xFFFF_FFFF_FFFF_FFFF)
    return SectorCipher(Secret(passphrase), Mode.CBC, False, BlockCipher(key, False), BlockCipher(key, True), initial)


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
    whole_blocks = there // AES_BLOCK_BYTES * AES_BLOCK_BYTES
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


def _numbers_as_blocks(mask: int) -> Callable[[U64], Blocks]:
    """The function that makes one block of each sector number: the number, and eight zero bytes."""

    def blocks(numbers: U64) -> Blocks:
        found = np.zeros((len(numbers), 2), dtype="<u8")
        found[:, 0] = numbers & np.uint64(mask)
        return found

    return blocks


def _hidden(numbers_as_blocks: Callable[[U64], Blocks], hide: BlockCipher) -> Callable[[U64], Blocks]:
    """ESSIV: the numbers encrypted with a key of their own."""

    def blocks(numbers: U64) -> Blocks:
        return hide(numbers_as_blocks(numbers), bytearray(len(numbers) * AES_BLOCK_BYTES + AES_BLOCK_BYTES))

    return blocks


def _counters(first: Blocks) -> Blocks:
    """The counter of every block: a sector's first one and its successors, as big-endian numbers of 128 bits."""
    numbers = np.arange(AES_BLOCKS, dtype=np.uint64)
    low = first[:, 1].byteswap()[:, np.newaxis] + numbers
    carry = (low < numbers).astype(np.uint64)
    high = first[:, 0].byteswap()[:, np.newaxis] + carry
    return np.stack([high.byteswap(), low.byteswap()], axis=2)
