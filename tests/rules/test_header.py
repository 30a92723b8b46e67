"""Fields of the header: what lies just inside each limit is not reported, what lies just outside is."""

from pathlib import Path

import pytest

from tests.images import header, tiny, written
from tests.rules.judging import codes_of, damaged, poke

COVERAGE = 512 * 64
"""Guest bytes of one L1 entry in clusters of 512 bytes."""


@pytest.mark.parametrize(
    ("code", "field", "form", "allowed", "refused"),
    [
        ("header-version", "version", "u32", (2, 3), (0, 4, 0xFFFFFFFF)),
        ("header-cluster-bits", "cluster_bits", "u32", (9, 21), (0, 8, 22, 0xFFFFFFFF)),
        ("header-length", "header_length", "u32", (104, 112, 120, 512), (0, 96, 103, 513, 520)),
        ("header-length-unaligned", "header_length", "u32", (104, 112, 512), (105, 111, 113)),
        ("header-refcount-order", "refcount_order", "u32", (0, 6), (7, 0xFFFFFFFF)),
        ("header-crypt-method", "crypt_method", "u32", (0, 1, 2), (3,)),
        ("header-size-unaligned", "size", "u64", (0, 512, 16384), (1, 511, 16383)),
        ("header-size-too-large", "size", "u64", (((1 << 31) - 1) * COVERAGE,), (((1 << 31) - 1) * COVERAGE + 512,)),
        ("header-l1-too-small", "size", "u64", (COVERAGE,), (COVERAGE + 512,)),
        ("header-l1-too-small", "l1_size", "u32", (1,), (0,)),
        ("l1-table-too-large", "l1_size", "u32", (4194304,), (4194305,)),
        ("header-unknown-incompatible-features", "incompatible_features", "u64", (1, 2), (1 << 5, 1 << 63)),
        ("header-unknown-compatible-features", "compatible_features", "u64", (1,), (2, 1 << 63)),
        ("header-unknown-autoclear-features", "autoclear_features", "u64", (1, 2), (4, 1 << 63)),
        ("snapshot-count-too-large", "nb_snapshots", "u32", (65536,), (65537,)),
        ("refcount-table-too-large", "refcount_table_clusters", "u32", (16384,), (16385,)),
        ("refcount-table-empty", "refcount_table_clusters", "u32", (1,), (0,)),
    ],
)
def test_a_field_is_judged_at_its_limits(
    code: str, field: str, form: str, allowed: tuple[int, ...], refused: tuple[int, ...], tmp_path: Path
) -> None:
    def reported(value: int) -> bool:
        return code in codes_of(damaged(tmp_path, "data-512", poke(field, **{form: value})))

    assert [value for value in allowed if reported(value)] == []
    assert [value for value in refused if not reported(value)] == []


@pytest.mark.parametrize("bits", [9, 13, 14, 16])
@pytest.mark.parametrize("extended", [False, True])
def test_extended_entries_need_clusters_of_32_sectors(bits: int, extended: bool, tmp_path: Path) -> None:
    head = header(cluster_bits=bits, features=(1 << 4) * extended)
    found = codes_of(written(tmp_path, tiny([], cluster_bits=bits, head=head)))
    assert ("header-extended-l2-cluster-size" in found) == (extended and 1 << bits < 512 << 5)


@pytest.mark.parametrize("length", [0, 1, 71])
def test_a_file_that_ends_inside_the_header_is_reported(length: int, tmp_path: Path) -> None:
    path = damaged(tmp_path, "data-v2-512", f"truncate = {length}\n")
    assert codes_of(path) == {"not-qcow2" if length < 8 else "header-truncated"}


def test_version_2_has_no_feature_bits_and_no_header_length(tmp_path: Path) -> None:
    path = damaged(tmp_path, "data-v2-512", poke(72, u64=0) + poke(96, u64=0xFFFF))
    assert codes_of(path) == {"header-version-2-with-version-3-fields"}
