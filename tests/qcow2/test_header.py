"""The header of versions 2 and 3, whole and cut short."""

import pytest

from forensic.qcow2.header import Autoclear, Compatible, Header, Incompatible, parse_header, unknown_bits
from tests.images import header

FIELDS = (
    "version", "backing_file_offset", "backing_file_size", "cluster_bits", "size", "crypt_method", "l1_size",
    "l1_table_offset", "refcount_table_offset", "refcount_table_clusters", "nb_snapshots", "snapshots_offset",
    "incompatible_features", "compatible_features", "autoclear_features", "refcount_order", "header_length",
    "compression_type",
)  # fmt: skip


def numbers(found: Header) -> tuple[int, ...]:
    return tuple(getattr(found, name) for name in FIELDS)


def cluster_of(head: bytes) -> bytes:
    return head.ljust(512, b"\0")


def test_every_field_of_version_3_is_read_from_its_place() -> None:
    head = header(
        cluster_bits=16, virtual_size=1 << 30, l1_size=2, l1_offset=0x30000, features=0b11101, compression_type=1,
        refcount_order=3, backing=(0x200, 9), crypt_method=2, snapshots=(4, 0x50000),
    )  # fmt: skip
    found = parse_header(head)
    assert numbers(found) == (
        3, 0x200, 9, 16, 1 << 30, 2, 2, 0x30000, 0x10000, 1, 4, 0x50000, 0b11101, 0, 0, 3, 112, 1,
    )  # fmt: skip
    assert (found.truncated, found.structure.missing) == (False, None)


def test_version_2_has_no_feature_words_and_16_bit_refcounts() -> None:
    found = parse_header(cluster_of(header(version=2) + b"\xff" * 40))
    assert numbers(found) == (2, 0, 0, 9, 1 << 14, 0, 1, 0x600, 0x200, 1, 0, 0, 0, 0, 0, 4, 72, 0)


def test_feature_words_are_whole_numbers() -> None:
    head = bytearray(cluster_of(header()))
    head[72:96] = bytes.fromhex("800000000000000140000000000000020000010000000003")
    found = parse_header(bytes(head))
    assert (found.incompatible_features, found.compatible_features, found.autoclear_features) == (
        1 << 63 | 1,
        1 << 62 | 2,
        1 << 40 | 3,
    )


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("version", (4, 4)),
        ("ofs_backing_file", (8, 8)),
        ("size", (24, 8)),
        ("num_l1_entries", (36, 4)),
        ("ofs_snapshots", (64, 8)),
        ("incompatible_features.is_dirty", (79, 1)),
        ("autoclear_features.has_consistent_bitmaps", (95, 1)),
        ("len_header", (100, 4)),
        ("compression_type", (104, 1)),
        ("padding", (105, 7)),
        ("no such field", (0, 0)),
    ],
)
def test_fields_are_placed_under_one_name_whatever_the_version(name: str, place: tuple[int, int]) -> None:
    assert parse_header(header()).field_range(name) == place


@pytest.mark.parametrize(
    ("length", "truncated", "truncated_v2"),
    [(0, True, True), (8, True, True), (71, True, True), (72, True, False), (103, True, False), (112, False, False)],
)
def test_a_header_cut_short_says_so_and_keeps_what_is_there(length: int, truncated: bool, truncated_v2: bool) -> None:
    found = parse_header(header(snapshots=(1, 0x800))[:length])
    assert (found.truncated, found.truncated_v2) == (truncated, truncated_v2)
    assert found.snapshots_offset == (0x800 if length >= 72 else 0)


def test_a_header_of_104_bytes_has_no_compression_type() -> None:
    head = header(header_length=104, compression_type=9)
    assert (parse_header(head).compression_type, parse_header(head).field_range("compression_type")) == (0, (0, 0))


def test_unknown_fields_behind_the_padding_are_kept_as_bytes() -> None:
    found = parse_header(cluster_of(header(header_length=120) + b"whatever"))
    assert (found.structure.raw("additional_fields"), found.field_range("additional_fields")) == (b"whatever", (112, 8))


def test_of_an_unknown_version_only_the_version_is_known() -> None:
    found = parse_header(cluster_of(header(version=4)))
    assert numbers(found) == (4, *[0] * 14, 4, 104, 0)
    assert found.truncated_v2


def test_bytes_without_the_magic_are_a_header_without_fields() -> None:
    assert numbers(parse_header(bytes(512)))[0] == 0


@pytest.mark.parametrize(
    ("word", "known", "bits"),
    [
        (0, Incompatible, []),
        (0b11111, Incompatible, []),
        (0b100000 | 1 << 63, Incompatible, [5, 63]),
        (0b11, Compatible, [1]),
        (0b111, Autoclear, [2]),
    ],
)
def test_bits_that_the_specification_does_not_define_are_listed(
    word: int, known: type[Incompatible] | type[Compatible] | type[Autoclear], bits: list[int]
) -> None:
    assert unknown_bits(word, known) == bits
