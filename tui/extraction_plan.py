"""What is to be extracted and how, as the form on screen says; and the command line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tui.session.supplies import NOTHING, Supplies

CASE_FIELDS = ("case_number", "evidence_number", "examiner", "description", "notes")
REPORT_ENDINGS = {"json": "json", "html": "html", "markdown": "md", "sarif": "sarif", "text": "txt", "log": "log"}


@dataclass(frozen=True)
class ExtractionPlan:
    """One extraction; `snapshot` is None for the active disk, `reports` are the names of formats.

    `plan_file` is the recovery plan by which the image is read. `confirmed` says that the examiner was told how much
    would be missing and wants it nevertheless.
    """

    image: Path
    output: str
    snapshot: int | None = None
    hashes: tuple[str, ...] = ("sha256",)
    reports: tuple[str, ...] = ()
    sparse: bool = True
    verify: bool = False
    force: bool = False
    in_use: bool = False
    supplies: Supplies = NOTHING
    plan_file: str = ""
    image_offset: int = 0
    confirmed: bool = False
    case: Mapping[str, str] = field(default_factory=dict)

    def complaint(self) -> str:
        """Why this cannot be done as it stands; empty if it can be tried."""
        if not self.output.strip():
            return "enter where to write the raw image"
        if self.verify and not self.hashes:
            return "reading the output back needs a hash to compare with"
        return ""

    @property
    def output_path(self) -> Path:
        """The raw file."""
        return Path(self.output).expanduser()

    def report_paths(self) -> list[tuple[str, Path]]:
        """Each report beside the output, under its name."""
        output = self.output_path
        return [(name, output.with_name(f"{output.name}.report.{REPORT_ENDINGS[name]}")) for name in self.reports]

    def words(self) -> list[str]:
        """The equal command line."""
        words = ["qcowscope", "extract", str(self.image), "-o", str(self.output_path) if self.output else "OUT.raw"]
        words += ["--image-offset", str(self.image_offset)] if self.image_offset else []
        words += ["--plan", self.plan_file] if self.plan_file else []
        if self.snapshot is not None:
            words += ["--snapshot", f"#{self.snapshot}"]
        if self.hashes != ("sha256",):
            words += ["--hash", ",".join(self.hashes) or "none"]
        for name, path in self.report_paths() if self.output else ():
            words += ["--report", f"{name}:{path}"]
        words += ["--no-sparse"] * (not self.sparse) + ["--verify"] * self.verify + ["--force"] * self.force
        words += ["--in-use"] * self.in_use
        for path_of_backing in self.supplies.backing:
            words += ["--backing", path_of_backing]
        words += ["--data-file", self.supplies.data_file] if self.supplies.data_file else []
        words += ["--key-file", self.supplies.key_file] if self.supplies.key_file else []
        for name, value in self.case.items():
            if value:
                words += ["--" + name.replace("_", "-"), value]
        return words

    def command(self) -> str:
        """The command line for a shell."""
        return shlex.join(self.words())
