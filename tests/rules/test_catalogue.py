"""Every known fault has a rule that reports it, or a reason why none does."""

import tomllib
from pathlib import Path

from forensic.rules import rule_of

CATALOGUE = tomllib.loads((Path(__file__).parent / "catalogue.toml").read_text(encoding="utf-8"))


def test_every_fault_leads_to_rules_that_exist() -> None:
    rules: dict[str, list[str]] = CATALOGUE["rules"]
    unknown = {fault: [code for code in codes if rule_of(code) is None] for fault, codes in rules.items()}
    assert {fault: codes for fault, codes in unknown.items() if codes} == {}
    assert [fault for fault, codes in rules.items() if not codes] == []


def test_a_fault_without_a_rule_has_a_reason_instead() -> None:
    reasons: dict[str, str] = CATALOGUE["reasons"]
    assert reasons.keys() & CATALOGUE["rules"].keys() == set()
    assert [fault for fault, reason in reasons.items() if not reason.strip()] == []
