"""A map of the sectors of a device that could not be read when it was copied, as ddrescue writes it.

The copy has zeros, or whatever was there before, in their place: nothing that lies in them is evidence.
"""

from __future__ import annotations

from forensic.errors import WrongSupply
from forensic.evidence import Evidence, ReadFailed

MAX_MAP_BYTES = 64 << 20
COPIED = "+"
STATUSES = "?*/-+"


def bad_ranges(path: str) -> list[tuple[int, int]]:
    """The ranges, (start, end) in order, that a map does not call copied.

    Raises `EvidenceUnreadable`, and `WrongSupply` with the line for what is no map.
    """
    with Evidence(path) as file:
        if file.size > MAX_MAP_BYTES:
            raise WrongSupply(path, f"is longer than {MAX_MAP_BYTES:,} bytes")
        try:
            lines = file.read_at(0, file.size).split(b"\n")
        except ReadFailed as failure:
            raise WrongSupply(path, failure.reason) from failure
    found: list[tuple[int, int]] = []
    end, has_status = 0, False
    for number, line in enumerate(lines, 1):
        words = line.partition(b"#")[0].split()
        if not words:
            continue
        if not has_status:  # where the copying stood
            has_status = True
            continue
        start, length, status = _range(words, path, number)
        if start < end:
            raise WrongSupply(path, f"line {number}: the range overlaps the one before")
        end = start + length
        if status == COPIED or not length:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    if not end:
        raise WrongSupply(path, "is no map of ddrescue: it lists no range")
    return found


def _range(words: list[bytes], path: str, number: int) -> tuple[int, int, str]:
    try:
        start, length, status = int(words[0], 0), int(words[1], 0), chr(words[2][0])
    except (ValueError, IndexError):
        start = length = -1
        status = ""
    if start < 0 or length < 0 or status not in STATUSES or len(words) != 3 or len(words[2]) != 1:
        raise WrongSupply(path, f"line {number} is no range of a map of ddrescue: position, size, status")
    return start, length, status
