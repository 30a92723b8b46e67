"""Stretches of a volume that consist of structures of one kind, and what reads one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from forensic.structure import Structure

Parse = Callable[[bytes, int, str], Structure]
"""Bytes, the offset they are counted from, and a name, to a structure as far as it can be read."""


class Kind(Struct, frozen=True):
    """A kind of structure: `description` and `ksy_type` are where its words stand."""

    description: str
    ksy_type: str
    parse: Parse


KindOf = Callable[[bytes], Kind | None]
"""What the bytes of a structure are; None where they are not what they should be."""


class Zone(Struct, frozen=True):
    """`length` bytes from `offset` of a volume, a structure each `stride` bytes.

    `name` has `{}` where the number of a structure is to stand; the first one has the number `first`. `mend` puts back
    what the file system took out of the bytes when it wrote them.
    """

    offset: int
    length: int
    stride: int
    name: str
    kind_of: KindOf
    first: int = 0
    mend: Callable[[bytes], bytes] = bytes

    @property
    def end(self) -> int:
        """The byte after the last one."""
        return self.offset + self.length


Zones = Sequence[Zone]
ZoneAt = Callable[[int], Zone | None]
"""The zone that holds a byte of a volume."""


def always(kind: Kind) -> KindOf:
    """Structures that are known by their place."""
    return lambda _data: kind


def marked(kind: Kind, mark: bytes, at: int = 0) -> KindOf:
    """Structures that bear a mark."""
    return lambda data: kind if data[at : at + len(mark)] == mark else None


def one(offset: int, length: int, name: str, kind_of: KindOf) -> Zone:
    """A single structure."""
    return Zone(offset, length, length, name, kind_of)
