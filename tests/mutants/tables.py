"""The two tables beside this module: which modules are changed and how, and which changes are no change."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = Path(__file__).parent / "modules.toml"
EQUIVALENT = Path(__file__).parent / "equivalent.toml"


@dataclass(frozen=True)
class Module:
    """A module that is changed, the tests that belong to it, and its constants whose values only cost or save time."""

    path: str
    tests: tuple[str, ...]
    tuned: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Its text."""
        return (ROOT / self.path).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Equivalent:
    """A change of a line (`before`, `after`) in a function `where` that no test can tell, and the `reason`."""

    where: str
    before: str
    after: str
    reason: str


def modules() -> list[Module]:
    """The modules, in the order of the table."""
    table = tomllib.loads(MODULES.read_text(encoding="utf-8"))
    return [Module(path, tuple(entry["tests"]), tuple(entry.get("tuned", ()))) for path, entry in table.items()]


def equivalents() -> dict[str, list[Equivalent]]:
    """The changes that are no change, by the path of their module."""
    table = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    return {path: [Equivalent(**entry) for entry in entries] for path, entries in table.items()}
