"""What the library says of an image, as pairs of a label and words for the overview."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from forensic.explore import ForeignRecord, Qcow1ImageRecord
from tui.text import line, plain, size

if TYPE_CHECKING:
    from forensic.explore import (
        BitmapRecord,
        EncryptionRecord,
        FeaturesRecord,
        Ownership,
        ReferenceRecord,
        ResultRecord,
        SnapshotRecord,
        UntrustedRecord,
    )

MAX_OWNERS_SHOWN = 6

Fact = tuple[str, Text]


def facts_of(result: ResultRecord, disk_usage: int | None) -> Iterator[Fact]:
    """Label and words; everything that came out of the image went through `plain`.

    `disk_usage` is what the file takes of its medium, in bytes; None for an object on a server.
    """
    image = result.image
    if isinstance(image, ForeignRecord):
        yield "header", line(("lost or never there: ", "bold"), plain(image.description))
        yield "file", plain(f"{size(image.file_size)}, {image.file_size:,} bytes")
        yield "what works", plain("its bytes (2), strings and search (/), the map of what they look like (3)")
        yield "what next", plain("7 Recovery, r: the file is searched for tables, and a header is proposed")
        return
    cluster = f", clusters of {size(image.cluster_size)}" if image.cluster_size else ""
    yield "format", plain(f"{'qcow' if image.version == 1 else 'qcow2'} version {image.version}{cluster}")
    yield "virtual size", line((size(image.virtual_size), "bold"), f"  {image.virtual_size:,} bytes")
    if disk_usage is None:
        yield "object size", plain(size(image.file_size))
    else:
        yield "file", plain(f"{size(image.file_size)}, {size(disk_usage)} on disk")
    if image.cluster_size:
        yield "L1 table", plain(f"{_counted(image.l1.entries, 'entry', 'entries')} at {image.l1.host_offset:#x}")
    if isinstance(image, Qcow1ImageRecord):
        yield "refcounts", plain("none in version 1; no snapshots either", "dim")
    elif image.refcount:
        yield "refcounts", plain(f"{image.refcount.bits} bits, table at {image.refcount.table_host_offset:#x}")
    yield "features", _features(image.features)
    yield "compression", plain(image.compression_type)
    yield "encryption", _encryption(image.encryption)
    bitmaps = result.bitmaps or ()
    yield "snapshots", _named(result.snapshots or (), image.snapshot_count)
    yield "bitmaps", _named(bitmaps, len(bitmaps))
    for reference in result.references or ():
        yield reference.kind.replace("_", " "), _reference(reference)
    if not result.references:
        yield "references", plain("none", "dim")


def owners_of(owned: Ownership) -> list[str]:
    """What owns a cluster, and whether its refcount is right."""
    stored = "none" if owned.stored is None else f"{owned.stored:,}"
    sign = "=" if owned.stored == owned.counted else "≠"
    owners = [f"{each.owner.value}  {each.path}" for each in owned.owners[:MAX_OWNERS_SHOWN]]
    if owned.lost:
        owners.append(f"{'more owners' if owners else 'owner'} not known: {owned.lost}")
    return [f"refcount stored {stored} {sign} counted {owned.counted:,}", *(owners or ["nothing refers to it"])]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _features(features: FeaturesRecord) -> Text:
    bits = [*features.incompatible, *features.compatible, *features.autoclear]
    if not bits:
        return plain("none", "dim")
    words = [plain(str(each.name)) if each.known else plain(f"unknown bit {each.bit}", "bold") for each in bits]
    return Text(", ", end="").join(words)


def _encryption(encryption: EncryptionRecord) -> Text:
    luks = encryption.luks_header
    if not luks:
        return plain(encryption.method, "dim" if encryption.method == "none" else "bold")
    slots = ", ".join(map(str, luks.active_key_slots)) or "none"
    return line(("LUKS ", "bold"), untrusted(luks.cipher_name), "-", untrusted(luks.cipher_mode), f", slots {slots}")


def _named(entries: Sequence[SnapshotRecord] | Sequence[BitmapRecord], claimed: int) -> Text:
    if not claimed:
        return plain("none", "dim")
    names = Text(", ", end="").join(untrusted(each.name) for each in entries[:4])
    more = f" and {claimed - 4:,} more" if claimed > 4 and len(entries) > 4 else ""
    return line((f"{claimed:,}", "bold"), "  ", names, more)


def _reference(reference: ReferenceRecord) -> Text:
    name = untrusted(reference.declared) if reference.declared else plain("unnamed")
    return line("“", name, "”  ", ("not opened", "bold"))


def untrusted(value: UntrustedRecord) -> Text:
    """A string of the image, in its shown form."""
    return plain(value.text)
