"""What the checker says: exactly what is expected of every sample, sound or damaged."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

import forensic.checking as checking
from forensic.checking import LISTED_PROBLEMS, check
from forensic.evidence import Evidence
from forensic.finding import Confidence, Finding, FindingClass, Problem, Problems, Severity
from forensic.image import identify
from forensic.qcow2.metadata import HeaderCluster
from forensic.qcow2.tables import L1Table
from forensic.records.judgement import CheckStatus
from forensic.report.model import Check, Judgement
from forensic.rules import Rule, all_rules
from forensic.rules.registry import STRUCTURES
from samples.kinds import Kind
from samples.recipes import Recipe, all_recipes, apply, find_places, find_range
from tests.images import COMMITTED, QCOW2, header, sample, tiny, written

RECIPES = all_recipes()
SLOW = "snapshot-count-too-large"  # 65536 entries to read

Said = tuple[str, str, str, int, list[tuple[str, int, int]]]


def judged(path: Path) -> Judgement:
    with Evidence(path) as evidence:
        return check(identify(evidence), strict=True)


def codes(judgement: Judgement) -> list[str]:
    return sorted(finding.rule for finding in judgement.findings)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_damaged_sample_gives_exactly_the_codes_of_its_recipe(recipe: Recipe, tmp_path: Path) -> None:
    found = judged(apply(recipe, tmp_path / "damaged.qcow2"))
    assert codes(found) == sorted(recipe.expect)
    assert recipe.code in recipe.expect
    assert all(finding.problems and finding.observation for finding in found.findings)
    places = [place for each in found.findings for problem in each.problems for place in problem.ranges]
    assert all(place.offset >= 0 and place.length >= 0 for place in places)
    assert [said(finding) for finding in found.findings] == expected(recipe, found.findings)


def said(finding: Finding) -> Said:
    """What a recipe writes down of a finding: code, severity, confidence, count, and where its first problem is."""
    places = [(place.space.value, place.offset, place.length) for place in finding.problems[0].ranges]
    return finding.rule, finding.severity.value, finding.confidence.value, finding.count, places


def expected(recipe: Recipe, order: Iterable[Finding]) -> list[Said]:
    """The same as the recipe has it, in the order in which the findings come."""
    names = find_places(recipe.base_image.read_bytes())
    by_code = {
        each.code: (
            each.code, each.severity, each.confidence, each.count, [find_range(place, names) for place in each.places],
        )
        for each in recipe.findings
    }  # fmt: skip
    return [by_code[finding.rule] for finding in order]


def test_every_recipe_says_what_each_of_its_findings_must_say() -> None:
    assert [recipe.name for recipe in RECIPES if tuple(each.code for each in recipe.findings) != recipe.expect] == []


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_a_sound_sample_gives_what_its_description_expects_and_no_more_than_info(kind: Kind) -> None:
    found = judged(sample(kind))
    assert codes(found) == sorted(kind.expect)
    assert {finding.severity for finding in found.findings} <= {Severity.INFO}
    assert [each for each in found.checks if each.status == CheckStatus.FAIL and each.code not in kind.expect] == []


OF_THE_MEDIUM = {"evidence-unreadable"}
"""No bytes of an image make a read fail; `test_read_errors` does."""

OF_A_PLAN = {"recovered-by-inference"}
"""Nor is a recovery plan part of an image; `tests/cli/test_recover.py` has one."""


def test_every_rule_is_shown_by_a_sample() -> None:
    damaged = {recipe.code for recipe in RECIPES}
    sound = {code for kind in COMMITTED for code in kind.expect}
    by_a_recipe = {rule.code for rule in all_rules() if rule.severity != Severity.INFO} - OF_THE_MEDIUM - OF_A_PLAN
    assert by_a_recipe - damaged == set()
    assert {rule.code for rule in all_rules()} - damaged - sound == OF_THE_MEDIUM | OF_A_PLAN


def test_every_code_that_a_sample_expects_is_a_rule() -> None:
    expected = {code for recipe in RECIPES for code in recipe.expect} | {code for kind in QCOW2 for code in kind.expect}
    assert expected - {rule.code for rule in all_rules()} == set()


@pytest.mark.parametrize(
    "recipe", [each for each in RECIPES if each.code != SLOW][::10], ids=lambda recipe: recipe.name
)
def test_two_checks_of_one_file_say_the_same(recipe: Recipe, tmp_path: Path) -> None:
    path = apply(recipe, tmp_path / "damaged.qcow2")
    assert judged(path) == judged(path)


@pytest.mark.parametrize("recipe", RECIPES[::7], ids=lambda recipe: recipe.name)
def test_findings_are_told_as_they_grow_and_the_last_word_is_the_result(recipe: Recipe, tmp_path: Path) -> None:
    told: dict[str, Finding] = {}

    def found(finding: Finding) -> None:
        assert finding.rule not in told or told[finding.rule].count < finding.count
        told[finding.rule] = finding

    with Evidence(apply(recipe, tmp_path / "damaged.qcow2")) as evidence:
        judgement = check(identify(evidence), strict=True, found=found)
    assert judgement == judged(tmp_path / "damaged.qcow2")
    assert told == {finding.rule: finding for finding in judgement.findings}


def rule(check_function: object, code: str = "made-up", severity: Severity = Severity.HIGH) -> Rule:
    def examine(structure: object) -> Iterable[Problem]:
        assert callable(check_function)
        found: Iterable[Problem] = check_function(structure)
        return found

    sections = {"Why": "w", "Spec": "s", "QEMU": "q", "Next": "n"}
    finding_class = FindingClass.CORRUPTION
    return Rule(code, HeaderCluster, "made", severity, finding_class, Confidence.CERTAIN, "Title", sections, examine)


def judged_by(monkeypatch: pytest.MonkeyPatch, path: Path, made_up: Rule, strict: bool = True) -> Judgement:
    monkeypatch.setattr(checking, "all_rules", lambda: [made_up])
    with Evidence(path) as evidence:
        return check(identify(evidence), strict=strict)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path, tiny([]))


def test_problems_are_counted_in_full_and_listed_up_to_a_limit(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    def one_by_one(_: object) -> Iterator[Problem]:
        return (Problem(f"problem {number}") for number in range(1000))

    def worded_late(_: object) -> Problems:
        return Problems(1 << 40, lambda: (Problem(f"problem {number}") for number in range(1 << 40)))

    for judge, count in ((one_by_one, 1000), (worded_late, 1 << 40)):
        (finding,) = judged_by(monkeypatch, path, rule(judge)).findings
        assert (finding.count, len(finding.problems)) == (count, LISTED_PROBLEMS)
        assert finding.observation == f"problem 0 (and {count - 1:,} more)"


@pytest.mark.parametrize("wanted", [0, 1, 10, 64, 65, 100, 1000])
def test_places_are_given_as_long_as_they_are_wanted_and_problems_are_counted_all_the_same(
    wanted: int, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    def one_by_one(_: object) -> Iterator[Problem]:
        return (Problem(f"problem {number}") for number in range(1000))

    def worded_late(_: object) -> Problems:
        return Problems(1000, lambda: one_by_one(_))

    for judge in (one_by_one, worded_late):
        given = 0

        def placed(code: str, ranges: object) -> bool:
            nonlocal given
            given += 1
            return given < wanted

        monkeypatch.setattr(checking, "all_rules", lambda judge=judge: [rule(judge)])
        with Evidence(path) as evidence:
            (finding,) = check(identify(evidence), strict=True, placed=placed).findings
        assert (finding.count, len(finding.problems), given) == (1000, LISTED_PROBLEMS, max(1, wanted))


def test_a_rule_that_fails_is_not_run_rather_than_passed(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    def broken(_: object) -> Iterator[Problem]:
        yield Problem("first")
        raise KeyError("oops")

    found = judged_by(monkeypatch, path, rule(broken), strict=False)
    assert found.checks == (
        Check("made-up", "Title", CheckStatus.NOT_RUN, "internal error: KeyError: 'oops'", 1, True),
    )
    with pytest.raises(KeyError):
        judged_by(monkeypatch, path, rule(broken))


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (header(), CheckStatus.NOT_APPLICABLE, "there is no LUKS header to examine"),
        (header(version=4), CheckStatus.NOT_RUN, "version 4 of the format is not known"),
        (b"KDMV", CheckStatus.NOT_RUN, "not a qcow2 image: it looks like a VMDK image"),
    ],
)
def test_a_rule_without_anything_to_examine_says_why(
    tmp_path: Path, head: bytes, status: CheckStatus, reason: str
) -> None:
    found = judged(written(tmp_path, tiny([], head=head.ljust(512, b"\0"))))
    (check_of_luks,) = [each for each in found.checks if each.code == "encryption-header-outside-file"]
    assert (check_of_luks.status, check_of_luks.reason) == (status, reason)
    assert found.undetermined == (head == b"KDMV")


RESULTS = {"Unexamined", "ClusterUsage", "LeakedClusters", "RefcountsBeyondFile", "Residue", "FreeResidue"}
"""What a walk makes only where there is something to say."""


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_a_rule_about_what_there_is_none_of_passes_where_it_was_looked_for(kind: Kind) -> None:
    """Nobody is told that a sound image "has no use of clusters"; version 1 has no refcounts to be wrong."""
    looked_for = RESULTS if kind.format == "qcow2" else {"Unexamined"}
    examined = {rule.code: rule.examines.__name__ for rule in all_rules()}
    for made in judged(sample(kind)).checks:
        if examined[made.code] in looked_for and made.code not in kind.expect:
            assert (made.status, made.reason) == (CheckStatus.PASS, ""), made.code
        elif made.status == CheckStatus.NOT_APPLICABLE:
            assert made.reason == f"there is no {STRUCTURES[examined[made.code]]} to examine"
            assert examined[made.code] not in looked_for


@pytest.mark.parametrize("severity", list(Severity))
def test_a_fact_that_is_worth_knowing_is_no_failure(
    severity: Severity, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    found = judged_by(monkeypatch, path, rule(lambda _: [Problem("one")], severity=severity))
    expected = CheckStatus.PASS if severity == Severity.INFO else CheckStatus.FAIL
    assert [(made.status, made.reason, made.count) for made in found.checks] == [(expected, "", 1)]
    assert len(found.findings) == 1


@pytest.mark.parametrize("kind", COMMITTED[::4], ids=lambda kind: kind.name)
def test_a_file_that_could_be_read_was_read(kind: Kind) -> None:
    (made,) = [each for each in judged(sample(kind)).checks if each.code == "evidence-unreadable"]
    assert (made.status, made.reason) == (CheckStatus.PASS, "")


@pytest.mark.parametrize("unread", [False, True])
@pytest.mark.parametrize("foreign", [False, True])
def test_what_could_not_be_read_is_said_of_any_file(unread: bool, foreign: bool, tmp_path: Path) -> None:
    with Evidence(written(tmp_path, b"KDMV" * 200 if foreign else tiny([]))) as evidence:
        image = identify(evidence)
        if unread:
            evidence.note_unread(512, 8, "input/output error")
        found = check(image, strict=True)
    (made,) = [each for each in found.checks if each.code == "evidence-unreadable"]
    expected = CheckStatus.FAIL if unread else CheckStatus.NOT_RUN if foreign else CheckStatus.PASS
    assert (made.status, made.count) == (expected, int(unread))
    assert ("evidence-unreadable" in codes(found)) == unread
    assert found.undetermined == (unread or foreign)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_the_problems_of_several_structures_are_listed_up_to_one_limit(
    by: int, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """The header gives 40, the L1 table the others, in either form in which rules give them."""
    assert LISTED_PROBLEMS == 64
    for late in (False, True):

        def some(structure: object, late: bool = late) -> Iterable[Problem]:
            count = 40 if isinstance(structure, HeaderCluster) else 24 + by
            worded = [Problem(f"problem {number}") for number in range(count)]
            return Problems(count, lambda: worded) if late else worded

        made_up = replace(rule(some), also=(L1Table,))
        (finding,) = judged_by(monkeypatch, path, made_up).findings
        assert (finding.count, len(finding.problems)) == (64 + by, 64 + min(by, 0))


def test_an_error_of_ours_is_not_raised_unless_that_is_wanted(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    def broken(_: object) -> Iterator[Problem]:
        raise KeyError("oops")

    monkeypatch.setattr(checking, "all_rules", lambda: [rule(broken)])
    with Evidence(path) as evidence:
        (made,) = check(identify(evidence)).checks
    assert (made.status, made.failed) == (CheckStatus.NOT_RUN, True)


def test_progress_names_each_kind_of_structure(path: Path) -> None:
    steps: list[str] = []
    with Evidence(path) as evidence:
        check(identify(evidence), steps.append, strict=True)
    kinds = ("HeaderCluster", "Residue", "RefcountTable", "L1Table", "L2Batch", "ClusterUsage")
    results = ("FreeResidue", "Totals", "Unreferenced")
    assert list(dict.fromkeys(steps)) == [STRUCTURES[kind] for kind in (*kinds, *results)]
