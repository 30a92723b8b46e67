"""Partition tables and file systems by signature, on disks made by hand."""

import struct
import uuid

import pytest

from forensic.volumes.partitions import look_inside
from forensic.volumes.signatures import VOLUME_SIGNATURES, Read, file_system_at

SIZE = 64 << 20


def disk(*parts: tuple[int, bytes]) -> bytearray:
    content = bytearray(SIZE)
    for offset, data in parts:
        content[offset : offset + len(data)] = data
    return content


def reader(content: bytearray) -> Read:
    return lambda offset, length: bytes(content[offset : offset + length])


def boot_sector(*entries: tuple[int, int, int]) -> bytes:
    table = b"".join(struct.pack("<4xB3xII", kind, start, count) for kind, start, count in entries)
    return bytes(446) + table.ljust(64, b"\0") + b"\x55\xaa"


@pytest.mark.parametrize(
    ("offset", "magic", "name", "label", "length"), VOLUME_SIGNATURES, ids=lambda value: str(value)[:12]
)
def test_each_signature_is_found_in_a_volume(offset: int, magic: bytes, name: str, label: int, length: int) -> None:
    found, _ = file_system_at(reader(disk((4096 * 3 + offset, magic))), 4096 * 3)
    assert found == ("ext2" if name == "ext2/3/4" else name)


@pytest.mark.parametrize(
    ("compatible", "incompatible", "name"), [(0, 0, "ext2"), (4, 0, "ext3"), (4, 0x40, "ext4"), (0, 0x80, "ext4")]
)
def test_the_generations_of_ext_are_told_apart(compatible: int, incompatible: int, name: str) -> None:
    content = disk((0x438, b"\x53\xef"), (0x45C, struct.pack("<II", compatible, incompatible)), (0x478, b"rootfs\0"))
    found, label = file_system_at(reader(content), 0)
    assert (found, label.text) == (name, "rootfs")


def test_gpt_partitions_have_type_name_and_file_system() -> None:
    esp = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b").bytes_le
    entry = esp + bytes(16) + struct.pack("<QQQ", 64, 127, 0) + "EFI \u202eX".encode("utf-16-le").ljust(72, b"\0")
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, 128, 128)
    content = disk((0, boot_sector((0xEE, 1, 0xFFFF))), (512, header), (1024, entry), (64 * 512 + 82, b"FAT32   "))
    found = look_inside(reader(content), SIZE)
    assert found.scheme == "GPT"
    (volume,) = found.volumes
    assert (volume.kind, volume.guest_offset, volume.length) == ("EFI system", 64 * 512, 64 * 512)
    assert (volume.file_system, volume.name.text) == ("FAT32", "EFI <U+202E>X")


def test_mbr_with_logical_partitions_that_lead_in_a_circle_ends() -> None:
    content = disk(
        (0, boot_sector((0x83, 8, 8), (0x05, 64, 64))),
        (64 * 512, boot_sector((0x82, 1, 4), (0x05, 16, 16))),
        (80 * 512, boot_sector((0x83, 1, 4), (0x05, 0, 16))),
    )
    found = look_inside(reader(content), SIZE)
    assert found.scheme == "MBR"
    assert [(volume.kind, volume.guest_offset // 512) for volume in found.volumes] == [
        ("Linux", 8),
        ("Linux swap", 65),
        ("Linux", 81),
    ]


def test_a_file_system_without_partitions_is_the_whole_disk() -> None:
    found = look_inside(reader(disk((0, b"XFSB"))), SIZE)
    assert (found.scheme, [volume.file_system for volume in found.volumes]) == ("none", ["XFS"])


def test_partitions_beyond_the_disk_are_left_out_and_trouble_is_named() -> None:
    assert look_inside(reader(disk((0, boot_sector((0x83, 1 << 30, 8))))), SIZE).volumes == ()
    assert look_inside(reader(disk((0, boot_sector((0x83, 1 << 30, 8))))), SIZE).notes
    assert look_inside(lambda offset, length: "key_not_supplied", SIZE).missing == "key_not_supplied"
    assert look_inside(lambda offset, length: b"", 0).volumes == ()


def gpt(count: int, width: int, entries: bytes) -> bytearray:
    header = b"EFI PART" + bytes(64) + struct.pack("<QII", 2, count, width)
    return disk((512, header), (1024, entries))


def entry(first: int, last: int) -> bytes:
    return (bytes(15) + b"\1" + bytes(16) + struct.pack("<QQ", first, last)).ljust(128, b"\0")


@pytest.mark.parametrize(
    ("count", "width", "entries", "found", "note"),
    [
        (256, 128, entry(64, 127) * 256, 256, None),
        (257, 128, entry(64, 127) * 257, 256, "the GPT has 257 entries, of which 256 are looked at"),
        (4, 0, entry(64, 127), 0, "the entries of the GPT cannot have 0 bytes: none is looked at"),
        (4, 8192, entry(64, 127), 0, "the entries of the GPT cannot have 8,192 bytes: none is looked at"),
        (2, 128, entry(64, 127) + entry(9, 8), 1, "partition 2 is left out: sectors 9 to 8 are no place on the disk"),
        (1, 128, entry(SIZE // 512, SIZE // 512), 0, "sectors 131,072 to 131,072 are no place on the disk"),
    ],
)
def test_what_of_a_gpt_is_not_looked_at_is_said(
    count: int, width: int, entries: bytes, found: int, note: str | None
) -> None:
    contents = look_inside(reader(gpt(count, width, entries)), SIZE)
    assert len(contents.volumes) == found
    assert [one.endswith(note or "") for one in contents.notes] == [True] * (note is not None)


def test_entries_of_a_gpt_that_cannot_be_read_are_said() -> None:
    content = gpt(8, 128, entry(64, 127) * 8)

    def read(offset: int, length: int) -> bytes | str:
        return "io_error" if 1536 <= offset < 2048 else bytes(content[offset : offset + length])

    contents = look_inside(read, SIZE)
    assert (len(contents.volumes), contents.notes) == (4, ("the GPT is not read from entry 5 on: io_error",))
    contents = look_inside(lambda offset, length: bytes(content[:1280][offset : offset + length]), SIZE)
    assert (len(contents.volumes), contents.notes) == (2, ("the GPT is not read from entry 3 on: beyond_disk_end",))


@pytest.mark.parametrize(
    ("sector", "note"),
    [
        (boot_sector((0x83, 1, 8), (0x05, 0, 99)), "not followed past guest offset 0x1000"),
        (boot_sector((0x83, 1, 8), (0x05, 40, 99)), "not followed past guest offset 0x6000"),
        (boot_sector((0x83, 1, 8), (0x05, 1 << 31, 99)), "not followed past guest offset 0x10000001000"),
        (
            boot_sector((0x83, 1 << 31, 8)),
            "partition 5 is left out: guest offset 0x10000001000 is past the end of the disk",
        ),
        (boot_sector((0x83, 1, 8)), None),
    ],
)
def test_a_chain_of_logical_partitions_that_is_not_followed_is_said(sector: bytes, note: str | None) -> None:
    content = disk((0, boot_sector((0x83, 2, 2), (0x05, 8, 999))), (8 * 512, sector))
    notes = look_inside(reader(content), SIZE).notes
    assert [one.endswith(note or "") for one in notes] == [True] * (note is not None)
