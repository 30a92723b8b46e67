"""The HTML report in a real browser: nothing on the console, no request, something to see, and fit for paper."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound, with_backing_name
from tests.report.browser import CHROMIUM, print_page, visit
from tests.report.test_renderers import EVIL

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
    pytest.mark.xdist_group("browser"),
]

Maker = Callable[[Path], Path]


def of_check(image: Path, folder: Path, *options: str) -> Path:
    page = folder / "report.html"
    qcowscope("check", image, *options, "--report", f"html:{page}", "--force")
    return page


def of_extraction(image: Path, folder: Path, *options: str | Path) -> Path:
    page = folder / "report.html"
    qcowscope("extract", image, "-o", folder / "out.raw", *options, "--report", f"html:{page}", "--force")
    return page


def by_a_plan(folder: Path) -> Path:
    image, plan = damaged("l1-table-wiped", folder), folder / "plan.json"
    qcowscope("recover", image, "-o", plan)
    return of_extraction(image, folder, "--plan", plan)


def nothing_at_all(folder: Path) -> Path:
    (folder / "empty").write_bytes(b"")
    return of_check(folder / "empty", folder)


def without_a_disk(folder: Path) -> Path:
    content = bytearray(sound("empty-512").read_bytes())
    content[24:32] = bytes(8)
    (folder / "image.qcow2").write_bytes(content)
    return of_check(folder / "image.qcow2", folder)


KINDS: dict[str, Maker] = {
    "sound": lambda folder: of_check(sound("data-512"), folder),
    "snapshots": lambda folder: of_check(sound("snapshots-512"), folder),
    "damaged": lambda folder: of_check(damaged("l2-entry-outside-file", folder), folder),
    "repeated tables": lambda folder: of_check(damaged("mapping-amplification", folder), folder),
    "overlay without its backing file": lambda folder: of_extraction(sound("overlay-qcow2"), folder),
    "encrypted": lambda folder: of_extraction(sound("luks-4k"), folder),
    "version 1": lambda folder: of_check(sound("version-1-deflate"), folder),
    "plan": by_a_plan,
    "empty file": nothing_at_all,
    "disk of no bytes": without_a_disk,
    "hostile names": lambda folder: of_check(with_backing_name(b"".join(EVIL)[:1000], folder / "a.qcow2"), folder),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_report_asks_for_nothing_complains_of_nothing_and_is_seen(kind: str, tmp_path: Path) -> None:
    page = KINDS[kind](tmp_path)
    seen = visit(page, tmp_path)
    assert seen.console == []
    assert seen.requests == []
    assert seen.blank < 0.98, "a page with letters and colours"


def test_the_browser_would_tell_of_a_request_and_of_an_error(tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text('<script>console.error("no")</script><img src="http://127.0.0.1:9/x.png">', encoding="utf-8")
    seen = visit(page, tmp_path)
    assert any("no" in line for line in seen.console)
    assert seen.requests == ["http://127.0.0.1:9/x.png"]
    assert seen.blank > 0.99


def test_a_report_is_dark_where_the_reader_wants_that(tmp_path: Path) -> None:
    page = of_check(sound("data-512"), tmp_path)
    (light, _), *_ = visit(page, tmp_path).colours.most_common(1)
    (dark, _), *_ = visit(page, tmp_path, dark=True).colours.most_common(1)
    assert max(dark[:3]) < 64 < 192 < min(light[:3])


def test_a_report_prints(tmp_path: Path) -> None:
    paper = print_page(of_check(sound("snapshots-512"), tmp_path), tmp_path)
    assert paper.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) >= 2
