"""What the HTML report draws of a disk: every byte once, what is missing in its place, how sure a plan is."""

import re
from pathlib import Path

import pytest

from forensic import extract, open_image
from forensic.evidence import Evidence
from forensic.explore import ReportRequest, Run, time_line, write_extraction_reports
from forensic.image import identify
from forensic.mapped_report import with_drawings
from forensic.report import to_html as html
from forensic.report.file_map import CellMap
from forensic.report.map_svg import legend_of_textures, map_svg
from forensic.report.model import Report
from forensic.report.to_html import to_html
from forensic.untrusted import Json
from samples.kinds import Kind
from tests.commands import QCOW2_KINDS, damaged, qcowscope, sound
from tests.report.test_renderers import report_about


def drawn(path: Path) -> Report:
    with Evidence(path) as evidence:
        return with_drawings(report_about(path), identify(evidence), ["html"])


def extracted(path: Path, folder: Path) -> str:
    page = folder / "page.html"
    qcowscope("extract", path, "-o", folder / "disk.raw", "--report", f"html:{page}")
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_each_byte_of_a_disk_is_drawn_as_one_kind(kind: Kind) -> None:
    report = drawn(sound(kind.name))
    assert report.disk_map is not None
    assert sum(report.disk_map.bytes_by_kind.values()) == report.disk_map.size
    assert len(report.disk_map.cells) == -(-report.disk_map.size // report.disk_map.cell_size)
    assert "cannot be read" not in report.disk_map.cells


def test_the_cells_of_a_disk_are_those_of_its_tables() -> None:
    disk_map = drawn(sound("data-512")).disk_map
    assert disk_map is not None
    with open_image(sound("data-512")) as image:
        kinds = {extent.guest_offset // 512: extent.state.name for extent in image.extents()}
    assert {at for at, kind in enumerate(disk_map.cells) if kind == "data"} == {
        at for at, state in kinds.items() if state == "DATA"
    }


def test_what_cannot_be_read_outweighs_all_else_in_its_cell(tmp_path: Path) -> None:
    disk_map = drawn(damaged("l2-entry-outside-file", tmp_path)).disk_map
    assert disk_map is not None
    assert "cannot be read" in disk_map.cells
    assert 'class="hatch hatch-lost"' in map_svg(disk_map).source


def test_a_stream_that_breaks_is_lost_on_the_map_of_an_extraction_alone(tmp_path: Path) -> None:
    image = damaged("compressed-stream-broken", tmp_path)
    by_tables = drawn(image).disk_map
    assert by_tables is not None
    assert "cannot be read" not in by_tables.cells
    page = extracted(image, tmp_path)
    assert "hatch-lost" in page.partition("Map of the disk")[2].partition("Map of the file")[0]
    assert "Not all of the disk was read" in page


def test_a_disk_that_reaches_into_a_missing_backing_file_is_hatched_in_grey(tmp_path: Path) -> None:
    page = extracted(sound("overlay-qcow2"), tmp_path)
    assert "in the backing file, not supplied" in page
    assert "hatch-absent" in page
    assert 'class="hatch hatch-lost"' not in page


def test_states_are_drawn_beside_the_ones_before_and_add_up() -> None:
    strips = drawn(sound("snapshots-512")).time_line
    assert [strip.name for strip in strips] == ['snapshot 0 "first"', 'snapshot 1 "second"', "active disk"]
    assert (strips[0].new > 0, strips[0].shared, strips[0].gone) == (True, 0, 0)
    assert strips[1].shared > 0
    assert set(strips[0].cells) == {"new", "nothing"}


def test_states_that_are_not_drawn_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert '<span class="quiet">3 states</span>' in to_html(drawn(sound("snapshots-512")))
    monkeypatch.setattr(time_line, "MAX_STRIPS", 2)
    assert '<span class="quiet">2 of 3 states</span>' in to_html(drawn(sound("snapshots-512")))


def test_many_snapshots_do_not_stand_before_the_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    among, last = ["The image", "Findings", "Checks"], ["The image", "Findings", "Snapshots and bitmaps", "Checks"]
    for few, headings in ((2, among), (1, last)):
        monkeypatch.setattr(html, "FEW_STATES", few)
        page = to_html(drawn(sound("snapshots-512")))
        assert [heading for heading in re.findall(r"<h2>([^<]*)", page) if heading in last] == headings
        assert page.count("0: id &quot;1&quot;, name &quot;first&quot;, ") == 1


def test_an_image_without_usable_tables_and_another_file_are_not_drawn(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"PK")
    for path in (damaged("header-version", tmp_path), tmp_path / "other"):
        report = drawn(path)
        assert (report.disk_map, report.time_line) == (None, ())


def test_bytes_by_inference_and_unknown_ones_are_hatched_each_in_its_way() -> None:
    cells = CellMap(2048, 512, ("data",) * 4, {"data": 2048}, ("certain", "inferred", "unknown", ""), {
        "certain": 1024, "inferred": 512, "unknown": 512})  # fmt: skip
    drawing = map_svg(cells, of="disk").source
    assert drawing.count("hatch-inferred") == drawing.count("hatch-unknown") == 1
    strokes = re.findall(r'hatch-(\w+)" d="([^"]*)"', drawing)
    assert {look: path.count("M") for look, path in strokes} == {"inferred": 2, "unknown": 4}
    said = re.findall(r"<span>(\w+)</span>", legend_of_textures(cells).source)
    assert said == ["certain", "inferred", "unknown"]


def test_a_plan_says_on_the_map_how_sure_each_part_is(tmp_path: Path) -> None:
    image, plan, page = damaged("l1-table-wiped", tmp_path), tmp_path / "plan.json", tmp_path / "page.html"
    qcowscope("recover", image, "-o", plan)
    qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw", "--report", f"html:{page}")
    text = page.read_text(encoding="utf-8")
    assert "hatch-inferred" in text or "hatch-unknown" in text


def test_a_hostile_image_that_repeats_a_table_is_drawn_in_part_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forensic.explore.disk_cells.MAX_ROWS", 1)
    monkeypatch.setattr("forensic.mapped_report.MAX_ROWS", 1)
    report = drawn(sound("snapshots-512"))
    assert report.time_line == ()
    many = drawn(sound("two-l2-512")).disk_map
    assert many is not None
    assert "alone" in many.note
    assert many.cells[-1] == "not looked at"


def test_what_the_examiner_made_of_a_finding_stands_beside_it(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    words = "finding l2-entry-outside-file: explained: the copy was cut short <b>"
    notes: list[Json] = [
        {"range": {"space": "host", "offset": 0x600, "length": 40}, "note": note, "label": label,
         "created_at": "2026-03-01T09:44:21Z", "author": "A", "bytes": {"hex": (b"QFI" + bytes(29)).hex()}}
        for note, label in ((words, "triage"), ("a note", "question"))
    ]  # fmt: skip
    page = tmp_path / "page.html"
    with open_image(image) as opened, opened.disk() as disk:
        extraction = extract(disk, tmp_path / "out.raw")
        request = ReportRequest([("html", page)], annotations=notes, audit=[{"at": "09:44", "words": "\x1b<looked>"}])
        write_extraction_reports(request, opened, disk, extraction, Run(["qcowscope"]))
    text = page.read_text(encoding="utf-8")
    finding = text.partition("l2-entry-outside-file ·")[2].partition("</article>")[0]
    assert "the copy was cut short &lt;b&gt;" in finding
    assert '<span class="pill clean">triage: explained</span>' in text
    (notes_shown,) = re.findall(r"<h2>Notes.*?</article>", text, re.DOTALL)
    assert "a note" in notes_shown
    assert "triage" not in notes_shown
    assert "0x0000000600  51 46 49 00" in notes_shown
    assert "|QFI" in notes_shown or "QFI......" in notes_shown
    assert "0x0000000610" in notes_shown
    assert "\\x1b&lt;looked&gt;" in text
