"""What a gate decides, as its JSON holds it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from forensic.exit_status import ExitStatus
from forensic.records.common import Count, Sha256
from forensic.untrusted import Json

SCHEMA = "qcowscope-gate/1"


class GateVerdict(StrEnum):
    """Whether an image may come in."""

    ACCEPT = "accept"
    REJECT = "reject"
    UNDECIDED = "undecided"
    NOT_QCOW2 = "not_qcow2"


EXIT_STATUS = {
    GateVerdict.ACCEPT: ExitStatus.DONE,
    GateVerdict.REJECT: ExitStatus.SUSPICIOUS,
    GateVerdict.UNDECIDED: ExitStatus.NOT_COMPLETED,
    GateVerdict.NOT_QCOW2: ExitStatus.NOT_AN_IMAGE,
}


class Stage(StrEnum):
    """How far a gate looked: `header` before any table, `full` after all of them."""

    HEADER = "header"
    FULL = "full"


class GateCheck(StrEnum):
    """What a reason is about; the first three are what oslo.utils calls its checks for the same."""

    BACKING_FILE = "backing_file"
    DATA_FILE = "data_file"
    UNKNOWN_FEATURES = "unknown_features"
    FORMAT = "format"
    HEADER = "header"
    VERSION = "version"
    ENCRYPTION = "encryption"
    SNAPSHOTS = "snapshots"
    EXTENDED_L2 = "extended_l2"
    VIRTUAL_SIZE = "virtual_size"
    FILE_SIZE = "file_size"
    EXPANSION = "expansion"
    SEVERITY = "severity"
    RULE = "rule"
    LIMIT = "limit"
    EVIDENCE = "evidence"
    INTERNAL = "internal"


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason against an image, or for deciding nothing."""

    check: GateCheck
    rule: Annotated[str | None, Meta(description="The rule that reports the same, for qcowscope explain.")]
    observation: str


class NotRun(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule that was not applied, and why."""

    rule: str
    reason: str


class Decision(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was decided, by what, and on how much of the image."""

    verdict: GateVerdict
    stage: Stage
    reasons: Sequence[Reason]
    policy: Annotated[str, Meta(description="The profile, or the policy file as it was named.")]
    policy_sha256: Sha256
    sha256: Annotated[Sha256 | None, Meta(description="Of the whole image; null if it was not read to its end.")]
    bytes_read: Annotated[Count, Meta(description="Bytes from the start that were taken; 0 if they were not kept.")]
    not_run: Sequence[NotRun]

    @property
    def exit_status(self) -> ExitStatus:
        """What the command ends with."""
        return EXIT_STATUS[self.verdict]

    def as_json(self) -> Json:
        """The document that is printed."""
        decided: dict[str, Json] = msgspec.to_builtins(self)
        return {"schema": SCHEMA, **decided}


def json_schema() -> dict[str, Json]:
    """The JSON Schema (draft 2020-12) of that document."""
    _, components = msgspec.json.schema_components([Decision], ref_template="#/$defs/{name}")
    decision = components.pop("Decision")
    decision["properties"] = {"schema": {"const": SCHEMA}, **decision["properties"]}
    decision["required"] = ["schema", *decision["required"]]
    head: dict[str, Json] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:qcowscope:gate:1",
    }
    return {**head, **decision, "title": SCHEMA, "$defs": components}
