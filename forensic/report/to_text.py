"""A report as lines for a terminal or a log; every string of the image in it has its shown form already.

A line is a list of pieces, each with the name of a style (a severity, a verdict, `label`, `quiet`, `title` or
nothing), so that the same lines can be printed plain or in colour.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from forensic.report.model import CheckStatus, Report
from forensic.report.values import cautions, comparison, items, number, section, sections, size, text, words
from forensic.untrusted import Json

Line = Sequence[tuple[str, str]]
"""Pieces of text, each with its style."""

SHOWN_PROBLEMS = 3
SHOWN_UNREADABLE = 20

DISK_PARTS = (
    ("data", "of data"),
    ("in_data_file", "in the data file"),
    ("compressed", "compressed"),
    ("zero_explicit", "zero by a flag"),
    ("from_backing", "left to the backing file"),
    ("unallocated", "not allocated"),
    ("unreadable", "that cannot be read"),
)
FILE_PARTS = (("metadata", "of metadata"), ("leaked", "leaked"), ("free", "free"))
"""Parts of `result.allocation` in a reader's words."""


def to_text(report: Report) -> str:
    """The whole report, plain."""
    return plain(report_lines(report))


def plain(lines: Iterable[Line]) -> str:
    """The lines without their styles."""
    return "".join("".join(piece for piece, _ in line) + "\n" for line in lines)


def report_lines(report: Report) -> Iterator[Line]:
    """What there is: for an extraction what the image is, what was extracted and the findings; else the findings."""
    if "extraction" in report.result:
        yield from info_lines(report)
        yield from extraction_lines(report)
    yield from check_lines(report)


def info_lines(report: Report) -> Iterator[Line]:
    """What an image is."""
    yield [(text(report.source["path_as_given"]), "title")]
    yield from _caution_lines(report)
    for label, fact in image_facts(report):
        yield [(f"  {label:13} ", "label"), (fact, "")]


def check_lines(report: Report) -> Iterator[Line]:
    """The verdict, the findings with their first places, and how many checks were made."""
    verdict = text(section(report.result["summary"])["verdict"])
    yield [(f"{text(report.source['path_as_given'])}: ", "title"), (verdict, verdict)]
    yield from _caution_lines(report)
    for finding in sections(report.result["findings"]):
        yield from _finding_lines(finding)
    checks = sections(report.result["checks"])
    status = [check["status"] for check in checks]
    counts = ", ".join(f"{status.count(kind.value)} {words(kind.value)}" for kind in CheckStatus)
    yield [(f"checks: {counts}", "quiet")]
    if hint := recovery_hint(report):
        yield [(hint, "")]
    for reason in sorted({text(check["reason"]) for check in checks if check["status"] == CheckStatus.NOT_RUN}):
        yield [(f"not run: {reason}", "quiet")]


RECOVERY_CODES = ("orphan-l2-tables", "l1-table-wiped", "l2-table-wiped", "deleted-snapshot-remains")


def recovery_hint(report: Report) -> str:
    """The line that says that `recover` may read more; empty where nothing speaks for it."""
    found = [finding for finding in sections(report.result["findings"]) if text(finding["rule"]) in RECOVERY_CODES]
    if not found:
        return ""
    counts = {text(finding["rule"]): number(finding["count"]) for finding in found}
    words_of = (
        ("orphan-l2-tables", "L2 table without an L1 entry", "L2 tables without an L1 entry"),
        ("l2-table-wiped", "L2 table that was wiped", "L2 tables that were wiped"),
        ("deleted-snapshot-remains", "deleted snapshot", "deleted snapshots"),
    )
    parts = [counted(counts[code], one, many) for code, one, many in words_of if code in counts]
    return f"recover may read more: {', '.join(parts) or 'an L1 table that was wiped'}"


def _caution_lines(report: Report) -> Iterator[Line]:
    for caution in cautions(report.source, report.run):
        yield [(f"  {'caution':13} ", "label"), (caution, "high")]


