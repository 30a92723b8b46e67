"""A saved selection has the bytes, its hash beside it, and never replaces anything."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from forensic import OutputFailed
from forensic.explore import save_range

CONTENT = bytes(range(256)) * 10


def read(offset: int, length: int) -> bytes:
    return CONTENT[offset : offset + length]


def test_bytes_and_hash_are_written(tmp_path: Path) -> None:
    saved = save_range(read, 5, 1000, tmp_path / "part.bin")
    assert (tmp_path / "part.bin").read_bytes() == CONTENT[5:1005]
    assert saved.sha256 == hashlib.sha256(CONTENT[5:1005]).hexdigest()
    assert (tmp_path / "part.bin.sha256").read_text(encoding="utf-8") == f"{saved.sha256}  part.bin\n"


@pytest.mark.parametrize("name", ["part.bin", "part.bin.sha256"])
def test_nothing_is_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    with pytest.raises(OutputFailed, match="exists already"):
        save_range(read, 0, 10, tmp_path / "part.bin")
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_bytes_that_cannot_be_read_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="cannot be read"):
        save_range(lambda offset, length: "bad sector", 0, 10, tmp_path / "part.bin")
    with pytest.raises(OutputFailed, match="cannot be read"):
        save_range(read, 2550, 100, tmp_path / "part.bin")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing_write", [1, 2])
def test_a_disk_that_is_full_leaves_no_cut_file(
    failing_write: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = os.write, 0

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal count
        count += 1
        if count == failing_write:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(OutputFailed, match="no space left on device"):
        save_range(read, 0, 1000, tmp_path / "part.bin")
    assert list(tmp_path.iterdir()) == []
