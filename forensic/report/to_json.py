"""A report as one JSON object."""

from __future__ import annotations

from forensic.report.model import Report


def to_json(report: Report) -> str:
    """The document, indented, keys sorted, ending with a newline."""
    import json  # slow to load, and not needed for text

    return json.dumps(report.as_json(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