def extraction_lines(report: Report) -> Iterator[Line]:
    """What was extracted, its hashes, and what was not read."""
    extraction = section(report.result["extraction"])
    facts = [("status", words(extraction["status"]))]
    facts += [
        (words(name).removeprefix("bytes "), f"{number(extraction[name]):,} bytes")
        for name in ("bytes_expected", "bytes_read", "bytes_zero", "bytes_filled")
    ]
    facts += [(name, text(value)) for name, value in section(extraction["hashes"]).items()]
    for label, fact in facts:
        yield [(f"  {label:13} ", "label"), (fact, "")]
    for label, fact in comparison(extraction):
        yield [(f"  {label:13} ", "label"), (fact, "high" if label == "differs" else "")]
    unreadable = sections(extraction["unreadable"])
    for entry in unreadable[:SHOWN_UNREADABLE]:
        where = f"{number(entry['length']):,} bytes at guest offset {number(entry['virtual_offset']):#x}"
        yield [("  not read      ", "label"), (f"{where}: {text(entry['reason_code'])}", "high")]
    more = len(unreadable) - SHOWN_UNREADABLE + number(extraction["unreadable_not_listed"])
    if more > 0:
        yield [("  not read      ", "label"), (f"and {more:,} more ranges", "high")]


def _finding_lines(finding: Mapping[str, Json]) -> Iterator[Line]:
    severity = text(finding["severity"])
    yield [(f"{severity:8}", severity), (f"  {text(finding['rule'])}  ", "code"), (text(finding["title"]), "")]
    for problem in sections(finding["problems"])[:SHOWN_PROBLEMS]:
        yield [(f"          {text(problem['observation'])}", "")]
    more = number(finding["count"]) - SHOWN_PROBLEMS
    if more > 0:
        yield [(f"          and {more:,} more", "quiet")]


def image_facts(report: Report) -> Iterator[tuple[str, str]]:
    """What an image is, as labels and values."""
    result = report.result
    image = section(result["image"])
    if "version" not in image:
        yield "format", f"{text(image['format'])}: {text(image['description'])}"
        return
    version = f"version {image['version']}" if image["version"] else "of a version that is not known"
    yield "format", f"{'qcow' if image['format'] == 'qcow1' else 'qcow2'} {version}"
    yield "virtual size", size(number(image["virtual_size"]))
    on_disk = f", on disk {size(number(report.source['disk_usage']))}" if "disk_usage" in report.source else ""
    yield "file size", size(number(image["file_size"])) + on_disk
    yield from _geometry_facts(image)
    yield from _allocation_facts(section(result.get("allocation")))
    yield "compression", text(image["compression_type"])
    yield from _encryption_facts(section(image["encryption"]))
    yield from _feature_facts(section(image["features"]))
    for extension in sections(image["header_extensions"]):
        name = extension["name"] or f"unknown {extension['type_hex']}"
        where = f"{extension['length']} bytes at host offset {number(extension['host_offset']):#x}"
        yield "extension", f"{name}, {where}" + ("" if extension["complete"] else ", cut off")
    for reference in sections(result["references"]):
        yield words(reference["kind"]), _reference_fact(reference)
    yield from _snapshot_facts(result, number(image["snapshot_count"]))
    for bitmap in sections(result["bitmaps"]):
        flags = " ".join(map(text, items(bitmap["flags"]))) or "no flags"
        marked = bitmap.get("dirty_bytes")
        dirty = "" if marked is None else f", marks {size(number(marked))}"
        yield "bitmap", f'"{text(bitmap["name"])}", granularity {bitmap["granularity"]} bytes, {flags}{dirty}'
    if more := _not_listed(result, "bitmaps"):
        yield "bitmaps", f"{more:,} more are not listed"


