"""What a disk is read from: one file for each layer, and what belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.evidence import Evidence

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone
    from forensic.second_reader.decryption import SectorDecryption


class Key:
    """A master key of LUKS, or the passphrase of the older encryption; it is in no text form of what holds it.

    That a master key is right takes some time to confirm; readers of one source do so once.
    """

    def __init__(self, raw: bytes) -> None:
        """Nothing is confirmed yet."""
        self.raw = raw
        self._decryption: SectorDecryption | None = None
        self._lock = threading.Lock()

    def opened(self, decryption: Callable[[], SectorDecryption]) -> SectorDecryption:
        """What the key gives: from before, or made now."""
        with self._lock:
            if self._decryption is None:
                self._decryption = decryption()
            return self._decryption


class PlannedTables(Struct, frozen=True):
    """What a recovery plan says in place of the file.

    The header cluster, the host offset of the L2 table of each slot (0: none), and the guest ranges that are not to be
    read: start, end, reason code, in order. Of `data` no table tells: start, end, host offset, and of a compressed
    cluster how many bytes it takes (0: plain), in order.
    """

    header: bytes
    l2_tables: tuple[int, ...]
    unknown: tuple[tuple[int, int, str], ...]
    data: tuple[tuple[int, int, int, int], ...] = ()


class Source(Struct, frozen=True):
    """One layer of a disk, the image itself first, then its backing files.

    `is_raw` says that the file is a raw disk. `as_stored` asks for encrypted data as it is, without the `key`.
    With `planned` the active disk is read by these tables.
    """

    evidence: Evidence
    is_raw: bool = False
    data_file: Evidence | None = None
    key: Key | None = None
    as_stored: bool = False
    planned: PlannedTables | None = None
