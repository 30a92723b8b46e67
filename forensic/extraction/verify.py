"""Comparing a raw file with what the report of its extraction says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from forensic.errors import BadReport
from forensic.evidence import HASH_CHUNK, Evidence, ReadFailed
from forensic.extraction.digests import HASHES

MAX_REPORT_BYTES = 256 << 20


@dataclass(frozen=True)
class Verification:
    """What the comparison gave.

    `differs_between` is the guest range in which the first difference lies, as far as the report's checkpoints tell.
    """

    size_expected: int
    size_found: int
    expected: dict[str, str]
    found: dict[str, str]
    differs_between: tuple[int, int] | None

    @property
    def matches(self) -> bool:
        """Whether size and every hash agree."""
        return self.size_expected == self.size_found and self.expected == self.found


@dataclass(frozen=True)
class Expected:
    """What a report says about the raw file."""

    size: int
    hashes: dict[str, str]
    checkpoints: tuple[tuple[int, str], ...]


def verify(raw: Path, report: Path, progress: Callable[[int, int], None] | None = None) -> Verification:
    """Hash a raw file again and compare with the report of its extraction.

    Raises `EvidenceUnreadable` if either cannot be read, `BadReport` if the report holds no hash of an extraction.
    """
    expected = read_expected(report)
    with Evidence(raw) as evidence:
        found, differs_between = _compare(evidence, expected, progress)
        return Verification(expected.size, evidence.size, expected.hashes, found, differs_between)


def read_expected(report: Path) -> Expected:
    """What a report says about the raw file. Raises `BadReport`."""
    with Evidence(report) as evidence:
        if evidence.size > MAX_REPORT_BYTES:
            raise BadReport(report, f"larger than {MAX_REPORT_BYTES:,} bytes")
        try:
            document = json.loads(evidence.read_at(0, evidence.size))
            extraction = document["result"]["extraction"]
            hashes = {str(name): str(value) for name, value in extraction["hashes"].items()}
            checkpoints = tuple((int(point["length"]), str(point["sha256"])) for point in extraction["checkpoints"])
            size = int(extraction["bytes_expected"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ReadFailed) as error:
            raise BadReport(report, "not a report of an extraction") from error
    if not hashes or not set(hashes) <= set(HASHES):
        raise BadReport(report, "holds no hash that can be compared")
    return Expected(size, hashes, checkpoints)


def _compare(
    evidence: Evidence, expected: Expected, progress: Callable[[int, int], None] | None
) -> tuple[dict[str, str], tuple[int, int] | None]:
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in expected.hashes}
    running = hashlib.sha256() if expected.checkpoints else None
    points = dict(expected.checkpoints)
    differs_between: tuple[int, int] | None = None
    agreed = 0
    for offset in range(0, evidence.size, HASH_CHUNK):
        chunk = evidence.read_at(offset, HASH_CHUNK)
        for digest in digests.values():
            digest.update(chunk)
        end = offset + len(chunk)
        if running is not None:
            running.update(chunk)
            if end in points and differs_between is None:
                if running.hexdigest() == points[end]:
                    agreed = end
                else:
                    differs_between = (agreed, end)
        if progress:
            progress(end, evidence.size)
    found = {name: digest.hexdigest() for name, digest in digests.items()}
    if differs_between is None and (found != expected.hashes or evidence.size != expected.size):
        differs_between = (agreed, max(evidence.size, expected.size))
    return found, differs_between
