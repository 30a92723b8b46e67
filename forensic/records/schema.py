"""The JSON Schema of reports, made from their structs; nothing but the command that prints it needs this."""

from __future__ import annotations

import json
import re

import msgspec

from forensic.records.report import SCHEMA, FailureRecord, ReportRecord
from forensic.untrusted import Json

DEPENDENT: dict[str, dict[str, Json]] = {
    "ResultRecord": {"dependentRequired": {"findings": ["checks"], "extraction": ["findings", "hashes"]}},
    "Qcow1ImageRecord": {"dependentRequired": {"cluster_size": ["extended_l2", "l2_tables"]}},
    "Qcow2ImageRecord": {"dependentRequired": {"cluster_size": ["extended_l2", "l2_tables"]}},
}
"""Which keys come together, which the types of a struct cannot say."""


def json_schema() -> dict[str, Json]:
    """The schema (draft 2020-12)."""
    references, components = msgspec.json.schema_components(
        [ReportRecord, FailureRecord], schema_hook=_anything, ref_template="#/$defs/{name}"
    )
    schema: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:qcowscope:report:1",
        "title": SCHEMA,
        "description": "What qcowscope says about a disk image. Sizes and offsets are whole numbers of bytes; null "
        "means not determined, a missing key not applicable.",
        "oneOf": [*references],
        "$defs": {name: {**component, **DEPENDENT.get(name, {})} for name, component in components.items()},
    }
    # The names of the structs, as the schema has always had them: FindingRecord is finding.
    names = "|".join(components)
    renamed: dict[str, Json] = json.loads(re.sub(rf'(?<=[/"])({names})(?=")', _definition, json.dumps(schema)))
    return renamed


def _definition(name: re.Match[str]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", name[0].removesuffix("Record")).lower()


def _anything(kind: type) -> dict[str, Json]:
    """Values of findings, options of a run: whatever they are."""
    return {"description": "Any value."}
