"""The kinds of numbers and texts that the objects of a report are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

from msgspec import Meta


def one_of(*words: str) -> Meta:
    """A text that is one of these words."""
    return Meta(extra_json_schema={"enum": [*words]})


Count: TypeAlias = Annotated[int, Meta(ge=0)]

HexNumber: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^0x[0-9a-f]+$",
        description="The same number in hexadecimal, for readers whose numbers lose precision above 2^53.",
    ),
]

Moment: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$",
        description="A time in UTC, RFC 3339.",
    ),
]

Sha256: TypeAlias = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]

Hash: TypeAlias = Annotated[str, Meta(pattern="^([0-9a-f]{2})+$")]

Hashes: TypeAlias = Annotated[
    Mapping[str, Hash], Meta(description="Digests in lower-case hexadecimal, by the name of the hash.")
]

Notes: TypeAlias = Annotated[
    Sequence[str],
    Meta(
        description="What a reader has to know about how a file was read: another process held it, it changed, parts "
        "of it could not be read."
    ),
]
