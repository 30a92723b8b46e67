"""A report as JSON Lines: a header, one finding a line, and a trailer whose absence shows that the rest is missing."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET, to_builtins
from msgspec.structs import replace

from forensic.records.report import SCHEMA
from forensic.report.json_text import one_line
from forensic.report.model import Report
from forensic.untrusted import Json


def to_jsonl(report: Report) -> str:
    """One object a line; `type` is `header`, `finding` or `trailer`."""
    return "".join(one_line(line) for line in _lines(report))


def _lines(report: Report) -> Iterator[dict[str, Json]]:
    document = report.as_json()
    findings = report.result.findings or ()
    result: Json = to_builtins(replace(report.result, findings=UNSET))
    names = ("source", "tool", "case", "annotations")
    header: dict[str, Json] = {name: document[name] for name in names if name in document}
    yield {"type": "header", "schema": SCHEMA, **header, "result": result}
    for finding in findings:
        yield {"type": "finding", **to_builtins(finding)}
    yield {
        "type": "trailer",
        "finding_count": len(findings),
        "result_digest": document["result_digest"],
        "run": document["run"],
    }
