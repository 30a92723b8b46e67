"""Tables decode the same through Kaitai, one entry at a time, and through numpy, all at once; every bit has a name."""

import struct
from collections.abc import Sequence
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaitaistruct import KaitaiStream, KaitaiStruct

from forensic.evidence import Evidence
from forensic.format.qcow2 import Qcow2
from forensic.qcow2.arrays import U64, big_endian
from forensic.qcow2.entries import (
    ALL_SUBCLUSTERS,
    COMPRESSED,
    COPIED,
    L1_RESERVED,
    L2_STANDARD_RESERVED,
    OFFSET_MASK,
    REFCOUNT_TABLE_OFFSET,
    REFCOUNT_TABLE_RESERVED,
    SUBCLUSTERS,
    ZERO_FLAG,
    allocated_subclusters,
    compressed_descriptor,
    compressed_host_offset,
    compressed_more_sectors,
    compressed_offset_bits,
    compressed_stored_length,
    has_zero_flag,
    host_offset_of,
    is_compressed,
    is_copied,
    l1_reserved_bits,
    l2_reserved_bits,
    refcount_block_offset,
    refcount_table_reserved_bits,
    zero_subclusters,
)
from forensic.qcow2.geometry import MAX_CLUSTER_BITS, MIN_CLUSTER_BITS
from forensic.qcow2.refcounts import refcounts
from forensic.qcow2.tables import L1Table, RefcountTable, read_l2_batches
from tests.images import geometry, header, written

WORDS = st.lists(
    st.integers(0, 2**64 - 1)
    | st.integers(0, 63).map(lambda bit: 1 << bit)
    | st.integers(0, 63).map(lambda bit: (1 << 64) - 1 - (1 << bit)),
    min_size=1,
    max_size=64,
)
CLUSTER_BITS = st.integers(MIN_CLUSTER_BITS, MAX_CLUSTER_BITS)


def packed(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}Q", *words)


def one_by_one(kind: type[KaitaiStruct], raw: bytes, size: int, *parameters: int) -> list[KaitaiStruct]:
    entries = [kind(*parameters, KaitaiStream(BytesIO(raw[at : at + size]))) for at in range(0, len(raw), size)]
    for entry in entries:
        entry._read()
    return entries


def is_set(entries: U64, bits: int) -> list[bool]:
    return [bool(word) for word in (entries & np.uint64(bits)).tolist()]


@pytest.mark.parametrize(
    "masks",
    [
        (COPIED, OFFSET_MASK, L1_RESERVED),
        (COPIED, COMPRESSED, OFFSET_MASK, L2_STANDARD_RESERVED, ZERO_FLAG),
        (REFCOUNT_TABLE_OFFSET, REFCOUNT_TABLE_RESERVED),
    ],
)
def test_every_bit_of_an_entry_has_exactly_one_name(masks: tuple[int, ...]) -> None:
    assert sum(masks) == (1 << 64) - 1
    assert sum(mask.bit_count() for mask in masks) == 64


@given(st.integers(0, 2**64 - 1), CLUSTER_BITS)
def test_one_entry_is_taken_apart_as_a_table_is(word: int, cluster_bits: int) -> None:
    table = np.array([word], dtype=np.uint64)
    for part in (
        host_offset_of, refcount_block_offset, l1_reserved_bits, l2_reserved_bits, refcount_table_reserved_bits,
        allocated_subclusters, zero_subclusters, compressed_descriptor,
    ):  # fmt: skip
        assert part(table).tolist() == [part(word)]
    for flag in (is_copied, is_compressed, has_zero_flag):
        assert flag(table).tolist() == [flag(word)]
    for of_stream in (compressed_host_offset, compressed_more_sectors, compressed_stored_length):
        assert of_stream(table, cluster_bits).tolist() == [of_stream(word, cluster_bits)]


@given(WORDS)
def test_l1_entries_decode_alike(words: list[int]) -> None:
    raw = packed(words)
    table = L1Table("active", 0, len(words), big_endian(raw), geometry(), 1 << 20)
    found = one_by_one(Qcow2.L1Entry, raw, 8)
    assert is_copied(table.entries).tolist() == [entry.is_copied for entry in found]
    assert l1_reserved_bits(table.entries).tolist() == [entry.reserved1 << 56 | entry.reserved2 for entry in found]
    assert table.l2_offsets().tolist() == [entry.ofs_l2_table for entry in found]


@given(WORDS)
def test_standard_l2_entries_decode_alike(words: list[int]) -> None:
    raw = packed(words)
    entries = big_endian(raw)
    found = one_by_one(Qcow2.L2Entry, raw, 8)
    assert is_copied(entries).tolist() == [entry.is_copied for entry in found]
    assert is_compressed(entries).tolist() == [entry.is_compressed for entry in found]
    assert l2_reserved_bits(entries).tolist() == [entry.reserved1 << 56 | entry.reserved2 << 1 for entry in found]
    assert host_offset_of(entries).tolist() == [entry.ofs_host_cluster for entry in found]
    assert has_zero_flag(entries).tolist() == [entry.is_zero for entry in found]


