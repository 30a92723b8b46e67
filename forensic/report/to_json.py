"""A report as one JSON object."""

from __future__ import annotations

from forensic.report.json_text import indented
from forensic.report.model import Report


def to_json(report: Report) -> str:
    """The document, indented, keys sorted, ending with a newline."""
    return indented(report.record())
