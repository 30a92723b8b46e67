"""The structures of an image as a tree that is read only as far as it is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from forensic.explore.fields import value_of, words_in
from forensic.explore.regions import Kind, Region, RegionIndex
from forensic.explore.v1 import Qcow1RegionIndex
from forensic.qcow2.arrays import U64
from forensic.qcow2.entries import has_zero_flag, host_offset_of, is_compressed
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.tables import L1Table, RefcountTable, read_l2_batches
from forensic.structure import Structure

PAGE_ENTRIES = 256
"""Entries of a table that one line opens into."""


class Node(Struct, frozen=True):
    """One line of the tree, in its shown form: `label`, a `note` beside it, and the bytes it stands for.

    `children` reads what lies below; None where nothing does. `trouble` marks what leads nowhere.
    """

    label: str
    note: str
    host_offset: int
    length: int
    children: Callable[[], list[Node]] | None = None
    trouble: bool = False


def top_nodes(region_index: RegionIndex | Qcow1RegionIndex) -> list[Node]:
    """The first level: header, extensions, tables."""
    if isinstance(region_index, Qcow1RegionIndex):
        return _outline_of_version_1(region_index)
    nodes = [_region(region) for region in region_index.fixed if region.kind in (Kind.HEADER, Kind.EXTENSION)]
    nodes += [_region(region) for region in region_index.fixed if region.kind == Kind.BACKING_NAME]
    nodes += [_l1(region_index, table) for table in region_index.l1_tables if table.owner == ACTIVE]
    if region_index.refcount_table:
        nodes.append(_refcounts(region_index, region_index.refcount_table))
    for title, kinds in (("snapshots", (Kind.SNAPSHOT,)), ("bitmaps", (Kind.BITMAP,)), ("encryption", (Kind.LUKS,))):
        nodes += _group(region_index, title, [region for region in region_index.fixed if region.kind in kinds])
    return nodes


def _outline_of_version_1(region_index: Qcow1RegionIndex) -> list[Node]:
    nodes = [_region(region) for region in region_index.fixed if region.kind != Kind.L1_TABLE]
    l1 = region_index.l1
    if l1 is None:
        return nodes

    def entry(index: int) -> Node:
        offset, place = int(l1.entries[index]), l1.host_offset + index * 8
        region = region_index.l2_region(index)
        if region is None:
            return Node(f"L1[{index}]", f"→ {offset:#x} leads nowhere", place, 8, None, True)
        return Node(f"L1[{index}]", f"→ {offset:#x}", place, 8, lambda: _l2_of_version_1(region_index, region))

    def pages() -> list[Node]:
        def entries(begin: int, end: int) -> list[Node]:
            return _set_entries(l1.entries, begin, end, entry)

        return _paged("L1", len(l1.entries), entries, l1.host_offset, 8, l1.entries)

    claimed = l1.header.l1_entry_count
    note = f"{int(np.count_nonzero(l1.entries)):,} of {claimed:,} used"
    return [*nodes, Node("L1 table", note, l1.host_offset, l1.entries.nbytes, pages, len(l1.entries) < claimed)]


def _l2_of_version_1(region_index: Qcow1RegionIndex, region: Region) -> list[Node]:
    batch = region_index.l2_batch(region.index)
    if batch is None:
        return []
    words = batch.entries[0][: int(batch.present[0])]
    compressed, offsets = batch.compressed()[0], batch.stored_offsets()[0]

    def entry(index: int) -> Node:
        note = "compressed" if compressed[index] else f"→ {int(offsets[index]):#x}"
        return Node(f"L2[{index}]", note, region.host_offset + index * 8, 8)

    def entries(begin: int, end: int) -> list[Node]:
        return _set_entries(words, begin, end, entry)

    return _paged("L2", len(words), entries, region.host_offset, 8, words)


def _group(region_index: RegionIndex, title: str, regions: list[Region]) -> list[Node]:
    if not regions:
        return []
    first, last = regions[0], regions[-1]

    def pages() -> list[Node]:
        return _paged(
            title, len(regions), lambda begin, end: [_member(region_index, each) for each in regions[begin:end]]
        )

    return [Node(title, f"{len(regions):,}", first.host_offset, last.end - first.host_offset, pages)]


def _member(region_index: RegionIndex, region: Region) -> Node:
    """A snapshot opens into its fields and its L1 table."""
    node = _region(region)
    if region.kind != Kind.SNAPSHOT or node.children is None:
        return node
    table = region_index.table_of(region.name)
    if table is None:  # more of them, or longer ones, than a region index reads
        return replace(node, note=node.note or "L1 table not looked into")
    fields, tables = node.children, _l1(region_index, table)
    return Node(node.label, node.note, node.host_offset, node.length, lambda: [*fields(), tables])


def _region(region: Region) -> Node:
    structure = region.structure
    children = (lambda: _fields(region, structure)) if structure is not None and structure.fields else None
    missing = structure.missing if structure else None
    return Node(region.name, "cut off" if missing else "", region.host_offset, region.length, children, bool(missing))


def _fields(region: Region, structure: Structure) -> list[Node]:
    return [
        Node(_name_of(region, structure, part.name), value_of(part), part.host_offset, part.length)
        for part in structure.fields
        if part.length
    ]


def _name_of(region: Region, structure: Structure, field: str) -> str:
    """A field as the inspector calls it: by the specification's name, within the part of the structure that has it."""
    stem = field[: field.rfind(".") + 1]
    return stem + (words_in(region, structure, field).name or field.removeprefix(stem))


