"""The format description: the committed parser is what it compiles to, and each of its types reads hand-made bytes."""

import os
import shutil
import struct
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from kaitaistruct import KaitaiStream, KaitaiStruct

from forensic.format.qcow2 import Qcow2

KSY = Path(__file__).resolve().parent.parent / "ksy"

HEADER_V2 = struct.pack(">QIIQIIQQIIQ", 0x200, 9, 16, 1 << 20, 2, 1, 0x30000, 0x10000, 1, 2, 0x70000)
FEATURE_WORDS = struct.pack(">QQQ", 0b11101 | 1 << 40, 1 << 63 | 1, 0b10 | 1 << 2)


def parsed(kind: type[KaitaiStruct], data: bytes, *parameters: int) -> KaitaiStruct:
    """Parse bytes that must be enough for the type."""
    structure = kind(*parameters, KaitaiStream(BytesIO(data)))
    structure._read()
    return structure


def parsed_in_part(kind: type[KaitaiStruct], data: bytes, *parameters: int) -> KaitaiStruct:
    """Parse bytes that must be too few for the type; what was read so far stays."""
    structure = kind(*parameters, KaitaiStream(BytesIO(data)))
    with pytest.raises(EOFError):
        structure._read()
    return structure


def values(structure: KaitaiStruct) -> dict[str, object]:
    """The fields that were read, by name and in order."""
    return {name: getattr(structure, name) for name in structure.SEQ_FIELDS if hasattr(structure, name)}


def places(structure: KaitaiStruct) -> dict[str, tuple[int, int]]:
    """Where each field that was read starts and ends in its stream."""
    recorded = structure._debug
    return {name: (recorded[name]["start"], recorded[name]["end"]) for name in values(structure)}


