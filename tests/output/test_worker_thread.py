"""A worker takes everything in order, and one that dies hangs nobody."""

import threading

import pytest

from forensic.errors import OutputFailed, WorkerFailed
from forensic.output.worker_thread import QUEUED_ITEMS, Worker


def test_items_are_taken_in_the_order_given() -> None:
    taken: list[int] = []
    worker = Worker("test", taken.append)
    for number in range(100):
        worker.give(number)
    worker.finish()
    worker.stop()
    assert taken == list(range(100))


def test_what_ends_the_thread_reaches_the_one_who_gives() -> None:
    def dies(number: int) -> None:
        if number == 3:
            raise MemoryError("no more")

    worker = Worker("test", dies)
    with pytest.raises(WorkerFailed, match="test ended: MemoryError: no more"):
        for number in range(10 * QUEUED_ITEMS):
            worker.give(number)
    with pytest.raises(WorkerFailed):
        worker.finish()
    worker.stop()


def test_an_error_of_ours_stays_what_it_is() -> None:
    def full(number: int) -> None:
        raise OutputFailed("list", "no space left on device")

    worker = Worker("test", full)
    with pytest.raises(OutputFailed, match="no space left"):
        worker.give(1)
        worker.finish()
    worker.stop()


def test_stopping_does_not_wait_for_what_still_waits() -> None:
    begun, go_on = threading.Event(), threading.Event()
    taken: list[int] = []

    def slow(number: int) -> None:
        begun.set()
        go_on.wait()
        taken.append(number)

    worker = Worker("test", slow)
    for number in range(QUEUED_ITEMS):
        worker.give(number)
    begun.wait()
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    while not worker.stopping:
        pass
    go_on.set()
    stopper.join()
    assert taken == [0]
