"""A process within limits: what it sends arrives, and each way in which it can end is told apart."""

import ctypes
import inspect
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.processes.limited import Bounds, ProcessFailed, Send, messages_from


def received(work: Callable[[Send], None], bounds: Bounds | None = None) -> tuple[list[bytes], ProcessFailed | None]:
    """What arrives, and how it ended."""
    found: list[bytes] = []
    try:
        for message in messages_from(work, bounds or Bounds()):
            found.append(message)
    except ProcessFailed as failed:
        return found, failed
    return found, None


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()


def test_messages_arrive_in_order_however_long_they_are() -> None:
    sent = [b"", b"one", bytes(1 << 20), b"last"]

    def work(send: Send) -> None:
        for message in sent:
            send(message)

    assert received(work) == (sent, None)
    assert children() == []


def test_a_crash_keeps_what_was_sent_before_it() -> None:
    def work(send: Send) -> None:
        send(b"before")
        os.kill(os.getpid(), signal.SIGSEGV)

    found, failed = received(work)
    assert found == [b"before"]
    assert failed is not None
    assert (failed.signal_number, failed.reason) == (11, "it was ended by signal 11 (Segmentation fault)")
    assert children() == []


def test_an_exception_is_said() -> None:
    def work(send: Send) -> None:
        raise ValueError("no such thing")

    found, failed = received(work)
    assert (found, failed and failed.reason, failed and failed.signal_number) == ([], "ValueError: no such thing", 0)


def test_a_process_that_leaves_early_is_not_taken_for_done() -> None:
    found, failed = received(lambda send: os._exit(0))
    assert (found, failed and failed.reason) == ([], "it ended with status 0 before it was done")


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [(Bounds(seconds=60, silence=0.2), "it hangs"), (Bounds(seconds=0.2), "it took longer than it may")],
)
def test_a_process_that_hangs_is_ended(bounds: Bounds, reason: str) -> None:
    begun = time.monotonic()
    found, failed = received(lambda send: time.sleep(60), bounds)
    assert (found, failed and failed.reason) == ([], reason)
    assert time.monotonic() - begun < 10
    assert children() == []


def test_a_process_that_never_ends_though_it_sends_is_ended() -> None:
    def work(send: Send) -> None:
        while True:
            send(b"more")
            time.sleep(0.01)

    found, failed = received(work, Bounds(seconds=0.3))
    assert (set(found), failed and failed.reason) == ({b"more"}, "it took longer than it may")


def test_memory_is_limited_to_what_it_had_and_its_share() -> None:
    def work(send: Send) -> None:
        send(b"%d" % len(bytearray(32 << 20)))
        send(b"%d" % len(bytearray(512 << 20)))

    found, failed = received(work, Bounds(memory=128 << 20))
    assert (found, failed and failed.reason) == ([b"33554432"], "it needs more memory than it may have")


def test_limits_of_the_system_are_set(tmp_path: Path) -> None:
    def work(send: Send) -> None:
        send(repr([resource.getrlimit(what) for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE)]).encode())
        send(repr(resource.getrlimit(resource.RLIMIT_CPU)).encode())
        with (tmp_path / "file").open("wb") as stream:
            stream.write(b"x")

    found, failed = received(work, Bounds(seconds=41))
    assert found == [b"[(0, 0), (0, 0)]", b"(42, 43)"]
    assert failed is not None and "File too large" in failed.reason


def test_what_is_no_message_is_not_believed() -> None:
    def longer(send: Send) -> None:
        send(bytes(2000))

    def wild(send: Send) -> None:
        sink = inspect.getclosurevars(send).nonlocals["sink"]
        os.write(sink, b"\x07\xff\xff\xff")  # what a process that was taken over could write

    reasons = [received(work, Bounds(message=1000))[1] for work in (longer, wild)]
    assert [failed and failed.reason for failed in reasons] == ["it sent what it cannot have meant"] * 2


def test_a_reader_that_has_enough_ends_the_process() -> None:
    def work(send: Send) -> None:
        while True:
            send(b"more")

    messages = messages_from(work, Bounds())
    assert next(messages) == b"more"
    messages.close()
    assert children() == []


def test_processor_time_is_limited() -> None:
    def work(send: Send) -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 2))
        while True:
            ctypes.c_int(0)

    _, failed = received(work, Bounds(seconds=50))
    assert (failed and failed.reason) == "it took more processor time than it may"
