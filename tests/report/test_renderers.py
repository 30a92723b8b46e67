"""Nothing that stands in an image, or in its file name, is more than text in any form of a report."""

import json
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from forensic.checking import check
from forensic.cli.output import make_report, start_run
from forensic.description import describe
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.image import identify
from forensic.mapped_report import ranges_to_draw, with_map
from forensic.report.formats import FORMATS, OF_EXTRACTIONS, render
from forensic.report.model import Report
from forensic.untrusted import Untrusted
from tests.commands import qcowscope, with_backing_name

EVIL = (
    b"</style></title><script>alert(1)</script>",
    b'"><img src=x onerror=alert(1)>',
    b"' onmouseover='alert(1)",
    b"]]><!-- --><svg/onload=alert(1)>&lt;b&gt;&#60;b&#62;",
    b"![beacon](http://example.invalid/x.png) [click](javascript:alert(1)) <http://example.invalid>",
    b"http://example.invalid/ www.example.invalid mail@example.invalid",
    b"a|b`c``d*e*_f_~~g~~\\|h\\\\|i",
    b"\n# heading\n\n| a | b |\n|---|---|\r\n- item",
    b"{0} {{1}} [link](1) \\[x](http://example.invalid)",
    b"\x1b]52;c;ZXZpbA==\x07\x1b[31m\x9b31m",
    "\u202egnp.exe\u2066\u200b\u00ad\u2028\u2029\ufeff".encode(),
    b"\xff\xfe\xc0\x80",
    b"[@click=app.quit]here[/] a[/]b",
    b"=1+1\t@SUM(1)",
    b"A" * 1000,
    b'{"type":"trailer"}\n{"type":"finding"}',
)
HARMLESS_CONTROLS = "\n"
HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "p", "h1", "h2", "h3", "section", "div", "span", "dl",
    "dt", "dd", "svg", "path", "text", "ul", "li", "article", "header", "table", "thead", "tbody", "tr", "th", "td",
    "footer",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "style", "viewbox", "role", "aria-label", "xmlns",
    "d", "x", "y", "dy", "text-anchor",
}  # fmt: skip
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
MARKDOWN_TOKENS = {
    "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "strong_open",
    "strong_close", "softbreak", "table_open", "table_close", "thead_open", "thead_close", "tbody_open",
    "tbody_close", "tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close", "bullet_list_open",
    "bullet_list_close", "list_item_open", "list_item_close", "text_special",
}  # fmt: skip


def report_about(path: Path) -> Report:
    """The report of a check, with its map."""
    with Evidence(path) as evidence:
        image = identify(evidence)
        known = ranges_to_draw(image, ["html"])
        result = check(image, strict=True, seen=known.see if known else None).add_to(describe(image))
        return with_map(make_report(evidence, result, start_run(), ExitStatus.DONE), known)


@dataclass
class Page(HTMLParser):
    """What a browser would make of a page: elements, attributes and text."""

    tags: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    pieces: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)


def assert_html_is_ours(text: str, name: str) -> None:
    page = Page()
    page.feed(text)
    page.close()
    assert page.tags <= TAGS
    assert page.attributes <= ATTRIBUTES
    assert page.others == []
    assert name in "".join(page.pieces)


def markdown_tokens(text: str) -> Iterator[tuple[str, str]]:
    for token in MARKDOWN.parse(text):
        yield token.type, token.content if not token.children else ""
        for child in token.children or ():
            yield child.type, child.content


def assert_markdown_is_ours(text: str, name: str) -> None:
    tokens = list(markdown_tokens(text))
    assert {kind for kind, _ in tokens} <= MARKDOWN_TOKENS
    # A name may be split into several pieces of text; blanks at the edge of a cell are Markdown's to drop.
    assert name.strip() in "".join(content for kind, content in tokens if kind in ("text", "text_special"))
    for opener in ("http://", "https://", "www."):
        assert opener not in text


def assert_sarif_is_ours(text: str, name: str) -> None:
    messages = [result["message"]["text"] for result in json.loads(text)["runs"][0]["results"]]
    named = name.replace("{", "{{").replace("}", "}}").replace("](", "] (")
    assert any(named in message for message in messages)
    assert not any("](" in message for message in messages)


