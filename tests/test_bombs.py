"""No bomb takes more than seconds and 300 MiB, whatever it claims; the rest is refused by name, not by waiting."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from forensic.budget import Limits
from forensic.checking import check
from forensic.evidence import Evidence
from forensic.image import identify
from forensic.records.judgement import CheckStatus, Verdict
from samples import recipes
from tests.bombs import BOMBS

MEMORY = 300 << 20
SECONDS = 30
"""Of processor time; ten are wanted, the rest is for a slow machine. A bomb takes minutes or hours."""

COMMANDS = {
    "check": ["check"],
    "map": ["map"],
    "map-json": ["map", "--json"],
    "owner": ["owner", "--at", "0x50000"],
    "extract": ["extract", "--range", "0:1M", "--output", "-"],
}
OF_LISTS = {
    "info": ["info", "--json"],
    **{f"check-{name}": ["check", "--format", name] for name in ("json", "jsonl", "sarif", "html", "markdown")},
}
LISTS = ["most_snapshots_of_one_table", "tiny_snapshots", "snapshots_with_long_names", "many_bitmap_tables"]


_LAUNCHER = """
import os, resource, sys
child = os.posix_spawn(sys.executable, [sys.executable, "-m", "forensic.cli", *sys.argv[2:]], os.environ)
resource.prlimit(child, resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
_, status, usage = os.wait4(child, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10, file=sys.stderr)
"""
"""A small process starts the command: one that this large one forks would be as large at first."""


def _run(arguments: list[str], path: Path) -> None:
    """Run a command on a bomb: it ends by itself, soon, with little memory and without an internal error."""
    command = [sys.executable, "-c", _LAUNCHER, str(SECONDS), *arguments, str(path)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True)
    *said, measured = done.stderr.splitlines()
    status, memory = map(int, measured.split())
    assert status in (0, 1, 2, 4, 5), said
    assert not any(word in line for word in ("Traceback", "internal error") for line in said), said
    assert memory < MEMORY


@pytest.mark.parametrize("name", BOMBS)
def test_every_command_ends_soon_and_takes_little_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    BOMBS[name](path)
    for arguments in COMMANDS.values():
        _run(arguments, path)


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_thousands_fit_every_report(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    BOMBS[name](path)
    for arguments in OF_LISTS.values():
        _run(arguments, path)


def test_a_map_of_tables_that_are_used_again_and_again_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    BOMBS["one_table_for_all"](path)
    command = [sys.executable, "-m", "forensic.cli", "map", "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the same L2 tables again and again" in done.stderr
    last = json.loads(done.stdout.rstrip("]\n").rpartition("\n")[2])
    assert f"stopped at guest offset {last['start'] + last['length']:#x}" in done.stderr
    assert done.stdout.endswith("]\n")


def test_a_time_limit_leaves_the_verdict_undetermined_and_says_what_was_left_out(tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "residue-at-file-end.toml")
    with Evidence(recipes.apply(recipe, tmp_path / "image.qcow2")) as evidence:
        judgement = check(identify(evidence), strict=True, limits=Limits(seconds=0))
    assert judgement.verdict() == Verdict.UNDETERMINED
    assert [finding.rule for finding in judgement.findings] == ["limit-reached"]
    reasons = {made.code: made.reason for made in judgement.checks if made.status == CheckStatus.NOT_RUN}
    assert "the time limit of 0 s was reached" in reasons["l1-entry-reserved-bits"]


def test_corruption_that_was_seen_before_a_limit_stays_corruption(tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "header-corrupt.toml")
    with Evidence(recipes.apply(recipe, tmp_path / "image.qcow2")) as evidence:
        judgement = check(identify(evidence), strict=True, limits=Limits(seconds=0))
    assert judgement.verdict() == Verdict.CORRUPT


def test_less_memory_gives_the_same_judgement(tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    BOMBS["strewn"](path)
    with Evidence(path) as evidence:
        usual, spare = (check(identify(evidence), strict=True, limits=Limits(memory=size)) for size in (None, 1))
    assert spare == usual
