"""Wherever qemu-img check finds a fault, so do we; where we find one and it does not, the rules are listed here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.finding import Severity
from forensic.image import identify
from forensic.records.judgement import Verdict
from forensic.report.model import Judgement
from samples import oracle, recipes
from samples.kinds import Kind
from tests.damage_qcow2 import damages
from tests.images import QCOW2, SOUND, sample
from tests.oracles import require

CHANGES = 9
"""Damaged images for each kind: some 400 in all."""

KINDS = [kind for kind in QCOW2 if not kind.passphrase]
RECIPES = [each for each in recipes.all_recipes() if each.qemu != "ok" and not each.base.startswith("version-1")]

WE_ALONE = {
    "backing-format-unknown",
    "backing-format-unused",
    "backing-name-in-header",
    "backing-name-incomplete",
    "bitmap-name",
    "bitmaps-bit-without-extension",
    "compressed-stream-broken",
    "compressed-streams-overlap",
    "data-file-offset-differs",
    "extension-unknown",
    "header-corrupt",
    "header-dirty",
    "header-size-unaligned",
    "header-unknown-autoclear-features",
    "header-unknown-fields",
    "l1-entry-outside-file",
    "l1-table-outside-file",
    "l2-entry-beyond-disk",
    "l2-entry-cut-by-file-end",
    "l2-entry-without-offset",
    "l2-extended-zero-flag",
    "name-control-characters",
    "name-hidden-after-nul",
    "refcount-block-outside-file",
    "residue-appended",
    "residue-in-header",
    "snapshot-disk-size",
    "snapshot-extra-data-unknown",
    "snapshot-name-control-characters",
    "snapshot-saved-state-size",
    "snapshot-table-outside-file",
}
"""Rules of severity medium and above that speak of random damage with which qemu-img check is content."""

QEMU_ALONE = {"refcount-stale"}
"""Rules of ours that explain what qemu-img check counts as errors: the dirty bit announces refcounts that are stale."""

OF_OTHER_FILES = (b"Could not open backing file", b"No such file or directory")
"""QEMU refuses an image for a file that it names; we never look whether there is one."""


def judged(path: Path) -> Judgement:
    with Evidence(path) as evidence:
        return check(identify(evidence), strict=True)


def disagreement(word: str, verdict: Verdict) -> bool:
    """Whether QEMU found a fault that the verdict does not show."""
    if word == "corrupt":
        return verdict != Verdict.CORRUPT
    return word != "ok" and verdict == Verdict.CLEAN


def explained(judgement: Judgement) -> bool:
    """Whether we know a reason for what QEMU calls an error."""
    return any(finding.rule in QEMU_ALONE for finding in judgement.findings)


def refused_for_another_file(path: Path) -> bool:
    done = subprocess.run(["qemu-img", "check", path.name], cwd=path.parent, capture_output=True, check=False)
    return any(reason in done.stderr for reason in OF_OTHER_FILES)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_fault_that_qemu_finds_in_random_damage_is_missed(kind: Kind, tmp_path: Path) -> None:
    require("qemu-img")
    for companion in SOUND.glob(f"{kind.name}.*.*"):
        shutil.copyfile(companion, tmp_path / companion.name)
    path = tmp_path / "image.qcow2"
    missed, alone = [], set()
    for damage in damages(sample(kind).read_bytes(), kind.name, CHANGES):
        path.write_bytes(damage.content)
        word, judgement = oracle.check_word(path), judged(path)
        if disagreement(word, judgement.verdict()) and not (explained(judgement) or refused_for_another_file(path)):
            missed.append((damage.what, word, judgement.verdict().value))
        if word == "ok":
            alone |= {finding.rule for finding in judgement.findings if finding.severity.rank >= Severity.MEDIUM.rank}
    assert missed == []
    assert alone - WE_ALONE == set()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_no_fault_that_qemu_finds_in_a_recipe_is_missed(recipe: recipes.Recipe, tmp_path: Path) -> None:
    judgement = judged(recipes.apply(recipe, tmp_path / "image.qcow2"))
    verdict = judgement.verdict()
    needs_more = recipe.base in ("luks-4k", "aes-4k") or recipe.code.startswith(("backing-", "data-file-"))
    assert needs_more or explained(judgement) or not disagreement(recipe.qemu, verdict)
