"""The geometry that a header implies, and the headers that imply none."""

import pytest

from forensic.qcow2.geometry import MAX_L1_ENTRIES, MAX_REFCOUNT_ORDER, Geometry, Unusable, resolve
from forensic.qcow2.header import parse_header
from tests.images import geometry, header


def resolved(head: bytes) -> Geometry | Unusable:
    return resolve(parse_header(head.ljust(512, b"\0")))


def test_version_3_is_taken_as_the_header_says() -> None:
    head = header(
        cluster_bits=16, virtual_size=5 << 30, l1_size=10, features=0b11100, compression_type=1, refcount_order=2
    )
    assert resolved(head) == Geometry(
        version=3,
        cluster_bits=16,
        virtual_size=5 << 30,
        l1_table_offset=0x30000,
        l1_entry_count=10,
        refcount_table_offset=0x10000,
        refcount_table_clusters=1,
        refcount_order=2,
        extended_l2=True,
        compression_type=1,
        external_data_file=True,
        crypt_method=0,
    )


def test_version_2_has_its_defaults() -> None:
    found = resolved(header(version=2) + b"\xff" * 100)
    assert isinstance(found, Geometry)
    assert (found.refcount_order, found.extended_l2, found.external_data_file, found.compression_type) == (
        4,
        False,
        False,
        0,
    )
    assert found.zero_flag_allowed is False


@pytest.mark.parametrize(
    ("cluster_bits", "extended", "sizes"),
    [
        (9, 0, (512, 8, 64, 32768)),
        (16, 0, (65536, 8, 8192, 512 << 20)),
        (16, 1, (65536, 16, 4096, 256 << 20)),
        (21, 0, (2 << 20, 8, 262144, 512 << 30)),
    ],
)
def test_table_sizes_follow_from_the_cluster_size(cluster_bits: int, extended: int, sizes: tuple[int, ...]) -> None:
    found = geometry(header(cluster_bits=cluster_bits, features=extended << 4))
    assert (found.cluster_size, found.l2_entry_size, found.l2_entry_count, found.l1_coverage) == sizes
    assert found.subcluster_size * 32 == found.cluster_size


@pytest.mark.parametrize(("size", "needed"), [(0, 0), (1, 1), (32768, 1), (32769, 2), ((1 << 64) - 1, 1 << 49)])
def test_l1_entries_needed_cover_the_disk(size: int, needed: int) -> None:
    assert geometry(header(virtual_size=size)).l1_entries_needed == needed


@pytest.mark.parametrize(("order", "bits", "per_block"), [(0, 1, 4096), (4, 16, 256), (6, 64, 64)])
def test_refcount_width_and_block_follow_from_the_order(order: int, bits: int, per_block: int) -> None:
    found = geometry(header(refcount_order=order))
    assert (found.refcount_bits, found.refcounts_per_block) == (bits, per_block)


def test_an_impossible_refcount_order_leaves_the_rest_usable() -> None:
    found = geometry(header(refcount_order=7))
    assert (found.refcount_order, found.refcount_bits, found.refcounts_per_block) == (None, None, None)
    assert found.cluster_size == 512


@pytest.mark.parametrize(
    ("version", "features", "allowed"), [(3, 0, True), (2, 0, False), (3, 1 << 4, False), (3, 1, True)]
)
def test_the_zero_flag_belongs_to_standard_entries_of_version_3(version: int, features: int, allowed: bool) -> None:
    assert geometry(header(version=version, features=features)).zero_flag_allowed is allowed


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (header(version=4), "version 4 of the format is not known"),
        (header(cluster_bits=8), "cluster_bits is 8, not within 9 to 21"),
        (header(cluster_bits=22, l1_offset=0), "cluster_bits is 22, not within 9 to 21"),
        (bytes(512), "version 0 of the format is not known"),
    ],
)
def test_a_header_without_meaning_gives_a_reason(head: bytes, reason: str) -> None:
    assert resolved(head) == Unusable(reason)


def test_a_header_cut_short_gives_a_reason() -> None:
    assert resolve(parse_header(header()[:80])) == Unusable("the file ends inside the header")


@pytest.mark.parametrize("length", range(4, 112))
@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_header_cut_anywhere_is_called_cut_unless_its_version_is_unknown(length: int, version: int) -> None:
    head = header(version=version)[:length]
    found = resolve(parse_header(head))
    if length >= 8 and version == 4:
        assert found == Unusable("version 4 of the format is not known")
    elif length < (72 if version == 2 else 104):
        assert found == Unusable("the file ends inside the header")


@pytest.mark.parametrize("bits", range(9, 22))
def test_every_size_of_a_cluster_that_qemu_makes_is_allowed(bits: int) -> None:
    found = geometry(header(cluster_bits=bits))
    assert (found.cluster_size, found.subcluster_size) == (1 << bits, 1 << bits - 5)
    assert not found.dirty
    assert geometry(header(cluster_bits=bits, features=1)).dirty


def test_the_limits_are_those_of_the_format_and_of_qemu() -> None:
    assert (MAX_REFCOUNT_ORDER, MAX_L1_ENTRIES) == (6, 4 << 20)
    assert [geometry(header(refcount_order=order)).refcount_order for order in (5, 6, 7)] == [5, 6, None]
