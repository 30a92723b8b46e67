"""The README says what the commands say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from samples import recipes

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def command(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "forensic.cli", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_the_table_of_rules_is_what_the_registry_prints() -> None:
    table = re.search(r"<!-- rules: begin -->\n(.*?)\n<!-- rules: end -->", README, re.DOTALL)
    assert table is not None
    assert table.group(1) == command("rules", "--markdown").stdout.strip("\n")


def test_the_example_prints_what_it_is_said_to_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    recipes.apply(
        recipes.load(ROOT / "samples" / "damaged" / "l2-entry-outside-file.toml"), tmp_path / "suspicious.qcow2"
    )
    block = README.split("```\n$ python samples/recipes.py")[1].split("```")[0]
    steps = re.findall(r"^\$ qcowscope (.+)\n((?:(?!\$ ).*\n)*)\$ echo \$\?\n(\d+)$", block, re.MULTILINE)
    assert len(steps) == 2
    for arguments, printed, status in steps:
        done = command(*arguments.split(), folder=tmp_path)
        assert (done.stdout + done.stderr, done.returncode) == (printed, int(status))


def test_every_command_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `qcowscope ([a-z]+) ", README, re.MULTILINE)) | {"schema", "rules"}
    offered = set(re.findall(r"^    ([a-z]+)  ", command("--help").stdout, re.MULTILINE))
    assert offered - {"tui"} <= listed
