"""The sections of the HTML report that are drawn: maps of the file and of the disk, its volumes, its time line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import UNSET

from forensic.finding import Severity, Space
from forensic.numbers import counted
from forensic.records.image import GuestRecord, VolumeRecord
from forensic.report.file_map import CellMap, StateStrip
from forensic.report.html_sections import facts, table
from forensic.report.image_facts import guest_facts
from forensic.report.map_svg import legend, legend_of_textures, map_svg, strip_svg
from forensic.report.markup import Html, element, together
from forensic.report.model import Report
from forensic.report.values import size, text

MAX_MARKS = 4096
SINCE = (("new", "written since the state before"), ("shared", "shared with it"), ("gone", "no longer there"))
"""What became of bytes since the state before, in the words of `StateStrip`."""

SIZES = (1 << 60, 1 << 50, 1 << 40, 1 << 30, 1 << 20, 1 << 10)
UNITS = ("EiB", "PiB", "TiB", "GiB", "MiB", "KiB")


def file_section(report: Report) -> Iterator[Html]:
    """The image file in cells."""
    if report.file_map is not None and report.file_map.cells:
        yield from _map("Map of the file", report.file_map, _marks(report, Space.HOST), "file")


def disk_section(report: Report) -> Iterator[Html]:
    """What is on the disk, and the disk in cells."""
    guest = report.result.guest
    if guest is not UNSET:
        yield from _volumes(guest, report.disk_map)
    if report.disk_map is not None and report.disk_map.cells:
        target = "active" if report.result.extraction is UNSET else report.result.extraction.target
        heading = "Map of the disk" + ("" if target == "active" else f" ({target.replace(':', ' ')})")
        yield from _map(heading, report.disk_map, _marks(report, Space.GUEST) if target == "active" else [], "disk")


def time_line_section(strips: Sequence[StateStrip], states: int) -> Iterator[Html]:
    """Each state of the disk beside the one before it, as far as they were compared; `states` is how many there are."""
    if not strips:
        return
    all_of_them = counted(states, "state")
    words = all_of_them if len(strips) == states else f"{len(strips):,} of {all_of_them}"
    yield element("h2", "Time line", element("span", words, class_="quiet"))
    rows: list[tuple[Html | str, ...]] = [
        (
            strip.name,
            strip.taken,
            strip_svg(strip.cells, f"{strip.name}: where the disk changed", "since"),
            *map(_short, (strip.new, strip.shared, strip.gone)),
        )
        for strip in strips
    ]
    heads = ("state", "taken (UTC)", "from the beginning of the disk to its end", "new", "shared", "gone")
    key = [
        element("li", element("span", class_=f"swatch since-{word}"), element("span", f"{word}: {meaning}"))
        for word, meaning in SINCE
    ]
    listed = table(heads, rows, numbers=(3, 4, 5))
    yield element("div", listed, element("ul", *key, class_="legend"), class_="card states")


def _map(heading: str, cell_map: CellMap, marks: Sequence[tuple[int, int]], of: str) -> Iterator[Html]:
    cells = f"{counted(len(cell_map.cells), 'cell')} of {size(cell_map.cell_size)}"
    yield element("h2", heading, element("span", cells, class_="quiet"))
    places = element("li", element("span", class_="swatch marked"), element("span", "place of a finding"))
    key = element("ul", places, class_="legend") if marks else Html("")
    note = element("p", cell_map.note, class_="quiet note") if cell_map.note else Html("")
    drawn = map_svg(cell_map, marks, of)
    yield element("div", drawn, legend(cell_map), legend_of_textures(cell_map), key, note, class_="card map")


def _marks(report: Report, space: Space) -> list[tuple[int, int]]:
    """Ranges of the findings that matter."""
    found = [
        (place.offset, place.length)
        for finding in report.result.findings or ()
        for place in (finding.ranges if finding.severity >= Severity.MEDIUM else ())
        if place.space == space
    ]
    return found[:MAX_MARKS]


def _volumes(guest: GuestRecord, disk_map: CellMap | None) -> Iterator[Html]:
    scheme = "" if guest.partition_scheme is UNSET else guest.partition_scheme
    yield element("h2", "Partitions and file systems", element("span", scheme, class_="quiet"))
    listed = [(label, fact) for label, fact in guest_facts(guest) if label == "volumes"]
    said = facts(listed) if listed else Html("")
    placed = [volume for volume in guest.volumes if volume.guest_offset is not None and volume.length]
    bar = _bar(placed, disk_map.size) if disk_map and placed else Html("")
    colour = {id(volume): f"volume-{number % 2}" for number, volume in enumerate(placed)}
    rows: list[tuple[Html | str, ...]] = [
        (
            together(_swatch(colour.get(id(volume)) if bar.source else None), text(volume.volume)),
            volume.kind + (f' "{text(volume.name)}"' if volume.name else ""),
            volume.file_system or "none that is known",
            text(volume.label),
            size(volume.length),
            "in pieces" if volume.guest_offset is None else f"{volume.guest_offset:#x}",
        )
        for volume in guest.volumes
    ]
    heads = ("volume", "kind", "file system", "label", "size", "guest offset")
    body = table(heads, rows, mono=(5,)) if rows else Html("")
    yield element("div", bar, body, said, class_="card volumes")


def _swatch(colour: str | None) -> Html:
    return element("span", class_=f"swatch {colour}") if colour else Html("")


def _bar(volumes: Sequence[VolumeRecord], disk_size: int) -> Html:
    """The volumes in their places; one that is too small to be seen is drawn as a line."""
    cells = 1000
    words = ["nothing"] * cells
    for number, volume in enumerate(volumes):
        first = min((volume.guest_offset or 0) * cells // disk_size, cells - 1)
        last = min(((volume.guest_offset or 0) + volume.length - 1) * cells // disk_size, cells - 1)
        words[first : last + 1] = [str(number % 2)] * (last + 1 - first)
    return strip_svg(words, "The volumes in their places on the disk", "volume")


def _short(length: int) -> str:
    """A size in few characters, for columns."""
    for factor, unit in zip(SIZES, UNITS, strict=True):
        if length >= factor:
            return f"{length / factor:.4g} {unit}"
    return str(length)
