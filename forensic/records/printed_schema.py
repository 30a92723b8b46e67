"""The JSON Schemas of what the commands print beside reports, by the names that `qcowscope schema` takes."""

from __future__ import annotations

import msgspec

from forensic.records import printed, printed_files
from forensic.untrusted import Json

FORMS: dict[str, tuple[str, tuple[object, ...]]] = {
    "map": ("qcowscope map --json", (printed.MapRecord,)),
    "owner": ("qcowscope owner --json", (printed.OwnershipRecord,)),
    "diff": ("qcowscope diff --json", (printed.DiskDiffRecord,)),
    "bitmap": ("qcowscope bitmap --json", (printed.BitmapRangesRecord,)),
    "findings": ("a line of qcowscope check --format findings", (printed.FlatFindingRecord,)),
    "rules": ("qcowscope rules --json", (printed.RulesRecord,)),
    "recovery": (
        "qcowscope recover --json",
        (printed.RecoveryOutlineRecord, printed.DeletedSnapshotsRecord, printed.CarvedImagesRecord),
    ),
    "fs-ls": ("qcowscope fs ls --json", (printed_files.VolumesRecord, printed_files.FilesRecord)),
    "fs-where": ("qcowscope fs where --json", (printed_files.WhereRecord,)),
    "fs-owner": ("qcowscope fs owner --json", (printed_files.FileOwnersRecord,)),
    "fs-diff": ("qcowscope fs diff --json", (printed_files.FileChangesRecord,)),
    "fs-timeline": ("a line of qcowscope fs timeline --format jsonl", (printed_files.TimelineRecord,)),
}
"""What prints it, and the form of the document, or the forms of which it has one."""

BESIDE = {"fs-owner": (printed_files.HolderRecord, printed_files.NoFileRecord, printed_files.NotOnDiskRecord)}
"""Structs that a form names itself."""


def json_schema(name: str) -> dict[str, Json]:
    """The schema (draft 2020-12) of one of `FORMS`."""
    title, forms = FORMS[name]
    beside = BESIDE.get(name, ())
    references, components = msgspec.json.schema_components((*forms, *beside), ref_template="#/$defs/{name}")
    wanted = list(references)[: len(forms)]
    body: dict[str, Json] = wanted[0] if len(forms) == 1 else {"oneOf": wanted}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:qcowscope:{name}:1",
        "title": title,
        **body,
        "$defs": components,
    }
