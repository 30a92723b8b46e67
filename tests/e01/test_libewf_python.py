"""E01 read back by libewf-python, as other programs in Python read it.

It tells nothing of the list of read errors; `ewfinfo` does, in `test_writer`.
"""

import hashlib
import random
from pathlib import Path

import pyewf
import pytest

from tests.commands import qcowscope, sound
from tests.e01.test_writer import disk_of, write

SOME = ("data-4k", "deflate-4k", "zstd-4k", "extended-16k")


class Opened:
    """A container as libewf reads it."""

    def __init__(self, first: Path) -> None:
        self.handle = pyewf.handle()
        self.handle.open(pyewf.glob(str(first)))

    @property
    def disk(self) -> bytes:
        found = self.handle.read_buffer_at_offset(self.handle.get_media_size(), 0)
        assert isinstance(found, bytes)
        return found

    @property
    def hashes(self) -> tuple[str, str]:
        return self.handle.get_hash_value("MD5"), self.handle.get_hash_value("SHA1")


@pytest.mark.parametrize("segment_size", [None, 1 << 20])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_the_bytes_and_the_hashes_are_those_that_were_written(
    segment_size: int | None, level: int, tmp_path: Path
) -> None:
    parts: list[bytes | int] = [b"boot" * 1000, 3 << 20, random.Random(2).randbytes(2 << 20), 10 << 20, b"end"]
    output = write(tmp_path / "x", parts, level, segment_size, [(512, 1024)])
    opened, disk = Opened(output.files[0]), disk_of(parts)
    assert opened.disk == disk
    assert opened.hashes == (hashlib.md5(disk).hexdigest(), hashlib.sha1(disk).hexdigest())
    assert opened.handle.get_header_value("case_number") == "2026-17"


@pytest.mark.parametrize("name", SOME)
def test_an_extraction_is_the_disk_to_other_programs(name: str, tmp_path: Path) -> None:
    raw, container = tmp_path / "disk.raw", tmp_path / "disk.E01"
    for output in (raw, container):
        assert qcowscope("extract", "--verify", sound(name), "-o", output).status == 0
    opened = Opened(container)
    expected = raw.read_bytes()
    assert opened.disk == expected.ljust(-(-len(expected) // 512) * 512, b"\0")
    assert opened.hashes[0] == hashlib.md5(opened.disk).hexdigest()
