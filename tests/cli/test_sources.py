"""The options that supply files and keys, and proof that nothing else is opened."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic.disk.disk import Disk
from forensic.mapping.rows import Rows
from samples import recipes
from samples.kinds import PASSPHRASE, Kind
from tests.commands import QCOW2_KINDS, RECIPES, Finished, damaged, qcowscope, sound
from tests.images import SOUND, described
from tests.oracles import require

NEEDY = [kind for kind in QCOW2_KINDS if kind.backing or kind.data_file]
NAMING = [recipe for recipe in RECIPES if re.search("backing|data-file|version-1-b", recipe.name)]
"""Damaged images that name other files, most of them files no image should name."""


def extracted(folder: Path, image: Path, *options: str | os.PathLike[str]) -> Finished:
    return qcowscope("extract", image, "-o", folder / "out.raw", *options)


def key_file(folder: Path, passphrase: str = PASSPHRASE) -> Path:
    path = folder / "key"
    path.write_text(passphrase + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("kind", NEEDY, ids=lambda kind: kind.name)
def test_files_given_on_the_command_line_complete_the_disk(kind: Kind, tmp_path: Path) -> None:
    options: list[str] = []
    for suffix in kind.backing:
        options += ["--backing", str(SOUND / f"{kind.name}.{suffix}"), "--backing-format", suffix.rpartition(".")[2]]
    if kind.data_file:
        options += ["--data-file", str(SOUND / f"{kind.name}.{kind.data_file}")]
    report = tmp_path / "report.json"
    done = extracted(tmp_path, sound(kind.name), *options, "--report", f"json:{report}")
    assert (done.status, done.err) == (0, "")
    assert hashlib.sha256((tmp_path / "out.raw").read_bytes()).hexdigest() == described(kind)["raw_sha256"]
    result = json.loads(report.read_text(encoding="utf-8"))["result"]
    assert all(reference["followed"] and reference["supplied_sha256"] for reference in result["references"])
    without = qcowscope("extract", sound(kind.name), "-o", tmp_path / "without.raw")
    assert without.status == 5
    assert "backing_not_supplied" in without.err or "data_file_not_supplied" in without.err


@pytest.mark.parametrize("name", ["luks-4k", "aes-4k"])
def test_a_key_file_opens_an_image_and_its_content_is_nowhere_in_the_report(name: str, tmp_path: Path) -> None:
    reports = [f"{kind}:{tmp_path / f'report.{kind}'}" for kind in ("json", "log", "html", "ledger")]
    options = [word for report in reports for word in ("--report", report)]
    done = extracted(tmp_path, sound(name), "--key-file", key_file(tmp_path), *options)
    assert done.status == 0
    written = b"".join(path.read_bytes() for path in tmp_path.glob("report.*")) + (done.out + done.err).encode()
    assert PASSPHRASE.encode() not in written
    assert PASSPHRASE.encode().hex().encode() not in written


def test_without_a_key_encrypted_ranges_are_missing_and_with_a_wrong_one_nothing_is_written(tmp_path: Path) -> None:
    assert extracted(tmp_path, sound("luks-4k")).status == 5
    (tmp_path / "out.raw").unlink()
    done = extracted(tmp_path, sound("luks-4k"), "--key-file", key_file(tmp_path, "wrong"))
    assert done.status == 1
    assert done.err == f"qcowscope: {sound('luks-4k')}: the passphrase opens none of the 1 key slots in use\n"
    assert not list(tmp_path.glob("out.raw*"))


def test_ciphertext_is_labelled_in_the_report_and_on_the_terminal(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = extracted(tmp_path, sound("luks-4k"), "--ciphertext", "--report", f"json:{report}")
    note = "the image: data is given as it is stored, encrypted with luks, not as the guest saw it"
    assert (done.status, done.err) == (0, f"note: {note}\n")
    assert json.loads(report.read_text(encoding="utf-8"))["result"]["extraction"]["caveats"] == [note]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--ciphertext", "--key-file", "x"], "--ciphertext and --key-file exclude each other"),
        (["--vm-state"], "--vm-state needs --snapshot"),
        (["--backing-format", "raw"], "--backing-format goes after the --backing that it applies to"),
        (["--backing", "x", "--backing-format", "vmdk"], "invalid choice"),
        (["--snapshot", "nothing"], "no snapshot has the id, name or index nothing"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(tmp_path: Path, options: list[str], complaint: str) -> None:
    done = extracted(tmp_path, sound("luks-4k"), *options)
    assert done.status == 64
    assert complaint in done.err
    assert not list(tmp_path.iterdir())


def test_the_passphrase_is_asked_for_on_a_terminal_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return PASSPHRASE

    monkeypatch.setattr("getpass.getpass", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert extracted(tmp_path, sound("luks-4k")).status == 0
    assert asked == [f"passphrase for {sound('luks-4k')} (empty: none): "]
    assert extracted(tmp_path, sound("data-512"), "--force").status == 0
    assert len(asked) == 1


def test_no_answer_is_no_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end_of_file(prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", end_of_file)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    done = extracted(tmp_path, sound("luks-4k"))
    assert (done.status, "key_not_supplied" in done.err) == (5, True)


def test_a_snapshot_is_mapped_and_extracted_under_its_name(tmp_path: Path) -> None:
    image = sound("snapshots-512")
    listed = json.loads(qcowscope("map", image, "--json", "--snapshot", "first").out)
    assert sum(extent["length"] for extent in listed) == 16384
    report = tmp_path / "report.json"
    assert extracted(tmp_path, image, "--snapshot", "#0", "--report", f"json:{report}").status == 0
    assert json.loads(report.read_text(encoding="utf-8"))["result"]["extraction"]["target"] == "snapshot:0"


def test_map_needs_no_key_and_shows_the_levels() -> None:
    assert "level" in qcowscope("map", sound("luks-4k")).out
    base = SOUND / "overlay-qcow2.backing.qcow2"
    listed = json.loads(qcowscope("map", sound("overlay-qcow2"), "--json", "--backing", base).out)
    assert {extent["depth"] for extent in listed if extent["data"]} == {0, 1}


def test_differences_are_printed_for_people_and_for_programs() -> None:
    image = sound("snapshots-512")
    done = qcowscope("diff", image, "--snapshot", "first")
    assert (done.status, done.out.splitlines()[-1]) == (0, "1,536 bytes differ")
    document = json.loads(qcowscope("diff", image, "--json", "--snapshot", "first", "--snapshot", "second").out)
    assert [(entry["start"], entry["length"], entry["relation"]) for entry in document["ranges"]] == [
        (512, 512, "differs"),
        (4096, 512, "differs"),
    ]
    assert document["bytes"] == {"differs": 1024}
    assert qcowscope("diff", image, image).out.splitlines()[-1] == "no difference"
    assert qcowscope("diff", sound("overlay-raw"), sound("data-512")).status == 5


def test_a_raw_disk_is_compared_with_the_image_it_came_from(tmp_path: Path) -> None:
    image, raw = sound("deflate-4k"), tmp_path / "out.raw"
    extracted(tmp_path, image)
    done = qcowscope("diff", image, raw, "--other-format", "raw")
    assert (done.status, done.out.splitlines()[-1]) == (0, "no difference")
    guessed = qcowscope("diff", raw, image).out.splitlines()
    assert guessed[-2] == "no difference"
    assert guessed[-1].startswith(f"note: {raw} is read as a raw disk, since it is not a qcow2 image: it ")
    content = raw.read_bytes()
    raw.write_bytes(content[:700] + b"\xee" + content[701:] + b"x")
    document = json.loads(qcowscope("diff", image, raw, "--other-format", "raw", "--json").out)
    assert document["bytes"] == {"differs": 512, "only_in_second": 1}
    assert document["second"] == {"target": "raw", "size": len(content) + 1, "files": [str(raw)]}
    last = qcowscope("diff", image, raw).out.splitlines()[-2]
    assert last == "512 bytes differ, 1 byte only in the second"


@pytest.mark.parametrize("word", ["raw", "qcow", "qcow2"])
def test_a_side_is_read_as_it_is_told_or_not_at_all(word: str) -> None:
    image = sound("data-512")
    done = qcowscope("diff", image, image, "--format", word)
    assert done.status == {"raw": 0, "qcow": 63, "qcow2": 0}[word]
    content = image.stat().st_size
    last = done.out.splitlines()[-1] if done.out else done.err
    assert ("only in the" in last and f"{abs(content - 16384):,}" in last) == (word == "raw")


def test_the_second_image_has_files_of_its_own(tmp_path: Path) -> None:
    image, other, third = sound("overlay-qcow2"), sound("overlay-raw"), sound("data-file")
    mine = ["--backing", str(SOUND / "overlay-qcow2.backing.qcow2")]
    theirs = ["backing", str(SOUND / "overlay-raw.backing.raw"), "backing-format", "raw"]
    assert qcowscope("diff", image, other, *mine).status == 5
    done = qcowscope("diff", image, other, *mine, *of_options("--other-", theirs), "--json")
    assert done.status == 0
    assert extracted(tmp_path, image, *mine).status == 0
    first = (tmp_path / "out.raw").read_bytes()
    assert extracted(tmp_path, other, *of_options("--", theirs), "--force").status == 0
    second = (tmp_path / "out.raw").read_bytes()
    unlike = sum(first[at : at + 512] != second[at : at + 512] for at in range(0, len(first), 512))
    assert json.loads(done.out)["bytes"] == {"differs": 512 * unlike}
    assert qcowscope("diff", image, third, *mine).status == 5
    data = ["--other-data-file", str(SOUND / "data-file.data.raw")]
    assert qcowscope("diff", image, third, *mine, *data).status == 0


def of_options(prefix: str, words: list[str]) -> list[str]:
    """Option names, each followed by its value, with a prefix before every name."""
    return [word if number % 2 else prefix + word for number, word in enumerate(words)]


def test_the_second_image_may_have_a_key_of_its_own(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong", encoding="utf-8")
    right = key_file(tmp_path)
    pair: list[str | Path] = ["diff", sound("luks-4k"), sound("luks-4k")]
    assert qcowscope(*pair, "--key-file", right).status == 0
    assert qcowscope(*pair, "--key-file", wrong, "--other-key-file", right).status == 1
    assert qcowscope(*pair, "--key-file", right, "--other-key-file", wrong).status == 1
    assert qcowscope("diff", sound("data-4k"), sound("luks-4k"), "--other-key-file", right).status == 0
    assert qcowscope("diff", sound("data-4k"), sound("luks-4k")).status == 5


def test_a_format_goes_after_the_file_it_is_about() -> None:
    done = qcowscope("diff", sound("data-4k"), sound("luks-4k"), "--backing", "x", "--other-backing-format", "raw")
    assert done.status == 64
    assert "--other-backing-format goes after the --other-backing that it applies to" in done.err


def test_a_side_that_changes_meanwhile_is_not_is_reliable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = damaged("header-dirty", tmp_path)
    real = Disk.row_batches

    def row_batches(self: Disk, *arguments: int) -> Iterator[Rows]:
        os.utime(image)
        return real(self, *arguments)

    monkeypatch.setattr(Disk, "row_batches", row_batches)
    done = qcowscope("diff", image, sound("data-512"))
    assert done.status == 1
    assert f"{image} changed while it was being read" in done.err


@pytest.mark.parametrize(
    "options",
    [[], ["other", "--snapshot", "1"], [*["--snapshot", "1"] * 3], ["--snapshot", "1", "--other-backing", "x"]],
)
def test_a_comparison_has_two_sides(options: list[str]) -> None:
    assert qcowscope("diff", sound("snapshots-512"), *options).status == 64


OPENED = re.compile(r'^(?:\d+ +)?open(?:at)?\((?:AT_FDCWD, )?"([^"]*)"')


def opened_by(folder: Path, *arguments: str) -> set[str]:
    """The files outside Python's own that one command opened, or tried to open."""
    trace = folder / "trace"
    command = ["strace", "-f", "-qq", "-e", "trace=open,openat,connect,execve", "-o", str(trace)]
    environment = os.environ | {"LOGNAME": "examiner"}  # else the name is looked up in /etc/passwd
    command += [sys.executable, "-m", "forensic.cli", *arguments]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    begins = next(number for number, line in enumerate(lines) if str(folder / "evidence") in line and "open" in line)
    assert not [line for line in lines[begins:] if "connect(" in line or "execve(" in line]
    found = {match[1] for line in lines[begins:] if (match := OPENED.match(line))}
    return {path for path in found if not path.endswith((".py", ".pyc", ".so", ".pth")) and not os.path.isdir(path)}


