"""A report as SARIF 2.1.0, for code-scanning dashboards and editors.

Places in a binary file are byte offsets; the viewers that know only lines get line 1 beside them.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote

from forensic.report.model import CheckStatus, Report
from forensic.report.values import cautions, items, number, section, sections, sentence, text
from forensic.untrusted import Json
from forensic.version import DOCUMENTATION, rule_page

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
LEVELS = {"info": "none", "low": "note", "medium": "warning", "high": "error", "critical": "error"}
SECURITY_SEVERITY = {"info": "0.0", "low": "2.0", "medium": "5.0", "high": "8.0", "critical": "9.5"}
"""The numbers by which dashboards sort; each lies inside the band of the same name."""

KINDS = {
    CheckStatus.PASS.value: "pass",
    CheckStatus.NOT_APPLICABLE.value: "notApplicable",
    CheckStatus.NOT_RUN.value: "open",
}
"""What became of a check that has no finding; one that was not run leaves its question open."""

FINGERPRINT = "qcowscopeFinding/v1"


def to_sarif(report: Report) -> str:
    """The log with its one run."""
    log: Json = {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [_run(report)]}
    return json.dumps(log, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _run(report: Report) -> dict[str, Json]:
    findings, checks = sections(report.result.get("findings")), sections(report.result.get("checks"))
    uri = _uri(text(report.source.get("path_as_given")))
    by_rule = {text(finding["rule"]): finding for finding in findings}
    rule_ids = [text(check["id"]) for check in checks]
    run: dict[str, Json] = {
        "tool": {"driver": _driver(report, checks, by_rule)},
        "invocations": [_invocation(report.run, checks, cautions(report.source, report.run))],
        "artifacts": [_artifact(report, uri)],
        "results": [_finding_result(finding, rule_ids, uri) for finding in findings]
        + [_check_result(check, index, uri) for index, check in enumerate(checks) if text(check["id"]) not in by_rule],
        "columnKind": "unicodeCodePoints",
        "properties": {
            "verdict": text(section(report.result.get("summary")).get("verdict")),
            "resultDigest": f"sha256:{report.digest()}",
        },
    }
    if "run_id" in report.run:
        run["automationDetails"] = {"id": "qcowscope/", "guid": text(report.run["run_id"])}
    return run


def _driver(report: Report, checks: list[Mapping[str, Json]], by_rule: Mapping[str, Mapping[str, Json]]) -> Json:
    return {
        "name": "qcowscope",
        "semanticVersion": text(report.tool.get("version")),
        "informationUri": DOCUMENTATION,
        "rules": [_rule(check, by_rule.get(text(check["id"]))) for check in checks],
    }


def _rule(check: Mapping[str, Json], finding: Mapping[str, Json] | None) -> Json:
    """What a rule is about; why it matters and what to do stands with the rules that found something."""
    code = text(check["id"])
    rule: dict[str, Json] = {
        "id": code,
        "shortDescription": _message(text(check["title"]) + "."),
        "help": _message(f"qcowscope explain {code}"),
        "helpUri": rule_page(code),
    }
    if finding is not None:
        severity = text(finding["severity"])
        rule |= {
            "fullDescription": _message(sentence(finding["interpretation"]) or text(finding["title"])),
            "help": _message(_help(finding)),
            "defaultConfiguration": {"level": LEVELS[severity]},
            "properties": {
                "security-severity": SECURITY_SEVERITY[severity],
                "tags": [text(finding["class"])],
                "precision": "very-high" if finding["confidence"] == "certain" else "medium",
            },
        }
    return rule


def _help(finding: Mapping[str, Json]) -> str:
    parts = (
        ("Why it matters", "interpretation"),
        ("Specification", "spec"),
        ("What QEMU does", "qemu"),
        ("What to do next", "next_step"),
    )
    return "\n".join(f"{heading}: {sentence(finding[name])}" for heading, name in parts if finding.get(name))


def _finding_result(finding: Mapping[str, Json], rule_ids: list[str], uri: str) -> Json:
    code, severity = text(finding["rule"]), text(finding["severity"])
    result: dict[str, Json] = {
        "ruleId": code,
        "kind": "informational" if severity == "info" else "fail",
        "level": LEVELS[severity],
        "message": _message(text(finding["observation"])),
        "locations": _locations(finding, uri),
        "occurrenceCount": number(finding["count"]),
        "partialFingerprints": {FINGERPRINT: text(finding["fingerprint"])},
        "properties": {name: finding[name] for name in ("id", "severity", "class", "confidence")},
    }
    if code in rule_ids:
        result["ruleIndex"] = rule_ids.index(code)
    return result


def _check_result(check: Mapping[str, Json], index: int, uri: str) -> Json:
    status = text(check["status"])
    reason = text(check["reason"])
    return {
        "ruleId": text(check["id"]),
        "ruleIndex": index,
        "kind": KINDS.get(status, "open"),
        "level": "none",
        "message": _message(f"{status.replace('_', ' ')}: {reason or text(check['title'])}"),
        "locations": [{"physicalLocation": _whole_file(uri)}],
    }


def _locations(finding: Mapping[str, Json], uri: str) -> list[Json]:
    """One location for each place of each listed problem."""
    locations: list[Json] = []
    for problem in sections(finding["problems"]):
        path = text(problem["structure_path"])
        logical: dict[str, Json] = {"logicalLocations": [{"fullyQualifiedName": path}]} if path else {}
        places = [_physical(place, uri) for place in sections(problem["ranges"])] or [_whole_file(uri)]
        locations += [{"physicalLocation": place, **logical} for place in places]
    return locations or [{"physicalLocation": _whole_file(uri)}]


def _physical(place: Mapping[str, Json], uri: str) -> dict[str, Json]:
    offset, length = number(place["offset"]), number(place["length"])
    if place["space"] == "host":
        region: Json = {"startLine": 1, "byteOffset": offset, "byteLength": length}
        return {"artifactLocation": {"uri": uri, "index": 0}, "region": region}
    address: Json = {"absoluteAddress": offset, "length": length, "kind": "virtual disk"}
    return {**_whole_file(uri), "address": address}


def _whole_file(uri: str) -> dict[str, Json]:
    return {"artifactLocation": {"uri": uri, "index": 0}, "region": {"startLine": 1}}


def _artifact(report: Report, uri: str) -> Json:
    artifact: dict[str, Json] = {"location": {"uri": uri}, "roles": ["analysisTarget"]}
    if "size" in report.source:
        artifact["length"] = number(report.source["size"])
    acquired = section(section(section(report.result.get("hashes")).get("container")).get("acquired"))
    hashes = {name.replace("sha", "sha-"): text(value) for name, value in acquired.items() if value}
    return artifact | ({"hashes": hashes} if hashes else {})


def _invocation(run: Mapping[str, Json], checks: list[Mapping[str, Json]], said: list[str]) -> Json:
    command = [text(word) for word in items(run.get("command_line"))]
    failed = [check for check in checks if text(check["reason"]).startswith("internal error")]
    invocation: dict[str, Json] = {
        "executionSuccessful": not failed and run.get("exit_code") != 1,
        "commandLine": shlex.join(command),
        "arguments": command[1:],
        "toolExecutionNotifications": [
            {"level": "error", "message": _message(text(check["reason"])), "associatedRule": {"id": text(check["id"])}}
            for check in failed
        ]
        + [{"level": "warning", "message": _message(caution)} for caution in said],
    }
    names = {
        "started_at": "startTimeUtc",
        "ended_at": "endTimeUtc",
        "exit_code": "exitCode",
        "exit_reason": "exitCodeDescription",
        "hostname": "machine",
        "user": "account",
        "pid": "processId",
    }
    invocation |= {theirs: run[ours] for ours, theirs in names.items() if run.get(ours) is not None}
    if run.get("working_directory"):
        invocation["workingDirectory"] = {"uri": _uri(text(run["working_directory"])) + "/"}
    return invocation


def _message(words: str) -> Json:
    """A message as SARIF wants it: braces doubled, and nothing that a viewer would turn into a link."""
    return {"text": words.replace("{", "{{").replace("}", "}}").replace("](", "] (")}


def _uri(path: str) -> str:
    """A path as a URI reference; an absolute one gets its scheme."""
    return ("file://" if path.startswith("/") else "") + quote(path, safe="/")
