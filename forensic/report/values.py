"""Taking a report's plain values apart again, with types: what a renderer reads is what a reader of the JSON gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from forensic.untrusted import Json

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def section(value: Json) -> Mapping[str, Json]:
    """An object of the report; an empty one where there is none."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise TypeError(f"expected an object in the report, not {value!r}")
    return value


def items(value: Json) -> Sequence[Json]:
    """A list of the report; an empty one where there is none."""
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"expected a list in the report, not {value!r}")
    return value


def sections(value: Json) -> list[Mapping[str, Json]]:
    """A list of objects."""
    return [section(item) for item in items(value)]


def number(value: Json) -> int:
    """A whole number of the report."""
    if not isinstance(value, int):
        raise TypeError(f"expected a number in the report, not {value!r}")
    return value


def text(value: Json) -> str:
    """A string of the report: one of ours, or the shown form of one that came out of the image."""
    if isinstance(value, Mapping):
        value = value["text"]
    return "" if value is None else str(value)


def words(code: Json) -> str:
    """A code of the report as a reader would say it."""
    return text(code).replace("_", " ")


def sentence(value: Json) -> str:
    """A text of ours as a sentence of its own."""
    words_of_it = text(value)
    return words_of_it[:1].upper() + words_of_it[1:]


def size(length: int) -> str:
    """A size with a unit, and in bytes where the unit hides some."""
    value, unit = float(length), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{length:,} bytes" if not unit else f"{value:.4g} {UNITS[unit]} ({length:,} bytes)"


def place(value: Mapping[str, Json]) -> str:
    """A range of a finding: where, how long, and in which address space."""
    return f"{text(value['space'])} {number(value['offset']):#x}, {number(value['length']):,} bytes"


def cautions(source: Mapping[str, Json], run: Mapping[str, Json]) -> list[str]:
    """What a reader has to know about how the image and the files beside it were read, one sentence each."""
    read = [(source.get("path_as_given"), source), *((one.get("path"), one) for one in sections(run.get("inputs"))[1:])]
    return [f"{text(path)} {text(note)}" for path, one in read for note in items(one.get("notes"))]


LISTED_DIFFERENCES = 20


def comparison(extraction: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What two readings of an extraction had in common, and where they differ: a label and a sentence each."""
    compared = section(extraction.get("compared"))
    if not compared:
        return []
    facts = [("two readings", sentence(compared["summary"]))]
    if number(compared["bytes_not_judged"]):
        facts.append(("not compared", f"{number(compared['bytes_not_judged']):,} bytes, on which nothing can be said"))
    differences = sections(compared["differences"])
    for one in differences[:LISTED_DIFFERENCES]:
        where = f"{number(one['length']):,} bytes at guest offset {number(one['virtual_offset']):#x}"
        facts.append(("differs", f"{where}: {words(one['what'])}"))
    more = len(differences) - LISTED_DIFFERENCES + number(compared["differences_not_listed"])
    if more > 0:
        facts.append(("differs", f"and {more:,} more ranges"))
    return facts
