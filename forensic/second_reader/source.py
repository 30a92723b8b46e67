"""What a disk is read from: one file for each layer, and what belongs to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.evidence import Evidence

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone
    from forensic.second_reader.decryption import SectorDecryption


class Passphrase:
    """What the examiner supplied; it is in no text form of anything that holds it.

    `raw` is tried as it is and, if that opens nothing, without a newline at its end. What it opens once is kept, so
    that several readers of one source derive their keys once. `allow_slow` lifts the limit on how long that may take.
    """

    def __init__(self, raw: bytes, allow_slow: bool = False) -> None:
        """Nothing is derived yet."""
        self.raw = raw
        self.allow_slow = allow_slow
        self._opened: dict[Evidence, SectorDecryption] = {}
        self._lock = threading.Lock()

    def opened(self, evidence: Evidence, derive: Callable[[], SectorDecryption]) -> SectorDecryption:
        """What the passphrase gives for this file: from before, or derived now."""
        with self._lock:
            if evidence not in self._opened:
                self._opened[evidence] = derive()
            return self._opened[evidence]


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

    `is_raw` says that the file is a raw disk. `as_stored` asks for encrypted data as it is, without the `passphrase`.
    With `planned` the active disk is read by these tables.
    """

    evidence: Evidence
    is_raw: bool = False
    data_file: Evidence | None = None
    passphrase: Passphrase | None = None
    as_stored: bool = False
    planned: PlannedTables | None = None
