"""What the format description says about a type and its fields, for those who inspect bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources

import msgspec
from msgspec import Struct


class Words(Struct, frozen=True):
    """`name` is the specification's own name, `text` what the field means, `spec` the section that says so."""

    name: str
    text: str
    spec: str


class Reading(Struct, frozen=True):
    """How the value of a field is read: in which unit, or by which names of bits or of values."""

    unit: str = ""
    flags: Mapping[str, str] = {}
    values: Mapping[str, str] = {}


NOTHING = Words("", "", "")
_Described = Mapping[str, object]


def words_of(ksy_type: str, field: str = "", description: str = "qcow2") -> Words:
    """The words of a type of a `.ksy`, or of one of its fields by dotted name; empty where there are none."""
    if not field:
        described = _types(description).get(ksy_type)
        return Words(ksy_type, str(described["doc"]), str(described["spec"])) if described else NOTHING
    found, spec = _field(ksy_type, field, description)
    name = field.rpartition(".")[2].partition("[")[0]
    return Words(str(found["name"]) or name, str(found["doc"]), spec) if found else NOTHING


def reading_of(ksy_type: str, field: str, description: str) -> Reading:
    """How the value of a field is read, by dotted name; as it stands where the description does not say."""
    found, _ = _field(ksy_type, field, description)
    return msgspec.convert({name: found[name] for name in ("unit", "flags", "values") if name in found}, Reading)


def _field(ksy_type: str, field: str, description: str) -> tuple[_Described, str]:
    """What is said of a field, and the section of the type that has it; of an alternative the first that has it."""
    head, _, rest = field.partition(".")
    described = _types(description).get(ksy_type)
    fields = described["fields"] if described else None
    found = fields.get(head.partition("[")[0]) if isinstance(fields, Mapping) else None
    if described is None or not isinstance(found, Mapping):
        return {}, ""
    if not rest:
        return found, str(described["spec"])
    inner = (_field(name.partition("(")[0], rest, description) for name in str(found["type"]).split("|"))
    return next((each for each in inner if each[0]), ({}, ""))


@functools.cache
def _types(description: str) -> Mapping[str, _Described]:
    folder = resources.files("forensic.format" if description == "qcow2" else "forensic.format.guest")
    types: Mapping[str, _Described] = json.loads(folder.joinpath(f"{description}.words.json").read_text("utf-8"))
    return types