def _geometry_facts(image: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    if "cluster_size" not in image:
        yield "cluster size", f"not known: cluster_bits is {image['cluster_bits']}"
        return
    yield "cluster size", size(number(image["cluster_size"]))
    l1 = section(image["l1"])
    yield "L1 table", f"{counted(l1['entries'], 'entry', 'entries')} at host offset {number(l1['host_offset']):#x}"
    yield "L2 tables", f"{image['l2_tables']} of the L1 entries are in use"
    if "refcount" not in image:
        return
    refcount = section(image["refcount"])
    clusters = counted(refcount["table_clusters"], "cluster", "clusters")
    table = f"table of {clusters} at host offset {number(refcount['table_host_offset']):#x}"
    yield "refcounts", f"{refcount['bits']} bits, {table}"


def _allocation_facts(allocation: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """What the active disk consists of, and the file beside it; only after a check."""
    for label, parts in (("disk holds", DISK_PARTS), ("file holds", FILE_PARTS)):
        held = [f"{size(number(allocation[name]))} {words}" for name, words in parts if allocation.get(name)]
        if held:
            yield label, ", ".join(held)


def _machine_state(snapshot: Mapping[str, Json]) -> str:
    """The memory that was saved with a snapshot, and the time on the machine's clock."""
    if not number(snapshot["vm_state_size"]):
        return ", no machine state"
    seconds, nanoseconds = divmod(number(snapshot["vm_clock_ns"]), 1_000_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{nanoseconds // 1_000_000:03}"
    return f", machine state {size(number(snapshot['vm_state_size']))}, machine clock {clock}"


def _shares(snapshot: Mapping[str, Json]) -> str:
    if "unique_clusters" not in snapshot:
        return ""
    alone = counted(snapshot["unique_clusters"], "cluster", "clusters")
    return f", {alone} of its own, {number(snapshot['shared_clusters']):,} shared"


def counted(count: Json, one: str, many: str) -> str:
    """A number and what it counts."""
    return f"{number(count):,} {one if count == 1 else many}"


def _encryption_facts(encryption: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    yield "encryption", text(encryption["method"])
    if encryption["luks_header"]:
        luks = section(encryption["luks_header"])
        cipher = f"{text(luks['cipher_name'])}-{text(luks['cipher_mode'])}, {text(luks['hash'])}"
        slots = ", ".join(map(str, items(luks["active_key_slots"]))) or "none"
        yield "", f"LUKS {luks['version']}, {cipher}, key of {luks['key_bytes']} bytes, active slots: {slots}"


def _feature_facts(features: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    for kind, bits in features.items():
        for feature in sections(bits):
            own = f' (called "{text(feature["name_in_image"])}" in the image)' if feature["name_in_image"] else ""
            name = feature["name"] or "unknown feature" + own
            yield "feature", f"{name} ({kind} bit {feature['bit']})"


def _reference_fact(reference: Mapping[str, Json]) -> str:
    name = f'"{text(reference["declared"])}"' if reference["declared"] else "without a name"
    declared_format = reference["declared_format"]
    of_format = f", format {text(declared_format)}" if declared_format else ""
    return f"{name}{of_format}; " + ("supplied by the examiner" if reference["followed"] else "not opened")


def _not_listed(result: Mapping[str, Json], kind: str) -> int:
    return number(section(result.get("not_listed", {})).get(kind, 0))


def _snapshot_facts(result: Mapping[str, Json], claimed: int) -> Iterator[tuple[str, str]]:
    snapshots = sections(result["snapshots"])
    for snapshot in snapshots:
        yield (
            "snapshot",
            f'{snapshot["index"]}: id "{text(snapshot["id"])}", name "{text(snapshot["name"])}", '
            f"{text(snapshot['created_at'])}, disk {size(number(snapshot['virtual_size']))}"
            + _machine_state(snapshot)
            + _shares(snapshot),
        )
    more = _not_listed(result, "snapshots")
    if claimed != len(snapshots) + more:
        yield "snapshots", f"{claimed:,} claimed, {len(snapshots) + more:,} readable"
    if more:
        yield "snapshots", f"{more:,} more are not listed"
