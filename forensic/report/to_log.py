"""The log of an extraction as examiners know it from other imagers: plain ASCII, one fact a line."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import asdict

from forensic.numbers import EARLIEST, LATEST, SECTOR_SIZE, in_utc
from forensic.records.extraction import UnreadableRecord
from forensic.records.image import ForeignRecord
from forensic.records.run import InputRecord, IntegrityRecord
from forensic.report.model import Report
from forensic.report.notes import notes_of, session_lines
from forensic.report.values import (
    cautions,
    certainties,
    extraction_of,
    new_image,
    size,
    supplied_files,
    text,
    unchanged,
    unread_sentence,
    virtual_size,
    words,
)
from forensic.untrusted import shown

LISTED_RANGES = 10_000
"""Unreadable ranges that are listed; the ledger has them all."""

_Hashes = Mapping[str, str] | None | UnsetType

NOT_DONE = "--"
FINAL_STATES = {
    "complete": "Finished successfully",
    "complete_with_unreadable": "Finished, but some ranges could not be read and were replaced by zeros",
    "failed": "FAILED - there is no complete output",
    "aborted": "ABORTED - there is no complete output",
}


def to_log(report: Report) -> str:
    """The log of the extraction that a report describes."""
    lines: list[str] = ["QCOWSCOPE EXTRACTION LOG", "========================"]
    for title, part in (
        ("Tool", _tool(report)),
        ("Case", _case(report)),
        ("Source", _source(report)),
        ("Disk", _disk(report)),
        ("Parameters", _parameters(report)),
        ("Times", _times(report)),
        ("Hashes", _hashes(report)),
        ("Evidence unchanged", _integrity(report)),
        ("Unreadable ranges", _unreadable(report)),
        *([("Recovery plan", _recovery(report))] if extraction_of(report).recovery is not UNSET else []),
        *([("Notes", _notes(report))] if report.annotations else []),
        *([("Session", session_lines(report.audit))] if report.audit else []),
        ("Output files", _outputs(report)),
        ("Final state", _state(report)),
    ):
        lines += ["", title, "-" * len(title), *part]
    return "".join(_ascii(line) + "\n" for line in lines)


def _tool(report: Report) -> Iterator[str]:
    tool = report.complete_tool
    yield _fact("Program", f"{tool.name} {tool.version}")
    yield _fact("Python", tool.python)
    for library in tool.libraries:
        yield _fact(library.name, library.version or NOT_DONE)


def _case(report: Report) -> Iterator[str]:
    for name, value in asdict(report.case).items():
        if value is not UNSET:
            yield _fact(words(name).capitalize(), shown(value or "") or NOT_DONE)


def _source(report: Report) -> Iterator[str]:
    source = report.source
    yield _fact("Path as given", source.path_as_given)
    yield _fact("Path resolved", source.path_resolved or NOT_DONE)
    yield _fact("Size", size(source.size or 0))
    yield _fact("Device, inode", f"{source.device}, {source.inode}")
    yield _fact("Mode, owner", f"{source.mode}, {source.owner}")
    yield _fact("Modified (UTC)", _moment(source.mtime_ns or 0))
    yield _fact("Changed (UTC)", _moment(source.ctime_ns or 0))
    yield _fact("Opened with", " ".join(source.open_flags or ()))
    locked = source.in_use.locked if source.in_use else None
    yield _fact("In use by others", NOT_DONE if locked is None else "yes" if locked else "no")
    for caution in cautions(source, report.run):
        yield _fact("Caution", caution)


def _disk(report: Report) -> Iterator[str]:
    image, extraction = report.result.image, extraction_of(report)
    if not isinstance(image, ForeignRecord):
        yield _fact("Image format", f"{image.format} version {image.version}")
        yield _fact("Virtual size", virtual_size(image))
    yield _fact("Extracted", extraction.target)
    yield _fact("From byte", f"{extraction.virtual_range.offset:,}")
    yield _fact("Length", size(extraction.virtual_range.length))
    for reference in report.result.references or ():
        followed = "supplied by the examiner" if reference.followed else "not followed"
        name = f'"{text(reference.declared)}"' if reference.declared else "without a name"
        yield _fact(words(reference.kind).capitalize(), f"{name}, {followed}")
    for caveat in extraction.caveats:
        yield _fact("Note", caveat)


def _parameters(report: Report) -> Iterator[str]:
    yield _fact("Command line", shlex.join(report.complete_run.command_line))
    for name, value in report.complete_run.options.items():
        yield _fact(words(name).capitalize(), _setting(value))


def _times(report: Report) -> Iterator[str]:
    run = report.complete_run
    yield _fact("Started (UTC)", run.started_at)
    yield _fact("Ended (UTC)", run.ended_at)
    yield _fact("Local time is UTC", run.local_utc_offset)
    yield _fact("Elapsed", f"{run.elapsed_seconds} seconds")
    for label, value in (("Hostname", run.hostname), ("User", run.user), ("Os", run.os)):
        if value is not UNSET:
            yield _fact(label, value)


def _hashes(report: Report) -> Iterator[str]:
    families = report.result.hashes
    if families is UNSET:
        return
    yield "Image file (container):"
    if families.container:
        yield from _three_ways(families.container.acquired, families.container.verified_source, "verified source")
    for supplied in supplied_files(report.run):
        yield _supplied(supplied)
        yield from _three_ways(supplied.hashes, supplied.verified_source, "verified source")
    yield "Virtual disk (the bytes that were extracted):"
    if families.virtual_disk:
        yield from _three_ways(families.virtual_disk.acquired, families.virtual_disk.verified_output, "verified output")
    piecewise = families.piecewise
    if piecewise:
        yield f"Piecewise, {piecewise.windows:,} windows of {size(piecewise.window)}:"
        yield _fact("SHA256 of the list", piecewise.digest_of_list)


def _three_ways(acquired: _Hashes, verified: _Hashes, meaning: str) -> Iterator[str]:
    if not acquired:
        yield _fact("Hash", NOT_DONE)
        return
    for name, value in acquired.items():
        found = (verified or {}).get(name) or NOT_DONE
        yield _fact(f"{name.upper()} acquired", value)
        yield _fact(f"{name.upper()} {meaning}", found)
        if found != NOT_DONE:
            yield _fact("", "match" if found == value else "DOES NOT MATCH")


def _supplied(supplied: InputRecord) -> str:
    return f"Supplied {words(supplied.role)} {supplied.path}:"


def _integrity(report: Report) -> Iterator[str]:
    yield "Image file:"
    yield from _unchanged(report.source.integrity)
    for supplied in supplied_files(report.run):
        yield _supplied(supplied)
        yield from _unchanged(supplied.integrity)


def _unchanged(integrity: IntegrityRecord | UnsetType) -> Iterator[str]:
    if integrity is UNSET:
        return
    before, after = integrity.before, integrity.after
    gone = "the file is gone"
    yield _fact("size before", f"{before.size:,} bytes")
    yield _fact("size after", f"{after.size:,} bytes" if after else gone)
    if before.mtime_ns or before.ctime_ns:  # of a block device there are none
        yield _fact("mtime before", _moment(before.mtime_ns))
        yield _fact("mtime after", _moment(after.mtime_ns) if after else gone)
        yield _fact("ctime before", _moment(before.ctime_ns))
        yield _fact("ctime after", _moment(after.ctime_ns) if after else gone)
    yield _fact("Unchanged", unchanged(integrity))
    yield _fact("Judged by", integrity.method)


def _unreadable(report: Report) -> Iterator[str]:
    extraction = extraction_of(report)
    ranges = extraction.unreadable
    if not extraction.bytes_filled:
        yield "None. Every byte was read from the evidence or is recorded there as zero."
        return
    count = len(ranges) + extraction.unreadable_not_listed
    yield f"{unread_sentence(extraction)}."
    listed = ranges[:LISTED_RANGES]
    yield f"The sectors (of {SECTOR_SIZE} bytes) are: " + ", ".join(_sectors(entry) for entry in listed)
    yield f"{'virtual offset':>20} {'length':>16}  reason"
    for entry in listed:
        yield f"{entry.virtual_offset:>20,} {entry.length:>16,}  {entry.reason_code}"
    if count > len(listed):
        yield f"and {count - len(listed):,} more"


def _recovery(report: Report) -> Iterator[str]:
    """How sure the plan is that the disk was read by."""
    for label, fact in certainties(extraction_of(report)):
        yield _fact(label.capitalize(), fact)


def _notes(report: Report) -> Iterator[str]:
    """What the examiner noted, and about which bytes."""
    for note in notes_of(report.annotations):
        yield _fact("Note", note.words)
        for label, fact in note.facts:
            yield _fact(f"  {label}", fact)


def _outputs(report: Report) -> Iterator[str]:
    artifacts = report.complete_run.artifacts
    if not artifacts:
        yield "None: standard output."
    if container := extraction_of(report).container:
        for name, value in container.hashes.items():
            yield _fact(f"{name} in the container", value)
    for artifact in artifacts:
        yield _fact(artifact.role, artifact.name)
        if artifact.segment_index is UNSET:
            continue
        if artifact.role == "e01":
            yield _fact("", size(artifact.size or 0))
            yield from [_fact("", f"sha256 {artifact.sha256}")] if artifact.sha256 else []
            continue
        segment = extraction_of(report).segments[artifact.segment_index - 1]
        yield _fact("", size(segment.size))
        for name, value in segment.hashes.items():
            yield _fact("", f"{name} {value}")
        yield _fact("", f"verified: {words(segment.verified)}")
    for label, fact in new_image(extraction_of(report)):
        yield _fact(label.capitalize(), fact)


def _state(report: Report) -> Iterator[str]:
    extraction = extraction_of(report)
    yield FINAL_STATES[extraction.status]
    if not all(map(_is_reliable, report.complete_run.inputs)):
        yield "WARNING: an input file changed during or after the extraction. The output is not reliable."
    yield f"Exit status {report.complete_run.exit_code}"
    yield f"Digest of the result (SHA256) {report.digest()}"
    if compared := extraction.compared:
        yield f"{compared.summary.capitalize()}."
        for one in compared.differences[:LISTED_RANGES]:
            yield f"  differs: {one.length:,} bytes at virtual offset {one.virtual_offset:,}"


def _is_reliable(read: InputRecord) -> bool:
    """Whether a file is what it was, as far as it was looked at again."""
    same = not read.verified_source or read.verified_source == read.hashes
    return same and read.integrity is not UNSET and read.integrity.unchanged is not False


def _fact(label: str, value: str) -> str:
    return f"  {label:26}{':' if label else ' '} {value}"


def _sectors(entry: UnreadableRecord) -> str:
    start, length = entry.virtual_offset, entry.length
    first, last = start // SECTOR_SIZE, (start + length - 1) // SECTOR_SIZE
    return f"{first}" if first == last else f"{first}-{last}"


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Struct):
        parts = [
            (name, part) for name, part in asdict(value).items() if part is not None and not isinstance(part, Struct)
        ]
        return ", ".join(f"{words(name)} {_setting(part)}" for name, part in parts)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _moment(value: int) -> str:
    """Nanoseconds since 1970 as a date, to the last digit; a file system can hold dates of five digits a year."""
    seconds, nanoseconds = divmod(value, 10**9)
    if not EARLIEST <= seconds <= LATEST:
        return f"{value} ns since 1970"
    return f"{in_utc(seconds, '%Y-%m-%dT%H:%M:%S')}.{nanoseconds:09}Z"


def _ascii(line: str) -> str:
    return "".join(character if character.isascii() else f"<U+{ord(character):04X}>" for character in line)
