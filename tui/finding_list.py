"""Filtering and sorting of findings by what the examiner types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from forensic import Finding, Severity
from forensic.explore import FindingClass
from tui.session.triage import NOT_TRIAGED, STATES, Triaged

FILTER_HINT = "words   sev>=medium   sev=high   class:reference,hidden   code:l2   triage:none,seen"

_SEVERITY = re.compile(r"sev(>=|<=|=)(\w+)")


class BadFilter(ValueError):
    """A filter that cannot be understood; the text says why."""


def matching(findings: list[Finding], text: str, triaged: Mapping[str, Triaged]) -> list[Finding]:
    """The findings that fit every word of the filter; `triaged` by code. Raises `BadFilter`."""
    tests = [_test(word, triaged) for word in text.lower().split()]
    return [finding for finding in findings if all(test(finding) for test in tests)]


def in_order(findings: list[Finding], order: str, reverse: bool) -> list[Finding]:
    """By `severity` (worst first), `code`, `class` or `count` (most first)."""
    keys: dict[str, Callable[[Finding], tuple[int | str, ...]]] = {
        "severity": lambda finding: (-finding.severity.rank, finding.rule),
        "code": lambda finding: (finding.rule,),
        "class": lambda finding: (finding.finding_class.value, -finding.severity.rank),
        "count": lambda finding: (-finding.count, finding.rule),
    }
    return sorted(findings, key=keys[order], reverse=reverse)


ORDER_NAMES = ("severity", "code", "class", "count")


def _test(word: str, triaged: Mapping[str, Triaged]) -> Callable[[Finding], bool]:
    severity = _SEVERITY.fullmatch(word)
    if severity:
        return _severity_test(*severity.groups())
    if word.startswith("class:"):
        classes = word.removeprefix("class:").split(",")
        strange = [each for each in classes if not any(known.value.startswith(each) for known in FindingClass)]
        if strange:
            raise BadFilter(f"{strange[0]}: expected one of {', '.join(FindingClass)}")
        return lambda finding: any(finding.finding_class.value.startswith(each) for each in classes)
    if word.startswith("triage:"):
        states = word.removeprefix("triage:").split(",")
        unknown = [each for each in states if not any(state.startswith(each) for state in STATES)]
        if unknown:
            raise BadFilter(f"{unknown[0]}: expected one of {', '.join(STATES)}")
        return lambda finding: triaged.get(finding.rule, NOT_TRIAGED).state.startswith(tuple(states))
    name, colon, start = word.partition(":")
    if colon and name in ("code", "rule"):
        return lambda finding: finding.rule.startswith(start)
    return lambda finding: any(
        word in text.lower() for text in (finding.rule, finding.title, *(each.observation for each in finding.problems))
    )


def _severity_test(sign: str, name: str) -> Callable[[Finding], bool]:
    known = [severity for severity in Severity if severity.value.startswith(name)]
    if len(known) != 1:
        raise BadFilter(f"{name}: expected one of {', '.join(Severity)}")
    (limit,) = known
    if sign == ">=":
        return lambda finding: finding.severity >= limit
    if sign == "<=":
        return lambda finding: finding.severity <= limit
    return lambda finding: finding.severity == limit
