"""What is said about an image: severities in order, problems counted in full, findings in one sentence."""

import itertools
from collections.abc import Iterator

import pytest
from msgspec import to_builtins

from forensic.finding import Confidence, Finding, FindingClass, Problem, Problems, Severity, guest_range, host_range
from forensic.report.model import finding_record


def finding(*problems: Problem, count: int | None = None) -> Finding:
    total = len(problems) if count is None else count
    return Finding(
        "some-code", "A title", Severity.HIGH, FindingClass.LEAK, Confidence.LIKELY, "Header", total, problems
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [(["info", "low", "medium", "high", "critical"], Severity), (["possible", "likely", "certain"], Confidence)],
)
def test_severities_and_confidences_are_ordered_by_what_they_mean(
    words: list[str], kind: type[Severity] | type[Confidence]
) -> None:
    members = [kind(word) for word in words]
    assert sorted(words, key=kind) == [member.value for member in sorted(kind)] == words
    assert (max(members), min(members)) == (kind(words[-1]), kind(words[0]))
    assert [member.rank for member in members] == list(range(len(words)))
    for (a, left), (b, right) in itertools.product(enumerate(members), repeat=2):
        expected = (a < b, a <= b, a > b, a >= b)
        assert (left < right, left <= right, left > right, left >= right) == expected
        assert (left.value < right, left.value <= right, left > right.value, left >= right.value) == expected


def test_a_severity_is_not_compared_with_what_is_none() -> None:
    with pytest.raises(ValueError, match="harmless"):
        _ = Severity.HIGH > "harmless"


def test_problems_are_worded_no_more_often_than_they_are_counted() -> None:
    worded: list[int] = []

    def described() -> Iterator[Problem]:
        for number in range(10):
            worded.append(number)
            yield Problem(str(number))

    assert [problem.observation for problem in Problems(3, described)] == ["0", "1", "2"]
    assert worded == [0, 1, 2]


def test_a_finding_says_its_first_problem_and_how_many_follow() -> None:
    first, second = Problem("the first"), Problem("the second")
    assert [each.observation for each in (finding(), finding(first), finding(first, second, count=1234))] == [
        "A title",
        "the first",
        "the first (and 1,233 more)",
    ]


def test_a_report_holds_every_problem_with_its_ranges() -> None:
    problem = Problem("observed", (host_range(16, 8), guest_range(512, 4096)), "L1[0]", {"entry_hex": "00"})
    ranges = [{"space": "host", "offset": 16, "length": 8}, {"space": "guest", "offset": 512, "length": 4096}]
    found = finding(problem)
    assert to_builtins(finding_record(found)) == {
        "id": found.id,
        "fingerprint": found.fingerprint,
        "rule": "some-code",
        "title": "A title",
        "severity": "high",
        "class": "leak",
        "confidence": "likely",
        "spec": "Header",
        "count": 1,
        "observation": "observed",
        "interpretation": "",
        "qemu": "",
        "next_step": "",
        "structure_path": "L1[0]",
        "ranges": ranges,
        "problems": [
            {"observation": "observed", "structure_path": "L1[0]", "ranges": ranges, "values": {"entry_hex": "00"}}
        ],
        "problems_not_listed": 0,
    }


def test_a_fingerprint_stays_when_the_wording_changes_and_differs_with_the_place() -> None:
    first, reworded, elsewhere = (
        finding(Problem(text, (host_range(offset, 8),), "L1[0]")) for text, offset in (("a", 16), ("b", 16), ("a", 24))
    )
    assert first.fingerprint == reworded.fingerprint != elsewhere.fingerprint
    assert first.id == f"QF-{first.fingerprint[:8].upper()}"
