"""An extraction as Digital Forensics XML: what was read, the disk with its hashes and gaps, the files written.

DFXML has elements for the disk, its volumes, files and hashes; what it has no word for (case data, roles of files, the
reason why a range was not read) are elements `q:…` of our own namespace, which its schema allows.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping

from msgspec import UNSET
from msgspec.structs import asdict

from forensic.numbers import SECTOR_SIZE
from forensic.records.extraction import UnreadableRecord
from forensic.records.run import ArtifactRecord, InputRecord
from forensic.report.dfxml import creator, element, head, opened, source, volume_head
from forensic.report.model import Report
from forensic.report.notes import notes_of
from forensic.report.values import extraction_of, text, unchanged, unread_sentence

HASH_TYPES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
"""The hashes that DFXML has a name for; others are elements of our own."""


def to_dfxml(report: Report) -> str:
    """The document."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield from head()
    yield f"<metadata>{''.join(_case(report))}</metadata>"
    yield creator(_run(report))
    yield source(read.path for read in report.complete_run.inputs)
    yield from _disk(report)
    for artifact in report.complete_run.artifacts:
        if artifact.segment_index is not UNSET:
            yield _written(report, artifact)
    yield "</dfxml>"


def _case(report: Report) -> Iterator[str]:
    for name, value in asdict(report.case).items():
        if value is not UNSET and value is not None:
            yield element(f"q:{name}", value)
    yield element("q:result_digest", report.digest(), {"type": "sha256"})
    for note in notes_of(report.annotations):
        facts = "; ".join(f"{label}: {fact}" for label, fact in note.facts)
        yield element("q:note", note.words, {"q:about": facts} if facts else {})


def _run(report: Report) -> Iterator[str]:
    run = report.complete_run
    system = "" if run.os is UNSET else run.os
    known = (
        ("os_sysname", system.partition(" ")[0]), ("os_release", run.kernel), ("host", run.hostname),
        ("arch", system.rpartition(" ")[2]), ("command_line", shlex.join(run.command_line)), ("uid", run.uid),
        ("username", run.user), ("start_time", run.started_at),
    )  # fmt: skip
    parts = [element(name, value) for name, value in known if value is not UNSET and value != ""]
    yield f"<execution_environment>{''.join(parts)}</execution_environment>"
    for library in report.complete_tool.libraries:
        yield opened("library", {"name": library.name, "version": library.version or ""}) + "</library>"


def _disk(report: Report) -> Iterator[str]:
    extraction = extraction_of(report)
    disk = {"q:target": extraction.target, "q:status": extraction.status, "q:verdict": report.result.summary.verdict}
    yield opened("diskimageobject", disk)
    for read in report.complete_run.inputs:
        yield _read(read)
    yield from _foreign_hashes(extraction.hashes)
    for caveat in extraction.caveats:
        yield element("q:note", caveat)
    yield from map(_unread, extraction.unreadable)
    if extraction.unreadable_not_listed:
        yield element("q:unread_not_listed", extraction.unreadable_not_listed)
    for kind, length in (("read", extraction.bytes_read), ("zero", extraction.bytes_zero)):
        yield element(f"q:bytes_{kind}", length)
    where = extraction.virtual_range
    run = opened("byte_run", {"img_offset": where.offset, "len": where.length})
    yield f"<byte_runs>{run}{''.join(_hashes(extraction.hashes))}</byte_run></byte_runs>"
    yield element("sector_size", SECTOR_SIZE)
    for volume in report.result.guest.volumes if report.result.guest is not UNSET else ():
        yield from volume_head(text(volume.volume), volume.guest_offset, volume.file_system or "")
        yield "</volume>"
    if extraction.bytes_filled:
        yield element("error", unread_sentence(extraction))
    yield "</diskimageobject>"


def _read(read: InputRecord) -> str:
    known: dict[str, str | int] = {"role": read.role, "path": read.path}
    if read.size is not UNSET:
        known["size"] = read.size
    if read.integrity is not UNSET:
        known["unchanged"] = unchanged(read.integrity, "no")
    hashes = "".join(element("q:hash", value, {"type": name}) for name, value in (read.hashes or {}).items())
    return f"{opened('q:read', known)}{hashes}</q:read>"


def _unread(gap: UnreadableRecord) -> str:
    known: dict[str, str | int] = {"img_offset": gap.virtual_offset, "len": gap.length, "reason": gap.reason_code}
    if gap.host_offset is not None:
        known["host_offset"] = gap.host_offset
    return f"{opened('q:unread', {**known, 'fill': gap.filled_with})}</q:unread>"


def _written(report: Report, artifact: ArtifactRecord) -> str:
    """A file of the output; of a raw file it is said which bytes of the disk are in it."""
    extraction = extraction_of(report)
    index = artifact.segment_index
    assert index is not UNSET
    parts = [element("filename", artifact.name), element("filesize", artifact.size or 0)]
    hashes: Mapping[str, str] = {}
    if artifact.role == "raw":
        segment = extraction.segments[index - 1]
        run = opened("byte_run", {"file_offset": 0, "img_offset": segment.virtual_offset, "len": segment.size})
        parts.append(f"<byte_runs>{run}</byte_run></byte_runs>")
        hashes = segment.hashes
    elif extraction.new_image is not UNSET:
        hashes = {"sha256": extraction.new_image.sha256}
    elif artifact.sha256:
        hashes = {"sha256": artifact.sha256}
    parts += [*_hashes(hashes), *_foreign_hashes(hashes)]
    if extraction.container is not UNSET:
        parts += [
            element("q:hash_in_container", value, {"type": name}) for name, value in extraction.container.hashes.items()
        ]
    return f"{opened('fileobject', {'q:role': artifact.role})}{''.join(parts)}</fileobject>"


def _hashes(hashes: Mapping[str, str]) -> Iterator[str]:
    for name in HASH_TYPES:
        if name in hashes:
            yield element("hashdigest", hashes[name], {"type": name})


def _foreign_hashes(hashes: Mapping[str, str]) -> Iterator[str]:
    for name, value in hashes.items():
        if name not in HASH_TYPES:
            yield element("q:hash", value, {"type": name})
