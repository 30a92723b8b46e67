"""Header extensions between the header and the backing file name, sound and hostile."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.qcow2.extensions import (
    MAX_EXTENSIONS,
    Extension,
    ExtensionList,
    ExtensionType,
    FeatureName,
    backing_file_name,
    feature_names,
    parse_extensions,
)
from forensic.qcow2.header import parse_header
from forensic.structure import Structure
from forensic.untrusted import Untrusted
from tests.images import header

FORMAT, NAMES, DATA_FILE = 0xE2792ACA, 0x6803F857, 0x44415441
END = bytes(8)


def extension(kind: int, data: bytes, length: int | None = None) -> bytes:
    return struct.pack(">II", kind, len(data) if length is None else length) + data + bytes(-len(data) % 8)


def parsed(area: bytes, head: bytes | None = None, cluster: int = 512) -> ExtensionList:
    data = ((head or header()) + area).ljust(cluster, b"\0")
    return parse_extensions(parse_header(data), data)


def facts(found: ExtensionList) -> list[tuple[int, int, int, bytes]]:
    return [(each.type, each.length, each.host_offset, each.data) for each in found.extensions]


def test_extensions_follow_one_another_up_to_the_end_marker() -> None:
    found = parsed(extension(FORMAT, b"raw") + extension(0xDEADBEEF, b"12345678") + END + b"\xff" * 8)
    assert facts(found) == [(FORMAT, 3, 112, b"raw"), (0xDEADBEEF, 8, 128, b"12345678"), (0, 0, 144, b"")]
    assert (found.ended, found.end_offset) == (True, 152)
    assert [each.known for each in found.extensions] == [ExtensionType.BACKING_FORMAT, None, ExtensionType.END]
    assert [each.complete for each in found.extensions] == [True] * 3


def test_version_2_has_its_extensions_behind_72_bytes() -> None:
    found = parsed(extension(FORMAT, b"qcow2") + END, header(version=2))
    assert facts(found) == [(FORMAT, 5, 72, b"qcow2"), (0, 0, 88, b"")]


def test_the_text_of_an_extension_is_untrusted() -> None:
    found = parsed(extension(DATA_FILE, b"\x1b[2J") + END)
    assert found.text(ExtensionType.DATA_FILE) == Untrusted(b"\x1b[2J")
    assert (found.first(ExtensionType.BITMAPS), found.text(ExtensionType.BACKING_FORMAT)) == (None, None)


def test_of_two_extensions_of_one_type_the_first_counts() -> None:
    found = parsed(extension(FORMAT, b"raw") + extension(FORMAT, b"qcow2") + END)
    assert found.text(ExtensionType.BACKING_FORMAT) == Untrusted(b"raw")


def test_data_that_leaves_the_cluster_is_kept_as_far_as_it_is_there() -> None:
    found = parsed(extension(0xDEADBEEF, b"\x11" * 392, 0xFFFFFFFF))
    assert facts(found) == [(0xDEADBEEF, 0xFFFFFFFF, 112, b"\x11" * 392)]
    assert (found.extensions[0].complete, found.ended, found.end_offset) == (False, False, 112)


def test_an_area_without_end_marker_is_not_ended() -> None:
    found = parsed(extension(1, bytes(384)) + extension(2, b""))
    assert (facts(found)[1:], found.ended, found.end_offset) == ([(2, 0, 504, b"")], False, 512)


def test_the_backing_file_name_ends_the_extensions() -> None:
    head = header(backing=(144, 4))
    found = parsed(extension(FORMAT, b"raw") + extension(FORMAT, b"longer than room") + b"name", head)
    assert facts(found) == [(FORMAT, 3, 112, b"raw"), (FORMAT, 16, 128, b"longer t")]
    assert found.ended is False


def test_a_name_that_hides_the_extensions_does_not_hide_them_here() -> None:
    assert facts(parsed(extension(FORMAT, b"raw"), header(backing=(105, 7))))[0] == (FORMAT, 3, 112, b"raw")


def test_no_more_than_a_limit_of_empty_extensions_is_listed() -> None:
    found = parsed(extension(1, b"") * (MAX_EXTENSIONS + 5), header(cluster_bits=16), 65536)
    assert (len(found.extensions), found.ended, found.end_offset) == (MAX_EXTENSIONS, False, 112 + 8 * MAX_EXTENSIONS)


def test_a_header_as_long_as_the_cluster_has_no_extensions() -> None:
    found = parsed(b"", header(header_length=4096))
    assert found == ExtensionList((), False, 512)


@given(st.binary(max_size=400))
def test_random_bytes_are_extensions_within_the_cluster(area: bytes) -> None:
    found = parsed(area)
    assert 112 <= found.end_offset <= 512
    starts = [each.host_offset for each in found.extensions]
    assert starts == sorted(set(starts))
    assert all(each.host_offset + 8 + len(each.data) <= 512 for each in found.extensions)


@pytest.mark.parametrize(
    ("backing", "name"),
    [
        ((0, 0), None),
        ((0, 9), None),
        ((200, 4), Untrusted(b"base")),
        ((200, 0), None),
        ((508, 9), Untrusted(b"\0" * 4)),
        ((512, 9), Untrusted(b"")),
        ((1 << 63, 9), Untrusted(b"")),
    ],
)
def test_the_backing_file_name_is_what_lies_in_the_header_cluster(
    backing: tuple[int, int], name: Untrusted | None
) -> None:
    data = (header(backing=backing).ljust(200, b"\0") + b"base").ljust(512, b"\0")
    assert backing_file_name(parse_header(data), data) == name


def test_a_backing_file_name_is_no_longer_than_qemu_allows() -> None:
    data = header(cluster_bits=12, backing=(200, 4000)).ljust(4096, b"a")
    assert backing_file_name(parse_header(data), data) == Untrusted(b"a" * 1023)


def test_feature_names_are_read_in_their_order_and_a_torn_one_is_left_out() -> None:
    table = b"\0\1" + b"corrupt bit".ljust(46, b"\0") + b"\2\x3f" + b"x" * 46 + b"\1\0torn"
    assert feature_names(parsed(extension(NAMES, table) + END)) == (
        FeatureName(0, 1, Untrusted(b"corrupt bit")),
        FeatureName(2, 63, Untrusted(b"x" * 46)),
    )
    assert feature_names(ExtensionList((), True, 0)) == ()


def test_an_extension_is_complete_when_all_its_data_is_there() -> None:
    nothing = Structure("header extension", 112, ())
    found = [Extension(nothing, 1, length, 112, b"four").complete for length in (4, 5)]
    assert found == [True, False]
