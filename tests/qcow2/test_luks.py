"""The LUKS header that an image points to, whole and torn."""

import struct
from pathlib import Path

from msgspec.structs import asdict

from forensic.evidence import Evidence
from forensic.image import open_image
from forensic.qcow2.extensions import Extension, ExtensionType
from forensic.qcow2.luks import SLOT_ACTIVE, SLOT_INACTIVE, KeySlot, LuksHeader, read_luks
from forensic.structure import Structure
from forensic.untrusted import Untrusted
from tests.images import SOUND, written


def luks_header() -> bytes:
    names = struct.pack(">6sH32s32s32s", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256\0hidden")
    keys = struct.pack(">II20s32sI40s", 4040, 64, b"d" * 20, b"s" * 32, 1000, b"01234567-89ab")
    slots = [struct.pack(">II32sII", SLOT_INACTIVE if n else SLOT_ACTIVE, n, b"t" * 32, 8 + n, 4000) for n in range(8)]
    return names + keys + b"".join(slots)


def read(folder: Path, content: bytes, host_offset: int = 0, length: int = 1024) -> LuksHeader:
    data = struct.pack(">QQ", host_offset, length)
    extension = Extension(Structure("", 112, ()), ExtensionType.ENCRYPTION_HEADER, 16, 112, data)
    with Evidence(written(folder, content)) as evidence:
        return read_luks(evidence, extension, 512)


def test_every_field_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, bytes(512) + luks_header(), 512)
    assert {name: value for name, value in asdict(found).items() if name not in ("structure", "slots")} == {
        "host_offset": 512,
        "length": 1024,
        "magic": b"LUKS\xba\xbe",
        "version": 1,
        "cipher_name": Untrusted(b"aes"),
        "cipher_mode": Untrusted(b"xts-plain64"),
        "hash_spec": Untrusted(b"sha256"),
        "payload_offset": 4040,
        "key_bytes": 64,
        "master_key_digest": b"d" * 20,
        "master_key_salt": b"s" * 32,
        "master_key_iterations": 1000,
        "uuid": Untrusted(b"01234567-89ab"),
        "missing": None,
        "slack": b"",
        "cluster_size": 512,
        "file_size": 1104,
    }
    assert found.slots == (
        KeySlot(SLOT_ACTIVE, 0, b"t" * 32, 8, 4000),
        *(KeySlot(SLOT_INACTIVE, n, b"t" * 32, 8 + n, 4000) for n in range(1, 8)),
    )


def test_a_sample_of_qemu_has_one_active_slot() -> None:
    with open_image(SOUND / "luks-4k.qcow2") as image:
        found = image.luks
    assert found is not None
    assert (found.cipher_name.text, found.cipher_mode.text, found.key_bytes) == ("aes", "cbc-plain64", 16)
    assert [slot.state for slot in found.slots] == [SLOT_ACTIVE, *[SLOT_INACTIVE] * 7]


def test_a_header_cut_short_keeps_its_first_fields(tmp_path: Path) -> None:
    found = read(tmp_path, luks_header()[:300])
    assert (found.key_bytes, found.slots[1].salt, found.slots[2]) == (64, b"t" * 32, KeySlot(0, 0, b"", 0, 0))
    assert found.missing is not None


def test_a_header_outside_the_file_is_empty(tmp_path: Path) -> None:
    found = read(tmp_path, luks_header(), 1 << 62)
    assert (found.magic, found.version, found.cipher_name, found.structure.fields) == (b"", 0, Untrusted(b""), ())
    assert found.missing is not None


def test_a_short_pointer_leads_to_the_start_of_the_file(tmp_path: Path) -> None:
    extension = Extension(Structure("", 112, ()), ExtensionType.ENCRYPTION_HEADER, 4, 112, b"\0\0\0\1")
    with Evidence(written(tmp_path, luks_header())) as evidence:
        found = read_luks(evidence, extension, 512)
    assert (found.host_offset, found.length) == (0, 0)
