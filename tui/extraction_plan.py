"""What is to be extracted and how, as the form on screen says; and the command line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HASH_NAMES = ("sha256", "md5", "sha1", "sha512", "blake2b")
CASE_FIELDS = ("case_number", "evidence_number", "examiner", "description", "notes")


@dataclass(frozen=True)
class ExtractionPlan:
    """One extraction; `report` is the path of the JSON report, empty for none."""

    image: Path
    output: str
    hashes: tuple[str, ...]
    report: str = ""
    sparse: bool = True
    force: bool = False
    case: Mapping[str, str] = field(default_factory=dict)

    def complaint(self) -> str:
        """Why this cannot be done as it stands; empty if it can be tried."""
        if not self.output.strip():
            return "say where the raw image is to be written"
        if self.report and Path(self.report).expanduser() == Path(self.output).expanduser():
            return "the report cannot be the output as well"
        return ""

    def words(self) -> list[str]:
        """The equal command line."""
        words = ["qcowscope", "extract", str(self.image), "-o", self.output or "OUT.raw"]
        if self.hashes != ("sha256",):
            words += ["--hash", ",".join(self.hashes) or "none"]
        if self.report:
            words += ["--report", f"json:{self.report}"]
        words += ["--no-sparse"] * (not self.sparse) + ["--force"] * self.force
        for name, value in self.case.items():
            if value:
                words += ["--" + name.replace("_", "-"), value]
        return words

    def command(self) -> str:
        """The command line for a shell."""
        return shlex.join(self.words())
