"""Damaged images as recipes: a sound sample, and the few bytes that have to change in it.

`python samples/recipes.py NAME OUT.qcow2` makes one to try.
"""

import re
import shutil
import struct
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
QEMU_WORDS = ("ok", "corrupt", "leaks", "refuses", "hangs")
POKE_FORMS = ("bytes", "text", "u8", "u16", "u32", "u64", "add", "set_bits", "clear_bits")
WIDTHS = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}
ENTRY_OFFSET = 0x00FF_FFFF_FFFF_FE00  # bits 9-55 of an L1, L2 or refcount table entry
BITMAPS_EXTENSION = 0x23852875
ENCRYPTION_EXTENSION = 0x0537BE77
V2_HEADER_LENGTH = 72
HEADER_FIELDS = {
    "version": 4, "backing_file_offset": 8, "backing_file_size": 16, "cluster_bits": 20, "size": 24, "crypt_method": 32,
    "l1_size": 36, "l1_table_offset": 40, "refcount_table_offset": 48, "refcount_table_clusters": 56,
    "nb_snapshots": 60, "snapshots_offset": 64, "incompatible_features": 72, "compatible_features": 80,
    "autoclear_features": 88, "refcount_order": 96, "header_length": 100, "compression_type": 104,
}  # fmt: skip
HEADER_FIELDS_OF_VERSION_1 = {
    "version": 4, "backing_file_offset": 8, "backing_file_size": 16, "mtime": 20, "size": 24, "cluster_bits": 32,
    "l2_bits": 33, "crypt_method": 36, "l1_table_offset": 40,
}  # fmt: skip

RANGE = re.compile(r"(?:(guest) )?(\S+), (\d+) bytes?")

Table = dict[str, object]


class RecipeError(Exception):
    """A recipe that cannot be understood, or that does not fit its base image."""


@dataclass(frozen=True)
class Poke:
    """One change inside the file: a place, and one of the forms of `POKE_FORMS` with its value."""

    at: int | str
    form: str
    value: int | bytes | tuple[int, ...]


@dataclass(frozen=True)
class Extension:
    """One header extension; `length` is the stored length when it is to differ from that of the data."""

    type: int
    data: bytes
    length: int


@dataclass(frozen=True)
class Expected:
    """What a finding must say: its severity, its confidence, how many problems, and where the first of them is."""

    code: str
    severity: str
    confidence: str
    count: int
    places: tuple[str, ...]


@dataclass(frozen=True)
class Recipe:
    """How to damage one sound sample, what the checker must say then, and what qemu-img check says.

    `expect` are the codes; `findings` says more of each, unless the recipe gives the codes alone.
    """

    name: str
    title: str
    base: str
    expect: tuple[str, ...]
    qemu: str
    extensions: tuple[Extension, ...] | None = None
    backing: str | None = None
    grow: int | None = None
    pokes: tuple[Poke, ...] = ()
    truncate: int | str | None = None
    extend: int | None = None
    append: bytes = b""
    findings: tuple[Expected, ...] = ()

    @property
    def code(self) -> str:
        """The code this recipe was written for: the file name up to `--`."""
        return self.name.partition("--")[0]

    @property
    def base_image(self) -> Path:
        """The sound sample that is damaged."""
        folder = HERE / "sound"
        return next(iter(sorted(folder.glob(f"{self.base}.qcow*"), reverse=True)), folder / f"{self.base}.qcow2")


def all_recipes() -> list[Recipe]:
    """Load every recipe, in the order of names."""
    return [load(path) for path in sorted((HERE / "damaged").glob("*.toml"))]


def load(path: Path) -> Recipe:
    """Read one recipe; anything unknown, missing or of a wrong type is a `RecipeError`."""
    try:
        table: Table = tomllib.loads(path.read_text(encoding="utf-8"))
        return _recipe(path.stem, table)
    except (tomllib.TOMLDecodeError, RecipeError) as error:
        raise RecipeError(f"{path.name}: {error}") from error


