"""The virtual disk as a file: the bytes that QEMU reads, and an error wherever bytes are missing."""

import errno
import hashlib
import io
import os
import random
from pathlib import Path

import pytest

from forensic.disk import codecs, layer
from forensic.disk import reader as reader_module
from forensic.disk.codecs import Decoded
from forensic.disk.reader import REMEMBERED_LOOKUPS, DiskReader
from forensic.errors import Unsupported
from forensic.image import open_image
from forensic.mapping.extents import State
from samples.kinds import KINDS, Kind
from tests.images import COMPLETE, COMPRESSED, COPIED, L2, described, header, opened, sample, tiny

MISSING = [KINDS[name] for name in ("overlay-qcow2", "data-file", "data-file-raw", "luks-4k", "aes-4k")]


def failure(reader: DiskReader, guest_offset: int, length: int) -> str:
    reader.seek(guest_offset)
    with pytest.raises(OSError, match="cannot be read") as failed:
        reader.read(length)
    assert failed.value.errno == errno.EIO
    return str(failed.value.strerror)


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_a_sound_sample_reads_as_qemu_reads_it_and_at_every_place_alike(kind: Kind) -> None:
    dice = random.Random(kind.name)
    with open_image(sample(kind)) as image:
        raw = image.reader().read()
        assert hashlib.sha256(raw).hexdigest() == described(kind)["raw_sha256"]
        reader = image.reader()
        for _ in range(150):
            at, length = dice.randrange(len(raw) + 100), dice.choice([0, 1, 7, 512, 5000])
            assert reader.seek(at) == at
            assert reader.read(length) == raw[at : at + length]
            assert reader.tell() == max(at, min(at + length, len(raw)))


@pytest.mark.parametrize("kind", MISSING, ids=lambda kind: kind.name)
def test_missing_bytes_read_as_zeros_only_when_asked_for(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        assert failure(image.reader(), 0, 512).startswith("guest offset 0x0 cannot be read: ")
        assert image.reader(fill_missing=True).read(512) == bytes(512)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("overlay-qcow2", "backing_not_supplied"),
        ("data-file", "data_file_not_supplied"),
        ("luks-4k", "key_not_supplied"),
        ("aes-4k", "key_not_supplied"),
    ],
)
def test_the_reason_says_which_file_or_key_is_missing(name: str, reason: str) -> None:
    with open_image(sample(KINDS[name])) as image:
        assert failure(image.reader(), 0, 16) == f"guest offset 0x0 cannot be read: {reason}"


def test_what_an_overlay_holds_itself_can_be_read() -> None:
    with open_image(sample(KINDS["overlay-qcow2"])) as image:
        reader = image.reader()
        reader.seek(1024)
        assert reader.read(512) == b"\x41" * 512
        reader.seek(2048)
        assert reader.read(512) == bytes(512)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        (1 << 40, "entry_beyond_eof"),
        (COMPRESSED | 0xA00, "decompress_failed"),
        (COMPRESSED | 0x1_0000, "entry_beyond_eof"),
    ],
)
def test_damage_is_an_error_at_its_guest_offset_and_spares_its_neighbours(
    tmp_path: Path, word: int, reason: str
) -> None:
    content = bytearray(tiny([6 << 9, word, 7 << 9]))
    content[0xA00:0xC00] = b"\xff" * 512
    with opened(tmp_path, bytes(content)) as image:
        reader = image.reader()
        assert failure(reader, 300, 512) == f"guest offset 0x200 cannot be read: {reason}"
        assert (reader.tell(), reader.read(212)) == (300, b"\x06" * 212)
        assert failure(reader, 700, 1) == f"guest offset 0x2bc cannot be read: {reason}"
        reader.seek(1024)
        assert reader.read(512) == b"\x07" * 512
        filled = image.reader(fill_missing=True)
        assert filled.read(1536) == b"\x06" * 512 + bytes(512) + b"\x07" * 512


