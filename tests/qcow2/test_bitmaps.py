"""The bitmap directory as far as the file holds it."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from forensic.evidence import Evidence
from forensic.image import open_image
from forensic.qcow2.bitmaps import Bitmap, BitmapDirectory, read_bitmaps
from forensic.qcow2.extensions import Extension, ExtensionType
from forensic.structure import Structure
from forensic.untrusted import Untrusted
from tests.images import SOUND, written


def entry(name: bytes = b"name", extra: bytes = b"", flags: int = 2, extra_length: int | None = None) -> bytes:
    length = len(extra) if extra_length is None else extra_length
    content = struct.pack(">QIIBBHI", 0xA00, 1, flags, 1, 16, len(name), length) + extra + name
    return content + bytes(-len(content) % 8)


def read(
    folder: Path, content: bytes, claimed: int, size: int | None = None, host_offset: int = 512
) -> BitmapDirectory:
    data = struct.pack(">IIQQ", claimed, 0, len(content) if size is None else size, host_offset)
    extension = Extension(Structure("", 112, ()), ExtensionType.BITMAPS, len(data), 112, data)
    with Evidence(written(folder, bytes(512) + content)) as evidence:
        return read_bitmaps(evidence, extension, 512)


def facts(bitmap: Bitmap) -> dict[str, object]:
    stored = {name: value for name, value in asdict(bitmap).items() if name != "data"}
    return stored | {"name": bitmap.name, "padding": bitmap.padding}


def test_every_field_of_an_entry_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, entry(b"backup", b"xyz", flags=0x80000005), 1)
    assert [facts(each) for each in found.bitmaps] == [
        {
            "index": 0,
            "host_offset": 512,
            "length": 40,
            "table_offset": 0xA00,
            "table_size": 1,
            "flags": 0x80000005,
            "type": 1,
            "granularity_bits": 16,
            "extra_data_size": 3,
            "name": Untrusted(b"backup"),
            "name_length": 6,
            "padding": bytes(7),
        }
    ]
    assert (found.claimed, found.reserved, found.size, found.missing, found.file_size) == (1, 0, 40, None, 552)


def test_a_sample_of_qemu_has_its_two_bitmaps() -> None:
    with open_image(SOUND / "bitmaps-512.qcow2") as image:
        found = image.bitmaps
    assert found is not None
    assert [(each.name.text, each.flags, each.granularity_bits) for each in found.bitmaps] == [
        ("backup", 2, 9),
        ("old", 0, 9),
    ]
    assert (found.missing, found.extension.field("num_bitmaps") is None) == (None, False)


def test_entries_follow_one_another_at_multiples_of_eight(tmp_path: Path) -> None:
    found = read(tmp_path, entry(b"a") + entry(b"b" * 8) + entry(b"c" * 9), 3)
    assert [(each.name.raw, each.host_offset) for each in found.bitmaps] == [
        (b"a", 512),
        (b"b" * 8, 544),
        (b"c" * 9, 576),
    ]


def test_bytes_behind_the_directory_are_not_read_as_entries(tmp_path: Path) -> None:
    found = read(tmp_path, entry() * 2, claimed=1)
    assert (len(found.bitmaps), found.missing) == (1, None)


@pytest.mark.parametrize(
    ("content", "size", "missing"),
    [
        (entry() + entry()[:26], 64, "entry 1 does not fit into the directory"),
        (entry() + entry(extra_length=0xFFFFFFFF), 64, "entry 1 does not fit into the directory"),
        (entry() + entry()[:10], 64, "the file ends inside the directory"),
        (entry(), 1 << 63, "the file ends inside the directory"),
        (entry() + entry(), 32, "the directory ends before entry 1"),
    ],
)
def test_a_directory_that_does_not_hold_its_entries_says_why(
    tmp_path: Path, content: bytes, size: int, missing: str
) -> None:
    found = read(tmp_path, content, 2, size)
    assert (len(found.bitmaps), found.missing) == (1, missing)


def test_a_directory_outside_the_file_is_empty(tmp_path: Path) -> None:
    found = read(tmp_path, entry(), 1, 32, host_offset=1 << 60)
    assert (found.bitmaps, found.missing) == ((), "the file ends inside the directory")


@given(content=st.binary(max_size=200), claimed=st.integers(0, 9), size=st.integers(0, 250))
def test_random_directories_stay_within_their_bytes(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, claimed: int, size: int
) -> None:
    found = read(tmp_path_factory.getbasetemp(), content, claimed, size)
    assert len(found.bitmaps) <= claimed
    assert (found.missing is None) >= (len(found.bitmaps) == claimed and size <= len(content))
    assert all(each.host_offset + 24 + len(each.name.raw) <= 512 + min(size, len(content)) for each in found.bitmaps)
