"""Sidecar files in the form of sha256sum and its relatives, so that anyone can check an output without this tool."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from forensic.extraction.result import Extraction

_ESCAPES = {ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r"}


def sidecar_paths(output: Path, hashes: Sequence[str]) -> dict[str, Path]:
    """The sidecar of each hash, beside the output: `out.raw.sha256` and so on."""
    return {name: output.with_name(f"{output.name}.{name}") for name in hashes}


def sidecar_text(extraction: Extraction, name: str) -> str:
    """One line for each output file, to be checked from the folder they are in."""
    files = zip(extraction.segments, extraction.segment_hashes, strict=True)
    return "".join(sum_line(hashes[name], segment.path.name) for segment, hashes in files)


def sum_line(digest: str, name: str) -> str:
    """A line as sha256sum writes it; a name with a backslash or a line break is escaped, and a backslash says so."""
    escaped = os.fspath(name).translate(_ESCAPES)
    return f"{chr(92) if escaped != name else ''}{digest}  {escaped}\n"