def apply(recipe: Recipe, out: Path) -> Path:
    """Write the damaged image to `out`, and the files its base needs beside it."""
    content = bytearray(recipe.base_image.read_bytes())
    places = find_places(bytes(content))
    if recipe.extensions is not None:
        _replace_extensions(content, [_with_name(extension, out.name) for extension in recipe.extensions])
    if recipe.backing is not None:
        _name_backing_file(content, recipe.backing.replace("{image}", out.name).encode())
    if recipe.grow is not None:
        content += bytes(recipe.grow - len(content))
    for poke in recipe.pokes:
        _poke(content, _resolve(poke.at, places), poke)
    if recipe.truncate is not None:
        del content[_within(_resolve(recipe.truncate, places), len(content)) :]
    content += recipe.append
    with out.open("wb") as stream:
        stream.write(content)
        if recipe.extend is not None:
            stream.truncate(recipe.extend)
    for companion in sorted(recipe.base_image.parent.glob(f"{recipe.base}.*.*")):
        shutil.copyfile(companion, out.parent / companion.name)
    return out


def find_places(content: bytes) -> dict[str, int]:
    """Return the host offsets of the structures of a sound image by name, for recipes that people can read."""
    (version,) = struct.unpack_from(">I", content, 4)
    if version == 1:
        return _places_of_version_1(content)
    (cluster_bits,) = struct.unpack_from(">I", content, 20)
    places = {"header": 0, "extensions": V2_HEADER_LENGTH, "end": len(content), "cluster": 1 << cluster_bits}
    places |= HEADER_FIELDS
    if version >= 3:
        (places["extensions"],) = struct.unpack_from(">I", content, 100)
    for name, field in (("l1", 40), ("refcount_table", 48), ("snapshots", 64), ("backing_name", 8)):
        (places[name],) = struct.unpack_from(">Q", content, field)
    for name, table in (("l2", "l1"), ("refcount_block", "refcount_table"), ("data", "l2")):
        if places.get(table, 0):
            places[name] = struct.unpack_from(">Q", content, places[table])[0] & ENTRY_OFFSET
    for kind, offset in _extensions(content, places["extensions"]):
        places[f"extension:{kind:08x}"] = offset
        if kind == BITMAPS_EXTENSION:
            (places["bitmap_directory"],) = struct.unpack_from(">Q", content, offset + 24)
        if kind == ENCRYPTION_EXTENSION:
            (places["luks"],) = struct.unpack_from(">Q", content, offset + 8)
    return {name: offset for name, offset in places.items() if offset or name == "header"}


def _places_of_version_1(content: bytes) -> dict[str, int]:
    """Return the host offsets of the few structures that version 1 has."""
    (l1,) = struct.unpack_from(">Q", content, 40)
    (l2,) = struct.unpack_from(">Q", content, l1)
    (data,) = struct.unpack_from(">Q", content, l2)
    return {"header": 0, "end": len(content), "l1": l1, "l2": l2, "data": data} | HEADER_FIELDS_OF_VERSION_1


def _extensions(content: bytes | bytearray, offset: int) -> list[tuple[int, int]]:
    """Return type and host offset of each header extension, up to the end marker."""
    found: list[tuple[int, int]] = []
    while True:
        kind, length = struct.unpack_from(">II", content, offset)
        if kind == 0:
            return found
        found.append((kind, offset))
        offset += 8 + (length + 7) // 8 * 8


def _with_name(extension: Extension, name: str) -> Extension:
    """Put the name of the image in the place of `{image}`."""
    data = extension.data.replace(b"{image}", name.encode())
    return replace(extension, data=data, length=extension.length + len(data) - len(extension.data))


