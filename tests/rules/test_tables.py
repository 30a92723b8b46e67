"""Entries of L1, L2 and refcount tables: each bit and each limit, on arrays made by hand."""

import numpy as np
import pytest
from msgspec.structs import replace

from forensic.qcow2.geometry import Geometry
from forensic.qcow2.tables import L1Table, L2Batch, RefcountTable
from tests.images import COMPRESSED, COPIED, geometry, header
from tests.rules.judging import problems

FILE_SIZE = 0x2000
V3 = geometry()
DATA_FILE = replace(V3, external_data_file=True)


def l1_table(*entries: int, owner: str = "active", saved_state_end: int = 0) -> L1Table:
    words = np.array(entries, dtype=np.uint64)
    return L1Table(owner, 0x600, len(words), words, V3, FILE_SIZE, saved_state_end=saved_state_end)


def l2_batch(*entries: int, of: Geometry = V3, owner: str = "active", saved_state_end: int = 0) -> L2Batch:
    """One table that begins with these entries."""
    words = np.zeros((1, of.l2_entry_count), dtype=np.uint64)
    words[0, : len(entries)] = entries
    present = np.array([of.l2_entry_count])
    offsets = np.array([0x800], dtype=np.uint64)
    return L2Batch(owner, of, FILE_SIZE, np.array([0]), offsets, present, words, None, saved_state_end)


def refcount_table(*entries: int, claimed: int | None = None) -> RefcountTable:
    words = np.array(entries, dtype=np.uint64)
    return RefcountTable(0x200, len(words) if claimed is None else claimed, words, V3, FILE_SIZE)


def hits(code: str, structure: object) -> int:
    return len(problems(code, structure))


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_an_l1_entry_is_reserved_or_is_not(bit: int) -> None:
    assert hits("l1-entry-reserved-bits", l1_table(1 << bit)) == (bit < 9 or 56 <= bit <= 62)


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_a_standard_l2_entry_is_reserved_or_is_not(bit: int) -> None:
    expected = 1 <= bit <= 8 or 56 <= bit <= 61
    assert hits("l2-entry-reserved-bits", l2_batch(1 << bit)) == expected
    assert hits("l2-entry-reserved-bits", l2_batch(1 << bit | COMPRESSED)) == 0


@pytest.mark.parametrize("bit", range(64))
def test_every_bit_of_a_refcount_table_entry_is_reserved_or_is_not(bit: int) -> None:
    assert hits("refcount-entry-reserved-bits", refcount_table(1 << bit)) == (bit < 9)


@pytest.mark.parametrize(
    ("offset", "outside"), [(0, 0), (FILE_SIZE - 512, 0), (FILE_SIZE, 1), (1 << 40, 1), (0xFF_FFFF_FFFF_FE00, 1)]
)
def test_a_table_has_to_lie_wholly_in_the_file(offset: int, outside: int) -> None:
    assert hits("l1-entry-outside-file", l1_table(offset)) == outside
    assert hits("refcount-block-outside-file", refcount_table(offset)) == outside


def test_a_table_that_the_end_of_the_file_cuts_is_not_wholly_there() -> None:
    last = FILE_SIZE - 512
    assert hits("l1-entry-outside-file", replace(l1_table(last), file_size=FILE_SIZE - 1)) == 1
    assert hits("refcount-block-outside-file", replace(refcount_table(last), file_size=FILE_SIZE - 1)) == 1


@pytest.mark.parametrize("code", ["l1-entry-unaligned", "l2-entry-unaligned"])
@pytest.mark.parametrize(("offset", "expected"), [(0x1000, 0), (0x1200, 1), (0x1800, 1)])
def test_an_offset_has_to_be_a_multiple_of_the_cluster(code: str, offset: int, expected: int) -> None:
    of = geometry(header(cluster_bits=12))
    structure = replace(l1_table(offset), geometry=of) if code.startswith("l1") else l2_batch(offset, of=of)
    assert hits(code, structure) == expected


@pytest.mark.parametrize(
    ("entry", "lost"), [(COPIED, 1), (COPIED | 1, 1), (0, 0), (1, 0), (COPIED | 0x1000, 0), (COPIED | COMPRESSED, 0)]
)
def test_a_copied_bit_without_a_cluster_is_reported(entry: int, lost: int) -> None:
    assert hits("l2-entry-without-offset", l2_batch(entry)) == lost
    assert hits("l2-entry-without-offset", l2_batch(entry, of=DATA_FILE)) == 0


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((COPIED, COPIED | 0x200, 0), 0),
        ((0x200,), 1),
        ((COPIED | 0x200,), 1),
        ((0, 0x400), 1),
        ((0, 0), 0),
        ((0, COPIED), 1),
        ((COMPRESSED | 0x1000,), 0),
    ],
)
def test_data_lies_at_its_guest_offset_in_a_data_file(entries: tuple[int, ...], expected: int) -> None:
    assert hits("data-file-offset-differs", l2_batch(*entries, of=DATA_FILE)) == expected
    assert hits("data-file-offset-differs", l2_batch(*entries)) == 0


