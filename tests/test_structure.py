"""Structures know where each field lies, and keep what was read before the bytes ended."""

import struct

from hypothesis import given
from hypothesis import strategies as st
from kaitaistruct import KaitaiStruct

from forensic.format.qcow2 import Qcow2
from forensic.structure import Field, Structure, parse

BASE = 0x10000
SLOT = struct.pack(">II32sII", 0xDEAD, 5, b"s" * 32, 8, 4000)


def test_fields_carry_name_value_and_place_in_the_file() -> None:
    data = struct.pack(">QQ", 0x20000, 0x1000) + b"more"
    assert parse(Qcow2.EncryptionHeaderPointer, data, BASE, "pointer") == Structure(
        "pointer",
        BASE,
        (
            Field("ofs_header", 0x20000, BASE, 8),
            Field("len_header", 0x1000, BASE + 8, 8),
            Field("trailing", b"more", BASE + 16, 4),
        ),
    )


def test_what_was_read_before_the_end_stays_and_the_reason_is_named() -> None:
    found = parse(Qcow2.EncryptionHeaderPointer, struct.pack(">QI", 7, 1), BASE, "pointer")
    assert found.fields == (Field("ofs_header", 7, BASE, 8),)
    assert found.missing is not None
    assert "requested 8 bytes" in found.missing


def test_nothing_at_all_is_a_structure_without_fields() -> None:
    found = parse(Qcow2.EncryptionHeaderPointer, b"", BASE, "pointer")
    assert (found.fields, found.length, found.missing is None) == ((), 0, False)


def test_nested_fields_have_dotted_names_and_absolute_places() -> None:
    data = struct.pack(">II", 0x23852875, 24) + struct.pack(">IIQQ", 2, 0, 64, 0x3000)
    found = parse(Qcow2.HeaderExtension, data, BASE, "extension")
    assert [(field.name, field.host_offset - BASE, field.length) for field in found.fields] == [
        ("type", 0, 4),
        ("len_data", 4, 4),
        ("data.num_bitmaps", 8, 4),
        ("data.reserved", 12, 4),
        ("data.len_bitmap_directory", 16, 8),
        ("data.ofs_bitmap_directory", 24, 8),
        ("padding", 32, 0),
    ]
    assert found.length == 32


def test_items_of_a_list_are_numbered_and_placed_one_after_the_other() -> None:
    found = parse(Qcow2.RefcountBlock, bytes.fromhex("000100020003"), BASE, "block", 4, 3)
    assert found.fields == tuple(Field(f"refcounts[{n}]", n + 1, BASE + 2 * n, 2) for n in range(3))


def test_a_list_that_ends_too_early_keeps_its_first_items() -> None:
    found = parse(Qcow2.RefcountBlock, bytes.fromhex("000100"), BASE, "block", 4, 3)
    assert found.fields == (Field("refcounts[0]", 1, BASE, 2),)
    assert found.missing is not None


def test_structures_in_a_list_have_their_own_places() -> None:
    found = parse(Qcow2.Luks1Header, bytes(208) + SLOT * 8, BASE, "LUKS header")
    assert found.missing is None
    assert found.field("key_slots[7].num_stripes") == Field("key_slots[7].num_stripes", 4000, BASE + 588, 4)


def test_bit_fields_lie_in_the_bytes_that_hold_their_bits() -> None:
    found = parse(Qcow2.BitmapFlags, struct.pack(">I", 0b101 | 1 << 31), BASE, "flags")
    assert found.fields == (
        Field("reserved", 1 << 28, BASE, 4),
        Field("is_extra_data_compatible", 1, BASE + 3, 1),
        Field("is_auto", 0, BASE + 3, 1),
        Field("is_in_use", 1, BASE + 3, 1),
    )


def test_a_field_is_found_by_its_name() -> None:
    found = parse(Qcow2.EncryptionHeaderPointer, struct.pack(">QQ", 7, 9) + b"x", BASE, "pointer")
    assert (found.integer("len_header"), found.raw("trailing")) == (9, b"x")
    assert (found.field("none"), found.integer("none"), found.integer("none", 4), found.raw("none")) == (
        None,
        0,
        4,
        b"",
    )
    assert (found.integer("trailing", absent=3), found.raw("len_header")) == (3, b"")


def test_a_wrong_magic_is_a_reason_not_an_exception() -> None:
    found = parse(Qcow2, b"QFI\xfa" + bytes(200), BASE, "header")
    assert found.field("version") is None
    assert found.missing is not None


@given(st.binary(max_size=160), st.sampled_from([Qcow2, Qcow2.HeaderExtension, Qcow2.Snapshot, Qcow2.Luks1Header]))
def test_random_bytes_never_raise_and_every_field_lies_within_them(data: bytes, kind: type[KaitaiStruct]) -> None:
    found = parse(kind, b"QFI\xfb" + data, BASE, "random")
    outside = [
        field
        for field in found.fields
        if not BASE <= field.host_offset <= field.host_offset + field.length <= BASE + 4 + len(data)
    ]
    assert outside == []