def quiet(paths: set[str]) -> set[str]:
    """Without what loading a library or asking for the time and the user reads."""
    ours = ("/proc/self/", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/", "/sys/fs/cgroup")
    system = ("/etc/localtime", "/etc/ld.so.cache", "/usr/share/zoneinfo", "/etc/ssl", "/lib", "/usr/lib")
    return {path for path in paths if not path.startswith((*ours, *system, sys.prefix, sys.base_prefix))}


@pytest.mark.parametrize("command", ["check", "extract", "map"])
@pytest.mark.parametrize("recipe", NAMING, ids=lambda recipe: recipe.name)
def test_under_strace_no_file_is_opened_but_the_named_ones(
    recipe: recipes.Recipe, command: str, tmp_path: Path
) -> None:
    require("strace")
    folder = tmp_path / "evidence"
    folder.mkdir()
    image, output = damaged(recipe.name, folder), tmp_path / "out.raw"
    options = ["-o", str(output)] if command == "extract" else []
    found = quiet(opened_by(tmp_path, command, str(image), *options))
    ours = {str(image), str(tmp_path), str(output), f"{output}.partial"}
    assert {path for path in found if not path.startswith(str(output))} <= ours
    secret = Path("/etc/passwd").read_bytes()[:64]
    assert not output.exists() or secret not in output.read_bytes()


@pytest.mark.parametrize(
    ("recipe", "doubt"),
    [
        ("header-unknown-incompatible-features", "sets unknown incompatible features"),
        ("header-crypt-method", "is encrypted by an unknown method"),
        ("header-extended-l2-cluster-size", "has extended L2 entries, but clusters too small for them"),
        ("l1-table-unaligned", "has its L1 table at 0x608, which is not a cluster boundary"),
    ],
)
def test_an_image_that_qemu_refuses_as_a_whole_is_never_extracted_without_a_word(
    recipe: str, doubt: str, tmp_path: Path
) -> None:
    image, report = damaged(recipe, tmp_path), tmp_path / "report.json"
    done = extracted(tmp_path, image, "--report", f"json:{report}", "--report", f"log:{tmp_path / 'log'}")
    (note,) = json.loads(report.read_text(encoding="utf-8"))["result"]["extraction"]["caveats"]
    assert note.startswith(f"the image {doubt}")
    assert done.err == f"note: {note}\n"
    assert note in (tmp_path / "log").read_text("ascii")


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_a_sound_image_raises_no_doubt(kind: Kind, tmp_path: Path) -> None:
    assert "note:" not in extracted(tmp_path, sound(kind.name)).err
