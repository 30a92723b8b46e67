"""A named piece of the file with its place and its fields; the one reader of Kaitai's `_debug` positions."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from kaitaistruct import KaitaiStream, KaitaiStruct, KaitaiStructError
from msgspec import Struct

FieldValue = int | bytes

# What the Kaitai runtime raises on bytes that do not follow the format; the object read so far stays usable.
_PARSE_FAILURES = (KaitaiStructError, EOFError, ValueError)


class Field(Struct, frozen=True):
    """One field: dotted name, value, and the bytes of the file that hold it.

    Bit fields carry the byte or bytes their bits lie in.
    """

    name: str
    value: FieldValue
    host_offset: int
    length: int


class Structure(Struct, frozen=True):
    """A structure as far as it could be read: `missing` names what stopped the parser, or is None."""

    name: str
    host_offset: int
    fields: tuple[Field, ...]
    missing: str | None = None

    @property
    def length(self) -> int:
        """Bytes from the start to the end of the last field."""
        return max((field.host_offset + field.length for field in self.fields), default=self.host_offset) - (
            self.host_offset
        )

    def field(self, name: str) -> Field | None:
        """The field of that name; None if the file does not hold it."""
        return next((field for field in self.fields if field.name == name), None)

    def integer(self, name: str, absent: int = 0) -> int:
        """The number in a field; `absent` where the file does not hold the field."""
        found = self.field(name)
        return found.value if found and isinstance(found.value, int) else absent

    def raw(self, name: str) -> bytes:
        """The bytes of a field; empty where the file does not hold it."""
        found = self.field(name)
        return found.value if found and isinstance(found.value, bytes) else b""


def parse(kaitai_type: type[KaitaiStruct], data: bytes, host_offset: int, name: str, *parameters: int) -> Structure:
    """Parse one structure out of bytes that lie at `host_offset`; never raises on what the bytes hold."""
    parsed = kaitai_type(*parameters, KaitaiStream(BytesIO(data)))
    missing = None
    try:
        parsed._read()
    except _PARSE_FAILURES as failure:
        missing = str(failure) or type(failure).__name__
    return Structure(name, host_offset, tuple(fields_of(parsed, host_offset)), missing)


def fields_of(parsed: KaitaiStruct, base: int, prefix: str = "") -> Iterator[Field]:
    """The fields of a Kaitai object in the order of the file, nested ones with dotted names.

    `base` is the host offset at which the object's stream begins: positions are relative to the stream, and a
    nested object that was given a stream of its own counts from the start of the field that holds it.
    """
    for name in parsed.SEQ_FIELDS:
        place = parsed._debug.get(name, {})
        if hasattr(parsed, name) and "start" in place:
            yield from _fields_of_value(parsed, getattr(parsed, name), place, base, prefix + name)


def _fields_of_value(
    parent: KaitaiStruct, value: object, place: dict[str, object], base: int, name: str
) -> Iterator[Field]:
    start = place["start"]
    end = place.get("end", start)
    if not isinstance(start, int) or not isinstance(end, int):
        return
    if isinstance(value, KaitaiStruct):
        nested_base = base if value._io is parent._io else base + start
        yield from fields_of(value, nested_base, name + ".")
    elif isinstance(value, list):
        items = place.get("arr")
        for index, item in enumerate(value):
            where = items[index] if isinstance(items, list) and index < len(items) else place
            yield from _fields_of_value(parent, item, where, base, f"{name}[{index}]")
    elif isinstance(value, bytes):
        yield Field(name, value, base + start, end - start)
    elif isinstance(value, int):
        # Bits out of a byte that an earlier field has opened: the stream has moved past it already.
        first = start - 1 if start == end else start
        yield Field(name, int(value), base + first, end - first)
