"""`nbd`: its options, and what is said before anything is served."""

import subprocess
import time
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


def test_an_image_that_another_process_writes_to_is_served_with_a_warning(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(sound("data-512").read_bytes())
    with held(image, WRITER), running(image, tmp_path) as server:
        status, said = server.end()
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
    with subprocess.Popen(
        [*COMMAND, str(sound("data-512")), "--run", script], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.terminate()
        assert process.wait(20) == 0
    give_up = time.monotonic() + 10
    while not (tmp_path / "told").exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    assert (tmp_path / "told").exists()
