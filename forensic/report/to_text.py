"""A report as plain text for a terminal or a log; every string of the image in it has its shown form already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from forensic.finding import Severity
from forensic.report.model import CheckStatus, Judgement
from forensic.untrusted import Json, shown

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def size(number: int) -> str:
    """A size with a unit, and in bytes where the unit hides some."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number:,} bytes" if not unit else f"{value:.4g} {UNITS[unit]} ({number:,} bytes)"


def info_text(path: str, result: Mapping[str, Json]) -> str:
    """What an image is."""
    lines = [shown(path), *_info_lines(result)]
    return "\n".join(lines) + "\n"


def check_text(path: str, judgement: Judgement, fail_on: Severity) -> str:
    """The verdict, the findings with their first places, and how many checks were made."""
    lines = [f"{shown(path)}: {judgement.verdict(fail_on).value}"]
    for finding in judgement.worst_first():
        lines.append(f"{finding.severity.value:8}  {finding.rule}  {finding.title}")
        lines += [f"          {problem.observation}" for problem in finding.problems[:3]]
        if finding.count > 3:
            lines.append(f"          and {finding.count - 3:,} more")
    status = [check.status for check in judgement.checks]
    counts = ", ".join(f"{status.count(kind)} {kind.value.replace('_', ' ')}" for kind in CheckStatus)
    lines.append(f"checks: {counts}")
    reasons = sorted({check.reason for check in judgement.checks if check.status == CheckStatus.NOT_RUN})
    lines += [f"not run: {reason}" for reason in reasons]
    return "\n".join(lines) + "\n"


def _info_lines(result: Mapping[str, Json]) -> Iterator[str]:
    image = _section(result["image"])
    yield _line("format", f"qcow2 version {image['version']}")
    yield _line("virtual size", size(_number(image["virtual_size"])))
    yield _line("file size", f"{size(_number(image['file_size']))}, on disk {size(_number(image['disk_usage']))}")
    if "cluster_size" in image:
        yield _line("cluster size", size(_number(image["cluster_size"])))
        refcount, l1 = _section(image["refcount"]), _section(image["l1"])
        yield _line("L1 table", f"{l1['entries']} entries at host offset {_number(l1['host_offset']):#x}")
        yield _line("L2 tables", f"{image['l2_tables']} of the L1 entries are in use")
        yield _line(
            "refcounts",
            f"{refcount['bits']} bits, table of {refcount['table_clusters']} clusters at host offset "
            f"{_number(refcount['table_host_offset']):#x}",
        )
    else:
        yield _line("cluster size", f"not known: cluster_bits is {image['cluster_bits']}")
    yield _line("compression", str(image["compression_type"]))
    yield from _encryption_lines(_section(image["encryption"]))
    yield from _feature_lines(_section(image["features"]))
    for extension in map(_section, _list(image["header_extensions"])):
        name = extension["name"] or f"unknown {extension['type_hex']}"
        place = f"{extension['length']} bytes at host offset {_number(extension['host_offset']):#x}"
        yield _line("extension", f"{name}, {place}" + ("" if extension["complete"] else ", cut off"))
    yield from _reference_lines(result)
    yield from _snapshot_lines(result, _number(image["snapshot_count"]))
    for bitmap in map(_section, _list(result["bitmaps"])):
        flags = " ".join(map(str, _list(bitmap["flags"]))) or "no flags"
        yield _line("bitmap", f'"{_text(bitmap["name"])}", granularity {bitmap["granularity"]} bytes, {flags}')


def _encryption_lines(encryption: Mapping[str, Json]) -> Iterator[str]:
    yield _line("encryption", str(encryption["method"]))
    if encryption["luks_header"]:
        luks = _section(encryption["luks_header"])
        cipher = f"{_text(luks['cipher_name'])}-{_text(luks['cipher_mode'])}, {_text(luks['hash'])}"
        slots = ", ".join(map(str, _list(luks["active_key_slots"]))) or "none"
        yield _line("", f"LUKS {luks['version']}, {cipher}, key of {luks['key_bytes']} bytes, active slots: {slots}")


def _feature_lines(features: Mapping[str, Json]) -> Iterator[str]:
    for kind, bits in features.items():
        for feature in map(_section, _list(bits)):
            own = f' (called "{_text(feature["name_in_image"])}" in the image)' if feature["name_in_image"] else ""
            name = feature["name"] or "unknown feature" + own
            yield _line("feature", f"{name} ({kind} bit {feature['bit']})")


def _reference_lines(result: Mapping[str, Json]) -> Iterator[str]:
    for reference in map(_section, _list(result["references"])):
        kind = str(reference["kind"]).replace("_", " ")
        name = f'"{_text(reference["declared"])}"' if reference["declared"] else "without a name"
        declared_format = reference["declared_format"]
        of_format = f", format {_text(declared_format)}" if declared_format else ""
        yield _line(kind, f"{name}{of_format}; not opened")


def _snapshot_lines(result: Mapping[str, Json], claimed: int) -> Iterator[str]:
    snapshots = _list(result["snapshots"])
    for snapshot in map(_section, snapshots):
        yield _line(
            "snapshot",
            f'{snapshot["index"]}: id "{_text(snapshot["id"])}", name "{_text(snapshot["name"])}", '
            f"{snapshot['created_at']}, disk {size(_number(snapshot['virtual_size']))}",
        )
    if claimed != len(snapshots):
        yield _line("snapshots", f"{claimed:,} claimed, {len(snapshots):,} readable")


def _line(label: str, text: str) -> str:
    return f"  {label:13} {text}"


def _section(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object in the report, not {value!r}")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list in the report, not {value!r}")
    return value


def _number(value: Json) -> int:
    if not isinstance(value, int):
        raise TypeError(f"expected a number in the report, not {value!r}")
    return value


def _text(value: Json) -> str:
    return str(_section(value)["text"])
