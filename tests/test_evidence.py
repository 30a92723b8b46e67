"""Evidence is read and nothing else: what cannot be read is refused, what changes is noticed."""

import fcntl
import hashlib
import os
import random
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import to_builtins

from forensic.errors import EvidenceUnreadable
from forensic.evidence import HASH_CHUNK, Evidence, ReadFailed
from forensic.files.opened_file import Identity
from forensic.report.run import source_record
from samples.bench import noise
from tests.images import file_descriptors_of, written

CONTENT = bytes(range(256)) * 8

LOCK_AND_WAIT = """
import fcntl, os, struct, sys
path, kind, start = sys.argv[1:]
stream = open(path, "r+b")
query = struct.pack("hhqqi4x", getattr(fcntl, kind), os.SEEK_SET, int(start), 1, 0)
fcntl.fcntl(stream.fileno(), fcntl.F_OFD_SETLK, query)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, CONTENT)


def refusal(path: Path | str) -> str:
    with pytest.raises(EvidenceUnreadable) as refused:
        Evidence(path)
    return refused.value.reason


def test_the_file_is_open_for_reading_only_and_not_handed_to_children(path: Path) -> None:
    with Evidence(path) as evidence:
        (descriptor,) = file_descriptors_of(path)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        assert (flags & os.O_ACCMODE, flags & os.O_APPEND) == (os.O_RDONLY, 0)
        assert fcntl.fcntl(descriptor, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(descriptor, b"x")
        wanted = {"O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY"}
        assert set(evidence.open_flags) - {"O_NOATIME"} == wanted


def test_the_file_is_closed_at_the_end_and_may_be_closed_twice(path: Path) -> None:
    with Evidence(path) as evidence:
        assert len(file_descriptors_of(path)) == 1
    evidence.close()
    assert file_descriptors_of(path) == []


def test_a_refused_file_is_not_left_open(tmp_path: Path) -> None:
    refusal(tmp_path)
    assert file_descriptors_of(tmp_path) == []


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        found = [refusal(each) for each in (tmp_path, fifo, tmp_path / "socket", "/dev/null")]
    assert found == [
        "not a regular file but a directory",
        "not a regular file but a FIFO",
        "a pipe or a socket cannot be read, since an image needs random access: write it to a file first",
        "not a regular file but a character device",
    ]


def test_what_cannot_be_found_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    reasons = [refusal(tmp_path / "none"), refusal(tmp_path / "none" / "deeper"), refusal(loop), refusal("a\0b")]
    assert reasons == [
        "no such file or directory",
        "no such file or directory",
        "too many levels of symbolic links",
        "the name holds a NUL character",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(path: Path) -> None:
    path.chmod(0)
    assert refusal(path) == "permission denied"


def test_a_refusal_shows_a_hostile_name_safely(tmp_path: Path) -> None:
    with pytest.raises(EvidenceUnreadable) as refused:
        Evidence(os.fsdecode(b"\x1b[2J\xff"))
    assert str(refused.value) == r"\x1b[2J\xff: no such file or directory"
    assert refused.value.exit_status == 1


def test_a_symbolic_link_is_resolved_and_both_names_are_kept(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(path.name)
    with Evidence(link) as evidence:
        assert (evidence.path_as_given, evidence.path) == (str(link), os.path.realpath(path))
        assert evidence.read_at(0, 4) == CONTENT[:4]


def test_reads_end_where_the_file_ends(path: Path) -> None:
    with Evidence(path) as evidence:
        asked = [(0, 3), (2040, 8), (2040, 100), (2048, 1), (5000, 1), (1 << 63, 8), (1 << 70, 8), (0, 0), (5, -1)]
        assert [evidence.read_at(*each) for each in asked] == [
            CONTENT[:3], CONTENT[2040:], CONTENT[2040:], b"", b"", b"", b"", b"", b"",
        ]  # fmt: skip
        assert evidence.read_at(0, 1 << 62) == CONTENT


def test_an_empty_file_is_evidence(tmp_path: Path) -> None:
    with Evidence(written(tmp_path, b"")) as evidence:
        assert (evidence.size, evidence.read_at(0, 10), evidence.sha256()) == (0, b"", hashlib.sha256().hexdigest())


def test_a_buffer_is_filled_from_its_place(path: Path) -> None:
    buffer = bytearray(6)
    with Evidence(path) as evidence:
        evidence.read_into(254, memoryview(buffer)[1:5])
    assert buffer == b"\0\xfe\xff\0\x01\0"


@pytest.mark.parametrize("image_offset", [0, 24])
@pytest.mark.parametrize("bad", [(), ((700, 701),)])
def test_many_buffers_are_filled_as_each_by_itself(
    path: Path, image_offset: int, bad: tuple[tuple[int, int], ...]
) -> None:
    places = [(900, 100), (0, 1), (690, 10), (690, 20), (999 - image_offset, 1), (600, 0), (980, 200), (1, 7)]
    with Evidence(path, image_offset, bad=bad) as evidence, Evidence(path, image_offset, bad=bad) as plain:
        os.truncate(path, 1000)
        buffers = [bytearray(length) for _, length in places]
        failed = evidence.read_each([place for place, _ in places], [memoryview(buffer) for buffer in buffers])
        for index, (place, length) in enumerate(places):
            buffer = bytearray(length)
            if index in failed:
                with pytest.raises(ReadFailed):
                    plain.read_into(place, memoryview(buffer))
            else:
                plain.read_into(place, memoryview(buffer))
                assert buffers[index] == buffer
        assert failed == sorted(failed)
        assert len(failed) == 1 + bool(bad) + bool(image_offset)
        assert evidence.unread == plain.unread


def test_many_buffers_of_evidence_that_was_split_are_filled_from_their_pieces(tmp_path: Path) -> None:
    for number, size in enumerate((100, 50, 200), 1):
        (tmp_path / f"disk.{number:03}").write_bytes(bytes([number]) * size)
    with Evidence(tmp_path / "disk.001", all_pieces=True) as evidence:
        buffers = [bytearray(20) for _ in range(3)]
        assert evidence.read_each([90, 140, 330], [memoryview(buffer) for buffer in buffers]) == []
    assert buffers == [b"\1" * 10 + b"\2" * 10, b"\2" * 10 + b"\3" * 10, b"\3" * 20]


def test_a_file_truncated_after_opening_is_a_failed_read_with_its_place(path: Path) -> None:
    with Evidence(path) as evidence:
        os.truncate(path, 1000)
        with pytest.raises(ReadFailed) as failure:
            evidence.read_at(900, 200)
        found = failure.value
        assert (found.host_offset, found.length) == (1000, 100)
        assert str(found) == "reading 100 bytes at host offset 0x3e8: the file is shorter than when it was opened"
        assert evidence.size == len(CONTENT)
        assert not evidence.unchanged()
        with pytest.raises(ReadFailed):
            evidence.sha256()


def test_a_read_that_the_system_refuses_is_a_failed_read(path: Path) -> None:
    evidence = Evidence(path)
    evidence.close()
    with pytest.raises(ReadFailed) as failure:
        evidence.read_at(16, 8)
    assert (failure.value.host_offset, failure.value.length, failure.value.reason) == (16, 8, "bad file descriptor")


def test_the_hash_is_that_of_the_file_and_progress_counts_its_bytes(tmp_path: Path) -> None:
    content = noise(HASH_CHUNK) + b"tail"
    steps: list[int] = []
    with Evidence(written(tmp_path, content)) as evidence:
        assert evidence.sha256(steps.append) == hashlib.sha256(content).hexdigest()
    assert steps == [HASH_CHUNK, HASH_CHUNK + 4]


def test_reading_changes_nothing_about_the_file(path: Path) -> None:
    with Evidence(path) as evidence:
        evidence.sha256()
        assert evidence.unchanged()
        assert evidence.before == Identity.of(path.stat())


def test_a_changed_time_size_or_file_is_noticed(path: Path, tmp_path: Path) -> None:
    def touched() -> None:
        os.utime(path, ns=(1, 1))

    def grown() -> None:
        with path.open("ab") as stream:
            stream.write(b"x")

    def replaced() -> None:
        os.replace(written(tmp_path, path.read_bytes(), "other"), path)

    def made_readable() -> None:
        path.chmod(0o640)

    noticed = []
    for change in (touched, grown, replaced, made_readable, path.unlink):
        with Evidence(path) as evidence:
            change()
            noticed.append(not evidence.unchanged())
    assert noticed == [True] * 5
    assert evidence.after() is None


def test_an_access_time_older_than_the_last_write_stays(path: Path) -> None:
    os.utime(path, ns=(10**18, 2 * 10**18))
    with Evidence(path) as evidence:
        if "O_NOATIME" not in evidence.open_flags:
            pytest.skip("only the owner of a file may leave its access time alone")
        evidence.sha256()
    assert path.stat().st_atime_ns == 10**18


@pytest.mark.parametrize(
    ("kind", "start", "locked"),
    [
        ("F_RDLCK", 100, True),
        ("F_RDLCK", 203, True),
        ("F_WRLCK", 299, True),
        ("F_RDLCK", 99, False),
        ("F_RDLCK", 300, False),
    ],
)
def test_locks_such_as_qemu_holds_are_seen(path: Path, kind: str, start: int, locked: bool) -> None:
    with Evidence(path) as evidence:
        assert evidence.in_use() is False
        command = [sys.executable, "-c", LOCK_AND_WAIT, str(path), kind, str(start)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"locked\n"
            assert evidence.in_use() is locked
        assert evidence.in_use() is False


def test_asking_for_locks_takes_none(path: Path) -> None:
    with Evidence(path) as evidence, path.open("r+b") as writer:
        assert evidence.in_use() is False
        query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(writer.fileno(), fcntl.F_OFD_GETLK, query)
        assert struct.unpack("hhqqi4x", answer)[0] == fcntl.F_UNLCK


def test_the_same_file_is_known_under_another_name(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "hard-link"
    os.link(path, other)
    copy = written(tmp_path, CONTENT, "copy")
    with Evidence(path) as evidence:
        assert [evidence.is_same_file(each.stat()) for each in (path, other, copy)] == [True, True, False]


def test_what_is_stored_is_asked_for_once_and_said_alike_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real, calls = tmp_path / "sparse", os.lseek, list[int]()
    with path.open("wb") as file:
        for place in (0, 3 << 20, 9 << 20):
            file.seek(place)
            file.write(b"x" * (1 << 20))
        file.truncate(12 << 20)

    def lseek(descriptor: int, offset: int, how: int) -> int:
        calls.append(offset)
        return real(descriptor, offset, how)

    monkeypatch.setattr(os, "lseek", lseek)
    dice = random.Random(5)
    places = [edge + by for edge in range(0, 12 << 20, 1 << 20) for by in (-1, 0, 1) if edge + by >= 0]
    places += [dice.randrange(12 << 20) for _ in range(200)]
    dice.shuffle(places)
    with Evidence(path) as evidence, Evidence(path) as other:
        for place in places:
            fresh = Evidence(path)
            assert evidence.next_data_from(place) == fresh.next_data_from(place)
            assert other.hole_from(place) == fresh.hole_from(place)
            fresh.close()
        calls.clear()
        start = evidence.next_data_from(3 << 20)
        end = evidence.hole_from(start)
        asked = len(calls)
        for place in range(start, end, 4096):
            assert (evidence.next_data_from(place), evidence.hole_from(place)) == (place, end)
        assert len(calls) == asked


def test_holes_are_zeros_and_stored_bytes_are_never_skipped(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"data")
        stream.truncate(3 << 20)
    with Evidence(path) as evidence:
        first = evidence.next_data_from(0)
        end = evidence.hole_from(first)
        assert first <= 1 << 20 < (1 << 20) + 4 <= end <= evidence.size
        assert not any(evidence.read_at(0, first))
        assert not any(evidence.read_at(evidence.hole_from(1 << 20), 1 << 21))
        assert [evidence.next_data_from(at) for at in (evidence.size, evidence.size + 5, 1 << 63)] == [
            evidence.size
        ] * 3


def test_a_report_names_the_source_and_proves_it_unchanged(path: Path) -> None:
    status = path.stat()
    with Evidence(path) as evidence:
        found = source_record(evidence)
    assert to_builtins(found.integrity) == {
        "before": {"size": 2048, "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns},
        "after": {"size": 2048, "mtime_ns": status.st_mtime_ns, "ctime_ns": status.st_ctime_ns},
        "unchanged": True,
        "method": "device, inode, size, mtime and ctime when opened and when the report was made",
    }
    assert (found.path_as_given, found.size, found.inode) == (str(path), 2048, status.st_ino)