@given(WORDS, CLUSTER_BITS)
def test_compressed_l2_entries_decode_alike(words: list[int], cluster_bits: int) -> None:
    raw = packed([word | COMPRESSED for word in words])
    entries = big_endian(raw)
    found = one_by_one(Qcow2.L2EntryCompressed, raw, 8, cluster_bits)
    assert is_copied(entries).tolist() == [entry.is_copied for entry in found]
    assert is_compressed(entries).tolist() == [entry.is_compressed for entry in found]
    offsets, lengths = compressed_host_offset(entries, cluster_bits), compressed_stored_length(entries, cluster_bits)
    assert offsets.tolist() == [entry.ofs_data for entry in found]
    assert lengths.tolist() == [entry.len_data_max for entry in found]
    sectors = compressed_more_sectors(entries, cluster_bits)
    assert sectors.tolist() == [entry.num_additional_sectors for entry in found]
    assert compressed_descriptor(entries).tolist() == [word & (1 << 62) - 1 for word in words]
    shift = compressed_offset_bits(cluster_bits)
    named = [
        entry.is_copied << 63 | entry.is_compressed << 62 | entry.num_additional_sectors << shift | entry.ofs_data
        for entry in found
    ]  # fmt: skip
    assert named == entries.tolist()


@given(words=st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=80).filter(lambda words: len(words) % 2 == 0))
def test_extended_l2_entries_decode_alike(tmp_path_factory: pytest.TempPathFactory, words: list[int]) -> None:
    raw = packed(words)
    layout = geometry(header(cluster_bits=14, features=1 << 4))
    path = written(tmp_path_factory.getbasetemp(), raw)
    with Evidence(path) as evidence:
        (batch,) = read_l2_batches(evidence, layout, "active", np.array([0]), np.array([0], dtype=np.uint64))
    assert batch.bitmaps is not None
    count = int(batch.present[0])
    entries, bitmaps = batch.entries[0, :count], batch.bitmaps[0, :count]
    found = one_by_one(Qcow2.L2EntryExtended, raw, 16)
    assert is_copied(entries).tolist() == [entry.descriptor.is_copied for entry in found]
    assert is_compressed(entries).tolist() == [entry.descriptor.is_compressed for entry in found]
    assert host_offset_of(entries).tolist() == [entry.descriptor.ofs_host_cluster for entry in found]
    assert has_zero_flag(entries).tolist() == [entry.descriptor.is_zero for entry in found]
    assert l2_reserved_bits(entries).tolist() == [
        entry.descriptor.reserved1 << 56 | entry.descriptor.reserved2 << 1 for entry in found
    ]
    allocated, zero = allocated_subclusters(bitmaps), zero_subclusters(bitmaps)
    for number in range(SUBCLUSTERS):
        assert is_set(allocated, 1 << number) == [entry.subclusters.is_allocated[31 - number] for entry in found]
        assert is_set(zero, 1 << number) == [entry.subclusters.is_zero[31 - number] for entry in found]
    assert (ALL_SUBCLUSTERS, ALL_SUBCLUSTERS << SUBCLUSTERS | ALL_SUBCLUSTERS) == ((1 << 32) - 1, (1 << 64) - 1)


@given(WORDS)
def test_refcount_table_entries_decode_alike(words: list[int]) -> None:
    raw = packed(words)
    table = RefcountTable(0, len(words), big_endian(raw), geometry(), 1 << 20)
    found = one_by_one(Qcow2.RefcountTableEntry, raw, 8)
    assert table.block_offsets().tolist() == [entry.ofs_refcount_block for entry in found]
    assert refcount_table_reserved_bits(table.entries).tolist() == [entry.reserved for entry in found]


@pytest.mark.parametrize("order", range(7))
@given(words=WORDS)
def test_refcounts_of_every_width_decode_alike(order: int, words: list[int]) -> None:
    raw = packed(words)
    count = len(raw) * 8 >> order
    (block,) = one_by_one(Qcow2.RefcountBlock, raw, len(raw), order, count)
    expected = block.refcounts if order else block.is_referenced
    assert refcounts(raw, order).tolist() == [int(value) for value in expected]


def test_narrow_refcounts_begin_at_the_lowest_bits_of_a_byte() -> None:
    assert refcounts(b"\x01\x80", 0).tolist() == [1, *[0] * 14, 1]
    assert refcounts(b"\x1b", 1).tolist() == [3, 2, 1, 0]
    assert refcounts(b"\x21\x43", 2).tolist() == [1, 2, 3, 4]
    assert refcounts(b"\x01\x02", 4).tolist() == [0x102]


def test_a_torn_last_entry_is_left_out() -> None:
    assert big_endian(packed([1, 2]) + b"\xff" * 7).tolist() == [1, 2]
    assert big_endian(b"").tolist() == []


def test_the_sector_count_reaches_the_end_of_the_last_sector() -> None:
    entries = np.array([COMPRESSED | 0x1234, COMPRESSED | 3 << 54 | 0x200], dtype=np.uint64)
    assert compressed_host_offset(entries, 16).tolist() == [0x1234, 0x200]
    assert compressed_stored_length(entries, 16).tolist() == [0x200 - 0x34, 4 * 0x200]
