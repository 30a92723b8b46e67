"""Whether a table was overwritten as a whole, so that none of its entries is believed; a rule in plain words.

The words are those of `forensic.qcow2.overwritten_tables`, from which this takes nothing else.
"""

from __future__ import annotations

import struct

from forensic.second_reader.header import Header

OFFSET = 0x00FF_FFFF_FFFF_FE00
L1_RESERVED, L2_RESERVED = 0x7F00_0000_0000_01FF, 0x3F00_0000_0000_01FE
STREAM = 1 << 62
SAMPLE = 4096


def l1_is_overwritten(raw: bytes, header: Header, file_size: int) -> bool:
    """The rule for an L1 table, as far as the file holds it."""
    entries, limit, bad, used = _words(raw), _reach(header, file_size), 0, 0
    for entry in entries:
        if entry:
            if _mostly_good(bad, used, len(entries)):
                return False
            used += 1
            bad += bool(entry & L1_RESERVED) or _misplaced(entry & OFFSET, header, limit)
    return _as_a_whole(bad, used, raw, header)


def l2_is_overwritten(raw: bytes, header: Header, file_size: int) -> bool:
    """The rule for an L2 table, as far as the file holds whole entries of it."""
    entries = _words(raw)[:: header.l2_entry_size // 8]
    external, limit, bad, used = header.external_data_file, _reach(header, file_size), 0, 0
    if external:
        limit = min(1 << 56, max(header.size, header.l1_entries * header.l1_coverage))
    impossible = L2_RESERVED | (header.cluster_size - 1) & OFFSET
    stream_reach = 1 << 70 - header.cluster_bits
    for at, entry in enumerate(entries):
        if not entry:
            continue
        if _mostly_good(bad, used, len(entries)):
            return False
        used += 1
        place = entry & OFFSET
        if entry & STREAM:
            bad += external or entry % stream_reach >= limit
        elif entry & impossible or place >= limit:
            bad += 1
        elif place and (place >= file_size or external):  # is it where a neighbour is, too?
            before = entries[at - 1] & OFFSET if at else 0
            after = entries[at + 1] & OFFSET if at + 1 < len(entries) else 0
            bad += place in (before, after)
    return _as_a_whole(bad, used, raw, header)


def _words(raw: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(raw) // 8}Q", raw[: len(raw) // 8 * 8])


def _misplaced(place: int, header: Header, limit: int) -> bool:
    return place % header.cluster_size != 0 or place >= limit


def _reach(header: Header, file_size: int) -> int:
    limit = max(1 << 45, 4 * header.size)
    if header.refcount_table_clusters and header.refcount_order <= 6:
        blocks = header.refcount_table_clusters * header.cluster_size // 8
        limit = min(limit, blocks * (header.cluster_size * 8 >> header.refcount_order) * header.cluster_size)
    return min(1 << 56, max(file_size, limit))


def _mostly_good(bad: int, used: int, count: int) -> bool:
    """Whether three quarters of those in use cannot be bad any more."""
    return 4 * (used - bad) > count


def _as_a_whole(bad: int, used: int, raw: bytes, header: Header) -> bool:
    if bad >= 8 and bad * 4 >= used * 3:
        return True
    return bad == used >= 2 and _is_refcount_block(raw[:SAMPLE], header.refcount_order)


def _is_refcount_block(raw: bytes, refcount_order: int) -> bool:
    if refcount_order not in (3, 4, 5):
        return False
    width = 1 << refcount_order - 3
    counts = [int.from_bytes(raw[at : at + width], "big") for at in range(0, len(raw), width)]
    while counts and not counts[-1]:
        counts.pop()
    return bool(counts) and max(counts) <= 31 and 2 * (len(counts) - counts.count(0)) >= len(counts)
