"""What is to be extracted and how, as the form on screen says; and the command line that does the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os.path import expanduser
from pathlib import Path
from typing import TYPE_CHECKING

from tui.session.supplies import NOTHING, Supplies

if TYPE_CHECKING:  # what extracts is loaded when something is extracted
    from forensic import Settings, Supplied
    from forensic.explore import AskedDisk

CASE_FIELDS = ("case_number", "evidence_number", "examiner", "description", "notes")
REPORT_ENDINGS = {
    "json": "json",
    "html": "html",
    "markdown": "md",
    "sarif": "sarif",
    "text": "txt",
    "log": "log",
    "dfxml": "dfxml.xml",
    "case": "case.jsonld",
    "jsonl": "jsonl",
    "ledger": "ledger.jsonl",
    "map": "map",
    "manifest": "manifest.jsonl",
}
COMMON_REPORTS = ("json", "html", "markdown", "sarif", "text", "log")
TYPED = ("range", "bitmap", "split", "hash_window", "level")
"""What is typed as it would be on the command line, by the names that it has there."""

TICKED = ("sidecars", "strict", "salvage", "keep_partial", "resume", "vm_state", "ciphertext")
"""What is asked for besides, by the same names."""


@dataclass(frozen=True)
class ExtractionPlan:
    """One extraction; `snapshot` is None for the active disk, `reports` are the names of formats.

    `typed` and `ticked` are the rarer options (of `TYPED` and `TICKED`).
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
    typed: Mapping[str, str] = field(default_factory=dict)
    ticked: frozenset[str] = frozenset()
    case: Mapping[str, str] = field(default_factory=dict)

    def complaint(self) -> str:
        """Why this cannot be done as it stands; empty if it can be tried."""
        if not self.output.strip():
            return "enter where to write the raw image"
        return ""

    def settings(self, disk_size: int) -> Settings:
        """What the command line would make of the same. Raises `ValueError` for what cannot be."""
        from forensic.explore import Asked, level_of, settings_of

        typed = {name: text for name, text in self.typed.items() if text}
        level = typed.pop("level", None)
        asked = Asked(
            hash=",".join(self.hashes) or "none",
            range=typed.get("range"),
            split=typed.get("split"),
            hash_window=typed.get("hash_window"),
            level=_level(level, level_of) if level else None,
            no_sparse=not self.sparse and not self.in_container,
            strict="strict" in self.ticked,
            verify=self.verify,
            sidecars="sidecars" in self.ticked,
            resume="resume" in self.ticked,
            keep_partial="keep_partial" in self.ticked,
            force=self.force,
            in_use=self.in_use,
            case_number=self.case.get("case_number"),
            evidence_number=self.case.get("evidence_number"),
            examiner=self.case.get("examiner"),
            description=self.case.get("description"),
            notes=self.case.get("notes"),
        )
        return settings_of(asked, self.output_path, disk_size)

    def asked_disk(self) -> AskedDisk:
        """Which disk is wanted, in the words of the command line."""
        from forensic.explore import AskedDisk

        snapshot = None if self.snapshot is None else f"#{self.snapshot}"
        return AskedDisk(snapshot, self.typed.get("bitmap") or None, "vm_state" in self.ticked)

    def supplied(self) -> Supplied:
        """What it is read with. Raises `ForensicError` for a key file that cannot be read."""
        return self.supplies.supplied("salvage" in self.ticked, self._as_stored)

    @property
    def _as_stored(self) -> bool:
        """Whether encrypted data is wanted as it is, for which no key is needed."""
        return "ciphertext" in self.ticked

    @property
    def in_container(self) -> bool:
        """Whether the output is named like an E01 container, which has no holes."""
        return self.output_path.suffix.lower() == ".e01"

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
        for name in TYPED:
            if text := self.typed.get(name):
                words += [f"{_option(name)}={text}"] if text.startswith("-") else [_option(name), text]
        words += [_option(name) for name in TICKED if name in self.ticked]
        words += ["--no-sparse"] * (not self.sparse and not self.in_container)
        words += ["--verify"] * self.verify + ["--force"] * self.force
        words += ["--in-use"] * self.in_use
        words += self._words_of_supplies()
        for name, value in self.case.items():
            if value:
                words += [_option(name), value]
        return words

    def _words_of_supplies(self) -> list[str]:
        words: list[str] = []
        for path, format_ in self.supplies.chain:
            words += ["--backing", expanduser(path)] + (["--backing-format", format_] if format_ else [])
        words += ["--data-file", expanduser(self.supplies.data_file)] if self.supplies.data_file else []
        if not self._as_stored:
            words += ["--key-file", expanduser(self.supplies.key_file)] if self.supplies.key_file else []
            words += ["--allow-slow-key"] * self.supplies.allow_slow_key
        return words

    def command(self) -> str:
        """The command line for a shell."""
        return shlex.join(self.words())


def proposed_name(image: Path) -> str:
    """A name for the output after that of the image, unless that could harm the terminal: a field shows all."""
    from forensic.explore import shown

    name = image.name.removesuffix(".qcow2").removesuffix(".qcow")
    return f"{name}.raw" if shown(name) == name else "extracted.raw"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _level(text: str, level_of: Callable[[str], int]) -> int:
    try:
        return level_of(text)
    except ValueError as error:
        raise ValueError(f"--level: {error}") from error
