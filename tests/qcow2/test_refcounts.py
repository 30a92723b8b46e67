"""Stored refcounts, a range at a time, and where each comes from."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensic import open_image
from forensic.evidence import Evidence
from forensic.qcow2 import refcounts
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


@pytest.mark.parametrize("span", [256, 512, 1024])
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
    assert not found.has_blocks(64 * 256)  # behind all that the table claims
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
