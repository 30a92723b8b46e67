"""Seeded damage: small changes at random places of the metadata of every kind of sound image."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from samples import recipes

ENTRY_OFFSET = 0x00FF_FFFF_FFFF_FE00


@dataclass(frozen=True)
class Damage:
    """One damaged image: `what` says what was done, for whoever has to look into a disagreement."""

    what: str
    content: bytes


def metadata_ranges(content: bytes) -> list[tuple[str, int, int]]:
    """Name, begin and end of every piece of metadata of a sound image, as far as it lies in the file."""
    places = recipes.find_places(content)
    cluster = places["cluster"]
    found = [("header", 4, 104), ("extensions", places["extensions"], places["extensions"] + 64)]
    l1_size = struct.unpack_from(">I", content, 36)[0]
    l1 = places["l1"]
    found.append(("L1", l1, l1 + 8 * l1_size))
    for name, table, count in (("L2", l1, l1_size), ("refcount block", places["refcount_table"], cluster // 8)):
        for index in range(count):
            offset = struct.unpack_from(">Q", content, table + 8 * index)[0] & ENTRY_OFFSET
            if offset:
                found.append((name, offset, offset + min(cluster, 512)))
    found.append(("refcount table", places["refcount_table"], places["refcount_table"] + 32))
    for name in ("snapshots", "bitmap_directory"):
        if name in places:
            found.append((name, places[name], places[name] + 128))
    if "snapshots" in places:
        snapshot_l1 = struct.unpack_from(">Q", content, places["snapshots"])[0]
        found.append(("snapshot L1", snapshot_l1, snapshot_l1 + 8 * l1_size))
    if "bitmap_directory" in places:
        table = struct.unpack_from(">Q", content, places["bitmap_directory"])[0]
        found.append(("bitmap table", table, table + 8))
    return [(name, begin, min(end, len(content))) for name, begin, end in found if begin < len(content)]


def damages(content: bytes, seed: str, count: int) -> Iterator[Damage]:
    """`count` images with one change each; the same for the same seed."""
    chance = random.Random(seed)
    ranges = metadata_ranges(content)
    names = sorted({name for name, _, _ in ranges})
    for _ in range(count):
        name = chance.choice(names)
        _, begin, end = chance.choice([each for each in ranges if each[0] == name])
        yield _damaged(content, name, begin, end, chance)


def _damaged(content: bytes, name: str, begin: int, end: int, chance: random.Random) -> Damage:
    new = bytearray(content)
    at = chance.randrange(begin, max(begin + 1, end))
    entry = begin + (at - begin) // 8 * 8
    how = chance.choice(("bit", "byte", "zero", "copy", "entry", "cut"))
    if how == "cut" and chance.random() < 0.8:
        how = "bit"
    if how == "bit":
        new[at] ^= 1 << chance.randrange(8)
    elif how == "byte":
        new[at] = chance.randrange(256)
    elif how == "zero":
        new[entry : entry + 8] = bytes(len(new[entry : entry + 8]))
    elif how == "copy":
        other = begin + chance.randrange(max(1, (end - begin) // 8)) * 8
        new[entry : entry + 8] = content[other : other + 8].ljust(8, b"\0")[: len(new[entry : entry + 8])]
    elif how == "entry":
        cluster = 1 << struct.unpack_from(">I", content, 20)[0]
        offset = chance.randrange(len(content) // cluster + 2) * cluster
        word = struct.pack(">Q", offset | chance.choice((0, 1 << 63)))
        new[entry : entry + 8] = word[: len(new[entry : entry + 8])]
    else:
        del new[chance.randrange(72, len(new)) :]
    return Damage(f"{how} at {at:#x} ({name})", bytes(new))
