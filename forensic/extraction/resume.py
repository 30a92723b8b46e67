"""The journal beside a partial output, from which an interrupted extraction is continued.

It holds what was extracted from what, the ranges that could not be read, and after every few mebibytes the hash of all
bytes so far. On resuming nothing of the output is trusted: it is hashed again, and what agrees with the last
checkpoint is kept. So the journal needs no flushing to be safe; what a power failure took does not agree.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from forensic.disk.disk import Disk
from forensic.errors import EvidenceUnreadable, OutputFailed
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction.piece_reader import Missing
from forensic.mapping.extents import Reason, State
from forensic.output.chunk import length_of, split_chunk
from forensic.output.hashes import MAX_CHECKPOINTS, Checkpoint, new_digest, update
from forensic.output.new_file import NewFile, partial_of
from forensic.output.segments import read_in_a_row, read_part
from forensic.untrusted import Json

SCHEMA = "qcowscope-journal/1"
_CHUNK_BYTES = 1 << 16
_LONGEST_LINE = 1 << 16


def journal_path(output: Path) -> Path:
    """The name of the journal of an output while it is written, before `.partial` is added to it."""
    return output.with_name(output.name + ".journal")


class Journal:
    """Writes the journal; every method raises `OutputFailed`."""

    def __init__(self, file: NewFile, noted: int = 0) -> None:
        """Append to a file; `noted` checkpoints are in it already."""
        self._file = file
        self._noted = noted

    @classmethod
    def begin(cls, output: Path, about: dict[str, Json]) -> Journal:
        """A new journal, in place of one left from before."""
        journal = cls(NewFile(journal_path(output), force=True))
        journal._line({"schema": SCHEMA, **about})
        return journal

    def faults(self, faults: Iterable[Missing]) -> None:
        """Note ranges that could not be read."""
        for entry in faults:
            place: list[Json] = [
                entry.guest_offset,
                entry.length,
                entry.reason.code,
                entry.host_offset,
                entry.stored_length,
            ]
            self._line({"fault": place})

    def checkpoints(self, reached: Sequence[Checkpoint]) -> None:
        """Note the checkpoints that are new; `reached` are all."""
        for checkpoint in reached[self._noted :]:
            self._line({"checkpoint": [checkpoint.length, checkpoint.digest]})
            self._noted += 1

    def close(self, keep: bool) -> None:
        """Remove the journal, or leave it for the next run."""
        self._file.abandon(keep)

    def _line(self, entry: dict[str, Json]) -> None:
        self._file.append(json.dumps(entry).encode("ascii") + b"\n")


class Resumption(Struct, frozen=True):
    """How much of an interrupted extraction is there: the first `done` bytes, with `checkpoints` of them noted."""

    output: Path
    done: int
    checkpoints: int
    journal_length: int

    def faults(self) -> Iterator[Missing]:
        """The ranges before `done` that could not be read, in guest order. Raises `OutputFailed`."""
        for end, entry in _entries(self.output):
            if end > self.journal_length:
                return
            if "fault" in entry:
                yield _missing(self.output, entry["fault"])

    def journal(self) -> Journal:
        """The journal, to be continued after the last checkpoint that holds."""
        file = NewFile.again(journal_path(self.output))
        file.set_size(self.journal_length)
        return Journal(file, self.checkpoints)


def begun_otherwise(output: Path, what: str) -> OutputFailed:
    """The error for an extraction that cannot be continued, since `what` was different when it was started."""
    journal = partial_of(journal_path(output))
    return OutputFailed(journal, f"was started with a different {what}; use --force instead of --resume to start over")


def find_resumption(
    output: Path, parts: Sequence[Path], about: dict[str, Json], progress: Callable[[int, int], None] | None
) -> Resumption | None:
    """Verify what an interrupted extraction has left; None if it has left nothing, or nothing that holds.

    Raises `OutputFailed` if it was of another image or with other options, or left no journal.
    """
    journal = partial_of(journal_path(output))
    if not partial_of(parts[0]).exists():
        return None
    if not journal.exists():
        raise OutputFailed(
            journal, "there is no journal of that extraction; use --force instead of --resume to start over"
        )
    entries = _entries(output)
    _, head = next(entries, (0, {}))
    for key, value in {"schema": SCHEMA, **about}.items():
        if head.get(key) != value:
            raise begun_otherwise(output, key)
    noted: dict[int, tuple[str, int]] = {}
    for end, entry in entries:
        if "checkpoint" in entry and len(noted) < MAX_CHECKPOINTS:
            length, digest = _checkpoint(output, entry["checkpoint"])
            noted[length] = digest, end
    return _last_that_holds(output, parts, str(about["hash"]), noted, progress)


def _last_that_holds(
    output: Path,
    parts: Sequence[Path],
    algorithm: str,
    noted: dict[int, tuple[str, int]],
    progress: Callable[[int, int], None] | None,
) -> Resumption | None:
    """Hash the output up to the last checkpoint, or to the first that does not hold."""
    found: Resumption | None = None
    there = [partial_of(part) for part in parts if partial_of(part).exists()]
    digest = new_digest(algorithm)
    done = 0
    ahead = iter(sorted(noted))
    following = next(ahead, None)
    try:
        for _, chunk in read_in_a_row(there):
            while following is not None and length_of(chunk):
                part, chunk = split_chunk(chunk, following - done)
                update(digest, part)
                done += length_of(part)
                if done == following:
                    expected, end = noted[done]
                    if digest.hexdigest() != expected:
                        return found
                    found = Resumption(output, done, (found.checkpoints if found else 0) + 1, end)
                    following = next(ahead, None)
                    if progress:
                        progress(done, max(noted))
    except (EvidenceUnreadable, ReadFailed):
        return found
    return found


def _entries(output: Path) -> Iterator[tuple[int, dict[str, Json]]]:
    """The lines of the journal with the offset after each, up to the first that was not written to its end."""
    with Evidence(partial_of(journal_path(output))) as evidence:
        rest, position = b"", 0
        for offset in range(0, evidence.size, _CHUNK_BYTES):
            *lines, rest = (rest + evidence.read_at(offset, _CHUNK_BYTES)).split(b"\n")
            for line in lines:
                position += len(line) + 1
                entry = _decoded(line)
                if entry is None:
                    return
                yield position, entry
            if len(rest) > _LONGEST_LINE:
                return


def _decoded(line: bytes) -> dict[str, Json] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _checkpoint(output: Path, entry: Json) -> tuple[int, str]:
    match entry:
        case [int(length), str(digest)] if length > 0:
            return length, digest
    raise OutputFailed(partial_of(journal_path(output)), "is damaged; use --force instead of --resume to start over")


def _missing(output: Path, entry: Json) -> Missing:
    match entry:
        case [int(guest_offset), int(length), str(code), int() | None as host_offset, int(stored_length)]:
            if code.upper() in Reason.__members__:
                return Missing(guest_offset, length, Reason[code.upper()], host_offset, stored_length)
    raise OutputFailed(partial_of(journal_path(output)), "is damaged; use --force instead of --resume to start over")


COMPARED_BYTES = 4096
"""Bytes that are decrypted again; with another key not one block of them would be the same."""


def decrypts_as_before(disk: Disk, guest_start: int, done: int, partials: Sequence[Path]) -> bool:
    """Whether the first encrypted bytes of what is there are what they would be now.

    `done` bytes from `guest_start` on are in `partials`. Raises `EvidenceUnreadable` for those.
    """
    for depth, guest_offset, host_offset, length in _encrypted(disk, guest_start, guest_start + done):
        now = bytearray(min(length, COMPARED_BYTES))
        if not disk.read(depth, guest_offset, host_offset, 0, 0, memoryview(now)):
            return read_part(partials, guest_offset - guest_start, len(now)) == now
    return True


def _encrypted(disk: Disk, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Layer, guest offset, host offset and length of every run of encrypted data."""
    if not any(layer.encryption for layer in disk.layers):
        return
    for runs in disk.readable_runs(start, end):
        for guest_offset, length, host_offset, _, state, _, depth, _ in runs:
            if state == State.DATA and disk.layers[depth].encryption:
                yield depth, guest_offset, host_offset, length
