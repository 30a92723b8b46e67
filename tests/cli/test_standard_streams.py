"""Standard streams that are full, closed, unbuffered or of another alphabet: a message, and never less in silence."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import qcowscope
from tests.images import SOUND

ROOT = Path(__file__).resolve().parent.parent.parent
IMAGE = str(SOUND / "data-4k.qcow2")
PRINTING = (
    ["info", IMAGE], ["info", "--json", IMAGE], ["check", IMAGE], ["check", "--json", IMAGE], ["map", IMAGE],
    ["map", "--json", IMAGE], ["owner", "--at", "0", IMAGE], ["diff", IMAGE, str(SOUND / "data-512.qcow2")],
    ["rules"], ["rules", "--json"], ["schema"], ["explain", "header-version"], ["extract", IMAGE, "-o", "-"],
    ["check", IMAGE, IMAGE], ["--help"], ["--version"],
)  # fmt: skip

each = pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)


def shell(redirections: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", sys.executable, "-m", "forensic.cli", *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, check=False,
    )  # fmt: skip


@each
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_not_completed(arguments: list[str], unbuffered: str) -> None:
    done = shell(">/dev/full", *arguments, PYTHONUNBUFFERED=unbuffered)
    assert (done.returncode, done.stderr.count(b"no space left on device")) == (1, 1)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_is_cut_is_never_called_done(unbuffered: str, tmp_path: Path) -> None:
    whole = shell("", "schema").stdout
    with (tmp_path / "cut").open("wb") as stream:
        done = subprocess.run(
            [sys.executable, "-m", "forensic.cli", "schema"], cwd=ROOT, stdout=stream, stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered}, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        )  # fmt: skip
    assert (tmp_path / "cut").read_bytes() == whole[:1000]
    assert (done.returncode, b"file too large" in done.stderr) == (1, True)


@each
def test_a_closed_standard_output_is_not_completed(arguments: list[str]) -> None:
    done = shell(">&-", *arguments)
    assert (done.returncode, b"bad file descriptor" in done.stderr) == (1, True)
    assert b"Traceback" not in done.stderr


@each
def test_a_closed_standard_error_changes_nothing(arguments: list[str]) -> None:
    expected = shell("", *arguments)
    assert shell("2>&-", *arguments).returncode == expected.returncode
    assert shell("0<&- 2>&-", *arguments).stdout.count(b"\n") == expected.stdout.count(b"\n")


def test_a_closed_stream_is_not_taken_for_the_output(tmp_path: Path) -> None:
    out = tmp_path / "out.raw"
    whole = tmp_path / "whole.raw"
    assert qcowscope("extract", IMAGE, "-o", whole).status == 0
    shell("0<&- >&- 2>&-", "extract", IMAGE, "-o", str(out))
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("command", [["info"], ["check"], ["check", "--format", "html"], ["map"]])
def test_a_name_that_the_stream_cannot_show_is_escaped(command: list[str], tmp_path: Path) -> None:
    image = tmp_path / "dïsk☃😀.qcow2"
    image.write_bytes(Path(IMAGE).read_bytes())
    done = shell("", *command, str(image), PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, b"")
    assert command == ["map"] or rb"d\u00efsk\u2603\ud83d\ude00.qcow2" in done.stdout


def test_json_stays_json_where_the_stream_knows_ascii_alone(tmp_path: Path) -> None:
    image = tmp_path / "dïsk☃😀.qcow2"
    image.write_bytes(Path(IMAGE).read_bytes())
    done = shell("", "check", "--json", str(image), PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["source"]["path_as_given"] == str(image)


@pytest.mark.parametrize("level", ["1", "2"])
def test_an_interpreter_that_optimises_says_the_same(level: str) -> None:
    for arguments in (["rules", "--json"], ["check", IMAGE], ["explain", "header-version"]):
        plain, optimised = shell("", *arguments), shell("", *arguments, PYTHONOPTIMIZE=level)
        assert (optimised.returncode, optimised.stdout, optimised.stderr) == (plain.returncode, plain.stdout, b"")


@pytest.mark.parametrize(
    "arguments", [["\x1b[31mX"], ["info", "--\x1b[31mX", IMAGE], ["owner", "--at", "\x1b[31m", IMAGE]]
)
def test_no_escape_sequence_of_an_argument_reaches_the_terminal(arguments: list[str]) -> None:
    done = qcowscope(*arguments)
    assert (done.status in (1, 64), "\x1b" in done.err + done.out) == (True, False)
    assert "x1b[31m" in done.err


def test_evidence_is_not_written_to_by_what_is_printed(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(Path(IMAGE).read_bytes())
    for redirection in (f">>{image}", f"2>>{image}", f"1<>{image}"):
        for command in ("info", "check", "map"):
            assert shell(redirection, command, str(image)).returncode == 1
            assert image.read_bytes().startswith(Path(IMAGE).read_bytes()[:512])


def test_a_disk_of_no_bytes_is_split_and_has_its_sidecars(tmp_path: Path) -> None:
    out = tmp_path / "out.raw"
    done = qcowscope("extract", SOUND / "data-4k.qcow2", "--range", "0:0", "-o", out, "--split", "1M", "--sidecars")
    assert done.status == 0
    text = (tmp_path / "out.raw.sha256").read_text(encoding="utf-8")
    assert text == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  out.raw.001\n"
