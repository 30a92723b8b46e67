"""`qcowscope check`: the verdict decides the exit status, in every form, and every refusal is one sentence."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forensic.report.formats import FORMATS
from tests.commands import Finished, damaged, qcowscope, sound
from tests.json_values import section


def run(*arguments: str | Path, stdin: int = subprocess.DEVNULL) -> Finished:
    """Run one command in a process of its own."""
    command = [sys.executable, "-m", "forensic.cli", *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, stdin=stdin, timeout=120)
    return Finished(finished.returncode, finished.stdout, finished.stderr)


def verdict_of(finished: Finished) -> object:
    return section(section(finished.json()["result"])["summary"])["verdict"]


@pytest.mark.parametrize(
    ("recipe", "verdict", "status"),
    [
        ("l2-entry-outside-file", "corrupt", 2),
        ("header-corrupt", "corrupt", 2),
        ("backing-file-protocol--json", "suspicious", 4),
    ],
)
def test_the_exit_status_follows_from_the_verdict(recipe: str, verdict: str, status: int, tmp_path: Path) -> None:
    finished = run("check", "--json", damaged(recipe, tmp_path))
    assert (finished.status, verdict_of(finished), finished.err) == (status, verdict, "")


def test_a_sound_image_is_clean() -> None:
    finished = run("check", "--json", sound("overlay-qcow2"))
    assert (finished.status, verdict_of(finished), finished.err) == (0, "clean", "")


def test_the_text_gives_verdict_code_place_and_count_of_checks(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    finished = run("check", image)
    first, finding, place, checks = finished.out.splitlines()
    assert first == f"{image}: corrupt"
    assert finding.startswith("high      l2-entry-outside-file  An L2 entry points to")
    assert place.startswith("          active L1[0].L2[0] (guest offset 0x0) is 0x0000000000100000: ")
    assert checks.startswith("checks: ") and " 1 fail, " in checks


def test_what_counts_as_failure_can_be_chosen(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    assert qcowscope("check", "--fail-on", "critical", image).status == 0
    assert qcowscope("check", "--fail-on", "high", image).status == 2


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_gives_the_same_status_and_names_the_rule(form: str, tmp_path: Path) -> None:
    finished = qcowscope("check", "--format", form, damaged("l2-entry-outside-file", tmp_path))
    assert (finished.status, finished.err) == (2, "")
    assert "l2-entry-outside-file" in finished.out


def test_json_is_the_same_by_either_name(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    one, other = qcowscope("check", "--json", image).json(), qcowscope("check", "--format", "json", image).json()
    assert (one["result"], one["result_digest"]) == (other["result"], other["result_digest"])


def test_reports_are_written_beside_what_is_printed(tmp_path: Path) -> None:
    image, page, lines = damaged("l2-entry-outside-file", tmp_path), tmp_path / "a.html", tmp_path / "b.jsonl"
    finished = qcowscope("check", image, "--report", f"html:{page}", "--report", f"jsonl:{lines}")
    assert finished.out.startswith(f"{image}: corrupt")
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert json.loads(lines.read_text(encoding="utf-8").splitlines()[-1])["type"] == "trailer"


def test_a_report_never_lands_on_the_evidence_or_unasked_on_another_file(tmp_path: Path) -> None:
    image, report = damaged("l2-entry-outside-file", tmp_path), tmp_path / "report.json"
    before = image.read_bytes()
    assert qcowscope("check", image, "--report", f"json:{image}", "--force").status == 1
    assert image.read_bytes() == before
    report.write_text("precious", encoding="utf-8")
    refused = qcowscope("check", image, "--report", f"json:{report}")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err == f"qcowscope: {report}: exists already; --force overwrites it\n"
    assert report.read_text(encoding="utf-8") == "precious"
    assert qcowscope("check", image, "--report", f"json:{report}", "--force").status == 2
    assert json.loads(report.read_text(encoding="utf-8"))["schema"] == "qcowscope-report/1"


def test_another_kind_of_file_is_undetermined_with_a_finding(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"PK\x03\x04")
    finished = run("check", "--json", tmp_path / "file")
    assert (finished.status, verdict_of(finished)) == (63, "undetermined")
    assert [finding["rule"] for finding in json.loads(finished.out)["result"]["findings"]] == ["not-qcow2"]
    assert finished.err == f"qcowscope: {tmp_path}/file: not a qcow2 image: it looks like a ZIP archive\n"
    assert run("check", tmp_path / "file").out == ""


def test_what_cannot_be_read_is_one_clear_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    said = {name: run("check", tmp_path / name) for name in ("missing", "fifo", "loop")}
    said["map"] = run("map", tmp_path)
    assert {name: (finished.status, finished.out) for name, finished in said.items()} == dict.fromkeys(said, (1, ""))
    assert {name: finished.err for name, finished in said.items()} == {
        "missing": f"qcowscope: {tmp_path}/missing: no such file or directory\n",
        "fifo": f"qcowscope: {tmp_path}/fifo: not a regular file but a FIFO\n",
        "loop": f"qcowscope: {tmp_path}/loop: too many levels of symbolic links\n",
        "map": f"qcowscope: {tmp_path}: not a regular file but a directory\n",
    }


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_clear_sentence(tmp_path: Path) -> None:
    image = damaged("header-corrupt", tmp_path)
    image.chmod(0)
    assert (run("check", image).status, run("check", image).err) == (1, f"qcowscope: {image}: permission denied\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("check",),
        ("check", "--format", "xml", "x"),
        ("check", "--fail-on", "fatal", "x"),
        ("check", "--report", "html", "x"),
        ("check", "--report", "xml:a", "x"),
        ("check", "--report", "html:", "x"),
        ("check", "--report", "html:a", "--report", "json:./a", "x"),
        ("check", "--jobs", "0", "x"),
        ("check", "--form", "json", "x"),
        ("check", "--format", "html", "x", "y"),
        ("check", "--report", "json:a", "x", "y"),
        ("info", "--format", "json", "x"),
    ],
)
def test_wrong_usage_is_64(arguments: tuple[str, ...]) -> None:
    finished = run(*arguments)
    assert (finished.status, finished.out) == (64, "")
    assert finished.err.splitlines()[-1].startswith("qcowscope")


def test_a_reader_that_leaves_is_141(tmp_path: Path) -> None:
    """The pipe has no reader any more when the first byte is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "forensic.cli", "check", "--json", str(sound("data-512"))]
    finished = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (141, b"")


def test_an_interrupt_is_130(tmp_path: Path) -> None:
    program = (
        "import sys, signal, forensic.checking, forensic.cli\n"
        "def interrupted(*_, **__): signal.raise_signal(signal.SIGINT)\n"
        "forensic.checking.check = interrupted\n"
        "sys.exit(forensic.cli.main(sys.argv[1:]))\n"
    )
    command = [sys.executable, "-c", program, "check", str(sound("data-512"))]
    finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (finished.returncode, finished.stderr) == (130, "qcowscope: interrupted\n")
    assert signal.SIGINT.value + 128 == finished.returncode


def test_streams_can_be_left_out_and_the_report_says_so(tmp_path: Path) -> None:
    image = damaged("compressed-stream-broken", tmp_path)
    assert (qcowscope("check", image).status, qcowscope("check", "--no-streams", image).status) == (2, 0)
    report = qcowscope("check", "--json", "--no-streams", image).json()
    result = report["result"]
    assert isinstance(result, dict)
    made = {check["id"]: (check["status"], check["reason"]) for check in result["checks"]}
    assert made["compressed-stream-broken"] == ("not_run", "decoding of compressed streams was turned off")
    assert made["compressed-entry-outside-file"] == ("pass", "")
