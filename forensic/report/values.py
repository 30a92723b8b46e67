"""The words and sentences that several forms of a report have in common."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET

from forensic.errors import InternalError
from forensic.finding import Range
from forensic.numbers import counted
from forensic.records.extraction import ComparisonRecord, ExtractionRecord
from forensic.records.image import Qcow1ImageRecord, Qcow2ImageRecord
from forensic.records.judgement import FindingRecord
from forensic.records.run import InputRecord, IntegrityRecord, RunRecord, SourceRecord
from forensic.report.model import Report
from forensic.untrusted import UntrustedRecord, shown

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def text(value: UntrustedRecord | str | None) -> str:
    """The shown form of a text that may stand in the image; empty where there is none."""
    if isinstance(value, UntrustedRecord):
        return value.text
    return value or ""


def words(code: str) -> str:
    """A code of the report as a reader would say it."""
    return code.replace("_", " ")


def sentence(words: str) -> str:
    """A text of ours with a capital at its beginning."""
    return words[:1].upper() + words[1:]


def unchanged(integrity: IntegrityRecord, otherwise: str = "NO") -> str:
    """Whether a file is what it was; `otherwise` if it is not."""
    if integrity.unchanged is None:
        return "not known, since it is a block device"
    return "yes" if integrity.unchanged else otherwise


def size(length: int) -> str:
    """A size with a unit, and in bytes where the unit hides some."""
    value, unit = float(length), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{length:,} bytes" if not unit else f"{value:.4g} {UNITS[unit]} ({length:,} bytes)"


def virtual_size(image: Qcow2ImageRecord | Qcow1ImageRecord) -> str:
    """The size of the disk; by a plan it may be known only how many bytes it has at least."""
    least = getattr(image, "virtual_size_is_least", UNSET)
    return f"at least {size(image.virtual_size)}" if least is True else size(image.virtual_size)


def place(where: Range) -> str:
    """A range of a finding: where, how long, and in which address space."""
    return f"{where.space} {where.offset:#x}, {where.length:,} bytes"


def headed(why: str, spec: str, qemu: str, next_step: str) -> Iterator[tuple[str, str]]:
    """The sections of a rule's documentation: a heading and a sentence each."""
    for heading, said in (
        ("Why it matters", why),
        ("Specification", spec),
        ("What QEMU does", qemu),
        ("What to do next", next_step),
    ):
        if said:
            yield heading, sentence(said)


def explanation(finding: FindingRecord) -> Iterator[tuple[str, str]]:
    """What the documentation of a rule says of its finding: a heading and a sentence each."""
    return headed(finding.interpretation, finding.spec, finding.qemu, finding.next_step)


def extraction_of(report: Report) -> ExtractionRecord:
    """What a report says of an extraction. Raises `InternalError` for the report of something else."""
    if report.result.extraction is UNSET:
        raise InternalError("this form of a report can only be written of an extraction")
    return report.result.extraction


def unread_sentence(extraction: ExtractionRecord) -> str:
    """How much of a disk was not read, without a stop; for an extraction that has such bytes."""
    ranges = counted(len(extraction.unreadable) + extraction.unreadable_not_listed, "range")
    return f"{extraction.bytes_filled:,} bytes in {ranges} could not be read and were replaced by zeros"


def supplied_files(run: RunRecord | None) -> list[InputRecord]:
    """The files that were read beside the image."""
    return list(run.inputs[1:]) if run else []


def cautions(source: SourceRecord, run: RunRecord | None) -> list[str]:
    """What a reader has to know about how the image and the files beside it were read, one sentence each."""
    read: list[tuple[str, SourceRecord | InputRecord]] = [(source.path_as_given, source)]
    read += [(one.path, one) for one in supplied_files(run)]
    return [f"{path} {note}" for path, one in read if one.notes is not UNSET for note in one.notes]


LISTED_DIFFERENCES = 20


def new_image(extraction: ExtractionRecord) -> list[tuple[str, str]]:
    """What a new qcow2 image consists of, where one was written: a label and a sentence each."""
    image = extraction.new_image
    if image is UNSET:
        return []
    clusters = f"{image.data_clusters:,} clusters of data, {image.compressed_clusters:,} compressed"
    facts = [("new image", f"{image.file_size:,} bytes, {clusters}"), ("its sha256", image.sha256)]
    return [*facts, ("its data file", image.data_file)] if image.data_file else facts


def certainties(extraction: ExtractionRecord) -> list[tuple[str, str]]:
    """How sure a recovery plan is of the bytes of an extraction: a label and a sentence each."""
    recovery = extraction.recovery
    if recovery is UNSET:
        return []
    sums = ", ".join(f"{count:,} {word}" for word, count in recovery.bytes_by_certainty.items())
    facts = [("by the plan", f"{sums} (bytes)")]
    methods = ", ".join(f"{words(name)} {count:,}" for name, count in recovery.bytes_by_method.items())
    if methods:
        facts.append(("by method", f"{methods} (bytes)"))
    if recovery.bytes_by_certainty.get("inferred"):
        facts.append(("inferred", recovery.sentence))
    if recovery.examiner:
        facts.append(("plan edited", "by " + ", ".join(shown(name) for name in recovery.examiner)))
    return facts


def by_plan(report: Report) -> list[tuple[str, str]]:
    """The recovery plan that the image was read by, and how sure it is: a label and a sentence each."""
    plan = report.result.plan
    if plan is UNSET:
        return []
    sums = ", ".join(f"{count:,} {word}" for word, count in plan.bytes_by_certainty.items())
    path = report.source.plan
    facts = [("by the plan", ("" if path is UNSET else f"{path}: ") + f"{sums} (bytes)")]
    return [*facts, ("plan edited", "by " + ", ".join(plan.examiner))] if plan.examiner else facts


def comparison(compared: ComparisonRecord | None) -> list[tuple[str, str]]:
    """What two readings of an extraction had in common, and where they differ: a label and a sentence each."""
    if compared is None:
        return []
    facts = [("two readings", sentence(compared.summary))]
    if compared.bytes_not_judged:
        facts.append(("not compared", f"{compared.bytes_not_judged:,} bytes that could not be compared"))
    for one in compared.differences[:LISTED_DIFFERENCES]:
        where = f"{one.length:,} bytes at guest offset {one.virtual_offset:#x}"
        facts.append(("differs", f"{where}: {words(one.what)}"))
    more = len(compared.differences) - LISTED_DIFFERENCES + compared.differences_not_listed
    if more > 0:
        facts.append(("differs", f"and {counted(more, 'more range')}"))
    return facts
