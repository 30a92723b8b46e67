"""The mapping in arrays against one that looks up every byte by itself."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from msgspec.structs import replace

from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping import rows as rows_module
from forensic.mapping import table_rows
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import joined, single_row
from forensic.mapping.table_rows import most_extents, row_batches
from forensic.qcow2 import tables
from forensic.qcow2.arrays import I64, U64
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.table_reading import read_clusters
from tests.images import COMPRESSED, COPIED, geometry, header, opened, tiny
from tests.qcow2.plain_overwritten import damaged_l1, damaged_l2

OFFSET = 0x00FF_FFFF_FFFF_FE00
L1 = 3
TABLES = 4

Found = tuple[State, Reason, int | None, int, int]
"""State, reason, host offset of the byte, stored length of a stream, decoded bytes before this one."""


@dataclass
class Plain:
    """A disk whose bytes are looked up one by one."""

    layout: Geometry
    content: bytes
    size: int
    data_size: int | None
    known: dict[int, tuple[list[int], bool]] = field(default_factory=dict)

    def at(self, guest: int) -> Found:
        """What the tables say of a byte."""
        layout, size = self.layout, self.layout.cluster_size
        if 0 not in self.known:
            entries = self.words(L1 * size, layout.l1_entry_count)
            self.known[0] = entries, damaged_l1(entries, layout, self.size)
        entries, damaged = self.known[0]
        index = guest // layout.l1_coverage
        if damaged:
            return State.ABSENT, Reason.ENTRY_DOUBTFUL, None, 0, 0
        if index >= len(entries):
            return State.ABSENT, Reason.L2_UNREADABLE, None, 0, 0
        place = entries[index] & OFFSET
        if not place:
            return State.UNALLOCATED, Reason.NONE, None, 0, 0
        if place % size or place >= self.size:
            return State.ABSENT, Reason.L2_UNREADABLE, None, 0, 0
        width = 2 if layout.extended_l2 else 1
        if place not in self.known:
            words = self.words(place, size // 8)
            words = words[: len(words) // width * width]
            whole = words + [0] * (size // 8 - len(words))
            self.known[place] = words, damaged_l2(whole, layout, self.size)
        words, damaged = self.known[place]
        number = guest // size % layout.l2_entry_count * width
        if number >= len(words):
            return State.ABSENT, Reason.L2_UNREADABLE, None, 0, 0
        if damaged:
            return State.ABSENT, Reason.ENTRY_DOUBTFUL, None, 0, 0
        return self.entry(words[number], words[number + 1] if width == 2 else None, guest)

    def words(self, place: int, count: int) -> list[int]:
        """The entries of a table as far as the file has them."""
        raw = self.content[place : place + 8 * count]
        return [word for (word,) in struct.iter_unpack(">Q", raw[: len(raw) // 8 * 8])]

    def entry(self, word: int, bitmap: int | None, guest: int) -> Found:
        """What one entry of an L2 table says of a byte of its cluster."""
        layout, size = self.layout, self.layout.cluster_size
        within = guest % size
        end = self.data_size if layout.external_data_file else self.size
        if word & COMPRESSED:
            stream = word & (1 << 70 - layout.cluster_bits) - 1
            sectors = word >> 70 - layout.cluster_bits & (1 << layout.cluster_bits - 8) - 1
            if end is not None and stream >= end:
                return State.ABSENT, Reason.ENTRY_BEYOND_EOF, stream + within, 0, 0
            return State.COMPRESSED, Reason.NONE, stream, (sectors + 1) * 512 - stream % 512, within
        place = word & OFFSET
        allocated = bool(place) or (layout.external_data_file and bool(word & COPIED))
        if word & 1 and bitmap is None:
            if layout.version == 2:
                return State.ABSENT, Reason.RESERVED_BITS_SET, None, 0, 0
            state = State.ZERO_ALLOCATED if allocated else State.ZERO
            return state, Reason.NONE, place + within if allocated else None, 0, 0
        if place % size:
            return State.ABSENT, Reason.ENTRY_UNALIGNED, None, 0, 0
        if layout.external_data_file and allocated and place != guest - within:
            return State.ABSENT, Reason.ENTRY_MISPLACED, None, 0, 0
        state = State.DATA if allocated else State.UNALLOCATED
        if bitmap is not None:
            state = self.subcluster(bitmap, within // layout.subcluster_size, allocated)
        if state == State.ABSENT:
            return state, Reason.RESERVED_BITS_SET, None, 0, 0
        if state == State.DATA and end is not None and place + within >= end:
            return State.ABSENT, Reason.ENTRY_BEYOND_EOF, place + within, 0, 0
        return state, Reason.NONE, place + within if state in (State.DATA, State.ZERO_ALLOCATED) else None, 0, 0

    @staticmethod
    def subcluster(bitmap: int, number: int, allocated: bool) -> State:
        """What the two bits of a subcluster say."""
        data, zero = bitmap >> number & 1, bitmap >> 32 + number & 1
        if data:
            return State.DATA if allocated and not zero else State.ABSENT
        if zero:
            return State.ZERO_ALLOCATED if allocated else State.ZERO
        return State.UNALLOCATED


def said_by(row: Sequence[int], guest: int) -> Found:
    """What a row says of a byte in it."""
    begin, _, host, stored, state, reason, _, skip = row
    within = guest - begin
    if state == State.COMPRESSED:
        return State(state), Reason(reason), host, stored, skip + within
    located = state in (State.DATA, State.ZERO_ALLOCATED) or reason == Reason.ENTRY_BEYOND_EOF
    return State(state), Reason(reason), host + within if located else None, 0, 0


def random_bitmap(rng: random.Random) -> int:
    one = [0, 0xFFFF_FFFF, rng.randrange(1 << 32), 1, 1 << 31]
    return rng.choice([rng.choice(one), rng.choice(one) << 32, rng.choice(one) << 32 | rng.choice(one)])


def random_table(rng: random.Random, layout: Geometry, clusters: int, first_guest: int) -> list[int]:
    """Mostly sound entries, runs of them among them; rarely so many bad ones that the table is damaged as a whole."""
    size, count = layout.cluster_size, layout.l2_entry_count
    words: list[int] = []
    bad = rng.choice([0.02, 0.02, 0.9])
    while len(words) < count:
        here = first_guest + len(words) * size if layout.external_data_file else rng.randrange(clusters + 2) * size
        flags = rng.choice([0, COPIED, 1, COPIED | 1])
        kind = rng.randrange(4)
        if kind == 0:
            words += [(here + number * size) | flags for number in range(rng.randrange(1, 6))]
        elif kind == 1:
            words += [rng.choice([0, 1, COPIED])] * rng.randrange(1, 6)
        elif kind == 2:
            sectors = rng.randrange(1 << layout.cluster_bits - 8) << 70 - layout.cluster_bits
            words += [COMPRESSED | sectors | rng.randrange((clusters + 1) * size)] * rng.choice([1, 1, 2])
        elif rng.random() < bad:
            words.append(rng.choice([1 << 57, 1 << 2, 512, 1 << 50]) | here | flags)
    words = words[:count]
    if not layout.extended_l2:
        return words
    return [part for word in words for part in (word, random_bitmap(rng))]


def random_disk(rng: random.Random, path: Path) -> Plain:
    extended = rng.random() < 0.4
    bits = 14 if extended else rng.choice([9, 9, 12])
    size, clusters = 1 << bits, rng.choice([12, 20])
    count = 12
    external = rng.random() < 0.2
    version = 3 if extended or external else rng.choice([2, 3])
    coverage = size * (size // 16 if extended else size // 8)
    virtual = rng.randrange(10 * coverage, 13 * coverage)
    head = header(
        version=version, cluster_bits=bits, virtual_size=virtual, l1_size=count, l1_offset=L1 * size,
        features=extended << 4 | external << 2,
    )  # fmt: skip
    layout = geometry(head)
    content = bytearray(clusters * size)
    content[: len(head)] = head
    zeros, hole, last = 7, clusters + 2, clusters - 1
    choice = [4, 4, 5, 6, zeros, hole, last, 0]
    entries = [rng.choice(choice) * size | rng.choice([0, COPIED]) for _ in range(count)]
    if rng.random() < 0.3:
        entries[rng.randrange(count)] = rng.choice([1 << 50, 5 * size + 512, 100 * size])
    content[L1 * size : L1 * size + 8 * count] = struct.pack(f">{count}Q", *entries)
    for table in (4, 5, 6, last):
        used = [number for number, entry in enumerate(entries) if entry & OFFSET == table * size]
        words = random_table(rng, layout, clusters, used[0] * coverage if used else 0)
        content[table * size : (table + 1) * size] = struct.pack(f">{len(words)}Q", *words)
    content[zeros * size : (zeros + 1) * size] = bytes(size)
    cut = rng.choice([0, 0, 8, 100, size - 8])
    content = content[: len(content) - cut] if rng.random() < 0.5 else content + bytes(4 * size - cut)
    path.write_bytes(content)
    os.truncate(path, len(content))
    with path.open("r+b") as stream:  # what is zero lies in a hole, but for one table
        stream.truncate(clusters * size - size)
        stream.truncate(len(content))
        stream.seek(last * size)
        stream.write(content[last * size : (last + 1) * size])
    return Plain(layout, bytes(content), len(content), rng.choice([None, 3 * size + 5]) if external else None)


@pytest.mark.parametrize("seed", range(150))
def test_every_byte_is_where_a_plain_look_at_the_tables_finds_it(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    for module, name, value in (
        (table_rows, "OFTEN_ENTRIES", 2),
        (table_rows, "L1_ENTRIES_AT_ONCE", 5),
        (rows_module, "ROWS_AT_ONCE", 4),
    ):
        if rng.random() < 0.7:
            monkeypatch.setattr(module, name, value)
    plain = random_disk(rng, tmp_path / "image.qcow2")
    layout, size = plain.layout, plain.layout.cluster_size
    length = rng.choice([1, 100, 3 * size, 40 * size])
    middle = rng.randrange(14) * layout.l1_coverage + rng.choice([-size, 0, rng.randrange(layout.l1_coverage)])
    start = max(0, min(layout.virtual_size - length, middle - rng.randrange(length)))
    end = min(layout.virtual_size, start + length)
    with Qcow2Image(Evidence(tmp_path / "image.qcow2")) as image:
        rows = [
            row
            for batch in joined(row_batches(image.evidence, image.l1, start, end, plain.data_size))
            for row in batch.tolist()
        ]
    assert [rows[0][0], rows[-1][0] + rows[-1][1]] == [start, end]
    step = layout.subcluster_size if layout.extended_l2 else size
    asked = {start, end - 1, *range(start // step * step, end, step)}
    asked |= {place for row in rows for place in (row[0], row[0] + row[1] - 1)}
    asked |= {
        place + by
        for place in range(start // step * step, end, step)
        for by in (-1, plain.size % size - 1, plain.size % size)
    }
    row_of = iter(rows)
    row = next(row_of)
    for guest in sorted(place for place in asked if start <= place < end):
        while guest >= row[0] + row[1]:
            row = next(row_of)
        assert (said_by(row, guest), row[6]) == (plain.at(guest), 0), hex(guest)
    for one, other in pairwise(rows):
        assert one[0] + one[1] == other[0]
        assert other[1] > 0
        goes_on = other[2] == one[2] + one[1]
        located = other[4] in (State.DATA, State.ZERO_ALLOCATED) or other[5] == Reason.ENTRY_BEYOND_EOF
        alike = one[4:6] == other[4:6] and other[4] != State.COMPRESSED
        assert not (alike and (goes_on or not located)), (one, other)


def test_a_row_without_a_place() -> None:
    assert single_row(5, 7, State.ZERO).tolist() == [(5, 7, 0, 0, State.ZERO, Reason.NONE, 0, 0)]


@pytest.mark.parametrize("extended", [False, True])
def test_the_most_extents_are_an_entry_for_each_cluster_or_subcluster(extended: bool, tmp_path: Path) -> None:
    head = header(cluster_bits=14, virtual_size=1 << 26, l1_size=5, features=extended << 4)
    content = bytearray(7 << 14)
    content[: len(head)] = head
    entries = [4 << 14, 5 << 14, 4 << 14, 0, 1 << 50]
    content[3 << 14 : (3 << 14) + 40] = struct.pack(">5Q", *entries)
    content[4 << 14 : 6 << 14] = b"\x01" * (2 << 14)
    path = tmp_path / "image.qcow2"
    path.write_bytes(content)
    with Qcow2Image(Evidence(path)) as image:
        table = replace(image.l1, entries=np.array(entries, dtype=np.uint64))
        assert most_extents(image.evidence, table) == 5 + 2 * (1024 * 32 if extended else 2048)


@pytest.mark.parametrize("start", [0, 1, 1 << 15, (1 << 15) + 700])
def test_a_range_of_no_bytes_has_no_rows(start: int, tmp_path: Path) -> None:
    with opened(tmp_path, tiny([5 << 9, 6 << 9])) as image:
        for end in (start, start - 1):
            assert list(row_batches(image.evidence, image.l1, start, end)) == []


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_table_is_read_once_unless_many_entries_lead_to_it_and_not_at_all_from_a_hole(
    by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many entries to a table of zeros that is stored cost one look; few cost a look each, since that is no more."""
    size, often = 1 << 16, 64
    places = {"hole": 10, "zeros": 20, "data": 30, "once": 31}
    entries = [places["hole"]] * 100 + [places["zeros"]] * (often + by) + [places["data"]] * often + [places["once"]]
    head = header(cluster_bits=16, virtual_size=len(entries) << 29, l1_size=len(entries))
    path = tmp_path / "image.qcow2"
    with path.open("wb") as file:
        file.write(head)
        for place, words in (
            (L1, [number << 16 for number in entries]),
            (places["zeros"], [0] * 8192),
            (places["data"], [5 << 16]),
            (places["once"], [6 << 16]),
        ):
            file.seek(place * size)
            file.write(struct.pack(f">{len(words)}Q", *words))
        file.truncate(40 * size)
    read: list[int] = []

    def counted(evidence: Evidence, layout: Geometry, offsets: U64) -> tuple[npt.NDArray[np.uint8], I64]:
        read.extend((offsets // size).tolist())
        return read_clusters(evidence, layout, offsets)

    monkeypatch.setattr(table_rows, "read_clusters", counted)
    monkeypatch.setattr(tables, "read_clusters", counted)
    with Qcow2Image(Evidence(path)) as image:
        rows = [row for batch in row_batches(image.evidence, image.l1, 0, image.virtual_size) for row in batch.tolist()]
    assert [row[0] >> 29 for row in rows if row[4] == State.DATA] == list(range(100 + often + by, len(entries)))
    times = {name: read.count(place) for name, place in places.items()}
    assert times == {"hole": 0, "zeros": often - 1 if by < 0 else 1, "data": often + 1, "once": 1}
