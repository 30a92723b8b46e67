"""The JSON Schema is one, is shipped, and holds for what every command writes about every sample."""

import json
import shutil
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from samples import kinds, recipes
from tests.commands import QCOW2_KINDS, RECIPES, damaged, qcowscope, sound

SCHEMA: dict[str, object] = json.loads(
    resources.files("forensic.report").joinpath("schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def complaints(document: object) -> list[str]:
    """Where and how a report breaks the schema; asked without the alternative, so that the answer names the place."""
    report = Draft202012Validator({"$ref": "#/$defs/report", "$defs": SCHEMA["$defs"]})
    return [f"{error.json_path}: {error.message[:200]}" for error in report.iter_errors(document)]


def test_the_schema_follows_its_own_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_command_prints_the_schema() -> None:
    assert qcowscope("schema").json() == SCHEMA


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_every_report_about_a_sound_image_is_valid(kind: kinds.Kind, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    image = sound(kind.name)
    qcowscope("extract", image, "-o", tmp_path / "out.raw", "--report", f"json:{report}")
    documents = [qcowscope("info", "--json", image).json(), qcowscope("check", "--json", image).json()]
    documents.append(json.loads(report.read_text(encoding="utf-8")))
    assert [complaints(document) for document in documents] == [[], [], []]


def test_a_report_with_everything_in_it_is_valid(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--hash", "md5,sha512", "--split", "4K", "--hash-window", "1K", "--verify", "--case-number", "7"]
    image = sound("luks-4k")
    finished = qcowscope("extract", image, "-o", tmp_path / "out.raw", "--report", f"json:{report}", *options)
    document = json.loads(report.read_text(encoding="utf-8"))
    assert (finished.status, complaints(document)) == (5, [])
    assert len(document["result"]["extraction"]["segments"]) == 8


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_report_about_a_damaged_image_is_valid(recipe: recipes.Recipe, tmp_path: Path) -> None:
    image = damaged(recipe.name, tmp_path)
    for command in ("info", "check"):
        assert complaints(qcowscope(command, "--json", image).json()) == []


@pytest.mark.parametrize("content", [b"", b"QFI\xfb\0\0\0\1" + bytes(40), b"PK\x03\x04", bytes(600)])
def test_every_report_about_something_else_is_valid(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    for command in ("info", "check"):
        assert complaints(qcowscope(command, "--json", tmp_path / "file").json()) == []


def test_the_line_about_a_file_that_cannot_be_read_is_valid(tmp_path: Path) -> None:
    shutil.copyfile(sound("data-4k"), tmp_path / "a.qcow2")
    lines = qcowscope("check", "--json", tmp_path / "a.qcow2", tmp_path / "missing").out.splitlines()
    assert [VALIDATOR.is_valid(json.loads(line)) for line in lines] == [True, True]
    assert json.loads(lines[1])["result"] is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), "qcowscope-report/2"),
        (("surprise",), 1),
        (("result", "surprise"), 1),
        (("result", "summary", "verdict"), "fine"),
        (("result", "image", "file_size"), -1),
        (("result", "image", "virtual_size"), "16384"),
        (("result", "findings", 0, "severity"), "fatal"),
        (("result", "findings", 0, "id"), "QF-1"),
        (("result", "findings", 0, "ranges", 0, "space"), "virtual"),
        (("result", "checks", 0, "status"), "passed"),
        (("result_digest", "value"), "0"),
        (("run", "started_at"), "yesterday"),
        (("source", "integrity", "unchanged"), "yes"),
    ],
)
def test_a_document_that_is_wrong_is_not_valid(place: tuple[str | int, ...], value: object) -> None:
    document = qcowscope("check", "--json", sound("bitmaps-512")).json()
    assert complaints(document) == []
    changed = with_value(document, place, value)
    assert complaints(changed) != []


def with_value(document: object, place: tuple[str | int, ...], value: object) -> object:
    """A copy of a document in which one place holds another value."""
    if not place:
        return value
    first, rest = place[0], place[1:]
    if isinstance(document, list) and isinstance(first, int):
        return [with_value(item, rest, value) if index == first else item for index, item in enumerate(document)]
    assert isinstance(document, dict)
    return {**document, first: with_value(document.get(first), rest, value)}
