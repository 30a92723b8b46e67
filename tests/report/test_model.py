"""The result is the same wherever and whenever it is made, and findings keep their names."""

import hashlib
import json
import shutil
from itertools import product
from pathlib import Path

import pytest
from msgspec import UNSET, to_builtins
from msgspec.structs import replace

from forensic.exit_status import ExitStatus
from forensic.finding import Confidence, Finding, FindingClass, Problem, Severity, host_range
from forensic.measured import Measured
from forensic.records.image import ForeignRecord
from forensic.records.judgement import CheckStatus, SummaryRecord, Verdict
from forensic.records.report import ResultRecord
from forensic.records.run import SourceRecord
from forensic.report.model import EXIT_STATUS, Check, Judgement, Report, digest_of, finding_record
from forensic.report.run import Run, tool
from tests.commands import damaged, qcowscope, sound
from tests.json_values import items, section, sections

FINDING = Finding(
    "some-rule",
    "Something is wrong",
    Severity.HIGH,
    FindingClass.CORRUPTION,
    Confidence.CERTAIN,
    "Header",
    2,
    (Problem("entry 3 is 7", (host_range(512, 8),), "L1[3]"),),
)


FOREIGN = ForeignRecord(description="text", file_size=1)
RESULT = ResultRecord(image=FOREIGN, summary=SummaryRecord(verdict=Verdict.UNDETERMINED))
SIZES = {"compressed": 0, "compressed_stored": 0, "zero_explicit": 0, "zero_allocated": 0, "unreadable": 0, "data": 7}


