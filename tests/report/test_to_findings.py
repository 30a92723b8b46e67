"""Flat findings: a line for each, all keys always there, and no image without a line."""

import json
from pathlib import Path

import duckdb
import pytest

from forensic.evidence import Evidence, ReadFailed
from forensic.report.to_findings import COLUMNS
from tests.commands import damaged, qcowscope, sound


def lines(*arguments: str | Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in qcowscope("check", "--format", "findings", *arguments).out.splitlines()]


def test_each_finding_is_a_line_with_its_first_place(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    whole = json.loads(qcowscope("check", "--json", image).out)["result"]
    found = lines(image)
    with Evidence(image) as evidence:
        sha256 = evidence.sha256()
    assert [tuple(line) for line in found] == [tuple(sorted(COLUMNS))] * len(found)
    assert [(line["rule"], line["severity"], line["class"], line["count"]) for line in found] == [
        (one["rule"], one["severity"], one["class"], one["count"]) for one in whole["findings"]
    ]
    for line, one in zip(found, whole["findings"], strict=True):
        first = one["ranges"][0] if one["ranges"] else dict.fromkeys(("space", "offset", "length"))
        assert {name: line[name] for name in ("space", "offset", "length")} == first
        assert (line["path"], line["sha256"], line["verdict"], line["error"]) == (str(image), sha256, "corrupt", None)


def test_an_image_without_findings_and_one_that_cannot_be_read_have_a_line(tmp_path: Path) -> None:
    whole, gone = lines(sound("data-512"), tmp_path / "none")
    assert (whole["rule"], whole["verdict"], whole["error"]) == (None, "clean", None)
    assert {name for name, value in gone.items() if value is not None} == {"path", "error"}
    assert gone["error"] == f"{tmp_path / 'none'}: no such file or directory"


def test_a_hash_that_cannot_be_made_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Evidence) -> str:
        raise ReadFailed(0, 512, "bad sector")

    monkeypatch.setattr(Evidence, "sha256", failing)
    (only,) = lines(sound("data-512"))
    assert (only["sha256"], only["verdict"]) == (None, "clean")


def test_the_status_is_that_of_the_check_and_a_report_may_be_written_beside(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    done = qcowscope("check", "--format", "findings", "--report", f"json:{tmp_path / 'r.json'}", image)
    assert done.status == 2
    assert json.loads((tmp_path / "r.json").read_text())["result"]["summary"]["verdict"] == "corrupt"
    assert qcowscope("check", "--report", f"findings:{tmp_path / 'f'}", image).status == 64


def test_a_database_reads_the_lines_as_a_table(tmp_path: Path) -> None:
    path = tmp_path / "findings.jsonl"
    images = [sound("data-512"), sound("bitmaps-512"), damaged("l2-entry-outside-file", tmp_path)]
    path.write_text(qcowscope("check", "--format", "findings", *images, tmp_path / "none").out, encoding="utf-8")
    table = duckdb.read_json(str(path), format="newline_delimited")
    asked = "SELECT verdict, count(DISTINCT path) FROM found GROUP BY verdict ORDER BY verdict NULLS LAST"
    rows = table.query("found", asked)
    assert rows is not None
    assert rows.fetchall() == [("clean", 2), ("corrupt", 1), (None, 1)]
