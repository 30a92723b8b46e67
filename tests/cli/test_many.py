"""Many images in one call: one line each, a broken one does not stop the rest, one exit status for all."""

import argparse
import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic.cli import many
from forensic.cli.many import find_images
from forensic.exit_status import ExitStatus
from tests.commands import damaged, qcowscope, sound


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A directory with two sound images, one corrupt one deeper down, and things that are no images."""
    root = tmp_path / "store"
    (root / "deep" / "er").mkdir(parents=True)
    shutil.copyfile(sound("data-512"), root / "b.qcow2")
    shutil.copyfile(sound("data-4k"), root / "a.img")
    damaged("l2-entry-outside-file", root / "deep" / "er")
    (root / "notes.txt").write_text("no image", encoding="utf-8")
    (root / "empty.qcow2").touch()
    (root / "link.qcow2").symlink_to(root / "b.qcow2")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "fifo")
    return root


def names_of(out: str) -> list[str]:
    return [Path(json.loads(line)["source"]["path_as_given"]).name for line in out.splitlines()]


def test_a_directory_gives_one_line_for_each_image_in_the_order_of_names(store: Path) -> None:
    finished = qcowscope("check", "--json", store)
    assert names_of(finished.out) == ["a.img", "b.qcow2", "empty.qcow2", "l2-entry-outside-file.qcow2"]
    assert finished.status == 2
    assert finished.err == (
        f"qcowscope: {store}/empty.qcow2: not a qcow2 image: the file is empty\n"
        "qcowscope: left out: 2 symbolic links, 1 special files, 1 other files\n"
    )


@pytest.mark.parametrize("cluster", ["data-512", "data-4k", "extended-16k"])
@pytest.mark.parametrize("name", ["vm.qcow2", "vm.img", "vm"])
def test_an_image_without_its_beginning_is_named(tmp_path: Path, cluster: str, name: str) -> None:
    content = sound(cluster).read_bytes()
    size = 1 << int.from_bytes(content[20:24], "big")
    (tmp_path / name).write_bytes(b"log " * (size // 4) + content[size:])
    (tmp_path / "disk.raw").write_bytes(b"log " * 4096)
    shutil.copyfile(sound("data-512"), tmp_path / "sound.qcow2")
    finished = qcowscope("check", tmp_path)
    assert finished.status == 63
    assert f"{name}: not a qcow2 image: it begins with 6c 6f 67 20 (log ), but refcounts" in finished.err
    assert f"clusters of {size:,} bytes" in finished.err
    assert "left out: 1 other files" in finished.err


def test_info_and_json_lines_do_the_same(store: Path) -> None:
    assert names_of(qcowscope("info", "--json", store).out) == names_of(qcowscope("check", "--json", store).out)
    assert names_of(qcowscope("check", "--format", "jsonl", store).out) == names_of(
        qcowscope("check", "--json", store).out
    )
    assert qcowscope("info", store).status == 63  # for the file that is named like an image and is empty


def test_a_line_is_the_report_that_one_image_alone_would_give(store: Path) -> None:
    line = json.loads(qcowscope("check", "--json", store).out.splitlines()[0])
    alone = qcowscope("check", "--json", store / "a.img").json()
    assert (line["result"], line["result_digest"]) == (alone["result"], alone["result_digest"])


def test_a_single_image_keeps_its_single_object(store: Path) -> None:
    finished = qcowscope("check", "--json", store / "a.img")
    assert len(finished.out.splitlines()) > 100
    assert len(qcowscope("check", "--format", "jsonl", store / "a.img").out.splitlines()) == 2


def test_what_cannot_be_read_has_its_line_and_does_not_stop_the_rest(store: Path) -> None:
    paths = [store / "missing", store / "notes.txt", store / "fifo", store / "b.qcow2"]
    finished = qcowscope("check", "--json", *paths)
    lines = [json.loads(line) for line in finished.out.splitlines()]
    assert [line.get("error", {}).get("exit_code") for line in lines] == [1, None, 1, None]
    assert [line["result"] and line["result"]["summary"]["verdict"] for line in lines] == [
        None, "undetermined", None, "clean",
    ]  # fmt: skip
    assert len(finished.err.splitlines()) == 3
    assert finished.status == 1


def test_text_separates_images_by_a_blank_line(store: Path) -> None:
    finished = qcowscope("check", store / "a.img", store / "b.qcow2")
    one, other = finished.out.split("\n\n")
    assert one.startswith(f"{store}/a.img: clean\n")
    assert other.startswith(f"{store}/b.qcow2: clean\n")


def test_several_processes_give_the_same_in_the_same_order(store: Path) -> None:
    alone, shared = qcowscope("check", store), qcowscope("check", "--jobs", "2", store)
    assert (shared.status, shared.out) == (alone.status, alone.out)


@pytest.mark.parametrize(
    ("names", "status"),
    [
        (["sound", "corrupt", "hostile", "other", "missing"], 1),
        (["other", "hostile", "corrupt"], 2),
        (["other", "hostile", "sound"], 4),
        (["sound", "other"], 63),
        (["sound", "sound"], 0),
    ],
)
def test_the_worst_status_stands_for_all(names: list[str], status: int, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    paths = {
        "sound": sound("data-512"),
        "corrupt": damaged("l2-entry-outside-file", tmp_path),
        "hostile": damaged("backing-file-protocol--json", tmp_path),
        "other": tmp_path / "other",
        "missing": tmp_path / "missing",
    }
    assert qcowscope("check", *(paths[name] for name in names)).status == status


def test_a_directory_without_an_image_is_not_taken_for_a_clean_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    finished = qcowscope("check", tmp_path)
    assert (finished.status, finished.out) == (63, "")
    assert finished.err == "qcowscope: left out: 1 other files\nqcowscope: no qcow2 image was found\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_said(store: Path) -> None:
    (store / "deep").chmod(0)
    search = find_images([str(store)])
    (store / "deep").chmod(0o755)
    assert search.failed == {f"{store}/deep": "permission denied"}


def test_a_name_that_is_no_text_is_shown_safely(tmp_path: Path) -> None:
    evil = os.fsencode(tmp_path) + b"/\xff\x1b[31m.qcow2"
    Path(os.fsdecode(evil)).write_bytes(sound("data-512").read_bytes())
    shutil.copyfile(sound("data-512"), tmp_path / "b.qcow2")
    finished = qcowscope("check", tmp_path)
    assert f"{tmp_path}/\\xff\\x1b[31m.qcow2: clean\n" in finished.out


def test_progress_is_shown_on_a_terminal_while_results_go_elsewhere(store: Path, tmp_path: Path) -> None:
    terminal, other_side = pty.openpty()
    command = [sys.executable, "-m", "forensic.cli", "check", "--json", str(store)]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "80"}
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=other_side, env=environment)
    os.close(other_side)
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that the other side has closed the terminal
        while piece := os.read(terminal, 4096):
            said += piece
    os.close(terminal)
    assert process.wait(timeout=120) == 2
    assert b"4/4" in said
    assert len((tmp_path / "out").read_text(encoding="utf-8").splitlines()) == 4


def named(path: str, options: argparse.Namespace) -> many.Outcome:
    return many.Outcome(ExitStatus.DONE, path)


@pytest.mark.parametrize("ahead", [1, 2, 32])
def test_few_results_are_held_at_a_time_and_all_come_in_order(ahead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "IMAGES_AHEAD", ahead)
    paths = [str(number) for number in range(150)]
    taken = 0

    class Counted(list[str]):
        def __iter__(self) -> Iterator[str]:
            nonlocal taken
            for path in super().__iter__():
                taken += 1
                yield path

    outcomes = many._in_a_pool(2, Counted(paths), argparse.Namespace(), named, None)
    for number, outcome in enumerate(outcomes):
        assert outcome is not None and outcome.output == paths[number]
        assert taken <= number + 2 * ahead
    assert taken == len(paths)