def reports_from_two_places(image: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The report of one extraction from each of two directories, under different names and times."""
    documents = []
    for name in ("one/disk.qcow2", "two/some/other.img"):
        copy = folder / name
        copy.parent.mkdir(parents=True)
        shutil.copyfile(image, copy)
        monkeypatch.chdir(copy.parent)
        qcowscope("extract", copy.name, "-o", f"{copy.stem}.raw", "--report", "json:report.json")
        documents.append(json.loads(Path("report.json").read_text(encoding="utf-8")))
    return documents


@pytest.mark.parametrize("name", ["snapshots-512", "luks-4k", "overlay-qcow2"])
def test_two_laboratories_get_the_same_result(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = reports_from_two_places(sound(name), tmp_path, monkeypatch)
    assert one["result"] == two["result"]
    assert one["result_digest"] == two["result_digest"]
    assert one["run"] != two["run"]


def test_a_damaged_image_gives_the_same_result_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    one, two = reports_from_two_places(image, tmp_path, monkeypatch)
    assert one["result_digest"] == two["result_digest"]


def test_the_digest_can_be_computed_from_the_document_alone() -> None:
    document = qcowscope("check", "--json", sound("snapshots-512")).json()
    canonical = json.dumps(document["result"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert section(document["result_digest"])["value"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_the_digest_changes_with_the_result() -> None:
    one, other = (ResultRecord(image=FOREIGN, summary=SummaryRecord(verdict=verdict)) for verdict in list(Verdict)[:2])
    here, there = (SourceRecord(path_as_given=path) for path in ("x", "y"))
    assert Report(one, here).digest() != Report(other, here).digest()
    assert Report(one, here).digest() == Report(one, there).digest()


def test_a_finding_keeps_its_name_while_its_first_place_stays() -> None:
    reworded = replace(FINDING, title="Other words", count=9, problems=(replace(FINDING.problems[0], observation="x"),))
    assert (reworded.id, reworded.fingerprint) == (FINDING.id, FINDING.fingerprint)
    assert FINDING.id == f"QF-{FINDING.fingerprint[:8].upper()}"


@pytest.mark.parametrize(
    "other",
    [
        replace(FINDING, rule="other-rule"),
        replace(FINDING, problems=(Problem("", (host_range(520, 8),), "L1[3]"),)),
        replace(FINDING, problems=(Problem("", (host_range(512, 8),), "L1[4]"),)),
        replace(FINDING, problems=()),
    ],
)
def test_another_rule_or_place_has_another_name(other: Finding) -> None:
    assert other.fingerprint != FINDING.fingerprint


def test_a_check_names_its_findings(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    result = section(qcowscope("check", "--json", image).json()["result"])
    (finding,) = sections(result["findings"])
    named = [check for check in sections(result["checks"]) if items(check["findings"])]
    assert [(check["id"], check["findings"]) for check in named] == [("l2-entry-outside-file", [finding["id"]])]
    assert finding["interpretation"] == "the guest range is absent, not zero."


def judged(*classes: tuple[FindingClass, Severity]) -> Judgement:
    return Judgement(tuple(replace(FINDING, finding_class=kind, severity=severity) for kind, severity in classes), ())


@pytest.mark.parametrize(
    ("judgement", "verdict", "status"),
    [
        (judged(), Verdict.CLEAN, 0),
        (judged((FindingClass.REFERENCE, Severity.LOW)), Verdict.CLEAN, 0),
        (judged((FindingClass.LEAK, Severity.LOW)), Verdict.LEAKS, 3),
        (judged((FindingClass.LEAK, Severity.LOW), (FindingClass.HIDDEN_DATA, Severity.MEDIUM)), Verdict.SUSPICIOUS, 4),
        (judged((FindingClass.REFERENCE, Severity.CRITICAL)), Verdict.SUSPICIOUS, 4),
        (
            judged((FindingClass.RESOURCE, Severity.HIGH), (FindingClass.CORRUPTION, Severity.MEDIUM)),
            Verdict.CORRUPT,
            2,
        ),
        (replace(judged((FindingClass.CORRUPTION, Severity.HIGH)), undetermined=True), Verdict.UNDETERMINED, 1),
    ],
)
def test_each_verdict_has_its_exit_status(judgement: Judgement, verdict: Verdict, status: int) -> None:
    assert (judgement.verdict(), EXIT_STATUS[judgement.verdict()]) == (verdict, status)


CLASSES: list[FindingClass] = [each for each in FindingClass if each != FindingClass.INFO]


@pytest.mark.parametrize("kind", list(FindingClass))
def test_the_verdict_of_one_finding_of_each_kind(kind: FindingClass) -> None:
    for severity, fail_on, undetermined, incomplete in product(Severity, Severity, (False, True), (False, True)):
        judgement = Judgement((replace(FINDING, finding_class=kind, severity=severity),), (), undetermined, incomplete)
        counts = severity.rank >= fail_on.rank
        if undetermined:
            expected = Verdict.UNDETERMINED
        elif counts and kind == FindingClass.CORRUPTION:
            expected = Verdict.CORRUPT
        elif incomplete:
            expected = Verdict.UNDETERMINED
        elif kind == FindingClass.LEAK:
            expected = Verdict.LEAKS  # whatever its severity
        else:
            expected = Verdict.SUSPICIOUS if counts and kind != FindingClass.INFO else Verdict.CLEAN
        assert judgement.verdict(fail_on) == expected, (severity, fail_on, undetermined, incomplete)


@pytest.mark.parametrize("other", CLASSES)
def test_corruption_outweighs_suspicion_and_suspicion_leaks(other: FindingClass) -> None:
    of: dict[FindingClass, Finding] = {kind: replace(FINDING, finding_class=kind) for kind in CLASSES}
    with_corruption = Judgement((of[other], of[FindingClass.CORRUPTION]), ())
    with_leak = Judgement((of[FindingClass.LEAK], of[other]), ())
    assert with_corruption.verdict() == Verdict.CORRUPT
    leaks_alone: dict[FindingClass, Verdict] = {
        FindingClass.LEAK: Verdict.LEAKS,
        FindingClass.CORRUPTION: Verdict.CORRUPT,
    }
    assert with_leak.verdict() == leaks_alone.get(other, Verdict.SUSPICIOUS)


def test_every_verdict_has_its_exit_status() -> None:
    assert {verdict.value: status for verdict, status in EXIT_STATUS.items()} == {
        "clean": 0, "undetermined": 1, "corrupt": 2, "leaks": 3, "suspicious": 4,
    }  # fmt: skip


def test_findings_are_counted_by_severity_and_class_and_the_worst_comes_first() -> None:
    kinds = [
        (Severity.LOW, FindingClass.ANOMALY), (Severity.CRITICAL, FindingClass.CORRUPTION),
        (Severity.INFO, FindingClass.INFO), (Severity.LOW, FindingClass.LEAK), (Severity.MEDIUM, FindingClass.LEAK),
    ]  # fmt: skip
    findings = tuple(
        replace(FINDING, rule=f"rule-{number}", severity=severity, finding_class=kind)
        for number, (severity, kind) in enumerate(kinds)
    )
    judgement = Judgement(findings, ())
    assert [finding.rule for finding in judgement.worst_first()] == ["rule-1", "rule-4", "rule-0", "rule-3", "rule-2"]
    assert to_builtins(judgement.summary()) == {
        "verdict": "corrupt",
        "counts_by_severity": {"info": 1, "low": 2, "medium": 1, "high": 0, "critical": 1},
        "counts_by_class": {
            "corruption": 1, "leak": 2, "reference": 0, "spec_violation": 0, "hidden_data": 0, "recovery": 0,
            "anomaly": 1, "resource": 0, "policy": 0, "info": 1,
        },
    }  # fmt: skip


def test_what_was_measured_stands_in_the_result() -> None:
    known = Judgement((), (), measured=Measured(SIZES, 0.5, 512, {}, {}))
    assert known.summary().readable_fraction == 0.5
    allocation = known.add_to(RESULT).allocation
    assert to_builtins(allocation) == SIZES
    unknown = Judgement((), (), measured=Measured(SIZES, None, 512, {}, {}))
    assert unknown.summary().readable_fraction is UNSET
    assert Judgement((), ()).add_to(RESULT).allocation is UNSET


def test_a_check_names_the_findings_that_are_its_own() -> None:
    other = replace(FINDING, rule="other-rule")
    made = Check("some-rule", "Title", CheckStatus.FAIL, "", 2)
    assert made.failed is False
    assert to_builtins(made.record([other, FINDING])) == {
        "id": "some-rule", "title": "Title", "status": "fail", "reason": "", "count": 2, "findings": [FINDING.id],
    }  # fmt: skip
    assert made.record().findings == []


def test_a_report_holds_notes_only_if_there_are_any() -> None:
    run, source = Run(["qcowscope"]).record(ExitStatus.DONE), SourceRecord(path_as_given="x")
    assert "annotations" not in Report(RESULT, source, run, tool()).as_json()
    noted = Report(RESULT, source, run, tool(), annotations=[{"text": "seen"}])
    assert noted.as_json()["annotations"] == [{"text": "seen"}]


def test_a_report_holds_what_was_done_before_only_if_anything_was() -> None:
    run, source = Run(["qcowscope"]).record(ExitStatus.DONE), SourceRecord(path_as_given="x")
    assert "audit" not in Report(RESULT, source, run, tool()).as_json()
    assert Report(RESULT, source, run, tool(), audit=[{"action": "open"}]).as_json()["audit"] == [{"action": "open"}]


@pytest.mark.parametrize("more", [0, 1, 1 << 40])
def test_a_finding_says_how_many_problems_it_does_not_list(more: int) -> None:
    record = finding_record(replace(FINDING, count=1 + more))
    assert (record.count, len(record.problems), record.problems_not_listed) == (1 + more, 1, more)


def test_the_digest_is_that_of_the_canonical_form() -> None:
    assert digest_of({"b": [1, "ü"], "a": None}) == hashlib.sha256('{"a":null,"b":[1,"ü"]}'.encode()).hexdigest()
    with pytest.raises(ValueError, match="surrogates"):
        digest_of("\ud800")
