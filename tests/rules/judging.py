"""Asking single rules about single structures, taken from samples and changed in one place."""

from pathlib import Path

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.finding import Problem
from forensic.image import Qcow2Image, identify
from forensic.rules import rule_of
from samples import recipes
from tests.images import SOUND


def problems(code: str, structure: object) -> list[Problem]:
    """What one rule says of one structure."""
    rule = rule_of(code)
    assert rule is not None, code
    return list(rule.check(structure))


def opened_sample(name: str) -> Qcow2Image:
    """A committed sample, open."""
    return Qcow2Image(Evidence(SOUND / f"{name}.qcow2"))


def codes_of(path: Path) -> set[str]:
    """Every code that the checker gives."""
    with Evidence(path) as evidence:
        return {finding.rule for finding in check(identify(evidence), strict=True).findings}


def damaged(folder: Path, base: str, changes: str) -> Path:
    """A sound sample with the changes of a recipe that is written here."""
    text = f'title = "t"\nbase = "{base}"\nexpect = []\nqemu = "ok"\n{changes}'
    path = folder / "changes.toml"
    path.write_text(text, encoding="utf-8")
    return recipes.apply(recipes.load(path), folder / "image.qcow2")


def poke(at: int | str, **change: int | str) -> str:
    """One poke of a recipe."""
    place = f'"{at}"' if isinstance(at, str) else at
    return f"\n[[poke]]\nat = {place}\n" + "".join(
        f'{form} = "{value}"\n' if isinstance(value, str) else f"{form} = {value}\n" for form, value in change.items()
    )