def _l1(region_index: RegionIndex, table: L1Table) -> Node:
    count = len(table.entries)
    used = int(np.count_nonzero(table.entries))
    name = "L1 table" if table.owner == ACTIVE else f"L1 table of {table.owner}"
    short = count < table.claimed_entries
    note = f"{used:,} of {table.claimed_entries:,} used" + (f", {count:,} readable" if short else "")

    def entries(begin: int, end: int) -> list[Node]:
        return _set_entries(table.entries, begin, end, lambda index: _l1_entry(region_index, table, index))

    def pages() -> list[Node]:
        return _paged("L1", count, entries, table.host_offset, 8, table.entries)

    return Node(name, note, table.host_offset, table.entries.nbytes, pages, short)


def _l1_entry(region_index: RegionIndex, table: L1Table, index: int) -> Node:
    offset = int(table.l2_offsets()[index])
    region = region_index.l2_region(table, index)
    label, note = f"L1[{index}]", f"→ {offset:#x}"
    place = table.entry_host_offset(index)
    if region is None:
        return Node(label, note + " leads nowhere", place, 8, None, True)
    return Node(label, note, place, 8, lambda: _l2(region_index, table, region))


def _l2(region_index: RegionIndex, table: L1Table, region: Region) -> list[Node]:
    geometry = table.geometry
    indices = np.array([region.index], dtype=np.int64)
    offsets = np.array([region.host_offset], dtype=np.uint64)
    batch = next(read_l2_batches(region_index.image.evidence, geometry, table.owner, indices, offsets))
    words = batch.entries[0][: int(batch.present[0])]
    width = geometry.l2_entry_size

    def entries(begin: int, end: int) -> list[Node]:
        return _set_entries(words, begin, end, lambda index: _l2_entry(int(words[index]), index, region, width))

    return _paged("L2", len(words), entries, region.host_offset, width, words)


def _l2_entry(entry: int, index: int, region: Region, width: int) -> Node:
    if is_compressed(entry):
        note = "compressed"
    elif host_offset_of(entry):
        note = f"→ {host_offset_of(entry):#x}" + (" zeros" if has_zero_flag(entry) else "")
    else:
        note = "zeros" if has_zero_flag(entry) else f"{entry:#x}"
    return Node(f"L2[{index}]", note, region.host_offset + index * width, width)


def _refcounts(region_index: RegionIndex, table: RefcountTable) -> Node:
    used = int(np.count_nonzero(table.entries))

    def entry(index: int) -> Node:
        region = region_index.block_region(index)
        place, offset = table.host_offset + index * 8, int(table.block_offsets()[index])
        if region is None:
            return Node(f"[{index}]", f"→ {offset:#x} leads nowhere", place, 8, None, True)
        block = Node(region.name, "", region.host_offset, region.length)
        return Node(f"[{index}]", f"→ {offset:#x}", place, 8, lambda: [block])

    def entries(begin: int, end: int) -> list[Node]:
        return _set_entries(table.entries, begin, end, entry)

    def pages() -> list[Node]:
        return _paged("", len(table.entries), entries, table.host_offset, 8, table.entries)

    note = f"{used:,} of {table.claimed_entries:,} used"
    return Node("refcount table", note, table.host_offset, table.entries.nbytes, pages)


def _paged(
    name: str,
    count: int,
    entries: Callable[[int, int], list[Node]],
    host_offset: int = 0,
    width: int = 0,
    words: U64 | None = None,
) -> list[Node]:
    """The entries themselves if one page holds them, else a line for each page that has any, empty ones joined."""
    if count <= PAGE_ENTRIES:
        return entries(0, count)
    return list(_pages(name, count, entries, host_offset, width, words))


def _pages(
    name: str,
    count: int,
    entries: Callable[[int, int], list[Node]],
    host_offset: int,
    width: int,
    words: U64 | None,
) -> Iterator[Node]:
    empty_from: int | None = None
    for begin in range(0, count, PAGE_ENTRIES):
        end = min(begin + PAGE_ENTRIES, count)
        used = end - begin if words is None else int(np.count_nonzero(words[begin:end]))
        if not used:
            empty_from = begin if empty_from is None else empty_from
            continue
        if empty_from is not None:
            yield _empty(name, empty_from, begin, host_offset, width)
            empty_from = None
        place, length = host_offset + begin * width, (end - begin) * width
        label = f"{name}[{begin}…{end - 1}]"
        yield Node(label, f"{used} used", place, length, partial(entries, begin, end))
    if empty_from is not None:
        yield _empty(name, empty_from, count, host_offset, width)


def _set_entries(words: U64, begin: int, end: int, entry: Callable[[int], Node]) -> list[Node]:
    """A node for each entry that is set."""
    return [entry(begin + number) for number in np.flatnonzero(words[begin:end]).tolist()]


def _empty(name: str, begin: int, end: int, host_offset: int, width: int) -> Node:
    return Node(f"{name}[{begin}…{end - 1}]", "all zero", host_offset + begin * width, (end - begin) * width)
