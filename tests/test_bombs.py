"""No bomb takes more than seconds and 300 MiB, whatever it claims; the rest is refused by name, not by waiting."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.qcow2.budget import Limits
from forensic.qcow2.image import identify
from forensic.report.model import CheckStatus, Verdict
from samples import recipes
from tests.bombs import BOMBS

MEMORY = 300 << 20
SECONDS = 60
"""Ten are wanted; the rest is for a machine that does something else as well. A bomb takes minutes or hours."""


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_judged_within_bounds(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.qcow2"
    BOMBS[name](path)
    command = [sys.executable, "-m", "forensic.cli", "check", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        output, complaint = process.communicate(timeout=SECONDS)
        _, _, usage = os.wait3(os.WNOHANG) if process.returncode is None else (0, 0, None)
    assert usage is None
    assert (process.returncode, complaint) in [(2, ""), (4, ""), (1, "")]
    assert "internal error" not in output


def test_the_bombs_stay_below_the_memory_limit(tmp_path: Path) -> None:
    # Peak memory is only told for all children together, so the largest of them has to fit.
    program = (
        "import resource, subprocess, sys\n"
        "for path in sys.argv[1:]:\n"
        "    subprocess.run([sys.executable, '-m', 'forensic.cli', 'check', path], stdout=subprocess.DEVNULL)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)\n"
    )
    paths = []
    for name in ("one_table_for_all", "strewn", "many_snapshots_in_a_hole"):
        paths.append(str(tmp_path / name))
        BOMBS[name](tmp_path / name)
    done = subprocess.run([sys.executable, "-c", program, *paths], capture_output=True, text=True, check=True)
    assert int(done.stdout) < MEMORY


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