@pytest.mark.parametrize(("index", "expected"), [(31, 0), (32, 1), (63, 1)])
def test_what_lies_behind_the_disk_is_hidden(index: int, expected: int) -> None:
    entries = [0] * index + [COPIED | 0x1000]
    assert hits("l2-entry-beyond-disk", l2_batch(*entries)) == expected
    assert hits("l2-entry-beyond-disk", l2_batch(*entries, owner="snapshot 0")) == 0
    # A saved state begins with a table of its own.
    assert hits("l2-entry-beyond-disk", l2_batch(*entries, saved_state_end=1 << 20)) == expected


@pytest.mark.parametrize("index", [0, 63])
def test_a_saved_state_behind_the_disk_is_not_hidden(index: int) -> None:
    entries = [0] * index + [COPIED | 0x1000]
    state_end = V3.l1_coverage + (index + 1) * 512
    for end, hidden in ((state_end, 0), (state_end - 512, 1)):
        batch = replace(l2_batch(*entries, saved_state_end=end), l1_indices=np.array([1]))
        assert hits("l2-entry-beyond-disk", batch) == hidden
        assert hits("saved-state-in-active-disk", batch) == 1 - hidden


def test_an_l1_entry_behind_the_disk_is_reported_unless_a_saved_state_accounts_for_it() -> None:
    assert hits("l1-entry-beyond-disk", l1_table(0x800, 0x1000)) == 1
    assert hits("l1-entry-beyond-disk", l1_table(0x800, 0x1000, owner="snapshot 0")) == 0
    assert hits("l1-entry-beyond-disk", l1_table(0x800, 0x1000, saved_state_end=V3.l1_coverage + 1)) == 0
    assert hits("l1-entry-beyond-disk", l1_table(0x800, 0x1000, saved_state_end=V3.l1_coverage)) == 1


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 1), (V3.l1_coverage, 1), (V3.l1_coverage + 1, 2)])
def test_a_saved_state_needs_as_many_l1_entries_as_it_is_long(size: int, expected: int) -> None:
    table = replace(l1_table(0x800, 0, 0, owner="snapshot 0"), disk_size=V3.virtual_size, saved_state_size=size)
    assert hits("saved-state-unmapped", table) == expected
    assert hits("saved-state-unmapped", replace(table, owner="active")) == 0


@pytest.mark.parametrize(
    ("cluster_bits", "bit", "expected"), [(9, 55, 0), (9, 56, 1), (9, 60, 1), (13, 56, 1), (14, 56, 0)]
)
def test_bits_of_a_compressed_offset_are_reserved_from_56_on(cluster_bits: int, bit: int, expected: int) -> None:
    batch = l2_batch(COMPRESSED | 1 << bit, of=geometry(header(cluster_bits=cluster_bits)))
    assert hits("compressed-entry-reserved-bits", batch) == expected


@pytest.mark.parametrize(
    ("begins", "expected"), [(FILE_SIZE - 1, 0), (FILE_SIZE, 1), (FILE_SIZE - 512, 0), (FILE_SIZE - 513, 0)]
)
def test_a_stream_begins_in_the_file(begins: int, expected: int) -> None:
    assert hits("compressed-entry-outside-file", l2_batch(COMPRESSED | begins)) == expected


@pytest.mark.parametrize(("sectors", "expected"), [(0, 0), (7, 0), (8, 1)])
def test_a_stream_ends_less_than_a_cluster_behind_the_file(sectors: int, expected: int) -> None:
    """In clusters of 4 KiB a stream that begins in the file's last sector may claim seven more."""
    of = geometry(header(cluster_bits=12))
    batch = l2_batch(COMPRESSED | sectors << 58 | FILE_SIZE - 512, of=of)
    assert hits("compressed-entry-outside-file", batch) == expected


def test_what_an_image_cannot_have_compressed_is_reported() -> None:
    entry = COMPRESSED | 0x1000
    encrypted = replace(V3, crypt_method=2)
    found = {
        code: [hits(code, l2_batch(entry, of=of)) for of in (V3, DATA_FILE, encrypted)]
        for code in ("compressed-with-data-file", "compressed-in-encrypted-image")
    }
    assert found == {"compressed-with-data-file": [0, 1, 0], "compressed-in-encrypted-image": [0, 0, 1]}
