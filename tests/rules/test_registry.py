"""A rule is one documented function: its name is the code, its docstring the documentation."""

import importlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import forensic.rules as rules_package
from forensic.finding import Confidence, FindingClass, Problem, Severity
from forensic.rules import Rule, all_rules, registry, rule_of

FAMILIES = sorted(
    path.stem
    for path in Path(rules_package.__file__).parent.glob("[a-z]*.py")
    if path.stem not in ("places", "registry")
)

each_rule = pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.code)


class Thing:
    """Something to examine."""


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Rule]:
    """A copy of the registry, so that what a test registers is gone after it."""
    copy = {rule.code: rule for rule in all_rules()}
    monkeypatch.setattr(registry, "_RULES", copy)
    return copy


def silent(_: Thing) -> Iterator[Problem]:
    """A title.

    Why: because
    it matters.
    Spec: Header
    QEMU: says nothing.
    Next: look.
    """
    return iter(())


def register(judge: Callable[[Thing], Iterator[Problem]]) -> Rule:
    registry.rule(Thing, Severity.LOW, FindingClass.ANOMALY, Confidence.POSSIBLE)(judge)
    return all_rules()[-1]


def named(name: str, documentation: str | None) -> Callable[[Thing], Iterator[Problem]]:
    def judge(_: Thing) -> Iterator[Problem]:
        return iter(())

    judge.__name__ = name
    judge.__doc__ = documentation
    return judge


@each_rule
def test_the_code_of_a_rule_is_the_name_of_its_function(rule: Rule) -> None:
    module = importlib.import_module(f"forensic.rules.{rule.family}")
    assert callable(getattr(module, rule.code.replace("-", "_")))
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.code)


@each_rule
def test_a_rule_is_documented_in_full(rule: Rule) -> None:
    assert list(rule.sections) == ["Why", "Spec", "QEMU", "Next"]
    assert all(rule.sections.values())
    assert rule.title == rule.title.strip().rstrip(".")
    assert "!" not in rule.title + "".join(rule.sections.values())


def test_codes_are_unique_and_each_is_found_by_its_own() -> None:
    codes = [rule.code for rule in all_rules()]
    assert len(codes) == len(set(codes))
    assert [rule_of(code) for code in codes] == all_rules()
    assert rule_of("no-such-rule") is None


def test_every_file_of_rules_is_imported_with_the_package() -> None:
    assert sorted({rule.family for rule in all_rules()} | {"__init__"} & set(FAMILIES)) == FAMILIES


def test_a_function_becomes_a_rule_with_what_its_docstring_says() -> None:
    rule = register(silent)
    assert rule.as_json() == {
        "code": "silent",
        "title": "A title",
        "severity": "low",
        "class": "anomaly",
        "confidence": "possible",
        "structure": "Thing",
        "family": rule.family,
        "spec": "Header",
        "why": "because it matters.",
        "qemu": "says nothing.",
        "next": "look.",
    }
    assert rule_of("silent") is rule
    assert list(rule.check(Thing())) == []


def test_a_rule_refuses_what_it_does_not_examine() -> None:
    with pytest.raises(TypeError, match="silent examines Thing, not str"):
        register(silent).check("something else")


def test_two_rules_of_one_name_are_refused() -> None:
    register(silent)
    with pytest.raises(ValueError, match="two rules are called silent"):
        register(silent)


@pytest.mark.parametrize(
    ("documentation", "missing"),
    [
        (None, "no Why, Spec, QEMU, Next in"),
        ("Title.", "no Why, Spec, QEMU, Next in"),
        ("Title.\n\nWhy: a\nQEMU: b\nNext: c", "no Spec in"),
        ("Title.\n\nWhy:\nSpec: a\nQEMU: b\nNext: c", "no Why in"),
        ("\n\nWhy: a\nSpec: a\nQEMU: b\nNext: c", "no Why in|no title in"),
    ],
)
def test_a_rule_without_documentation_is_refused(documentation: str | None, missing: str) -> None:
    with pytest.raises(ValueError, match=missing):
        register(named("undocumented", documentation))
    assert rule_of("undocumented") is None


@each_rule
def test_what_a_rule_examines_has_a_name_for_readers(rule: Rule) -> None:
    assert all(kind.__name__ in registry.STRUCTURES for kind in (rule.examines, *rule.also))
    assert rule.structure == registry.STRUCTURES[rule.examines.__name__]
