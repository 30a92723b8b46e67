"""Stored refcounts, a range at a time, and where each comes from."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import pytest

from forensic import open_image
from forensic.evidence import Evidence
from forensic.qcow2 import refcounts
from forensic.qcow2 import refcounts as refcounts_module
from forensic.qcow2.refcounts import Block, StoredRefcounts
from forensic.qcow2.tables import read_refcount_table
from tests.images import SOUND, geometry, header, tiny, written


def test_refcounts_come_from_the_block_that_the_table_names(tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=4))
    content[0x200:0x230] = struct.pack(">6Q", 0x400, 0, 0x600, 0x400, 0x10000, 0x400)
    content[0x400:0x404] = struct.pack(">HH", 7, 8)
    with Evidence(written(tmp_path, bytes(content[:0x700]))) as evidence:
        refcounts = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        found = refcounts.read(0, 256 * 65)
    assert [found.counts[first : first + 2].tolist() for first in (0, 256, 768)] == [[7, 8], [0, 0], [7, 8]]
    blocks = [found.block[256 * index] for index in range(6)]
    nothing, unreadable = Block.NONE, Block.UNREADABLE
    assert blocks == [Block.STORED, nothing, Block.STORED, Block.STORED, unreadable, Block.STORED]
    # The file ends inside the third block; behind the table there are no blocks.
    assert (found.block[512 + 127], found.block[512 + 128], found.block[256 * 64]) == (0, unreadable, nothing)


def test_what_there_is_of_a_block_is_told_apart() -> None:
    assert len({int(Block.STORED), int(Block.NONE), int(Block.UNREADABLE)}) == 3


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32, 64])
def test_refcounts_of_every_width_count_each_cluster_of_a_sample(width: int) -> None:
    with open_image(SOUND / f"refcount-{width}.qcow2") as image:
        refcounts = StoredRefcounts(image.evidence, read_refcount_table(image.evidence, image.geometry))
        counts = refcounts.read(0, refcounts.per_block).counts.tolist()
        clusters = image.evidence.size // 512
    # Discarded clusters are free again; everything else is counted once, and nothing behind the file.
    assert set(counts[:clusters]) <= {0, 1}
    assert counts[0] == 1
    assert sum(counts) == sum(counts[:clusters])
    assert refcounts.per_block == 4096 // width


@pytest.mark.parametrize("order", range(7))
def test_refcounts_are_numbers_of_so_many_bits_the_lowest_bits_of_a_byte_first(order: int) -> None:
    raw, width = random.Random(order).randbytes(64), 1 << order
    if width < 8:
        expected = [byte >> shift & (1 << width) - 1 for byte in raw for shift in range(0, 8, width)]
    else:
        expected = [int.from_bytes(raw[at : at + width // 8], "big") for at in range(0, 64, width // 8)]
    assert refcounts_module.refcounts(raw, order).tolist() == expected


@pytest.mark.parametrize("entries", [[], [0x400], [0, 0x600]])
def test_past_the_end_of_the_file_there_may_be_no_block_or_one(entries: list[int], tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=4))
    content[0x200:0x400] = struct.pack(">64Q", *entries, *[0] * (64 - len(entries)))
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        for first, cluster in ((0, 4), (1, 256), (1, 300), (2, 512)):
            expected = [(number, place) for number, place in enumerate(entries) if place and number >= first]
            assert [(number, place) for number, place, _ in found.beyond(cluster)] == expected


def test_a_block_that_two_entries_name_is_given_once_behind_the_end_of_the_file(tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=4))
    content[0x200:0x220] = struct.pack(">4Q", 0x400, 0x600, 0x600, 0x400)
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        refcounts = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        assert [(index, offset) for index, offset, _ in refcounts.beyond(4)] == [(0, 0x400), (3, 0x400), (1, 0x600)]


def test_an_impossible_refcount_order_has_no_blocks(tmp_path: Path) -> None:
    head = header(refcount_order=7)
    with Evidence(written(tmp_path, tiny([], head=head))) as evidence:
        assert not StoredRefcounts(evidence, read_refcount_table(evidence, geometry(head))).usable


@pytest.mark.parametrize("span", [256, 512, 1024, 1 << 16])
@pytest.mark.parametrize("named", [0, 1, 2, 5, 63])
def test_a_stretch_has_blocks_where_the_table_names_any(
    named: int, span: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refcounts, "SPAN_CLUSTERS", span)
    content = bytearray(tiny([], file_clusters=4))
    content[0x200:0x400] = bytes(512)
    content[0x200 + named * 8 : 0x208 + named * 8] = struct.pack(">Q", 0x400)
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
    firsts = range(0, 64 * 256, span)
    assert [found.has_blocks(first) for first in firsts] == [first // span == named * 256 // span for first in firsts]
    assert not found.has_blocks(max(64 * 256, span))  # behind all that the table claims
    assert found.counted_end == (named + 1) * 256 * 512


@pytest.mark.parametrize(("kept", "readable"), [(0x600, True), (0x5FF, False), (0x500, False)])
def test_a_stretch_is_readable_if_all_of_its_blocks_are(kept: int, readable: bool, tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=4))
    content[0x200:0x400] = struct.pack(">2Q", 0x400, 0).ljust(512, b"\0")
    with Evidence(written(tmp_path, bytes(content[:kept]))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry())).read(0, 512)
    assert found.readable is readable
    lost = [number for number, state in enumerate(found.block.tolist()) if state == Block.UNREADABLE]
    assert lost == list(range((kept - 0x400) // 2, 256))


PER_BLOCK, TABLE_ENTRIES, FILE_CLUSTERS = 256, 64, 40
"""Of clusters of 512 bytes and refcounts of 16 bits."""


def random_table(rng: random.Random) -> tuple[bytes, list[int]]:
    """A file of blocks whose numbers are all different, and a table that leads to some of them, or nowhere."""
    content = bytearray(tiny([], file_clusters=FILE_CLUSTERS))
    for place in range(2 * 512, len(content), 2):
        content[place : place + 2] = (place % 65536).to_bytes(2, "big")
    blocks = [rng.randrange(2, FILE_CLUSTERS) * 512 for _ in range(6)]
    entries = [rng.choice([0, 0, rng.choice(blocks), 1 << 40, 512 * 5 + 8]) for _ in range(TABLE_ENTRIES)]
    content[512:1024] = struct.pack(">64Q", *entries)
    return bytes(content[: len(content) - rng.choice([0, 1, 100, 511])]), entries


def block_at(content: bytes, entry: int) -> list[int] | None:
    """The refcounts of a block as far as the file has them; None where the entry leads to none."""
    entry -= entry % 512  # reserved bits
    if entry >= len(content):
        return None
    held = content[entry : entry + 512]
    return [number for (number,) in struct.iter_unpack(">H", held[: len(held) // 2 * 2])]


@pytest.mark.parametrize("seed", range(30))
def test_what_is_read_is_what_the_table_leads_to(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    content, entries = random_table(rng)
    with Evidence(written(tmp_path, content)) as evidence:
        refcounts = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        for _ in range(10):
            first, count = rng.randrange(70), rng.randrange(1, 6 * PER_BLOCK)
            found = refcounts.read(first * PER_BLOCK, count)
            expected: list[tuple[int, int]] = []
            for index in range(first, first + -(-count // PER_BLOCK)):
                entry = entries[index] if index < TABLE_ENTRIES else 0
                there = (block_at(content, entry) or []) if entry else []
                expected += [(number, Block.STORED) for number in there]
                missing = PER_BLOCK - len(there)
                expected += [(0, Block.UNREADABLE if entry else Block.NONE)] * missing
            rows = list(zip(found.counts.tolist(), found.block.tolist(), strict=True))
            lost = [number for number, (_, state) in enumerate(rows) if state == Block.UNREADABLE]
            whole = [number for number, row in enumerate(rows) if number not in lost and row != expected[number]]
            assert whole == []
            assert lost == [number for number, (_, state) in enumerate(expected[:count]) if state == Block.UNREADABLE]
            # A block that is cut in what was not asked for is not readable as a whole either.
            assert found.readable == all(state != Block.UNREADABLE for _, state in expected)
            assert found.first_cluster == first * PER_BLOCK


@pytest.mark.parametrize("seed", range(30))
def test_beyond_the_end_of_the_file_each_block_is_given_once(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    content, entries = random_table(rng)
    end_cluster = rng.randrange(TABLE_ENTRIES * PER_BLOCK)
    first = end_cluster // PER_BLOCK
    expected, named = [], set[int]()
    for index in range(first, TABLE_ENTRIES):
        numbers = block_at(content, entries[index]) if entries[index] else None
        # The first one counts clusters on both sides, so it is not taken for another entry's.
        place = entries[index] // 512 * 512
        if numbers is not None and (index == first or place not in named):
            expected.append((index, place, numbers))
            named |= {place} if index != first else set()
    with Evidence(written(tmp_path, content)) as evidence:
        refcounts = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        found = [(index, offset, counts.tolist()) for index, offset, counts in refcounts.beyond(end_cluster)]
    assert sorted(found) == sorted(expected)


def test_blocks_of_the_largest_clusters_are_read(tmp_path: Path) -> None:
    head = header(cluster_bits=21)
    path = written(tmp_path, head)
    with path.open("r+b") as stream:
        stream.seek(1 << 21)
        stream.write(struct.pack(">Q", 2 << 21))
        stream.seek(2 << 21)
        stream.write(struct.pack(">3H", 7, 8, 9))
        stream.truncate(3 << 21)
    with Evidence(path) as evidence:
        refcounts = StoredRefcounts(evidence, read_refcount_table(evidence, geometry(head)))
        assert refcounts.read(0, 4).counts.tolist() == [7, 8, 9, 0]
        assert refcounts.span_clusters == 1 << 20


@pytest.mark.parametrize("named", [None, 0, 63])
def test_refcounts_end_with_the_last_block_that_is_named(named: int | None, tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=4))
    content[512:1024] = bytes(512)
    if named is not None:
        content[512:520] = struct.pack(">Q", 0x600)
        content[512 + named * 8 : 520 + named * 8] = struct.pack(">Q", 0x400)
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
        assert found.counted_end == (0 if named is None else (named + 1) * PER_BLOCK * 512)
        assert found.per_block == PER_BLOCK
    impossible = header(refcount_order=7)
    with Evidence(written(tmp_path, tiny([], head=impossible))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry(impossible)))
        assert found.counted_end == evidence.size
        assert found.per_block == 0


def test_where_the_table_could_not_be_read_there_may_be_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file ends inside the table: its first two entries name no block, and nobody knows of the others."""
    monkeypatch.setattr(refcounts_module, "SPAN_CLUSTERS", PER_BLOCK)
    with Evidence(written(tmp_path, tiny([])[:512] + bytes(16))) as evidence:
        found = StoredRefcounts(evidence, read_refcount_table(evidence, geometry()))
    assert [found.has_blocks(number * PER_BLOCK) for number in range(66)] == [False] * 2 + [True] * 62 + [False] * 2