def test_every_reason_of_the_tables_is_named(tmp_path: Path) -> None:
    head = header(cluster_bits=12, virtual_size=3 << 21, l1_size=2)
    content = tiny([0x5200], cluster_bits=12, l1_entries=[L2 << 12, 1 << 40], head=head)
    with opened(tmp_path, content) as image:
        reader = image.reader()
        reasons = [failure(reader, at, 1).rpartition(" ")[2] for at in (0, 1 << 21, 2 << 21)]
    assert reasons == ["entry_unaligned", "l2_unreadable", "l2_unreadable"]


def test_a_cluster_cut_by_the_end_of_the_file_is_read_up_to_there(tmp_path: Path) -> None:
    content = tiny([7 << 9], file_clusters=8)[: (7 << 9) + 100]
    with opened(tmp_path, content) as image:
        reader = image.reader()
        assert reader.read(100) == b"\x07" * 100
        assert failure(reader, 0, 101) == "guest offset 0x64 cannot be read: entry_beyond_eof"
        assert image.reader(fill_missing=True).read(200) == b"\x07" * 100 + bytes(100)


def test_a_file_truncated_while_it_is_read_is_an_io_error(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([5 << 9, 6 << 9])) as image:
        reader = image.reader()
        assert reader.read(1) == b"\x05"
        os.truncate(tmp_path / "image.qcow2", 0xA00 + 512)
        assert failure(reader, 512, 1) == "guest offset 0x200 cannot be read: io_error"
        assert image.reader(fill_missing=True).read(0) == b""


def test_the_reader_is_a_seekable_binary_file(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([5 << 9])) as image:
        reader = image.reader()
        assert (reader.readable(), reader.seekable(), reader.writable()) == (True, True, False)
        assert [reader.seek(-4, os.SEEK_END), reader.seek(2, os.SEEK_CUR), len(reader.read())] == [16380, 16382, 2]
        assert [reader.seek(1 << 70), reader.read(5), reader.tell()] == [1 << 70, b"", 1 << 70]
        with pytest.raises(ValueError, match="negative guest offset -1"):
            reader.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            reader.seek(0, 9)
        assert io.BufferedReader(image.reader()).read(600) == b"\x05" * 512 + bytes(88)


def test_more_stretches_than_are_remembered_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "LOOKUP_BYTES", 1 << 15)
    count = REMEMBERED_LOOKUPS + 3
    head = header(virtual_size=count << 15, l1_size=count)
    with opened(tmp_path, tiny([5 << 9], l1_entries=[COPIED | L2 << 9] * count, head=head)) as image:
        reader = image.reader()
        for _ in range(2):
            for number in range(count):
                reader.seek(number << 15)
                assert reader.read(513) == b"\x05" * 512 + b"\0"


@pytest.mark.parametrize("rows", [1, 16, 40, 100])
def test_no_more_extents_are_remembered_than_fit(rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "LOOKUP_BYTES", 1 << 12)
    monkeypatch.setattr(reader_module, "REMEMBERED_ROWS", rows)
    words = [(5 + number % 2) << 9 for number in range(32)]  # no two neighbours in the file: eight rows a range
    with opened(tmp_path, tiny(words)) as image:
        raw = b"".join(bytes([5 + number % 2]) * 512 for number in range(32))
        reader = image.reader()
        for at in (*range(0, len(raw), 700), *range(len(raw), 0, -300)):
            reader.seek(at)
            assert reader.read(600) == raw[at : at + 600]
            remembered = [len(found) for found in reader._rows.values()]
            assert sum(remembered) <= rows or len(remembered) == 1


def test_small_reads_decode_a_cluster_once(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    real = codecs.decode

    def decode(stored: bytes, codec: int, size: int) -> Decoded:
        decoded.append(len(stored))
        return real(stored, codec, size)

    monkeypatch.setattr(layer, "decode", decode)
    with open_image(sample(KINDS["deflate-4k"])) as image:
        clusters = sum(extent.state == State.COMPRESSED for extent in image.extents())
        reader = image.reader()
        while reader.read(100):
            pass
    assert len(decoded) == clusters > 1


def test_a_header_without_geometry_has_no_disk(tmp_path: Path) -> None:
    with opened(tmp_path, header(version=4).ljust(512, b"\0")) as image, pytest.raises(Unsupported) as refused:
        image.reader()
    assert refused.value.feature == "version 4 of the format is not known"