def assert_jsonl_is_ours(text: str, name: str) -> None:
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["type"] for line in (lines[0], lines[-1])] == ["header", "trailer"]
    assert {line["type"] for line in lines[1:-1]} == {"finding"}
    assert lines[-1]["finding_count"] == len(lines) - 2
    assert any(name in line["observation"] for line in lines[1:-1])


def assert_nothing_is_harmful(text: str) -> None:
    """No control character, no bidirectional override, nothing invisible, in no form at all."""
    assert {c for c in text if unicodedata.category(c) in HARMFUL} <= set(HARMLESS_CONTROLS)


names = st.one_of(
    st.binary(min_size=1, max_size=1023),
    st.text(min_size=1, max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(st.sampled_from(EVIL), min_size=1, max_size=4).map(lambda parts: b"".join(parts)[:1023]),
).filter(lambda name: not name.endswith(b"\0"))  # NULs at the end are padding


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names)
@pytest.mark.parametrize("form", FORMATS)
def test_a_name_in_the_image_stays_text_in_every_form(form: str, tmp_path: Path, name: bytes) -> None:
    check_one_name(form, tmp_path, name)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", EVIL)
def test_names_known_to_be_evil_stay_text_in_every_form(form: str, tmp_path: Path, name: bytes) -> None:
    check_one_name(form, tmp_path, name)


def check_one_name(form: str, folder: Path, name: bytes) -> None:
    text = render(form, report_about(with_backing_name(name, folder / "image.qcow2")))
    shown = Untrusted(name).text
    assert_nothing_is_harmful(text)
    match form:
        case "html":
            assert_html_is_ours(text, shown)
        case "markdown":
            assert_markdown_is_ours(text, shown)
        case "sarif":
            assert_sarif_is_ours(text, shown)
        case "jsonl":
            assert_jsonl_is_ours(text, shown)
        case "json":
            (reference,) = json.loads(text)["result"]["references"]
            assert bytes.fromhex(reference["declared"]["hex"]) == name
        case "text":
            assert shown in text


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", [name for name in EVIL if b"/" not in name and len(name) < 200])
def test_an_evil_file_name_stays_text_in_every_form(form: str, tmp_path: Path, name: bytes) -> None:
    path = Path(os_path(tmp_path, name))
    with_backing_name(b"base", path)
    text = render(form, report_about(path))
    assert_nothing_is_harmful(text)
    if form == "html":
        assert_html_is_ours(text, Untrusted(name).text)
    if form == "markdown":
        assert_markdown_is_ours(text, Untrusted(name).text)
    if form in ("json", "sarif"):
        json.loads(text)


def os_path(folder: Path, name: bytes) -> str:
    return f"{folder}/{name.decode('utf-8', 'surrogateescape')}"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<script>alert(1)</script>\x1b[31m" + bytes(600)])
def test_every_form_has_words_for_something_else(form: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    text = render(form, report_about(tmp_path / "file"))
    assert_nothing_is_harmful(text)
    assert "undetermined" in text or form == "jsonl"
    assert "not-qcow2" in text
    if form == "html":
        assert_html_is_ours(text, "unknown: ")


def test_the_page_allows_itself_nothing_but_its_own_style(tmp_path: Path) -> None:
    text = render("html", report_about(with_backing_name(b"base", tmp_path / "image.qcow2")))
    assert 'content="default-src &#x27;none&#x27;; style-src &#x27;unsafe-inline&#x27;; img-src data:"' in text
    assert "<script" not in text and "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "url(" not in text and "@import" not in text


def test_every_form_can_be_written_beside_an_extraction(tmp_path: Path) -> None:
    image = with_backing_name(EVIL[0], tmp_path / "image.qcow2")
    reports = [(form, tmp_path / f"report.{form}") for form in (*FORMATS, *OF_EXTRACTIONS)]
    options = [word for form, path in reports for word in ("--report", f"{form}:{path}")]
    evil = [os.fsdecode(name).replace("\0", "") for name in EVIL]
    options += ["--notes", "".join(evil), "--examiner", "\n".join(evil), "--description", "n" * 3000 + evil[0]]
    assert qcowscope("extract", image, "-o", tmp_path / "out.raw", *options).status == 5
    case = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["case"]
    assert case["description"].startswith("n" * 3000)
    for form, path in reports:
        text = path.read_text(encoding="utf-8")
        assert_nothing_is_harmful(text)
        assert "backing_not_supplied" in text.replace("\\_", "_") or form == "sarif"
