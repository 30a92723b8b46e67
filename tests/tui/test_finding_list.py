"""Filters of findings: what they mean, and that a word which can mean nothing is refused."""

from __future__ import annotations

import pytest

from forensic import check, open_image
from forensic.explore import FindingClass
from tests.images import SOUND
from tui.finding_list import BadFilter, matching


@pytest.mark.parametrize("word", ["class:foo", "class:info,foo", "sev>=foo", "triage:foo"])
def test_a_value_that_does_not_exist_is_refused_with_those_that_do(word: str) -> None:
    with pytest.raises(BadFilter, match="foo: expected one of"):
        matching([], word, {})


def test_every_class_can_be_asked_for_by_its_beginning() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        findings = list(check(image).findings)
    assert findings
    for kind in FindingClass:
        wanted = [each for each in findings if each.finding_class == kind]
        assert matching(findings, f"class:{kind.value}", {}) == wanted


def test_code_is_what_the_column_is_called_and_rule_means_the_same() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        findings = list(check(image).findings)
    start = findings[0].rule[:4]
    found = matching(findings, f"code:{start}", {})
    assert found and found == matching(findings, f"rule:{start}", {})
    assert all(each.rule.startswith(start) for each in found)
