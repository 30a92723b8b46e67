"""The forms a report can be written in: a name and its renderer, loaded when it is used."""

from __future__ import annotations

from collections.abc import Callable

from forensic.report.model import Report

Renderer = Callable[[Report], str]


def _text(report: Report) -> str:
    from forensic.report.to_text import to_text

    return to_text(report)


def _json(report: Report) -> str:
    from forensic.report.to_json import to_json

    return to_json(report)


def _jsonl(report: Report) -> str:
    from forensic.report.to_jsonl import to_jsonl

    return to_jsonl(report)


def _sarif(report: Report) -> str:
    from forensic.report.to_sarif import to_sarif

    return to_sarif(report)


def _html(report: Report) -> str:
    from forensic.report.to_html import to_html

    return to_html(report)


def _markdown(report: Report) -> str:
    from forensic.report.to_markdown import to_markdown

    return to_markdown(report)


def _log(report: Report) -> str:
    from forensic.report.to_log import to_log

    return to_log(report)


FORMATS: dict[str, Renderer] = {
    "text": _text,
    "json": _json,
    "jsonl": _jsonl,
    "sarif": _sarif,
    "html": _html,
    "markdown": _markdown,
}
"""What `--format` and `--report` accept."""

LOG = "log"
"""What `--report` of an extraction accepts besides: the log that examiners know from other imagers."""

DRAWS_MAP = frozenset({"html"})
"""The forms that want `Report.file_map`."""


def render(name: str, report: Report) -> str:
    """The report in the form of that name, which must be one of `FORMATS` or `LOG`."""
    return _log(report) if name == LOG else FORMATS[name](report)
