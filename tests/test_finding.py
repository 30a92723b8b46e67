"""What is said about an image: severities in order, problems counted in full, findings in one sentence."""

from collections.abc import Iterator

from forensic.finding import Confidence, Finding, FindingClass, Problem, Problems, Severity, guest, host


def finding(*problems: Problem, count: int | None = None) -> Finding:
    total = len(problems) if count is None else count
    return Finding(
        "some-code", "A title", Severity.HIGH, FindingClass.LEAK, Confidence.LIKELY, "Header", total, problems
    )


def test_severities_rank_from_info_to_critical() -> None:
    ordered = sorted(Severity, key=lambda severity: severity.rank)
    assert [severity.value for severity in ordered] == ["info", "low", "medium", "high", "critical"]
    assert [severity.rank for severity in ordered] == [0, 1, 2, 3, 4]


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
    problem = Problem("observed", (host(16, 8), guest(512, 4096)), "L1[0]", {"entry_hex": "00"})
    ranges = [{"space": "host", "offset": 16, "length": 8}, {"space": "guest", "offset": 512, "length": 4096}]
    found = finding(problem)
    assert found.as_json() == {
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
        finding(Problem(text, (host(offset, 8),), "L1[0]")) for text, offset in (("a", 16), ("b", 16), ("a", 24))
    )
    assert first.fingerprint == reworded.fingerprint != elsewhere.fingerprint
    assert first.id == f"QF-{first.fingerprint[:8].upper()}"
