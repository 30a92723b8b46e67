"""A stream in a file without a name: nothing more is taken than was asked for, and nothing is left."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from forensic.errors import EvidenceUnreadable, OutputFailed
from forensic.gate.spool import OutOfTime, Spool
from tests.gate.streams import stream

CONTENT = bytes(range(256)) * 1000


def test_no_byte_more_is_taken_than_was_asked_for(tmp_path: Path) -> None:
    with stream(CONTENT) as source, Spool(source, "pipe", str(tmp_path)) as spool:
        spool.take_until(1000)
        assert spool.size == 1000
        assert os.read(source, 4) == CONTENT[1000:1004]


def test_the_whole_stream_is_kept_and_hashed(tmp_path: Path) -> None:
    with stream(CONTENT) as source, Spool(source, "pipe", str(tmp_path)) as spool:
        spool.take_until(10)
        spool.take_until(1 << 63)
        assert (spool.ended, spool.size) == (True, len(CONTENT))
        assert spool.sha256() == hashlib.sha256(CONTENT).hexdigest()
        with spool.evidence() as evidence:
            assert evidence.read_at(0, len(CONTENT)) == CONTENT
            assert evidence.unchanged()
            assert evidence.path_as_given == "pipe"


def test_the_file_has_no_name_and_is_its_owners_alone(tmp_path: Path) -> None:
    with stream(CONTENT) as source, Spool(source, "pipe", str(tmp_path)) as spool:
        spool.take_until(1 << 63)
        assert list(tmp_path.iterdir()) == []
        with spool.evidence() as evidence:
            assert stat.S_IMODE(evidence.before.mode) == 0o600


def test_a_stream_that_does_not_come_in_time_is_given_up(tmp_path: Path) -> None:
    with (
        stream(CONTENT[:100], end=False) as source,
        Spool(source, "pipe", str(tmp_path), seconds=0.2) as spool,
        pytest.raises(OutOfTime),
    ):
        spool.take_until(1 << 63)
    assert spool.size == 100
    assert spool.seconds_left is not None
    assert spool.seconds_left < 0.2


def test_without_a_limit_there_is_none(tmp_path: Path) -> None:
    with stream(b"") as source, Spool(source, "pipe", str(tmp_path)) as spool:
        assert spool.seconds_left is None


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="no such file or directory"):
        Spool(0, "pipe", str(tmp_path / "none"))


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        stream(CONTENT) as source,
        Spool(source, "pipe", str(tmp_path)) as spool,
        open("/dev/full", "wb", buffering=0) as full,
    ):
        monkeypatch.setattr(spool, "_file", full)
        with pytest.raises(OutputFailed, match="no space left on device"):
            spool.take_until(10)


def test_a_stream_that_breaks_is_unreadable(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with Spool(folder, "pipe", str(tmp_path)) as spool, pytest.raises(EvidenceUnreadable, match="is a directory"):
            spool.take_until(10)
    finally:
        os.close(folder)
