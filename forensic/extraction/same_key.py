"""Whether an interrupted extraction decrypted with the key that is there now.

The old AES encryption has nothing by which a wrong passphrase could be told, so going on with another one would give
a disk in two parts. What was extracted is compared with what the key gives now: no value made from the key has to lie
beside the output, where someone could try passphrases on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from forensic.extraction.segments import read_part
from forensic.qcow2.disk import Disk
from forensic.qcow2.states import State

COMPARED = 4096
"""Bytes that are decrypted again; with another key not one block of them would be the same."""


def decrypts_as_before(disk: Disk, guest_start: int, done: int, partials: Sequence[Path]) -> bool:
    """Whether the first encrypted bytes of what is there are what they would be now.

    `done` bytes from `guest_start` on are in `partials`. Raises `EvidenceUnreadable` for those.
    """
    for depth, guest_offset, host_offset, length in _encrypted(disk, guest_start, guest_start + done):
        now = bytearray(min(length, COMPARED))
        if not disk.read(depth, guest_offset, host_offset, 0, 0, memoryview(now)):
            return read_part(partials, guest_offset - guest_start, len(now)) == now
    return True


def _encrypted(disk: Disk, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Level, guest offset, host offset and length of every run of encrypted data."""
    if not any(level.encryption for level in disk.levels):
        return
    for runs in disk.readable_runs(start, end):
        for guest_offset, length, host_offset, _, state, _, depth, _ in runs:
            if state == State.DATA and disk.levels[depth].encryption:
                yield depth, guest_offset, host_offset, length
