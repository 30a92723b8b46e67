"""The rule about tables that are damaged as a whole, one entry at a time, written after its words and not its code."""

from collections.abc import Sequence

from forensic.qcow2.geometry import Geometry

OFFSET = 0x00FF_FFFF_FFFF_FE00


def damaged_l2(words: Sequence[int], layout: Geometry, file_size: int) -> bool:
    """Whether a table of these entries (first words) is damaged as a whole; 64-bit counts and extended ones apart."""
    entries = words[0::2] if layout.extended_l2 else words
    bad = sum(_impossible(entries, at, layout, file_size) for at in range(len(entries)))
    return _as_a_whole(bad, sum(1 for entry in entries if entry), words, layout)


def damaged_l1(entries: Sequence[int], layout: Geometry, file_size: int) -> bool:
    """The same of an L1 table."""
    limit = limit_of(layout, file_size)
    bad = 0
    for entry in entries:
        reserved = entry & 0x1FF or entry >> 56 & 0x7F
        bad += bool(reserved) or _misplaced(entry & OFFSET, layout, limit)
    return _as_a_whole(bad, sum(1 for entry in entries if entry), entries, layout)


def _impossible(entries: Sequence[int], at: int, layout: Geometry, file_size: int) -> bool:
    entry, place = entries[at], entries[at] & OFFSET
    if entry >> 62 & 1:
        stream = entry % (1 << 70 - layout.cluster_bits)
        return layout.external_data_file or stream >= limit_of(layout, file_size)
    neighbours = [entries[near] & OFFSET for near in (at - 1, at + 1) if 0 <= near < len(entries)]
    twice = place != 0 and place in neighbours and (layout.external_data_file or place >= file_size)
    limit = limit_of(layout, file_size)
    if layout.external_data_file:
        limit = min(1 << 56, max(layout.virtual_size, layout.l1_entry_count * layout.l1_coverage))
    return bool(entry & 0x1FE or entry >> 56 & 0x3F) or twice or _misplaced(place, layout, limit)


def _misplaced(place: int, layout: Geometry, limit: int) -> bool:
    return place % (1 << layout.cluster_bits) != 0 or place >= limit


def limit_of(layout: Geometry, file_size: int) -> int:
    """The reach of an image."""
    cluster = 1 << layout.cluster_bits
    limit = max(32 << 40, 4 * layout.virtual_size)
    if layout.refcount_order is not None and layout.refcount_table_clusters > 0:
        covered = layout.refcount_table_clusters * (cluster // 8) * (cluster * 8 // 2**layout.refcount_order) * cluster
        limit = min(limit, covered)
    return min(1 << 56, max(file_size, limit))


def _as_a_whole(bad: int, used: int, words: Sequence[int], layout: Geometry) -> bool:
    if bad >= 8 and bad / used >= 0.75:
        return True
    if bad != used or used < 2 or layout.refcount_order not in (3, 4, 5):
        return False
    width = 1 << layout.refcount_order - 3
    raw = b"".join(word.to_bytes(8, "big") for word in words)[:4096]
    counts = [int.from_bytes(raw[at : at + width], "big") for at in range(0, len(raw), width)]
    while counts and not counts[-1]:
        counts.pop()
    return bool(counts) and max(counts) < 32 and 2 * sum(map(bool, counts)) >= len(counts)
