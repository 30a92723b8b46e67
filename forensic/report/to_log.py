"""The log of an extraction as examiners know it from other imagers: plain ASCII, one fact a line."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Iterator, Mapping

from forensic.report.model import Report
from forensic.report.values import cautions, items, number, section, sections, size, text, words
from forensic.untrusted import Json, shown

SECTOR = 512
LISTED_RANGES = 10_000
"""Unreadable ranges that are listed; the ledger has them all."""

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
        ("Output files", _outputs(report)),
        ("Final state", _state(report)),
    ):
        lines += ["", title, "-" * len(title), *part]
    return "".join(_ascii(line) + "\n" for line in lines)


def _tool(report: Report) -> Iterator[str]:
    yield _fact("Program", f"{text(report.tool['name'])} {text(report.tool['version'])}")
    yield _fact("Python", text(report.tool["python"]))
    for library in sections(report.tool["libraries"]):
        yield _fact(text(library["name"]), text(library["version"]) or NOT_DONE)


def _case(report: Report) -> Iterator[str]:
    for name, value in report.case.items():
        yield _fact(words(name).capitalize(), shown(text(value)) or NOT_DONE)


def _source(report: Report) -> Iterator[str]:
    source = report.source
    yield _fact("Path as given", text(source["path_as_given"]))
    yield _fact("Path resolved", text(source["path_resolved"]))
    yield _fact("Size", size(number(source["size"])))
    yield _fact("Device, inode", f"{number(source['device'])}, {number(source['inode'])}")
    yield _fact("Mode, owner", f"{text(source['mode'])}, {number(source['owner'])}")
    yield _fact("Modified (UTC)", _moment(source["mtime_ns"]))
    yield _fact("Changed (UTC)", _moment(source["ctime_ns"]))
    yield _fact("Opened with", " ".join(map(text, items(source["open_flags"]))))
    locked = section(source["in_use"])["locked"]
    yield _fact("In use by others", NOT_DONE if locked is None else "yes" if locked else "no")
    for caution in cautions(source, report.run):
        yield _fact("Caution", caution)


def _disk(report: Report) -> Iterator[str]:
    image, extraction = section(report.result["image"]), section(report.result["extraction"])
    extent = section(extraction["virtual_range"])
    yield _fact("Image format", f"{text(image['format'])} version {text(image['version'])}")
    yield _fact("Virtual size", size(number(image["virtual_size"])))
    yield _fact("Extracted", text(extraction["target"]))
    yield _fact("From byte", f"{number(extent['offset']):,}")
    yield _fact("Length", size(number(extent["length"])))
    for reference in sections(report.result.get("references")):
        followed = "supplied by the examiner" if reference["followed"] is True else "not followed"
        name = f'"{text(reference["declared"])}"' if reference["declared"] else "without a name"
        yield _fact(words(reference["kind"]).capitalize(), f"{name}, {followed}")
    for caveat in items(extraction["caveats"]):
        yield _fact("Note", text(caveat))


def _parameters(report: Report) -> Iterator[str]:
    yield _fact("Command line", shlex.join(map(text, items(report.run["command_line"]))))
    for name, value in section(report.run["options"]).items():
        yield _fact(words(name).capitalize(), _setting(value))


def _times(report: Report) -> Iterator[str]:
    run = report.run
    yield _fact("Started (UTC)", text(run["started_at"]))
    yield _fact("Ended (UTC)", text(run["ended_at"]))
    yield _fact("Local time is UTC", text(run["local_utc_offset"]))
    yield _fact("Elapsed", f"{text(run['elapsed_seconds'])} seconds")
    for name in ("hostname", "user", "os"):
        if name in run:
            yield _fact(name.capitalize(), text(run[name]))


def _hashes(report: Report) -> Iterator[str]:
    hashes = section(report.result["hashes"])
    container = section(hashes["container"])
    yield "Image file (container):"
    yield from _three_ways(container, "verified_source", "verified source")
    for supplied in sections(report.run["inputs"])[1:]:
        yield _supplied(supplied)
        moments = {"acquired": supplied["hashes"], "verified_source": supplied.get("verified_source")}
        yield from _three_ways(moments, "verified_source", "verified source")
    yield "Virtual disk (the bytes that were extracted):"
    yield from _three_ways(section(hashes["virtual_disk"]), "verified_output", "verified output")
    piecewise = section(hashes["piecewise"])
    if piecewise:
        yield f"Piecewise, {number(piecewise['windows']):,} windows of {size(number(piecewise['window']))}:"
        yield _fact("SHA256 of the list", text(piecewise["digest_of_list"]))


def _three_ways(hashes: Mapping[str, Json], again: str, meaning: str) -> Iterator[str]:
    acquired, verified = section(hashes["acquired"]), section(hashes[again])
    if not acquired:
        yield _fact("Hash", NOT_DONE)
    for name, value in acquired.items():
        found = text(verified.get(name)) or NOT_DONE
        yield _fact(f"{name.upper()} acquired", text(value))
        yield _fact(f"{name.upper()} {meaning}", found)
        if found != NOT_DONE:
            yield _fact("", "match" if found == text(value) else "DOES NOT MATCH")


def _supplied(supplied: Mapping[str, Json]) -> str:
    return f"Supplied {words(supplied['role'])} {text(supplied['path'])}:"


def _integrity(report: Report) -> Iterator[str]:
    yield "Image file:"
    yield from _unchanged(section(report.source["integrity"]))
    for supplied in sections(report.run["inputs"])[1:]:
        yield _supplied(supplied)
        yield from _unchanged(section(supplied["integrity"]))


def _unchanged(integrity: Mapping[str, Json]) -> Iterator[str]:
    before, after = section(integrity["before"]), section(integrity["after"])
    for name, show in (("size", _bytes), ("mtime_ns", _moment), ("ctime_ns", _moment)):
        label = name.removesuffix("_ns")
        yield _fact(f"{label} before", show(before[name]))
        yield _fact(f"{label} after", show(after[name]) if after else "the file is gone")
    yield _fact("Unchanged", "yes" if integrity["unchanged"] is True else "NO")
    yield _fact("Judged by", text(integrity["method"]))


def _unreadable(report: Report) -> Iterator[str]:
    extraction = section(report.result["extraction"])
    ranges = sections(extraction["unreadable"])
    filled = number(extraction["bytes_filled"])
    if not filled:
        yield "None. Every byte was read from the evidence or is recorded there as zero."
        return
    count = len(ranges) + number(extraction["unreadable_not_listed"])
    yield f"{filled:,} bytes in {count:,} ranges could not be read and were replaced by zeros."
    listed = ranges[:LISTED_RANGES]
    yield f"The sectors (of {SECTOR} bytes) are: " + ", ".join(_sectors(entry) for entry in listed)
    yield f"{'virtual offset':>20} {'length':>16}  reason"
    for entry in listed:
        yield f"{number(entry['virtual_offset']):>20,} {number(entry['length']):>16,}  {text(entry['reason_code'])}"
    if count > len(listed):
        yield f"and {count - len(listed):,} more"


def _outputs(report: Report) -> Iterator[str]:
    artifacts = sections(report.run["artifacts"])
    if not artifacts:
        yield "None: standard output."
    for artifact in artifacts:
        yield _fact(text(artifact["role"]), text(artifact["name"]))
        index = artifact.get("segment_index")
        if index is None:
            continue
        segment = sections(section(report.result["extraction"])["segments"])[number(index) - 1]
        yield _fact("", size(number(segment["size"])))
        for name, value in section(segment["hashes"]).items():
            yield _fact("", f"{name} {text(value)}")
        yield _fact("", f"verified: {words(segment['verified'])}")


def _state(report: Report) -> Iterator[str]:
    extraction = section(report.result["extraction"])
    yield FINAL_STATES[text(extraction["status"])]
    if not all(map(_vouched_for, sections(report.run["inputs"]))):
        yield "WARNING: an input file changed during or after the extraction. The output is not reliable."
    yield f"Exit status {number(report.run['exit_code'])}"
    yield f"Digest of the result (SHA256) {report.digest()}"
    if compared := section(extraction["compared"]):
        yield f"{text(compared['summary']).capitalize()}."
        for one in sections(compared["differences"])[:LISTED_RANGES]:
            yield f"  differs: {number(one['length']):,} bytes at virtual offset {number(one['virtual_offset']):,}"


def _vouched_for(read: Mapping[str, Json]) -> bool:
    """Whether a file is what it was, as far as it was looked at again."""
    verified = section(read.get("verified_source"))
    same = not verified or verified == section(read["hashes"])
    return same and section(read["integrity"])["unchanged"] is True


def _fact(label: str, value: str) -> str:
    return f"  {label:26}{':' if label else ' '} {value}"


def _sectors(entry: Mapping[str, Json]) -> str:
    start, length = number(entry["virtual_offset"]), number(entry["length"])
    first, last = start // SECTOR, (start + length - 1) // SECTOR
    return f"{first}" if first == last else f"{first}-{last}"


def _setting(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)


def _bytes(value: Json) -> str:
    return f"{number(value):,} bytes"


def _moment(value: Json) -> str:
    """Nanoseconds since 1970 as a date, to the last digit; a file system can hold dates that Python cannot."""
    seconds, nanoseconds = divmod(number(value), 10**9)
    try:
        date = datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{number(value)} ns since 1970"
    return f"{date}.{nanoseconds:09}Z"


def _ascii(line: str) -> str:
    return "".join(character if character.isascii() else f"<U+{ord(character):04X}>" for character in line)
