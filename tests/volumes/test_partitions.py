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
    assert look_inside(lambda offset, length: "key_not_supplied", SIZE).missing == "key_not_supplied"
    assert look_inside(lambda offset, length: b"", 0).volumes == ()
