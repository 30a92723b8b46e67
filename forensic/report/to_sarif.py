"""A report as SARIF 2.1.0, for code-scanning dashboards and editors.

Places in a binary file are byte offsets; the viewers that know only lines get line 1 beside them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from msgspec import UNSET, UnsetType

from forensic.finding import Confidence, Range, Severity, Space
from forensic.records.judgement import CheckRecord, CheckStatus, FindingRecord
from forensic.records.run import RunRecord
from forensic.report.json_text import indented
from forensic.report.model import Report
from forensic.report.notes import Noted, notes_of
from forensic.report.to_markdown import quoted
from forensic.report.values import cautions, explanation, sentence
from forensic.untrusted import Json
from forensic.version import DOCUMENTATION, rule_page

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"info": "none", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
SECURITY_SEVERITY = {"info": "0.0", "low": "2.0", "medium": "5.0", "high": "8.0", "critical": "9.5"}
"""The numbers by which dashboards sort; each lies inside the band of the same name."""

KINDS = {
    CheckStatus.PASS: "pass",
    CheckStatus.NOT_APPLICABLE: "notApplicable",
    CheckStatus.NOT_RUN: "open",
}
"""What became of a check that has no finding; one that was not run leaves its question open."""

FINGERPRINT = "qcowscopeFinding/v1"


def to_sarif(report: Report) -> str:
    """The log with its one run."""
    log: Json = {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [_run(report)]}
    return indented(log)


def _run(report: Report) -> dict[str, Json]:
    findings, checks = report.result.findings or (), report.result.checks or ()
    uri = _uri(report.source.path_as_given)
    by_rule = {finding.rule: finding for finding in findings}
    rule_ids = [check.id for check in checks]
    record = report.complete_run
    run: dict[str, Json] = {
        "tool": {"driver": _driver(report, checks, by_rule)},
        "invocations": [_invocation(record, checks, cautions(report.source, record))],
        "artifacts": [_artifact(report, uri)],
        "results": [_finding_result(finding, rule_ids, uri) for finding in findings]
        + [_check_result(check, index, uri) for index, check in enumerate(checks) if check.id not in by_rule]
        + [_note_result(note, uri) for note in notes_of(report.annotations)],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": report.result.summary.verdict.value,
            "resultDigest": f"sha256:{report.digest()}",
        },
        "automationDetails": {"id": "qcowscope/", "guid": record.run_id},
    }
    return run


def _driver(report: Report, checks: Sequence[CheckRecord], by_rule: Mapping[str, FindingRecord]) -> Json:
    return {
        "name": "qcowscope",
        "semanticVersion": report.complete_tool.version,
        "informationUri": DOCUMENTATION,
        "rules": [_rule(check, by_rule.get(check.id)) for check in checks]
        + [_RULE_OF_NOTES for _ in report.annotations[:1]],
    }


def _rule(check: CheckRecord, finding: FindingRecord | None) -> Json:
    """What a rule is about; why it matters and what to do stands with the rules that found something."""
    code = check.id
    rule: dict[str, Json] = {
        "id": code,
        "shortDescription": _message(check.title + "."),
        "help": {"text": f"qcowscope explain {code}", "markdown": f"`qcowscope explain {code}`"},
        "helpUri": rule_page(code),
    }
    if finding is not None:
        severity = finding.severity
        rule |= {
            "fullDescription": _message(sentence(finding.interpretation) or finding.title),
            "help": _help(finding),
            "defaultConfiguration": {"level": LEVELS[severity]},
            "properties": {
                "security-severity": SECURITY_SEVERITY[severity],
                "tags": [finding.finding_class.value],
                "precision": "very-high" if finding.confidence == Confidence.CERTAIN else "medium",
            },
        }
    return rule


def _help(finding: FindingRecord) -> Json:
    """As plain text and, for the viewers that show it, as Markdown."""
    said = list(explanation(finding))
    text = "\n".join(f"{heading}: {words}" for heading, words in said)
    markdown = "\n\n".join(f"**{heading}:** {quoted(words)}" for heading, words in said)
    return {"text": _braced(text), "markdown": _braced(markdown)}


def _finding_result(finding: FindingRecord, rule_ids: list[str], uri: str) -> Json:
    code, severity = finding.rule, finding.severity
    result: dict[str, Json] = {
        "ruleId": code,
        "kind": "informational" if severity == Severity.INFO else "fail",
        "level": LEVELS[severity],
        "message": _message(finding.observation),
        "locations": _locations(finding, uri),
        "occurrenceCount": finding.count,
        "partialFingerprints": {FINGERPRINT: finding.fingerprint},
        "properties": {
            "id": finding.id,
            "severity": severity.value,
            "class": finding.finding_class.value,
            "confidence": finding.confidence.value,
        },
    }
    if code in rule_ids:
        result["ruleIndex"] = rule_ids.index(code)
    return result


def _check_result(check: CheckRecord, index: int, uri: str) -> Json:
    return {
        "ruleId": check.id,
        "ruleIndex": index,
        "kind": KINDS.get(check.status, "open"),
        "level": "none",
        "message": _message(f"{check.status.replace('_', ' ')}: {check.reason or check.title}"),
        "locations": [{"physicalLocation": _whole_file(uri)}],
    }


NOTE = "examiner-note"
_RULE_OF_NOTES: Json = {"id": NOTE, "shortDescription": {"text": "A note that the examiner wrote."}}


def _note_result(note: Noted, uri: str) -> Json:
    """A note is no judgement of ours; its bytes stand beside its place."""
    place = _physical(note.range, uri)
    return {
        "ruleId": NOTE,
        "kind": "informational",
        "level": "none",
        "message": _message(note.words),
        "locations": [{"physicalLocation": place}],
        "properties": dict(note.facts),
    }


def _locations(finding: FindingRecord, uri: str) -> list[Json]:
    """One location for each place of each listed problem."""
    locations: list[Json] = []
    for problem in finding.problems:
        path = problem.structure_path
        logical: dict[str, Json] = {"logicalLocations": [{"fullyQualifiedName": path}]} if path else {}
        places = [_physical(place, uri) for place in problem.ranges] or [_whole_file(uri)]
        locations += [{"physicalLocation": place, **logical} for place in places]
    return locations or [{"physicalLocation": _whole_file(uri)}]


def _physical(place: Range, uri: str) -> dict[str, Json]:
    if place.space == Space.HOST:
        region: Json = {"startLine": 1, "byteOffset": place.offset, "byteLength": place.length}
        return {"artifactLocation": {"uri": uri, "index": 0}, "region": region}
    address: Json = {"absoluteAddress": place.offset, "length": place.length, "kind": "virtual disk"}
    return {**_whole_file(uri), "address": address}


def _whole_file(uri: str) -> dict[str, Json]:
    return {"artifactLocation": {"uri": uri, "index": 0}, "region": {"startLine": 1}}


def _artifact(report: Report, uri: str) -> Json:
    artifact: dict[str, Json] = {"location": {"uri": uri}, "roles": ["analysisTarget"]}
    if report.source.size is not UNSET:
        artifact["length"] = report.source.size
    families = report.result.hashes
    acquired = (families and families.container and families.container.acquired) or {}
    hashes = {name.replace("sha", "sha-"): value for name, value in acquired.items()}
    return artifact | ({"hashes": hashes} if hashes else {})


def _invocation(run: RunRecord, checks: Sequence[CheckRecord], said: list[str]) -> Json:
    command = list(run.command_line)
    failed = [check for check in checks if check.reason.startswith("internal error")]
    invocation: dict[str, Json] = {
        "executionSuccessful": not failed and run.exit_code != 1,
        "commandLine": shlex.join(command),
        "arguments": command[1:],
        "toolExecutionNotifications": [
            {"level": "error", "message": _message(check.reason), "associatedRule": {"id": check.id}}
            for check in failed
        ]
        + [{"level": "warning", "message": _message(caution)} for caution in said],
    }
    known: dict[str, str | int | UnsetType] = {
        "startTimeUtc": run.started_at,
        "endTimeUtc": run.ended_at,
        "exitCode": run.exit_code,
        "exitCodeDescription": run.exit_reason,
        "machine": run.hostname,
        "account": run.user,
        "processId": run.pid,
    }
    invocation |= {name: value for name, value in known.items() if value is not UNSET}
    if run.working_directory:
        invocation["workingDirectory"] = {"uri": _uri(run.working_directory) + "/"}
    return invocation


def _message(words: str) -> Json:
    """A message as SARIF wants it: braces doubled, and nothing that a viewer would turn into a link."""
    return {"text": _braced(words)}


def _braced(words: str) -> str:
    return words.replace("{", "{{").replace("}", "}}").replace("](", "] (")


def _uri(path: str) -> str:
    """A path as a URI reference; an absolute one gets its scheme."""
    return ("file://" if path.startswith("/") else "") + quote(path, safe="/")
