"""The reader that vouches for a container: it gives back what was written, and takes nothing else for it."""

import random
import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensic.e01 import reader
from forensic.e01.reader import ContainerDamaged, E01Bytes
from forensic.evidence import ReadFailed
from tests.e01.reading import CHUNK
from tests.e01.test_writer import PARTS, disk_of, write

NOISE = random.Random(3).randbytes(3 * CHUNK)


def whole(found: E01Bytes) -> bytes:
    return b"".join(bytes(chunk) for chunk in found.in_order())


@settings(deadline=None)
@given(parts=PARTS, level=st.sampled_from([0, 1, 9]), ends=st.tuples(st.integers(0, 1 << 18), st.integers(1, 1 << 17)))
def test_any_part_of_the_disk_comes_back(
    parts: list[bytes | int], level: int, ends: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    output, disk, guest_start = write(tmp_path_factory.mktemp("e01") / "x", parts, level), disk_of(parts), 1 << 20
    with E01Bytes(output.files, guest_start) as found:
        assert (found.size, found.hashes, whole(found)) == (len(disk), output.hashes, disk)
        start, length = ends[0] % len(disk), ends[1]
        assert found.read(guest_start + start, length) == disk[start : start + length]
        at = start
        for begins, ends_at in found.stored(guest_start + start, min(length, len(disk) - start)):
            assert not any(disk[at : begins - guest_start])
            at = ends_at - guest_start
        assert not any(disk[at : min(start + length, len(disk))])


def test_segments_and_tables_are_read_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.e01.layout.MAX_TABLE_ENTRIES", 10)
    monkeypatch.setattr(reader, "READ_BYTES", 3 * CHUNK)
    noise = random.Random(1).randbytes(3 << 20)
    unread = [(512, 4096), (1 << 20, 1 << 21)]
    output = write(tmp_path / "x", [noise, 9 << 20, b"end"], segment_size=1 << 20, unread=unread)
    assert len(output.files) > 2
    with E01Bytes(output.files) as found:
        assert whole(found) == disk_of([noise, 9 << 20, b"end"])
        assert found.errors == [(1, 7), (2048, 2048)]
        stored = list(found.stored(0, found.size))
        assert sum(end - start for start, end in stored) == len(noise) + 512
        assert found.read(len(noise) - 5, 10) == noise[-5:] + bytes(5)


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Path]:
    """Two segments with chunks of all kinds, and a list of errors."""
    parts: list[bytes | int] = [b"boot" * 500, NOISE, CHUNK * 4, random.Random(4).randbytes(33 * CHUNK)]
    return write(tmp_path_factory.mktemp("e01") / "x", parts, segment_size=1 << 20, unread=[(512, 1024)]).files


def taken_for_good(paths: Sequence[Path]) -> bool:
    try:
        with E01Bytes(paths) as found:
            whole(found)
    except ContainerDamaged:
        return False
    return True


def copied(paths: Sequence[Path], folder: Path) -> list[Path]:
    return [Path(shutil.copy(path, folder)) for path in paths]


def test_no_byte_can_be_changed_unnoticed(container: Sequence[Path], tmp_path: Path) -> None:
    copies = copied(container, tmp_path)
    assert taken_for_good(copies)
    choose = random.Random(5)
    for path in copies:
        content = path.read_bytes()
        # All that is not chunks lies at the ends.
        ends = [*range(min(2600, len(content))), *range(max(0, len(content) - 1600), len(content))]
        for at in [*choose.sample(ends, 100), *choose.sample(range(len(content)), 20)]:
            changed = bytearray(content)
            changed[at] ^= 1 << choose.randrange(8)
            path.write_bytes(changed)
            assert not taken_for_good(copies), f"{path.name} at {at:#x}"
        path.write_bytes(content)


@pytest.mark.parametrize("cut", [0, 12, 13, 80, 5000, -1, -76, -100])
def test_what_is_cut_off_or_added_is_noticed(cut: int, container: Sequence[Path], tmp_path: Path) -> None:
    *others, last = copied(container, tmp_path)
    last.write_bytes(last.read_bytes()[:cut])
    assert not taken_for_good([*others, last])
    last.write_bytes(container[-1].read_bytes() + b"\0")
    assert not taken_for_good([*others, last])
    last.write_bytes(container[-1].read_bytes())
    assert taken_for_good([*others, last])
    assert not taken_for_good(others)
    assert not taken_for_good([last, *others])


def test_a_segment_of_another_container_is_noticed(container: Sequence[Path], tmp_path: Path) -> None:
    other = write(tmp_path / "x", [NOISE, 40 * CHUNK, random.Random(4).randbytes(30 * CHUNK)], segment_size=1 << 20)
    assert not taken_for_good([container[0], other.files[1]])


@pytest.mark.parametrize(
    ("offset", "value"), [(16, struct.pack("<Q", 13)), (24, struct.pack("<Q", 1 << 60)), (24, bytes(8))]
)
def test_sections_cannot_lead_in_a_circle_or_out_of_the_file(
    offset: int, value: bytes, container: Sequence[Path], tmp_path: Path
) -> None:
    paths = copied(container, tmp_path)
    content = bytearray(paths[0].read_bytes())
    head = content[13 : 13 + 72]
    head[offset : offset + 8] = value
    content[13 : 13 + 76] = head + struct.pack("<I", zlib.adler32(head))
    paths[0].write_bytes(content)
    assert not taken_for_good(paths)


def test_a_section_that_is_too_long_is_not_read(container: Sequence[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_SECTION_BYTES", 100)
    assert not taken_for_good(container)


def test_damage_that_is_met_by_a_read_is_a_failed_read(container: Sequence[Path], tmp_path: Path) -> None:
    paths = copied(container, tmp_path)
    content = bytearray(paths[0].read_bytes())
    content[len(content) // 2] ^= 1
    paths[0].write_bytes(content)
    with E01Bytes(paths) as found:
        with pytest.raises(ReadFailed, match="does not decode to 32,768 bytes"):
            found.read(0, found.size)
        with pytest.raises(ReadFailed, match="does not decode"):
            list(found.stored(0, found.size))
