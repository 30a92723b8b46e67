"""The forms a report can be written in; the form X is made by `to_X` in the module of that name, loaded when used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from forensic.report.model import Report

FORMATS = ("text", "json", "jsonl", "sarif", "html", "markdown")
"""What `--format` and `--report` accept."""

FINDINGS = "findings"
"""What `check --format` accepts besides: one flat object a finding."""

LOG, DFXML, CASE = "log", "dfxml", "case"
OF_EXTRACTIONS = (LOG, DFXML, CASE)
"""What `--report` of an extraction accepts besides: the log that examiners know from other imagers, and two exchange
formats."""

LEDGER, MAP, MANIFEST = "ledger", "map", "manifest"
LISTS = (LEDGER, MAP, MANIFEST)
"""Reports of an extraction that are written while the disk is read, since they may be far larger than memory."""

DRAWS_MAP = frozenset({"html"})
"""The forms that want `Report.file_map`."""


def render(name: str, report: Report) -> str:
    """The report in the form of that name, which must be one of `FORMATS` or `OF_EXTRACTIONS`."""
    module = import_module(f"forensic.report.to_{name}")
    renderer: Callable[[Report], str] = getattr(module, f"to_{name}")
    return renderer(report)
