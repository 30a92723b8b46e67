"""Everything that is printed as JSON is valid by the schema that is published for it, whatever the image is."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from forensic.cli.reference.schema import NAMES, schema_of
from forensic.untrusted import Json
from samples.kinds import KINDS
from samples.recipes import Recipe
from tests.commands import RECIPES, damaged, qcowscope, sound, with_backing_name
from tests.filesystems.disks import ext4, make_tree, snapshot, to_qcow2, write_changes
from tests.report.test_renderers import EVIL

COMMITTED = [name for name, kind in KINDS.items() if kind.committed]
HOSTILE_FILES = {"a.txt": b"one" * 3000, "in/\x1b[31m<U+202E>": b"x", "in/\u202enew\nline": bytes(70000)}


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(schema_of(name))


def complaints(name: str, document: Json) -> list[str]:
    return [
        f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator(name).iter_errors(document)
    ]


def printed(*arguments: str | os.PathLike[str]) -> Json:
    """The document of a command; None if the command refuses and prints nothing."""
    done = qcowscope(*arguments)
    assert "Traceback" not in done.err
    document: Json = json.loads(done.out) if done.out else None
    return document


def assert_valid(name: str, *arguments: str | os.PathLike[str], must_print: bool = True) -> None:
    document = printed(*arguments)
    assert document is not None or not must_print
    assert document is None or complaints(name, document) == []


def everything_about(image: Path) -> None:
    """Every command that says something about an image alone; those that refuse it print nothing."""
    offset = str(image.stat().st_size // 2)
    assert_valid("map", "map", image, "--json", must_print=False)
    assert_valid("owner", "owner", image, "--at", offset, "--json", must_print=False)
    assert_valid("bitmap", "bitmap", image, "#0", "--json", must_print=False)
    assert_valid("diff", "diff", image, sound("data-512"), "--json", must_print=False)
    assert_valid("recovery", "recover", image, "--json", must_print=False)
    assert_valid("recovery", "recover", image, "--deleted-snapshots", "--json", must_print=False)
    assert_valid("fs-ls", "fs", "ls", image, "--json", must_print=False)
    assert_valid("report", "info", image, "--json")
    for line in qcowscope("check", image, "--format", "findings").out.splitlines():
        assert complaints("findings", json.loads(line)) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_a_schema_and_is_printed(name: str) -> None:
    schema = printed("schema", name)
    Draft202012Validator.check_schema(schema)  # type: ignore[arg-type]
    assert isinstance(schema, Mapping)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert complaints(name, {"no": "such key"}) or name == "plan"


@pytest.mark.parametrize("name", COMMITTED)
def test_what_is_printed_of_a_sound_image_is_valid(name: str) -> None:
    everything_about(sound(name))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_is_printed_of_a_damaged_image_is_valid(recipe: Recipe, tmp_path: Path) -> None:
    everything_about(damaged(recipe.name, tmp_path))


@pytest.mark.parametrize("name", EVIL, ids=range(len(EVIL)))
def test_what_is_printed_of_an_image_with_hostile_names_is_valid(name: bytes, tmp_path: Path) -> None:
    everything_about(with_backing_name(name, tmp_path / "image.qcow2"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"QFI\xfb", bytes(4096)])
def test_what_is_printed_of_something_else_is_valid(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(content)
    everything_about(tmp_path / "other")


def test_what_is_printed_of_the_rules_and_of_a_carved_image_is_valid(tmp_path: Path) -> None:
    assert_valid("rules", "rules", "--json")
    (tmp_path / "larger").write_bytes(bytes(8192) + sound("data-512").read_bytes() + bytes(4096))
    assert_valid("recovery", "recover", tmp_path / "larger", "--carve", "--json")


@pytest.fixture(scope="module")
def with_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk of ext4 with hostile names, a snapshot, and files that were changed after it."""
    folder = tmp_path_factory.mktemp("files")
    raw = ext4(folder / "disk.raw", make_tree(folder / "tree", HOSTILE_FILES))
    image = to_qcow2(raw)
    snapshot(image, "before")
    changed = ext4(folder / "new.raw", make_tree(folder / "new", {**HOSTILE_FILES, "a.txt": b"two", "b": b"new"}))
    write_changes(changed, image)
    return image


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fs-ls", ["ls", "--json"]),
        ("fs-ls", ["ls", "--json", "-r", "."]),
        ("fs-ls", ["ls", "--json", "--deleted"]),
        ("fs-where", ["where", "a.txt", "--json"]),
        ("fs-where", ["where", "in", "--json"]),
        ("fs-owner", ["owner", "--at", "0x400", "--json"]),
        ("fs-owner", ["owner", "--at", "0xffffffffff", "--json"]),
        ("fs-owner", ["owner", "--host", "0", "--json"]),
        ("fs-diff", ["diff", "--snapshot", "before", "--json"]),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else words,
)
def test_what_fs_prints_is_valid(name: str, words: list[str], with_files: Path) -> None:
    assert_valid(name, "fs", words[0], with_files, *words[1:])


def test_each_byte_of_a_disk_has_owners_that_are_valid(with_files: Path) -> None:
    for offset in range(0, 24 << 20, 3 << 20):
        assert_valid("fs-owner", "fs", "owner", with_files, "--at", str(offset), "--json")


def test_each_line_of_a_time_line_is_valid(with_files: Path) -> None:
    lines = qcowscope("fs", "timeline", with_files, "--format", "jsonl").out.splitlines()
    assert len(lines) > len(HOSTILE_FILES)
    for line in lines:
        assert complaints("fs-timeline", json.loads(line)) == []


def test_the_schemas_forbid_what_they_do_not_name() -> None:
    document = printed("map", sound("data-512"), "--json")
    assert isinstance(document, list)
    assert complaints("map", [{**document[0], "more": 1}])
    del document[0]["state"]
    assert complaints("map", document)