def test_committed_parser_is_what_the_description_compiles_to() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        if os.environ.get("CI"):
            pytest.fail("CI must have node and npm to compile ksy/qcow2.ksy")
        pytest.skip("node and npm are needed to compile ksy/qcow2.ksy")
    run = subprocess.run(
        [sys.executable, str(KSY / "compile.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_header_v1_fields_and_places() -> None:
    header = parsed(Qcow2.HeaderV1, struct.pack(">QIIQBBHIQ", 0x30, 4, 7, 1 << 20, 12, 9, 0, 1, 48))
    assert values(header) == {
        "ofs_backing_file": 0x30,
        "len_backing_file": 4,
        "mtime": 7,
        "size": 1 << 20,
        "cluster_bits": 12,
        "l2_bits": 9,
        "padding": 0,
        "crypt_method": Qcow2.CryptMethod.aes,
        "ofs_l1_table": 48,
    }
    assert places(header)["crypt_method"] == (28, 32)
    assert places(header)["ofs_l1_table"] == (32, 40)


def test_header_v2_fields_and_places() -> None:
    header = parsed(Qcow2.HeaderV2, HEADER_V2)
    assert values(header) == {
        "ofs_backing_file": 0x200,
        "len_backing_file": 9,
        "cluster_bits": 16,
        "size": 1 << 20,
        "crypt_method": Qcow2.CryptMethod.luks,
        "num_l1_entries": 1,
        "ofs_l1_table": 0x30000,
        "ofs_refcount_table": 0x10000,
        "num_refcount_table_clusters": 1,
        "num_snapshots": 2,
        "ofs_snapshots": 0x70000,
    }
    assert places(header)["ofs_backing_file"] == (0, 8)
    assert places(header)["ofs_snapshots"] == (56, 64)


def test_truncated_header_leaves_the_fields_read_so_far() -> None:
    header = parsed_in_part(Qcow2.HeaderV2, HEADER_V2[:30])
    assert list(values(header)) == ["ofs_backing_file", "len_backing_file", "cluster_bits", "size", "crypt_method"]
    assert places(header)["crypt_method"] == (24, 28)
    assert header._debug["num_l1_entries"] == {"start": 28}


def test_unknown_enum_value_stays_a_number() -> None:
    header = parsed(Qcow2.HeaderV2, HEADER_V2[:24] + struct.pack(">I", 77) + HEADER_V2[28:])
    assert type(header.crypt_method) is int
    assert header.crypt_method == 77


def test_header_v3_fields_and_places() -> None:
    header = parsed(Qcow2.HeaderV3, FEATURE_WORDS + struct.pack(">II", 4, 112) + b"\x01" + bytes(7))
    assert values(header.incompatible_features) == {
        "reserved1": 1 << 8,
        "reserved2": 0,
        "has_extended_l2_entries": True,
        "has_compression_type": True,
        "has_external_data_file": True,
        "is_corrupt": False,
        "is_dirty": True,
    }
    assert values(header.compatible_features) == {"reserved1": 1 << 31, "reserved2": 0, "has_lazy_refcounts": True}
    assert values(header.autoclear_features) == {
        "reserved1": 0,
        "reserved2": 1,
        "has_raw_external_data": True,
        "has_consistent_bitmaps": False,
    }
    assert (header.refcount_order, header.len_header) == (4, 112)
    assert header.compression_type == Qcow2.CompressionType.zstd
    assert header.padding == bytes(7)
    assert places(header) == {
        "incompatible_features": (0, 8),
        "compatible_features": (8, 16),
        "autoclear_features": (16, 24),
        "refcount_order": (24, 28),
        "len_header": (28, 32),
        "compression_type": (32, 33),
        "padding": (33, 40),
    }


@pytest.mark.parametrize(
    ("header_length", "lengths"),
    [
        (0, {}),
        (104, {}),
        (105, {"compression_type": 1}),
        (108, {"compression_type": 1, "padding": 3}),
        (111, {"compression_type": 1, "padding": 6}),
        (112, {"compression_type": 1, "padding": 7}),
        (120, {"compression_type": 1, "padding": 7, "additional_fields": 8}),
    ],
)
def test_header_length_decides_which_fields_follow_it(header_length: int, lengths: dict[str, int]) -> None:
    header = parsed(Qcow2.HeaderV3, FEATURE_WORDS + struct.pack(">II", 4, header_length) + bytes(64))
    found = {name: end - start for name, (start, end) in places(header).items()}
    assert dict(list(found.items())[5:]) == lengths


def test_hostile_header_length_leaves_the_fields_before_it() -> None:
    header = parsed_in_part(Qcow2.HeaderV3, FEATURE_WORDS + struct.pack(">II", 4, 0xFFFFFFFF) + bytes(64))
    assert list(values(header))[-2:] == ["compression_type", "padding"]


def extension(kind: int, data: bytes) -> bytes:
    """A header extension with its padding."""
    return struct.pack(">II", kind, len(data)) + data + b"p" * (-len(data) % 8)


def test_backing_format_extension() -> None:
    found = parsed(Qcow2.HeaderExtension, extension(0xE2792ACA, b"qcow2"))
    assert found.type == Qcow2.HeaderExtensionType.backing_format
    assert found.data.value == b"qcow2"
    assert found.padding == b"ppp"
    assert places(found) == {"type": (0, 4), "len_data": (4, 8), "data": (8, 13), "padding": (13, 16)}
    assert places(found.data) == {"value": (0, 5)}


def test_external_data_file_extension() -> None:
    found = parsed(Qcow2.HeaderExtension, extension(0x44415441, b"\x1b[31m\xff/"))
    assert found.type == Qcow2.HeaderExtensionType.external_data_file
    assert found.data.value == b"\x1b[31m\xff/"


def test_feature_name_table_extension() -> None:
    table = struct.pack("BB46s", 0, 4, b"extended L2 entries") + struct.pack("BB46s", 9, 64, b"x" * 46)
    first, second = parsed(Qcow2.HeaderExtension, extension(0x6803F857, table)).data.features
    assert (first.type, first.bit_number) == (Qcow2.FeatureType.incompatible, 4)
    assert first.name == b"extended L2 entries".ljust(46, b"\0")
    assert (second.type, second.bit_number, second.name) == (9, 64, b"x" * 46)
    assert places(second) == {"type": (48, 49), "bit_number": (49, 50), "name": (50, 96)}


def test_feature_name_table_cut_inside_an_entry_keeps_the_entries_before_it() -> None:
    found = parsed_in_part(Qcow2.HeaderExtension, extension(0x6803F857, bytes(48) + b"\x01\x02cut"))
    whole, cut = found.data.features
    assert len(values(whole)) == 3
    assert values(cut) == {"type": Qcow2.FeatureType.compatible, "bit_number": 2}


def test_bitmaps_extension() -> None:
    found = parsed(Qcow2.HeaderExtension, extension(0x23852875, struct.pack(">IIQQ", 2, 0, 64, 0x90000)))
    assert values(found.data) == {
        "num_bitmaps": 2,
        "reserved": 0,
        "len_bitmap_directory": 64,
        "ofs_bitmap_directory": 0x90000,
    }


def test_encryption_header_pointer_extension_and_bytes_after_it() -> None:
    found = parsed(Qcow2.HeaderExtension, extension(0x0537BE77, struct.pack(">QQ", 0x40000, 592) + b"tail"))
    assert values(found.data) == {"ofs_header": 0x40000, "len_header": 592, "trailing": b"tail"}


@pytest.mark.parametrize("kind", [0, 0xDEADBEEF])
def test_data_of_the_end_and_of_unknown_extensions_is_bytes(kind: int) -> None:
    found = parsed(Qcow2.HeaderExtension, extension(kind, b"hidden"))
    assert (found.type, found.data, found.padding) == (kind, b"hidden", b"pp")


def test_extension_longer_than_the_stream_leaves_type_and_length() -> None:
    found = parsed_in_part(Qcow2.HeaderExtension, struct.pack(">II", 0xE2792ACA, 0xFFFFFFF0) + b"raw")
    assert list(values(found)) == ["type", "len_data"]


def test_l1_entry() -> None:
    entry = parsed(Qcow2.L1Entry, struct.pack(">Q", 1 << 63 | 1 << 57 | 0xAB_CDEF_0000_0200 | 0x101))
    assert values(entry) == {
        "is_copied": True,
        "reserved1": 2,
        "ofs_l2_table_hi": 0xABCDEF,
        "ofs_l2_table_lo": 1,
        "reserved2": 0x101,
    }
    assert entry.ofs_l2_table == 0xAB_CDEF_0000_0200
    assert places(entry) == {
        "is_copied": (0, 1),
        "reserved1": (1, 1),
        "ofs_l2_table_hi": (1, 4),
        "ofs_l2_table_lo": (4, 7),
        "reserved2": (7, 8),
    }


def test_l2_entry() -> None:
    entry = parsed(Qcow2.L2Entry, struct.pack(">Q", 1 << 63 | 0x3F << 56 | 0x12_3456_789A_BC00 | 0x1FE | 1))
    assert values(entry) == {
        "is_copied": True,
        "is_compressed": False,
        "reserved1": 0x3F,
        "ofs_host_cluster_hi": 0x123456,
        "ofs_host_cluster_lo": 0x789ABC00 >> 9,
        "reserved2": 0xFF,
        "is_zero": True,
    }
    assert entry.ofs_host_cluster == 0x12_3456_789A_BC00


@pytest.mark.parametrize("cluster_bits", range(9, 22))
def test_l2_entry_compressed_splits_where_the_cluster_size_says(cluster_bits: int) -> None:
    split = 70 - cluster_bits
    sectors = (1 << (cluster_bits - 8)) - 1
    word = 1 << 62 | sectors << split | 1 << (split - 1) | 0x508A8
    entry = parsed(Qcow2.L2EntryCompressed, struct.pack(">Q", word), cluster_bits)
    assert (entry.is_copied, entry.is_compressed) == (False, True)
    assert entry.num_additional_sectors == sectors
    assert entry.ofs_data == 1 << (split - 1) | 0x508A8
    assert entry.len_data_max == (sectors + 1) * 512 - 0xA8


def test_l2_entry_compressed_as_measured_on_a_real_image() -> None:
    entry = parsed(Qcow2.L2EntryCompressed, struct.pack(">Q", 1 << 62 | 4 << 54 | 0x508A8), 16)
    assert (entry.ofs_data, entry.num_additional_sectors, entry.len_data_max) == (0x508A8, 4, 0x958)


def test_l2_entry_extended_lists_subclusters_from_the_last_to_the_first() -> None:
    entry = parsed(Qcow2.L2EntryExtended, struct.pack(">QII", 1 << 63 | 0x50000, 0x80000001, 0b110))
    assert entry.descriptor.is_copied
    assert entry.descriptor.ofs_host_cluster == 0x50000
    assert [31 - i for i, bit in enumerate(entry.subclusters.is_zero) if bit] == [31, 0]
    assert [31 - i for i, bit in enumerate(entry.subclusters.is_allocated) if bit] == [2, 1]
    assert places(entry) == {"descriptor": (0, 8), "subclusters": (8, 16)}
    assert places(entry.subclusters) == {"is_zero": (8, 12), "is_allocated": (12, 16)}


def test_refcount_table_entry() -> None:
    entry = parsed(Qcow2.RefcountTableEntry, struct.pack(">Q", 0xFEDC_BA98_0002_0000 | 0x1FF))
    assert (entry.ofs_refcount_block, entry.reserved) == (0xFEDC_BA98_0002_0000, 0x1FF)


@pytest.mark.parametrize(
    ("order", "block", "expected"),
    [
        (1, b"\xe4\x01", [0, 1, 2, 3, 1]),
        (2, b"\x21\x43", [1, 2, 3, 4]),
        (3, b"\x01\xff", [1, 255]),
        (4, b"\x00\x01\xff\x00", [1, 0xFF00]),
        (5, b"\x00\x00\x00\x01\xff\x00\x00\x00", [1, 0xFF000000]),
        (6, b"\xff" + bytes(6) + b"\x01", [0xFF00_0000_0000_0001]),
    ],
)
def test_refcount_block(order: int, block: bytes, expected: list[int]) -> None:
    assert values(parsed(Qcow2.RefcountBlock, block, order, len(expected))) == {"refcounts": expected}


def test_refcount_block_of_one_bit_refcounts() -> None:
    block = parsed(Qcow2.RefcountBlock, b"\x7f\x02", 0, 10)
    assert values(block) == {"is_referenced": [True] * 7 + [False, False, True]}
    assert places(block) == {"is_referenced": (0, 2)}


def test_truncated_refcount_block_keeps_the_refcounts_read_so_far() -> None:
    assert parsed_in_part(Qcow2.RefcountBlock, b"\x00\x01\x00\x02\x00", 4, 8).refcounts == [1, 2]


def snapshot(extra: bytes, name: bytes) -> bytes:
    """A snapshot table entry with ID 1, without the padding."""
    fixed = struct.pack(">QIHHIIQII", 0x60000, 1, 1, len(name), 1_700_000_000, 5, 6, 7, len(extra))
    return fixed + extra + b"1" + name


def test_snapshot_fields_and_places() -> None:
    extra = struct.pack(">QQQ", 1 << 33, 1 << 20, 0xFFFF_FFFF_FFFF_FFFF) + b"later"
    entry = parsed(Qcow2.Snapshot, snapshot(extra, b"\x1b]0;x") + bytes(8))
    found = values(entry)
    assert values(found.pop("extra_data")) == {
        "len_vm_state_large": 1 << 33,
        "disk_size": 1 << 20,
        "icount": 0xFFFF_FFFF_FFFF_FFFF,
        "unknown": b"later",
    }
    assert found == {
        "ofs_l1_table": 0x60000,
        "num_l1_entries": 1,
        "len_id": 1,
        "len_name": 5,
        "date_sec": 1_700_000_000,
        "date_nsec": 5,
        "vm_clock_nsec": 6,
        "len_vm_state": 7,
        "len_extra_data": 29,
        "id": b"1",
        "name": b"\x1b]0;x",
        "padding": bytes(5),
    }
    assert places(entry)["extra_data"] == (40, 69)
    assert places(entry)["name"] == (70, 75)
    assert places(entry)["padding"] == (75, 80)


@pytest.mark.parametrize(
    ("length", "fields"),
    [
        (0, []),
        (7, ["unknown"]),
        (8, ["len_vm_state_large"]),
        (12, ["len_vm_state_large", "unknown"]),
        (16, ["len_vm_state_large", "disk_size"]),
        (24, ["len_vm_state_large", "disk_size", "icount"]),
        (25, ["len_vm_state_large", "disk_size", "icount", "unknown"]),
    ],
)
def test_length_of_the_extra_data_decides_its_fields(length: int, fields: list[str]) -> None:
    assert list(values(parsed(Qcow2.SnapshotExtraData, bytes(length), length))) == fields


def test_file_may_end_before_the_padding_of_the_last_snapshot() -> None:
    entry = parsed(Qcow2.Snapshot, snapshot(bytes(16), b"name") + b"\0")
    assert (entry.name, entry.padding, entry.len_padding) == (b"name", b"\0", 3)


def test_snapshot_cut_inside_its_name_keeps_the_fields_before_it() -> None:
    entry = parsed_in_part(Qcow2.Snapshot, snapshot(bytes(16), b"name")[:-1])
    assert list(values(entry))[-1] == "id"


def test_bitmap_directory_entry_fields_and_places() -> None:
    fixed = struct.pack(">QIIBBHI", 0xA0000, 1, 0b101 | 1 << 31, 1, 16, 3, 2)
    entry = parsed(Qcow2.BitmapDirectoryEntry, fixed + b"xxnew" + bytes(3))
    found = values(entry)
    assert values(found.pop("flags")) == {
        "reserved": 1 << 28,
        "is_extra_data_compatible": True,
        "is_auto": False,
        "is_in_use": True,
    }
    assert found == {
        "ofs_bitmap_table": 0xA0000,
        "num_bitmap_table_entries": 1,
        "type": Qcow2.BitmapType.dirty_tracking,
        "granularity_bits": 16,
        "len_name": 3,
        "len_extra_data": 2,
        "extra_data": b"xx",
        "name": b"new",
        "padding": bytes(3),
    }
    assert places(entry)["flags"] == (12, 16)
    assert places(entry)["padding"] == (29, 32)


def test_bitmap_table_entry() -> None:
    entry = parsed(Qcow2.BitmapTableEntry, struct.pack(">Q", 0x81 << 56 | 0xB0000 | 0x02 | 1))
    assert entry.ofs_bitmap_data == 0xB0000
    assert (entry.reserved1, entry.reserved2, entry.is_all_ones) == (0x81, 1, True)


def luks_header(magic: bytes) -> bytes:
    """A LUKS header whose key slots 1 to 7 are disabled."""
    names = struct.pack(">6sH32s32s32s", magic, 1, b"aes", b"xts-plain64", b"sha256")
    keys = struct.pack(">II20s32sI40s", 4040, 64, b"d" * 20, b"s" * 32, 1000, b"01234567-89ab")
    slots = [struct.pack(">II32sII", 0xDEAD if i else 0xAC71F3, i, b"t" * 32, 8 + i, 4000) for i in range(8)]
    return names + keys + b"".join(slots)


def test_luks1_header_fields_and_places() -> None:
    header = parsed(Qcow2.Luks1Header, luks_header(b"LUKS\xba\xbe"))
    assert (header.magic, header.version) == (b"LUKS\xba\xbe", 1)
    assert header.cipher_mode == b"xts-plain64".ljust(32, b"\0")
    assert (header.payload_offset, header.len_key, header.mk_digest_iterations) == (4040, 64, 1000)
    assert [slot.state for slot in header.key_slots] == [
        Qcow2.Luks1KeySlotState.enabled,
        *[Qcow2.Luks1KeySlotState.disabled] * 7,
    ]
    last = header.key_slots[7]
    assert (last.iterations, last.salt, last.key_material_offset, last.num_stripes) == (7, b"t" * 32, 15, 4000)
    assert places(header)["mk_digest_iterations"] == (164, 168)
    assert places(header)["key_slots"] == (208, 592)
    assert places(last)["state"] == (544, 548)


def test_damaged_luks_magic_is_read_like_any_other_field() -> None:
    assert parsed(Qcow2.Luks1Header, luks_header(b"DAMAGE")).magic == b"DAMAGE"


def test_key_material_is_read_from_the_stream_of_the_luks_header() -> None:
    header = parsed(Qcow2.Luks1Header, luks_header(b"LUKS\xba\xbe") + bytes(8 * 512 - 592) + b"k" * 256_000)
    assert header.key_slots[0].key_material == b"k" * 256_000


CLUSTER = 512


def whole_image() -> bytes:
    """An image of 512-byte clusters: header, refcount table and block, L1, L2, data, and a compressed cluster."""
    header = b"QFI\xfb" + struct.pack(">IQIIQIIQQIIQ", 3, 0, 0, 9, 1024, 0, 1, 0x600, 0x200, 1, 0, 0)
    version_3 = struct.pack(">QQQII", 0, 0, 0, 4, 112) + bytes(8)
    clusters = [
        header + version_3 + extension(0xDEADBEEF, b"note") + extension(0, b""),
        struct.pack(">Q", 0x400),
        struct.pack(">7H", *[1] * 7),
        struct.pack(">Q", 1 << 63 | 0x800),
        struct.pack(">QQ", 1 << 63 | 0xA00, 1 << 62 | 0xC10),
        b"guest data",
        bytes(16) + b"compressed",
    ]
    return b"".join(cluster.ljust(CLUSTER, b"\0") for cluster in clusters)


def test_root_leads_from_the_header_to_the_guest_data() -> None:
    image = parsed(Qcow2, whole_image())
    assert [node.extension.type for node in image.header_extensions.extensions] == [0xDEADBEEF, 0]
    assert image.refcount_table[0].refcount_block.refcounts[:8] == [1] * 7 + [0]
    data, compressed, *unallocated = image.l1_table[0].l2_table
    assert data.host_cluster.startswith(b"guest data")
    assert compressed.compressed_data.startswith(b"compressed")
    assert len(compressed.compressed_data) == CLUSTER - 16
    assert {entry.host_cluster for entry in unallocated} == {None}
    assert (image.snapshots, image.backing_file_name) == (None, None)


def test_root_of_an_unknown_version_reads_no_further_than_the_version() -> None:
    image = parsed(Qcow2, b"QFI\xfb" + struct.pack(">I", 4) + bytes(100))
    assert values(image) == {"magic": b"QFI\xfb", "version": 4}


def test_root_of_version_1_has_the_old_header() -> None:
    image = parsed(Qcow2, b"QFI\xfb" + struct.pack(">IQIIQBBHIQ", 1, 0, 0, 0, 1 << 20, 12, 9, 0, 0, 48))
    assert list(values(image)) == ["magic", "version", "header_v1"]
    assert image.header_v1.ofs_l1_table == 48
