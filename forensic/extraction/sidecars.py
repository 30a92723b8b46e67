"""Files beside the output: sums as sha256sum writes them, and lists that grow while the disk is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from forensic.extraction.result import Extraction, Status
from forensic.report.formats import LEDGER, LISTS, MANIFEST, MAP
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.disk.disk import Disk
    from forensic.extraction.range_lists import RangeWriter
    from forensic.extraction.settings import Settings
    from forensic.output.new_file import LineFile

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


def write_sidecars(extraction: Extraction, hashes: Sequence[str], force: bool) -> None:
    """Write the sums of a complete output beside it. Raises `OutputFailed`."""
    from forensic.output.new_file import write_new_file

    if extraction.path is None or extraction.status not in (Status.COMPLETE, Status.COMPLETE_WITH_UNREADABLE):
        return
    for name, path in sidecar_paths(extraction.path, hashes).items():
        write_new_file(path, sidecar_text(extraction, name), force)


class ListFiles:
    """The lists of one extraction; as a context manager it removes those that were begun and not completed."""

    manifest: LineFile | None = None

    def __init__(self, targets: Sequence[tuple[str, Path]], disk: Disk, settings: Settings) -> None:
        """Of the targets (format and path) those of `LISTS`. Raises `ValueError` for a manifest without windows."""
        self._targets = [each for each in targets if each[0] in LISTS]
        self._disk, self._settings = disk, settings
        self._undo = ExitStack()
        if any(name == MANIFEST for name, _ in self._targets) and not settings.hash_window:
            raise ValueError("--report manifest needs --hash-window SIZE")

    def begin(self) -> list[RangeWriter]:
        """Create the files. Raises `OutputFailed`."""
        if not self._targets:
            return []
        from forensic.disk.planned import planned_of
        from forensic.extraction.range_lists import LedgerFile, MapFile
        from forensic.output.new_file import LineFile

        force = self._settings.force or self._settings.resume
        start, length = self._settings.guest_range or (0, self._disk.size)
        writers: list[RangeWriter] = []
        for name, path in self._targets:
            if name == LEDGER:
                writers.append(LedgerFile(path, self._ledger_header(start, length), force))
                self._undo.callback(writers[-1].abandon)
            elif name == MAP:
                planned = planned_of(self._disk.layers[0]) is not None
                writers.append(MapFile(path, start, start + length, force, planned))
                self._undo.callback(writers[-1].abandon)
            else:
                self.manifest = LineFile(path, force)
                self._undo.callback(self.manifest.abandon)
        return writers

    def _ledger_header(self, start: int, length: int) -> dict[str, Json]:
        layers: list[Json] = [
            [shown(evidence.path_as_given) for evidence in layer.evidences] for layer in self._disk.layers
        ]
        return {"target": self._disk.target, "virtual_range": {"offset": start, "length": length}, "levels": layers}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()