def find_range(place: str, places: dict[str, int]) -> tuple[str, int, int]:
    """Turn `l2+8, 8 bytes` or `guest 0x200, 512 bytes` into address space, offset and length."""
    match = RANGE.fullmatch(place)
    if match is None:
        raise RecipeError(f"{place!r} is not a range like 'l2+8, 8 bytes' or 'guest 0x200, 512 bytes'")
    space, at, length = match.groups()
    number = int(at, 0) if at[0].isdigit() else at
    if space and not isinstance(number, int):
        raise RecipeError(f"{place!r}: only a number is a place on the virtual disk")
    return space or "host", _resolve(number, places), int(length)


def _replace_extensions(content: bytearray, extensions: list[Extension]) -> None:
    """Put these extensions and an end marker in place of all the others, and zeros after them."""
    places = find_places(bytes(content))
    area = bytearray()
    for extension in extensions:
        area += struct.pack(">II", extension.type, extension.length) + extension.data
        area += bytes(-len(area) % 8)
    room = places.get("backing_name", places["cluster"]) - places["extensions"]
    if len(area) + 8 > room:
        raise RecipeError(f"the extensions take {len(area) + 8} bytes, there is room for {room}")
    content[places["extensions"] : places["extensions"] + room] = area.ljust(room, b"\0")


def _name_backing_file(content: bytearray, name: bytes) -> None:
    """Put a backing file name after the end marker of the extensions, and into the header where it is."""
    places = find_places(bytes(content))
    kinds = _extensions(content, places["extensions"])
    last = kinds[-1][1] if kinds else None
    length = struct.unpack_from(">I", content, last + 4)[0] if last is not None else 0
    end = places["extensions"] if last is None else last + 8 + (length + 7) // 8 * 8
    offset = end + 8
    _within(offset + len(name), places["cluster"])
    struct.pack_into(">QI", content, 8, offset, len(name))
    content[offset : offset + len(name)] = name


def _resolve(at: int | str, places: dict[str, int]) -> int:
    """Turn a place like `l2+8` into a host offset."""
    if isinstance(at, int):
        return at
    name, _, distance = at.partition("+")
    if name not in places:
        raise RecipeError(f"the base image has no {name!r}, only {', '.join(sorted(places))}")
    return places[name] + (int(distance, 0) if distance else 0)


def _within(offset: int, limit: int) -> int:
    if not 0 <= offset <= limit:
        raise RecipeError(f"offset {offset:#x} is outside the {limit:#x} bytes of the file")
    return offset


def _poke(content: bytearray, offset: int, poke: Poke) -> None:
    """Change one place; nothing may be written past the end of the file."""
    if isinstance(poke.value, bytes):
        new = poke.value
    elif isinstance(poke.value, int) and poke.form in WIDTHS:
        new = poke.value.to_bytes(WIDTHS[poke.form], "big")
    else:
        _within(offset + 8, len(content))
        new = _changed_u64(int.from_bytes(content[offset : offset + 8], "big"), poke).to_bytes(8, "big")
    _within(offset + len(new), len(content))
    content[offset : offset + len(new)] = new


def _changed_u64(old: int, poke: Poke) -> int:
    if isinstance(poke.value, int):
        return (old + poke.value) % (1 << 64)
    mask = sum(1 << bit for bit in poke.value if isinstance(bit, int))
    return old | mask if poke.form == "set_bits" else old & ~mask


def _recipe(name: str, table: Table) -> Recipe:
    known = {"title", "base", "expect", "qemu", "extension", "backing", "grow", "poke", "truncate", "extend", "append"}
    _no_unknown(table, known)
    qemu = _text(table, "qemu")
    if qemu not in QEMU_WORDS:
        raise RecipeError(f"qemu is {qemu!r}, not one of {', '.join(QEMU_WORDS)}")
    extensions = tuple(_extension(each) for each in _tables(table, "extension"))
    expect = table.get("expect")
    findings = tuple(_expected(*each) for each in expect.items()) if isinstance(expect, dict) else ()
    return Recipe(
        name=name,
        title=_text(table, "title"),
        base=_text(table, "base"),
        expect=tuple(found.code for found in findings) if findings else _texts(table, "expect"),
        qemu=qemu,
        extensions=extensions or None,
        backing=_text(table, "backing") if "backing" in table else None,
        grow=_number(table, "grow") if "grow" in table else None,
        pokes=tuple(_poke_of(each) for each in _tables(table, "poke")),
        truncate=_place(table["truncate"]) if "truncate" in table else None,
        extend=_number(table, "extend") if "extend" in table else None,
        append=_hex(table, "append") if "append" in table else b"",
        findings=findings,
    )


