"""What a command may write where: no path that it touches is an input, another output, or another run's."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.errors import OutputFailed
from forensic.evidence import Evidence
from forensic.output.new_file import NewFile
from forensic.output.paths import refuse

LINKS: dict[str, Callable[[Path, Path], object]] = {
    "name": lambda evidence, path: evidence.rename(path),
    "hard link": lambda evidence, path: os.link(evidence, path),
    "symbolic link": lambda evidence, path: path.symlink_to(evidence.name),
}


def refusal(*paths: Path, inputs: tuple[Evidence | Path, ...] = (), force: bool = True, resume: bool = False) -> str:
    with pytest.raises(OutputFailed) as refused:
        refuse(paths, inputs, force, resume)
    return refused.value.reason


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", ["out", "out.partial"])
@pytest.mark.parametrize("is_open", [True, False])
def test_an_input_is_never_written_to_by_whatever_name(link: str, name: str, is_open: bool, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    evidence.write_bytes(b"precious")
    LINKS[link](evidence, tmp_path / name)
    with Evidence(tmp_path / name) as opened:
        given: Evidence | Path = opened if is_open else tmp_path / name
        assert "is an input" in refusal(tmp_path / "first", tmp_path / "out", inputs=(given,))
    assert (tmp_path / name).read_bytes() == b"precious"


def test_no_two_outputs_need_one_name(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    others = (tmp_path / "out", tmp_path / "out.partial", tmp_path / "link" / "out")
    found = [refusal(tmp_path / "out", other) for other in others]
    assert all("two outputs need this name" in reason for reason in found)
    refuse([tmp_path / "out", tmp_path / "out.json"], (), force=False)


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdout", "/dev/new", "/proc/new", "/proc/self/new", "/sys/new"])
def test_a_place_that_is_not_for_files_is_refused(path: str) -> None:
    assert refusal(Path(path)) == "is not a regular file"
    assert refusal(Path(path), force=False) == "is not a regular file"


def test_what_exists_is_overwritten_by_force_alone(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    (tmp_path / "new.partial").touch()
    assert refusal(tmp_path / "out", force=False) == "exists already; --force overwrites it"
    assert "not completed; --resume continues it" in refusal(tmp_path / "new", force=False, resume=False)
    refuse([tmp_path / "out", tmp_path / "new"], (), force=True)
    refuse([tmp_path / "new"], (), force=False, resume=True)


@pytest.mark.parametrize(("force", "resume"), [(False, False), (True, False), (False, True), (True, True)])
def test_what_another_run_writes_is_left_alone(force: bool, resume: bool, tmp_path: Path) -> None:
    file = NewFile(tmp_path / "out")
    file.append(b"half")
    assert refusal(tmp_path / "out", force=force, resume=resume) == "is being written by another run"
    with pytest.raises(OutputFailed, match="is being written by another run"):
        NewFile.again(tmp_path / "out") if resume else NewFile(tmp_path / "out", force=True)
    assert (tmp_path / "out.partial").read_bytes() == b"half"
    file.complete()
    assert (tmp_path / "out").read_bytes() == b"half"


def test_a_run_that_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    code = "import os; from pathlib import Path; from forensic.output.new_file import NewFile; "
    code += f"file = NewFile(Path({str(tmp_path / 'out')!r})); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (tmp_path / "out.partial").exists()
    file = NewFile(tmp_path / "out", force=True)
    file.complete()
    assert os.listdir(tmp_path) == ["out"]


def test_a_link_that_was_left_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "out.partial").symlink_to("target")
    file = NewFile(tmp_path / "out", force=True)
    file.append(b"new")
    file.complete()
    assert ((tmp_path / "target").read_bytes(), (tmp_path / "out").read_bytes()) == (b"precious", b"new")
