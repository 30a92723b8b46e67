"""What the library says of an image, as pairs of a label and words for the overview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.text import Text

from forensic import Json
from tui.text import line, plain, size

Fact = tuple[str, Text]


def facts_of(result: Mapping[str, Json], disk_usage: int) -> Iterator[Fact]:
    """Label and words; everything that came out of the image went through `plain`."""
    image = section(result["image"])
    cluster = f", clusters of {size(number(image['cluster_size']))}" if "cluster_size" in image else ""
    yield "format", plain(f"{'qcow' if image['version'] == 1 else 'qcow2'} version {image['version']}{cluster}")
    yield (
        "virtual size",
        line((size(number(image["virtual_size"])), "bold"), f"  {number(image['virtual_size']):,} bytes"),
    )
    yield "file", plain(f"{size(number(image['file_size']))}, {size(disk_usage)} on disk")
    if "cluster_size" in image:
        l1 = section(image["l1"])
        entries = _counted(number(l1["entries"]), "entry", "entries")
        yield "L1 table", plain(f"{entries} at {number(l1['host_offset']):#x}")
    if "refcount" in image:
        refcount = section(image["refcount"])
        yield "refcounts", plain(f"{refcount['bits']} bits, table at {number(refcount['table_host_offset']):#x}")
    elif image["version"] == 1:
        yield "refcounts", plain("version 1 has none, nor snapshots", "dim")
    yield "features", _features(section(image["features"]))
    yield "compression", plain(str(image["compression_type"]))
    yield "encryption", _encryption(section(image["encryption"]))
    snapshots, bitmaps = items(result["snapshots"]), items(result["bitmaps"])
    yield "snapshots", _named(snapshots, number(image["snapshot_count"]))
    yield "bitmaps", _named(bitmaps, len(bitmaps))
    references = items(result["references"])
    for reference in map(section, references):
        yield str(reference["kind"]).replace("_", " "), _reference(reference)
    if not references:
        yield "references", plain("none", "dim")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _features(features: Mapping[str, Json]) -> Text:
    names = [feature for bits in features.values() for feature in map(section, items(bits))]
    if not names:
        return plain("none", "dim")
    words = [
        plain(str(each["name"])) if each["known"] else plain(f"unknown bit {each['bit']}", "bold") for each in names
    ]
    return Text(", ", end="").join(words)


def _encryption(encryption: Mapping[str, Json]) -> Text:
    luks = encryption["luks_header"]
    if not luks:
        return plain(str(encryption["method"]), "dim" if encryption["method"] == "none" else "bold")
    header = section(luks)
    slots = ", ".join(map(str, items(header["active_key_slots"]))) or "none"
    return line(
        ("LUKS ", "bold"), untrusted(header["cipher_name"]), "-", untrusted(header["cipher_mode"]), f", slots {slots}"
    )


def _named(entries: list[Json], claimed: int) -> Text:
    if not claimed:
        return plain("none", "dim")
    names = Text(", ", end="").join(untrusted(section(each)["name"]) for each in entries[:4])
    more = f" and {claimed - 4:,} more" if claimed > 4 and len(entries) > 4 else ""
    return line((f"{claimed:,}", "bold"), "  ", names, more)


def _reference(reference: Mapping[str, Json]) -> Text:
    name = untrusted(reference["declared"]) if reference["declared"] else plain("without a name")
    return line("“", name, "”  ", ("not followed", "bold"))


def untrusted(value: Json) -> Text:
    """A string of the image, in its shown form."""
    return plain(str(section(value)["text"]))


def section(value: Json) -> Mapping[str, Json]:
    """An object of a report."""
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object, not {value!r}")
    return value


def items(value: Json) -> list[Json]:
    """A list of a report."""
    if not isinstance(value, list):
        raise TypeError(f"expected a list, not {value!r}")
    return value


def number(value: Json) -> int:
    """A number of a report."""
    if not isinstance(value, int):
        raise TypeError(f"expected a number, not {value!r}")
    return value
