"""The workers: processes and threads do the same work; one that ends neither hangs others nor leaves any behind."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from forensic.errors import OutputFailed, WorkerFailed
from forensic.extraction.extract import extract
from forensic.extraction.piece_reader import Missing
from forensic.extraction.plan import Piece
from forensic.extraction.worker_processes import Processes, Threads, Work, start_workers
from forensic.image import open_image
from forensic.mapping.extents import Reason
from tests.extraction import mixed
from tests.images import opened

KINDS = (Processes, Threads)
FAULTS = [Missing(number * 512, 512, Reason.DECOMPRESS_FAILED, number, 512) for number in range(10_000)]
"""Far more than fit into a pipe."""


def no_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


@contextmanager
def started(kind: type[Processes] | type[Threads], work: Work) -> Iterator[Processes | Threads]:
    with kind(work, 2) as members:
        yield members
    assert no_children()


@pytest.mark.parametrize("kind", KINDS)
class TestBoth:
    def test_every_piece_is_worked_on_and_answered_for(self, kind: type[Processes] | type[Threads]) -> None:
        def work(buffer: int, piece: Piece) -> Sequence[Missing]:
            assert piece.parts == [(0, piece.length, 7, 0, 0, 0)]
            return FAULTS[:buffer] if piece.guest_offset % 3 else ()

        with started(kind, work) as members:
            promises = [members.submit(5, Piece(number, 512, [(0, 512, 7, 0, 0, 0)])) for number in range(20)]
            answers = [list(promise()) for promise in promises]
        assert answers == [FAULTS[:5] if number % 3 else [] for number in range(20)]

    def test_long_pieces_and_long_answers_do_not_wait_for_each_other(
        self, kind: type[Processes] | type[Threads]
    ) -> None:
        parts = [(number, 1, number, 0, 0, 0) for number in range(20_000)]
        with started(kind, lambda buffer, piece: FAULTS) as members:
            promises = [members.submit(0, Piece(0, 20_000, parts)) for _ in range(10)]
            assert all(list(promise()) == FAULTS for promise in promises)

    def test_an_output_that_fails_is_said_to_have_failed(self, kind: type[Processes] | type[Threads]) -> None:
        def work(buffer: int, piece: Piece) -> Sequence[Missing]:
            raise OutputFailed(Path("disk.raw"), "no space left on device")

        with started(kind, work) as members:
            promise = members.submit(0, Piece(0))
            with pytest.raises(OutputFailed, match=r"disk\.raw: no space left on device"):
                promise()

    def test_an_error_of_ours_is_said_to_be_one(self, kind: type[Processes] | type[Threads]) -> None:
        with started(kind, lambda buffer, piece: [][buffer]) as members:
            promise = members.submit(0, Piece(0))
            with pytest.raises(WorkerFailed, match="the reader ended: IndexError: list index out of range"):
                promise()


def ends_itself(buffer: int, piece: Piece) -> Sequence[Missing]:
    os.kill(os.getpid(), signal.SIGKILL)
    return ()


class TestProcesses:
    def test_one_that_is_killed_hangs_nobody(self) -> None:
        with started(Processes, ends_itself) as members:
            promise = members.submit(0, Piece(0))
            with pytest.raises(WorkerFailed, match="the process is gone"):
                promise()

    def test_nothing_is_given_to_one_that_is_gone(self) -> None:
        with started(Processes, ends_itself) as members, pytest.raises(WorkerFailed, match="the process is gone"):
            for _ in range(1000):
                members.submit(0, Piece(0, 512, [(0, 512, 0, 0, 0, 0)] * 1000))

    def test_they_end_when_the_one_who_planned_is_killed(self) -> None:
        told, tell = os.pipe()
        planner = os.fork()
        if not planner:
            try:
                members = Processes(lambda buffer, piece: (), 2)
                os.write(tell, b"started")
                time.sleep(60)
                members.submit(0, Piece(0))
            finally:
                os._exit(0)
        os.close(tell)
        assert os.read(told, 16) == b"started"
        os.kill(planner, signal.SIGKILL)
        os.waitpid(planner, 0)
        assert os.read(told, 16) == b""  # the last one that could write there has ended
        os.close(told)

    def test_an_interrupt_from_the_keyboard_is_left_to_the_one_who_planned(self) -> None:
        def work(buffer: int, piece: Piece) -> Sequence[Missing]:
            os.kill(os.getpid(), signal.SIGINT)
            return FAULTS[:1]

        with started(Processes, work) as members:
            assert list(members.submit(0, Piece(0))()) == FAULTS[:1]

    @pytest.mark.parametrize("allowed", [0, 1])
    def test_where_the_system_allows_no_more_of_them_threads_do_the_work(
        self, allowed: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, forks = os.fork, iter(range(allowed))

        def fork() -> int:
            if next(forks, None) is None:
                raise BlockingIOError("resource temporarily unavailable")
            return real()

        monkeypatch.setattr(os, "fork", fork)
        open_before = len(os.listdir("/proc/self/fd"))
        with start_workers(lambda buffer, piece: FAULTS[:2], 2) as members:
            assert isinstance(members, Threads)
            assert list(members.submit(0, Piece(0))()) == FAULTS[:2]
        assert no_children()
        assert len(os.listdir("/proc/self/fd")) == open_before


def test_a_process_that_has_threads_does_not_fork() -> None:
    assert isinstance(chosen(), Processes)
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        assert isinstance(chosen(), Threads)
    finally:
        end.set()
        other.join()


def chosen() -> object:
    with start_workers(lambda buffer, piece: (), 2) as members:
        return members


@pytest.mark.parametrize("kind", KINDS)
def test_an_extraction_is_the_same_whoever_reads(
    kind: Callable[[Work, int], Processes | Threads], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, mixed.image()):
        pass
    monkeypatch.setattr("forensic.extraction.pipeline.start_workers", kind)
    with open_image(tmp_path / "image.qcow2") as image:
        extraction = extract(image, tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == mixed.disk()
    assert extraction.ledger.bytes_by_reason == mixed.BYTES_BY_REASON
    assert no_children()
