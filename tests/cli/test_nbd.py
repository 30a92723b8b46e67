"""`nbd`: its options, and what is said before anything is served."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_in_use import SAID, WRITER, held
from tests.commands import qcowscope, sound
from tests.nbd.client import COMMAND, Client, running
from tests.transcripts import ROOT


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--listen", "0.0.0.0:0"], 64, "--allow-network"),
        (["--allow-network"], 64, "--allow-network is for --listen"),
        (["--allow-network", "--socket", "x"], 64, "--allow-network is for --listen"),
        (["--listen", "nowhere"], 64, "expected ADDRESS:PORT"),
        (["--listen", "127.0.0.1:1", "--socket", "x"], 64, "not allowed with"),
        (["--socket", "{image}"], 1, "exists already"),
        (["--missing", "holes"], 64, "invalid choice"),
        (["--snapshot", "none"], 64, "no snapshot has the id, name or index none"),
        (["--key-file", "/dev/null"], 1, "not a regular file"),
    ],
)
def test_what_cannot_be_served_is_said(options: list[str], status: int, said: str) -> None:
    image = sound("snapshots-512")
    done = qcowscope("nbd", image, *(option.format(image=image) for option in options))
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_what_is_no_image_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"no image")
    assert qcowscope("nbd", tmp_path / "none", "--run", "true").status == 63


def test_one_read_is_called_one(tmp_path: Path) -> None:
    with running(sound("data-512"), tmp_path) as server, Client(server.path) as client:
        client.go()
        client.read(0, 512)
        assert "active, 1 read, 512 bytes" in server.end()[1]


def test_a_socket_that_another_server_uses_is_left_to_it(tmp_path: Path) -> None:
    with running(sound("data-512"), tmp_path) as server:
        done = qcowscope("nbd", sound("data-512"), "--socket", server.path)
        assert (done.status, done.out) == (1, "")
        assert "is in use by another server" in done.err
        with Client(server.path) as client:
            client.go()


def test_supplied_files_are_served(tmp_path: Path) -> None:
    base = sound("overlay-raw").with_name("overlay-raw.backing.raw")
    with running(sound("overlay-raw"), tmp_path, "--backing", str(base)) as server, Client(server.path) as client:
        client.go(contexts=("qemu:allocation-depth",))
        assert 2 in [status for _, status in client.status(0, 4096)[2]]
        assert server.end() == (
            0,
            "qcowscope nbd: connection 1: active, 0 reads, 0 bytes; the client was left, since the server ends\n",
        )


@pytest.mark.parametrize("of_backing", [False, True])
def test_an_image_that_another_process_writes_to_is_refused_unless_that_is_wanted(
    of_backing: bool, tmp_path: Path
) -> None:
    image, base = tmp_path / "image.qcow2", tmp_path / "base.raw"
    image.write_bytes(sound("overlay-raw").read_bytes())
    base.write_bytes(sound("overlay-raw").with_name("overlay-raw.backing.raw").read_bytes())
    with held(base if of_backing else image, WRITER):
        refused = qcowscope("nbd", image, "--backing", base, "--run", f"touch {tmp_path}/ran")
        with running(image, tmp_path, "--backing", str(base), "--in-use") as server:
            status, said = server.end()
    assert (refused.status, "--in-use serves it anyway" in refused.err) == (1, True)
    assert not (tmp_path / "ran").exists()
    assert (status, said.count(SAID)) == (0, 1)


def test_an_image_that_changes_while_it_is_served_is_said_to(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(sound("data-512").read_bytes())
    with running(image, tmp_path) as server:
        with image.open("r+b") as stream:
            stream.write(b"QFI\xfb")
        status, said = server.end()
    assert status == 1
    assert "changed while it was being read" in said


def test_the_command_is_told_when_the_server_is(tmp_path: Path) -> None:
    script = f"trap 'echo told > {tmp_path}/told; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with started(script, tmp_path) as process:
        process.terminate()
        assert process.wait(20) == 143
    give_up = time.monotonic() + 10
    while not (tmp_path / "told").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert (tmp_path / "told").exists()


@contextlib.contextmanager
def started(script: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server with a command that has said something."""
    command = [*COMMAND, str(sound("data-512")), "--run", script]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process


@pytest.mark.parametrize("to_group", [False, True])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)], ids=lambda one: str(one)
)
def test_a_signal_ends_the_command_and_all_that_it_has_started(
    number: int, status: int, to_group: bool, tmp_path: Path
) -> None:
    """The pipe is at its end once no process is left that holds it."""
    begun = time.monotonic()
    with started("sleep 30 & echo ready; sleep 30; echo not ended", tmp_path) as process:
        (os.killpg if to_group else os.kill)(process.pid, number)
        assert process.communicate(timeout=20)[0] == b""
        assert process.returncode == status
    assert time.monotonic() - begun < 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda one: str(one))
def test_what_has_lost_its_parent_meanwhile_is_ended_as_well(number: int, tmp_path: Path) -> None:
    begun = time.monotonic()
    with started("(sleep 30 & (sleep 30 &)); echo ready; sleep 30", tmp_path) as process:
        os.kill(process.pid, number)
        assert process.communicate(timeout=20)[0] == b""
    assert time.monotonic() - begun < 15


def test_what_a_command_has_left_behind_is_let_go_when_it_ends(tmp_path: Path) -> None:
    with started("for each in 1 2 3 4 5; do (true &); done; sleep 0.3; echo ready; sleep 30", tmp_path) as process:
        give_up = time.monotonic() + 10
        while "Z" in states_of_children(process.pid) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert len(states_of_children(process.pid)) == 1
        process.terminate()
        process.communicate(timeout=20)


def states_of_children(parent: int) -> list[str]:
    """The letter by which the system tells the state of each child: `S` for one that sleeps, `Z` for a zombie."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, its_parent = path.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[:2]
            if int(its_parent) == parent:
                found.append(state)
    return found


@pytest.mark.parametrize(
    ("script", "status"),
    [("kill -TERM $PPID; sleep 30", 143), ("kill -KILL $$", 137), ("kill -TERM $$", 143), ("exit 3", 3)],
)
def test_what_the_command_does_to_the_server_or_to_itself_is_its_status(
    script: str, status: int, tmp_path: Path
) -> None:
    with started(f"echo ready; {script}", tmp_path) as process:
        process.communicate(timeout=20)
    assert process.returncode == status
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
def test_a_server_without_a_command_is_ended_by_a_signal(number: signal.Signals, status: int, tmp_path: Path) -> None:
    with running(sound("data-512"), tmp_path) as server, Client(server.path) as client:
        client.go()
        ended, said = server.end(number)
        assert (ended, "internal error" in said, server.path.exists()) == (status, False, False)
