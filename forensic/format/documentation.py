"""What the format description says about a type and its fields, for those who inspect bytes."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib import resources

from msgspec import Struct


class Words(Struct, frozen=True):
    """`name` is the specification's own name, `text` what the field means, `spec` the section that says so."""

    name: str
    text: str
    spec: str


NOTHING = Words("", "", "")


def words_of(ksy_type: str, field: str = "") -> Words:
    """The words of a type of the `.ksy`, or of one of its fields by dotted name; empty where there are none."""
    head, _, rest = field.partition(".")
    described = _description().get(ksy_type)
    if described is None:
        return NOTHING
    spec, fields = str(described["spec"]), described["fields"]
    if not head:
        return Words(ksy_type, str(described["doc"]), spec)
    found = fields.get(head.partition("[")[0]) if isinstance(fields, Mapping) else None
    if not isinstance(found, Mapping):
        return NOTHING
    if rest:
        return words_of(str(found["type"]).partition("(")[0], rest)
    return Words(str(found["name"]) or head, str(found["doc"]), spec)


@functools.cache
def _description() -> Mapping[str, Mapping[str, object]]:
    text = resources.files("forensic.format").joinpath("qcow2.words.json").read_text(encoding="utf-8")
    description: Mapping[str, Mapping[str, object]] = json.loads(text)
    return description