def _expected(code: str, value: object) -> Expected:
    if not isinstance(value, dict):
        raise RecipeError(f"what is expected of {code} is not a table")
    _no_unknown(value, {"severity", "confidence", "count", "places"})
    places = _texts(value, "places")
    return Expected(code, _text(value, "severity"), _text(value, "confidence"), _number(value, "count"), places)


def _extension(table: Table) -> Extension:
    _no_unknown(table, {"type", "data", "text", "length"})
    data = _text(table, "text").encode() if "text" in table else _hex(table, "data")
    return Extension(_number(table, "type"), data, _number(table, "length") if "length" in table else len(data))


def _poke_of(table: Table) -> Poke:
    _no_unknown(table, {"at", "repeat", *POKE_FORMS})
    forms = [form for form in POKE_FORMS if form in table]
    if len(forms) != 1:
        raise RecipeError(f"a poke has one of {', '.join(POKE_FORMS)}, this one has {len(forms)}")
    form = forms[0]
    if "repeat" in table and form != "bytes":
        raise RecipeError("only bytes can be repeated")
    at = _place(table.get("at"))
    if form == "bytes":
        return Poke(at, form, _hex(table, form) * (_number(table, "repeat") if "repeat" in table else 1))
    if form == "text":
        return Poke(at, form, _text(table, form).encode())
    if form in ("set_bits", "clear_bits"):
        return Poke(at, form, _bits(table, form))
    value = _number(table, form)
    if form in WIDTHS and not 0 <= value < 1 << 8 * WIDTHS[form]:
        raise RecipeError(f"{value:#x} does not fit {form}")
    return Poke(at, form, value)


def _no_unknown(table: Table, known: set[str]) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise RecipeError(f"unknown key {', '.join(unknown)}")


def _number(table: Table, key: str) -> int:
    value = table.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecipeError(f"{key} is {value!r}, not a number")
    return value


def _text(table: Table, key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise RecipeError(f"{key} is {value!r}, not a text")
    return value


def _place(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise RecipeError(f"{value!r} is not a place in the file")
    return value


def _hex(table: Table, key: str) -> bytes:
    try:
        return bytes.fromhex(_text(table, key))
    except ValueError as error:
        raise RecipeError(f"{key} is not hexadecimal") from error


def _texts(table: Table, key: str) -> tuple[str, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RecipeError(f"{key} is {values!r}, not a list of texts")
    return tuple(str(value) for value in values)


def _bits(table: Table, key: str) -> tuple[int, ...]:
    values = table.get(key)
    if not isinstance(values, list) or not all(isinstance(bit, int) and 0 <= bit < 64 for bit in values):
        raise RecipeError(f"{key} is {values!r}, not a list of bit numbers")
    return tuple(int(bit) for bit in values)


def _tables(table: Table, key: str) -> list[Table]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RecipeError(f"{key} is not a list of tables")
    return list(values)


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Make one damaged image for a user, or list what can be made."""
    if len(arguments) != 2:
        say("usage: python samples/recipes.py NAME OUT.qcow2\n")
        for recipe in all_recipes():
            say(f"{recipe.name:48} {recipe.title}")
        return 2
    name, out = arguments
    path = HERE / "damaged" / f"{name}.toml"
    if not path.is_file():
        say(f"no recipe of that name: {name}")
        return 2
    recipe = load(path)
    say(f"{apply(recipe, Path(out))}: {recipe.title}; expect {', '.join(recipe.expect)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
