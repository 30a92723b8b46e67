"""An end means an end: a command that is told to is gone at once, whatever it is at, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forensic.errors import OutputFailed
from forensic.report.model import digest_of
from tests.commands import qcowscope, sound
from tests.images import COPIED, header, tiny

ROOT = Path(__file__).resolve().parent.parent.parent
TIB = 1 << 40
AT_ONCE = 3
"""Seconds; one, on a machine that has nothing else to do."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of 100 TiB that holds nothing, and a sparse raw file of 8 TiB with a report that fits it."""
    folder = tmp_path_factory.mktemp("thin")
    head = header(cluster_bits=21, virtual_size=100 * TIB, l1_size=100 * TIB >> 39)
    content = tiny([COPIED | 5 << 21], cluster_bits=21, file_clusters=6, head=head)
    (folder / "thin.qcow2").write_bytes(content)
    (folder / "small.qcow2").write_bytes(tiny([COPIED | 5 << 9]))
    report = folder / "report.json"
    small = folder / "small.raw"
    assert qcowscope("extract", folder / "small.qcow2", "-o", small, "--report", f"json:{report}").status == 0
    document = json.loads(report.read_text(encoding="utf-8"))
    extraction = document["result"]["extraction"]
    extraction["bytes_expected"] = extraction["segments"][0]["size"] = 8 * TIB
    extraction["checkpoints"] = []
    document["result_digest"]["value"] = digest_of(document["result"])
    report.write_text(json.dumps(document), encoding="utf-8")
    with (folder / "sparse.raw").open("wb") as stream:
        stream.truncate(8 * TIB)
    return folder


COMMANDS = {
    "extract": ["extract", "thin.qcow2", "-o", "out.raw", "--split", "8T"],
    "extract with every hash and report": [
        "extract", "thin.qcow2", "-o", "out.raw", "--split", "8T", "--hash", "md5,sha1,sha256,sha512,blake2b",
        "--hash-window", "1T", "--report", "json:out.json", "--report", "ledger:out.ledger", "--verify",
    ],
    "extract with long windows alone": [
        "extract", "thin.qcow2", "-o", "out.raw", "--split", "8T", "--hash", "none", "--hash-window", "4T",
    ],
    "extract to standard output": ["extract", "thin.qcow2", "-o", "-"],
    "verify": ["verify", "sparse.raw", "report.json"],
    "diff": ["diff", "sparse.raw", "thin.qcow2"],
}  # fmt: skip


def started(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "forensic.cli", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )


def ended(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, bytes, bool]:
    """Status, what was said on standard error, whether it was gone at once; what a terminal sends reaches the group."""
    asked = time.monotonic()
    if number in (signal.SIGINT, signal.SIGHUP):
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    try:
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    return process.returncode, said, time.monotonic() - asked < AT_ONCE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", COMMANDS)
def test_whoever_is_told_to_end_does_so_at_once(name: str, number: signal.Signals, folder: Path) -> None:
    before = set(os.listdir(folder))
    process = started(folder, *COMMANDS[name])
    time.sleep(2)
    assert process.poll() is None
    status, said, at_once = ended(process, number)
    assert (status, at_once, b"Traceback" in said) == (130, True, False)
    assert set(os.listdir(folder)) == before


def test_what_is_kept_is_gone_on_with_and_ends_at_once_as_well(folder: Path) -> None:
    arguments = ("extract", "thin.qcow2", "-o", "kept.raw", "--split", "8T", "--resume")
    for _ in range(2):
        process = started(folder, *arguments)
        time.sleep(3)
        status, said, at_once = ended(process, signal.SIGTERM)
        assert (status, at_once, b"Traceback" in said) == (130, True, False)
    kept = {name for name in os.listdir(folder) if name.startswith("kept")}
    assert kept == {"kept.raw.001.partial", "kept.raw.journal.partial"}
    for name in kept:
        (folder / name).unlink()


@pytest.mark.parametrize("option", ["--force", "--resume", "--keep-partial"])
def test_a_second_run_into_one_output_is_refused(option: str, folder: Path) -> None:
    first = started(folder, "extract", "thin.qcow2", "-o", "one.raw", "--split", "8T", "--resume")
    partial = folder / "one.raw.001.partial"
    give_up = time.monotonic() + 20
    while not partial.exists() and time.monotonic() < give_up:
        time.sleep(0.05)
    inode = partial.stat().st_ino
    second = started(folder, "extract", "thin.qcow2", "-o", "one.raw", "--split", "8T", option)
    _, said = second.communicate(timeout=30)
    assert (second.returncode, b"is being written by another run" in said) == (1, True)
    assert (first.poll(), partial.stat().st_ino) == (None, inode)
    assert ended(first, signal.SIGTERM)[0] == 130
    for name in ("one.raw.001.partial", "one.raw.journal.partial"):
        (folder / name).unlink(missing_ok=True)


@pytest.mark.parametrize("output", ["out.raw", "out.E01"])
def test_what_was_extracted_is_said_though_a_report_could_not_be_written(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OutputFailed(tmp_path / "report.json", "no space left on device")

    monkeypatch.setattr("forensic.cli.extraction.reports.write_reports", full)
    report = f"json:{tmp_path / 'report.json'}"
    done = qcowscope("extract", sound("data-512"), "-o", tmp_path / output, "--report", report)
    assert done.status == 1
    assert "no space left on device" in done.err
    assert "16,384 bytes, 512 read" in done.out
    assert "sha256" in done.out
    assert (tmp_path / output).exists()


@pytest.mark.parametrize("level", ["x", "10", "-1", "", "²"])
def test_a_level_that_is_none_is_said_in_words(level: str) -> None:
    done = qcowscope("extract", sound("data-512"), "-o", "x.E01", f"--level={level}")
    assert (done.status, "is not a number from 0 to 9" in done.err) == (64, True)
