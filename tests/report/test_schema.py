"""The JSON Schema is one, is shipped, and holds for what every command writes about every sample."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import rfc8785
from jsonschema import Draft202012Validator

from forensic.records.schema import json_schema
from forensic.untrusted import Json
from samples import kinds, recipes
from tests.commands import QCOW2_KINDS, RECIPES, damaged, qcowscope, sound
from tests.json_values import items, numbers, section

SCHEMA = json_schema()
BEFORE = Path(__file__).resolve().parent / "before"
"""The schema as it was written by hand for 0.2.0, and reports of that version about our samples, cut short."""

VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def complaints(document: object) -> list[str]:
    """Where and how a report breaks the schema; asked without the alternative, so that the answer names the place.

    And which numbers of its result have another form in RFC 8785, so that its digest would be another one.
    """
    report = Draft202012Validator({"$ref": "#/$defs/report", "$defs": SCHEMA["$defs"]})
    broken = [f"{error.json_path}: {error.message[:200]}" for error in report.iter_errors(document)]
    floats = [
        number
        for number in numbers(document["result"] if isinstance(document, dict) else None)
        if isinstance(number, float)
    ]
    return broken + [f"a number is {number}" for number in floats if rfc8785.dumps(number).decode() != str(number)]


def test_the_schema_follows_its_own_draft() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(BEFORE.glob("[!s]*.json")), ids=lambda path: path.stem)
def test_reports_of_the_version_before_are_valid_as_they_were(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    assert list(VALIDATOR.iter_errors(document)) == []
    assert list(Draft202012Validator(schema_before()).iter_errors(document)) == []


def test_the_schema_asks_for_what_it_asked_for_when_it_was_written_by_hand() -> None:
    before, now = schema_before(), json.loads(json.dumps(SCHEMA))
    lost = sorted(set(demands(before, before)) - set(demands(now, now)))
    assert lost == []
    assert len(set(demands(before, before))) > 500


def schema_before() -> dict[str, Json]:
    document: dict[str, Json] = json.loads((BEFORE / "schema.json").read_text(encoding="utf-8"))
    return document


def demands(schema: dict[str, Json], part: Json, place: str = "") -> Iterator[tuple[str, str]]:
    """What a schema asks for at each place of a document: keys, words, limits; references are followed."""
    assert isinstance(part, dict)
    reference = part.get("$ref")
    if isinstance(reference, str):
        definitions = schema["$defs"]
        assert isinstance(definitions, dict)
        yield from demands(schema, definitions[reference.rpartition("/")[2]], place)
    for name in ("required", "enum"):
        for word in items(part.get(name)):
            yield place, f"{name} {word}"
    if isinstance(part.get("type"), str):
        yield place, f"type {part['type']}"
    if "const" in part:
        yield place, f"enum {part['const']}"
    for name in ("pattern", "minimum", "maximum", "minProperties", "maxProperties", "dependentRequired", "format"):
        if name in part:
            yield place, f"{name} {part[name]}"
    if part.get("additionalProperties") is False:
        yield place, "nothing else"
    for name, inner in section(part.get("properties")).items():
        yield place, f"has {name}"
        yield from demands(schema, inner, f"{place}.{name}")
    for name in ("items", "additionalProperties", "propertyNames"):
        if isinstance(part.get(name), dict):
            yield from demands(schema, part[name], f"{place}.{name}")
    for alternative in (*items(part.get("oneOf")), *items(part.get("anyOf"))):
        yield from demands(schema, alternative, place)


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
def test_a_document_that_is_wrong_is_not_valid(place: tuple[str | int, ...], value: Json) -> None:
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
