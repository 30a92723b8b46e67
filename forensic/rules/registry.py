"""The rule registry: a rule is one function; its name is the code, its docstring the documentation.

The docstring has a first line (the title) and the sections `Why:`, `Spec:`, `QEMU:` and `Next:`, each one paragraph.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from msgspec import Struct

from forensic.finding import Confidence, FindingClass, Problem, Severity
from forensic.untrusted import Json

Examined = TypeVar("Examined")

SECTIONS = ("Why", "Spec", "QEMU", "Next")


STRUCTURES = {
    "BitmapDirectory": "bitmap directory",
    "BitmapTable": "bitmap table",
    "ClusterUsage": "host cluster whose use or refcount is wrong",
    "ForeignFile": "unrecognised file",
    "FreeResidue": "free host cluster that holds data",
    "HeaderCluster": "header cluster",
    "L1Table": "L1 table",
    "L2Batch": "L2 table",
    "LeakedClusters": "leaked cluster",
    "LuksHeader": "LUKS header",
    "Planned": "recovery plan",
    "Qcow1Header": "version 1 header",
    "Qcow1L1": "version 1 L1 table",
    "Qcow1L2Batch": "version 1 L2 table",
    "Qcow1Usage": "version 1 cluster that lies over another structure",
    "RefcountTable": "refcount table",
    "RefcountsBeyondFile": "refcount past the end of the file",
    "Residue": "unused space in structures",
    "SnapshotTable": "snapshot table",
    "StreamBatch": "compressed cluster",
    "StreamOverlaps": "overlapping compressed stream",
    "Totals": "total of the tables",
    "Unexamined": "part that was left out",
    "UnreadRanges": "unreadable range",
    "Unreferenced": "unreferenced cluster",
}
"""What a reader calls the structures that rules examine, by the names of their types."""


class Rule(Struct, frozen=True):
    """What a rule is called, what it examines and what its findings are worth.

    `family` is the part of the format it is about, the name of the file it stands in.
    """

    code: str
    examines: type[object]
    family: str
    severity: Severity
    finding_class: FindingClass
    confidence: Confidence
    title: str
    sections: dict[str, str]
    check: Callable[[object], Iterable[Problem]]
    also: tuple[type[object], ...] = ()
    """Other structures that the rule examines, such as the header of version 1."""

    @property
    def spec(self) -> str:
        """The section of the specification that the rule follows."""
        return self.sections["Spec"]

    @property
    def structure(self) -> str:
        """What the rule examines, in a reader's words."""
        return STRUCTURES.get(self.examines.__name__, self.examines.__name__)

    def as_json(self) -> Json:
        """One row of `qcowscope rules --json`."""
        return {
            "code": self.code,
            "title": self.title,
            "severity": self.severity.value,
            "class": self.finding_class.value,
            "confidence": self.confidence.value,
            "structure": self.examines.__name__,
            "family": self.family,
            "spec": self.spec,
            "why": self.sections["Why"],
            "qemu": self.sections["QEMU"],
            "next": self.sections["Next"],
        }


_RULES: dict[str, Rule] = {}


def rule(
    examines: type[Examined],
    severity: Severity,
    finding_class: FindingClass,
    confidence: Confidence = Confidence.CERTAIN,
    also: tuple[type[object], ...] = (),
) -> Callable[[Callable[[Examined], Iterable[Problem]]], Callable[[Examined], Iterable[Problem]]]:
    """Register the decorated function as a rule about structures of the type `examines`, and of those in `also`."""

    def register(judge: Callable[[Examined], Iterable[Problem]]) -> Callable[[Examined], Iterable[Problem]]:
        judged: Callable[..., Iterable[Problem]] = judge

        def check(structure: object) -> Iterable[Problem]:
            if not isinstance(structure, (examines, *also)):
                raise TypeError(f"{code} examines {examines.__name__}, not {type(structure).__name__}")
            return judged(structure)

        code = judge.__name__.replace("_", "-")
        if code in _RULES:
            raise ValueError(f"two rules are called {code}")
        title, sections = _documentation(judge)
        family = judge.__module__.rpartition(".")[2]
        _RULES[code] = Rule(code, examines, family, severity, finding_class, confidence, title, sections, check, also)
        return judge

    return register


def all_rules() -> list[Rule]:
    """Every registered rule, in the order of the files and of the lines in them."""
    return list(_RULES.values())


def rule_of(code: str) -> Rule | None:
    """The rule with this code."""
    return _RULES.get(code)


def _written_documentation(check: Callable[..., object]) -> str:
    """The docstring as it stands in the source: an interpreter that is told to optimise (-OO) has thrown it away."""
    return _docstrings_in(check.__code__.co_filename).get(check.__name__, "") if sys.flags.optimize > 1 else ""


@cache
def _docstrings_in(file: str) -> dict[str, str]:
    import ast
    import linecache

    functions = [
        node for node in ast.parse("".join(linecache.getlines(file))).body if isinstance(node, ast.FunctionDef)
    ]
    return {function.name: ast.get_docstring(function) or "" for function in functions}


def _documentation(check: Callable[..., object]) -> tuple[str, dict[str, str]]:
    """Title and sections of a rule's docstring. Raises `ValueError` if one is missing."""
    lines = [line.strip() for line in (check.__doc__ or _written_documentation(check)).splitlines()]
    sections: dict[str, str] = {}
    current = ""
    for line in lines[1:]:
        name, colon, rest = line.partition(":")
        if colon and name in SECTIONS:
            current = name
            sections[current] = rest.strip()
        elif current:
            sections[current] = f"{sections[current]} {line}".strip()
    missing = [name for name in SECTIONS if not sections.get(name)]
    title = lines[0].rstrip(".") if lines else ""
    if missing or not title:
        raise ValueError(f"rule {check.__name__} has no {', '.join(missing) or 'title'} in its docstring")
    return title, sections
