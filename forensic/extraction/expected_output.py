"""What a report says about the raw file of its extraction."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from forensic.errors import BadReport, EvidenceUnreadable
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction.result import Status
from forensic.extraction.second_reading import Unread
from forensic.output.hashes import HASHES, Checkpoint, usable_hashes
from forensic.output.piecewise import ALGORITHM, SMALLEST_WINDOW, Piecewise
from forensic.report.model import digest_of
from forensic.untrusted import Json, shown

MAX_REPORT_BYTES = 256 << 20


class ExpectedContainer(Struct, frozen=True):
    """What the report says of an E01 container: hashes in it, zeros at its end, size and SHA-256 of its files."""

    padding: int
    hashes: dict[str, str]
    sizes: tuple[int, ...]
    digests: tuple[str, ...] = ()


class Expected(Struct, frozen=True):
    """Sizes in bytes; `checkpoints` are of the hash `leading`, `segments` are size and hashes of each output file.

    `target` and `guest_start` say what was extracted, `unread` which ranges could not be read. `reservations` are
    sentences for which the report itself does not confirm the output, `differs` that two readings of it differed.
    `container` is there if that is what was written.
    """

    size: int
    hashes: dict[str, str]
    leading: str
    checkpoints: tuple[Checkpoint, ...]
    segments: tuple[tuple[int, dict[str, str]], ...]
    piecewise: Piecewise | None
    target: str
    guest_start: int
    unread: Unread
    reservations: tuple[str, ...]
    differs: bool
    container: ExpectedContainer | None = None

    @property
    def segment_size(self) -> int | None:
        """The size of a segment; None if the disk is in one file."""
        return self.segments[0][0] if len(self.segments) > 1 else None


def read_expected(report: Path) -> Expected:
    """Read a report. Raises `BadReport`, `EvidenceUnreadable`."""
    with Evidence(report) as evidence:
        if evidence.size > MAX_REPORT_BYTES:
            raise BadReport(report, f"larger than {MAX_REPORT_BYTES:,} bytes")
        try:
            document = json.loads(evidence.read_at(0, evidence.size))
            result, digest = document["result"], document["result_digest"]["value"]
            if "new_image" in result["extraction"]:
                raise BadReport(report, "is of a new image, which qcowscope diff compares with its source")
            expected = _expected(result["extraction"], result.get("hashes"), document)
            is_as_written = digest == digest_of(result)
        except ReadFailed as error:
            raise EvidenceUnreadable(report, str(error)) from error
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise BadReport(report, "not a report of an extraction") from error
    if not _are_segments(expected.segments, expected.size):
        raise BadReport(report, "lists segments that do not form one disk")
    if not is_as_written:
        raise BadReport(report, "was changed after it was written: its result does not have the digest that it states")
    if not (expected.hashes or expected.piecewise) or not set(expected.hashes) <= set(HASHES):
        raise BadReport(report, "holds no hash that can be compared")
    missing = sorted(set(expected.hashes) - set(usable_hashes()))
    if missing:
        raise BadReport(report, f"{missing[0]} cannot be computed here: the package {missing[0]} is not installed")
    return expected


def _expected(extraction: dict[str, Json], hashes: Json, document: dict[str, Json]) -> Expected:
    points = _objects(extraction["checkpoints"])
    names = [name for name in points[0] if name != "length"] if points else ["sha256"]
    return Expected(
        _number(extraction["bytes_expected"]),
        _texts(extraction["hashes"]),
        names[0],
        tuple(Checkpoint(_number(point["length"]), str(point[names[0]])) for point in points),
        tuple((_number(entry["size"]), _texts(entry["hashes"])) for entry in _objects(extraction["segments"])),
        _piecewise(hashes),
        str(extraction["target"]),
        _number(_object(extraction["virtual_range"])["offset"]),
        _unread(extraction),
        tuple(_reservations(extraction, document)),
        bool(_object(extraction.get("compared")).get("differences")),
        _container(extraction, document),
    )


def _container(extraction: dict[str, Json], document: dict[str, Json]) -> ExpectedContainer | None:
    if "container" not in extraction:
        return None
    said = _object(extraction["container"])
    if said["format"] != "e01":
        raise ValueError("a container of another kind")
    written = [one for one in _objects(_object(document["run"])["artifacts"]) if one["role"] == "e01"]
    sizes = tuple(_number(one["size"]) for one in written)
    digests = tuple(str(one["sha256"]) for one in written if one.get("sha256"))
    return ExpectedContainer(_number(said["padding"]), _texts(said["hashes"]), sizes, digests)


def _are_segments(segments: Sequence[tuple[int, dict[str, str]]], size: int) -> bool:
    """Whether all segments but the last have one size, and together that of the output."""
    sizes = [length for length, _ in segments]
    alike = len(sizes) < 2 or (sizes[0] > 0 and set(sizes[:-1]) == {sizes[0]} and sizes[-1] <= sizes[0])
    return alike and (not sizes or sum(sizes) == size)


def _unread(extraction: dict[str, Json]) -> Unread:
    ranges = [
        (
            _number(one["virtual_offset"]),
            _number(one["virtual_offset"]) + _number(one["length"]),
            str(one["reason_code"]),
        )
        for one in _objects(extraction["unreadable"])
    ]
    return Unread(sorted(ranges), complete=not _number(extraction["unreadable_not_listed"]))


def _reservations(extraction: dict[str, Json], document: dict[str, Json]) -> Iterator[str]:
    """Why equal hashes alone do not make the output a copy of the disk."""
    status = extraction["status"]
    if status not in (Status.COMPLETE, Status.COMPLETE_WITH_UNREADABLE):
        yield f"the extraction did not complete: its status is {shown(str(status))}"
    if _object(extraction.get("compared")).get("differences"):
        yield "two independent readings of the disk differed when it was extracted"
    run = _object(document.get("run"))
    for read in _objects(run.get("inputs", [])) or [_object(document.get("source"))]:
        integrity, again = _object(read.get("integrity")), read.get("verified_source")
        name = shown(str(read.get("path", read.get("path_as_given", "the image"))))
        if integrity and integrity.get("unchanged", False) is False:  # null: a block device cannot tell
            yield f"{name} changed while it was being extracted"
        if again and again != read.get("hashes"):
            yield f"{name} read differently the second time"


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _piecewise(hashes: Json) -> Piecewise | None:
    found = hashes.get("piecewise") if isinstance(hashes, dict) else None
    if not isinstance(found, dict):
        return None
    if found["algorithm"] != ALGORITHM or _number(found["window"]) < SMALLEST_WINDOW:
        raise ValueError("piecewise hashes of another kind")
    return Piecewise(_number(found["window"]), _number(found["windows"]), str(found["digest_of_list"]))


def _objects(value: Json) -> list[dict[str, Json]]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return [entry for entry in value if isinstance(entry, dict)]


def _texts(value: Json) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return {str(name): str(text) for name, text in value.items()}


def _number(value: Json) -> int:
    if not isinstance(value, int) or value < 0:
        raise TypeError("not a size")
    return value
