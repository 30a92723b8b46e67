"""The options of `extract` as settings of an extraction."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.parser import UsageError

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.extraction.settings import Settings

CASE_FIELDS = {
    "case_number": "case number",
    "evidence_number": "number of the evidence item",
    "examiner": "name of the examiner",
    "description": "description of the evidence",
    "notes": "any other notes for the report",
}


def settings_of(options: argparse.Namespace, output: Path | None, disk: Disk) -> Settings:
    """What the options ask for; `output` is None for standard output. Raises `UsageError`."""
    from forensic.extraction import settings

    given = {name: getattr(options, name) for name in settings.Asked.__struct_fields__}
    try:
        return settings.settings_of(settings.Asked(**given), output, disk.size)
    except ValueError as error:
        raise UsageError(f"qcowscope extract: {error}") from error


def hashes_of(text: str) -> tuple[str, ...]:
    """The hashes that a list separated by commas names; none for `none`. Raises `UsageError`."""
    from forensic.extraction import settings

    try:
        return settings.hashes_of(text)
    except ValueError as error:
        raise UsageError(f"qcowscope extract: {error}") from error
