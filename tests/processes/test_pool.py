"""Processes that crash: one message is answered by whoever salvages it, and everything else as if nothing had been."""

import os
import signal
import threading

import pytest

from forensic.errors import WorkerFailed
from forensic.processes.forked_process import Attempt
from forensic.processes.pool import Processes, may_fork

CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL)


def crash(number: int) -> None:
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)  # pytest would show where
    os.kill(os.getpid(), number)


def work(message: bytes) -> bytes:
    """Turns a message round; crashes at one that holds an X."""
    if b"X" in message:
        _, _, number = message.partition(b"X")
        crash(int(number) if number.isdigit() else signal.SIGABRT)
    if b"E" in message:
        raise ValueError("an error of ours")
    return message[::-1]


def salvage(message: bytes, attempt: Attempt) -> bytes:
    """Tries the bytes one by one."""
    return b"".join(attempt(message[at : at + 1]) or b"-" for at in range(len(message)))


def answers(messages: list[bytes], count: int = 2) -> list[bytes]:
    with Processes("worker", work, salvage, count) as members:
        promises = [members.submit(message) for message in messages]
        found = [promise() for promise in promises]
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
    return found


@pytest.mark.parametrize("count", [1, 2, 3])
def test_only_what_crashes_is_lost(count: int) -> None:
    messages = [f"{number:03}".encode() for number in range(40)]
    messages[3] = messages[4] = messages[20] = messages[39] = b"aXb"
    expected = [b"a-b" if b"X" in message else message[::-1] for message in messages]
    assert answers(messages, count) == expected


@pytest.mark.parametrize("number", CRASHES)
def test_every_way_to_crash_is_one(number: signal.Signals) -> None:
    with Processes("worker", work, lambda message, attempt: b"salvaged", 1) as members:
        assert members.submit(f"X{int(number)}".encode())() == b"salvaged"
        assert members.submit(b"ab")() == b"ba"


@pytest.mark.parametrize("messages", [[b"ab", b"aE", b"cd"], [b"ab", b"aXE", b"cd"]], ids=["at once", "in salvage"])
def test_an_error_of_ours_is_no_crash_but_is_raised_with_what_it_says(messages: list[bytes]) -> None:
    with pytest.raises(WorkerFailed, match="internal error: the worker ended: ValueError: an error of ours"):
        answers(messages)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_attempt_that_somebody_ended_has_not_crashed(number: signal.Signals) -> None:
    with (
        Processes("worker", work, lambda _, attempt: attempt(f"X{int(number)}".encode()) or b"", 1) as members,
        pytest.raises(WorkerFailed, match=f"it ended with -{int(number)}"),
    ):
        members.submit(b"aX")()


def test_an_end_without_a_signal_is_no_crash() -> None:
    with (
        Processes("worker", lambda _: os._exit(3), lambda *_: b"salvaged", 1) as members,
        pytest.raises(WorkerFailed, match="the process is gone"),
    ):
        members.submit(b"a")()


def test_a_crash_while_messages_are_long_loses_none() -> None:
    long = [bytes([97 + number]) * 200_000 for number in range(6)]
    assert answers([long[0], b"aX", *long[1:]], 1) == [long[0], b"a-", *long[1:]]


def test_a_crash_in_a_process_that_has_threads_is_salvaged_as_well() -> None:
    end = threading.Event()
    other = threading.Thread(target=end.wait)
    other.start()
    try:
        assert answers([b"ab", b"aX", b"cd"]) == [b"ba", b"a-", b"dc"]
    finally:
        end.set()
        other.join()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_one_that_somebody_ended_has_not_crashed(number: signal.Signals) -> None:
    with Processes("worker", work, lambda message, attempt: b"salvaged", 1) as members:
        promise = members.submit(f"X{int(number)}".encode())
        with pytest.raises(WorkerFailed, match="the process is gone"):
            promise()


def test_an_exception_ends_them_whatever_they_are_at() -> None:
    def slow(message: bytes) -> bytes:
        threading.Event().wait(60)
        return message

    with pytest.raises(KeyboardInterrupt), Processes("worker", slow, salvage, 2) as members:
        members.submit(b"a")
        raise KeyboardInterrupt
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize(
    ("names", "may"),
    [((), True), (("hash thread 3", "input hash_0", "window hash thread"), True), (("worker",), False),
     (("hash thread", "a hash thread"), False)],
)  # fmt: skip
def test_a_process_may_fork_beside_threads_that_only_hash(
    names: tuple[str, ...], may: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = [threading.current_thread(), *(threading.Thread(name=name) for name in names)]
    monkeypatch.setattr("threading.enumerate", lambda: threads)
    assert may_fork() is may
