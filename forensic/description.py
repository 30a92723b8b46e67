"""What an image is, as the plain values a report holds: header, features, extensions, references and so on."""

from __future__ import annotations

import array
import datetime
import sys
from collections.abc import Collection

from forensic.evidence import ReadFailed
from forensic.measured import Measured
from forensic.qcow2.bitmaps import BitmapFlag
from forensic.qcow2.extensions import ExtensionType, feature_names
from forensic.qcow2.file_names import scheme
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry
from forensic.qcow2.header import V1_LENGTH, Autoclear, Compatible, CryptMethod, Incompatible
from forensic.qcow2.identify import ForeignFile, Identified
from forensic.qcow2.luks import SLOT_ACTIVE, LuksHeader
from forensic.qcow2.metadata import HeaderCluster, Qcow1Metadata, Qcow2Metadata
from forensic.untrusted import Json, Untrusted

FEATURES: dict[str, dict[int, str]] = {
    "incompatible": {
        Incompatible.DIRTY: "dirty",
        Incompatible.CORRUPT: "corrupt",
        Incompatible.EXTERNAL_DATA_FILE: "external data file",
        Incompatible.COMPRESSION_TYPE: "compression type",
        Incompatible.EXTENDED_L2: "extended L2 entries",
    },
    "compatible": {Compatible.LAZY_REFCOUNTS: "lazy refcounts"},
    "autoclear": {Autoclear.BITMAPS: "bitmaps", Autoclear.RAW_EXTERNAL_DATA: "raw external data"},
}
FEATURE_TYPES = ("incompatible", "compatible", "autoclear")
CRYPT_NAMES = {CryptMethod.NONE: "none", CryptMethod.AES: "aes", CryptMethod.LUKS: "luks"}
CRYPT_METHODS_OF_VERSION_1 = (CryptMethod.NONE, CryptMethod.AES)
COMPRESSION_NAMES = {0: "deflate", 1: "zstd"}

MAX_LISTED = 4096
"""Snapshots and bitmaps that a report lists; the tables may hold 65,536 of each."""


def describe(image: Identified, measured: Measured | None = None) -> dict[str, Json]:
    """The sections of `result` that tell what an image is; with what a check measured, if there was one."""
    return {"source": {"in_use": image.evidence.writer() is not None}} | _described(image, measured)


def _described(image: Identified, measured: Measured | None) -> dict[str, Json]:
    if isinstance(image, ForeignFile):
        return {"image": {"format": image.format, "description": image.description, "file_size": image.evidence.size}}
    if isinstance(image, Qcow1Metadata):
        return {"image": _version_1(image), "references": version_1_references(image), "snapshots": [], "bitmaps": []}
    cluster = image.header_cluster
    usable = isinstance(cluster.geometry, Geometry)
    return {
        "image": _image(image, cluster) | _end_of_data(image, measured),
        "references": list(references(cluster)),
        "snapshots": _snapshots(image, measured) if usable and image.header.nb_snapshots else [],
        "bitmaps": _bitmaps(image, measured),
        **_not_listed(image, usable),
    }


def _image(image: Qcow2Metadata, cluster: HeaderCluster) -> dict[str, Json]:
    header, geometry = cluster.header, cluster.geometry
    described: dict[str, Json] = {
        "format": image.format,
        "version": header.version,
        "file_size": image.evidence.size,
        **_with_hex("virtual_size", header.size),
        "header_length": header.header_length,
        "cluster_bits": header.cluster_bits,
        "features": {kind: _features(cluster, number) for number, kind in enumerate(FEATURE_TYPES)},
        "header_extensions": [
            {
                "type_hex": f"{extension.type:08x}",
                "name": extension.known.name.lower() if extension.known is not None else None,
                "length": extension.length,
                "host_offset": extension.host_offset,
                "known": extension.known is not None,
                "complete": extension.complete,
            }
            for extension in cluster.extensions.extensions
        ],
        "encryption": {
            "method": _crypt_name(header.crypt_method, list(CryptMethod)),
            "luks_header": _luks(image.luks) if image.luks else None,
        },
        "compression_type": COMPRESSION_NAMES.get(header.compression_type, f"unknown ({header.compression_type})"),
        "l1": {"entries": header.l1_size, **_with_hex("host_offset", header.l1_table_offset)},
        "snapshot_count": header.nb_snapshots,
    }
    if isinstance(geometry, Geometry):
        described |= {
            "cluster_size": geometry.cluster_size,
            "extended_l2": geometry.extended_l2,
            "refcount": {
                "bits": geometry.refcount_bits,
                **_with_hex("table_host_offset", geometry.refcount_table_offset),
                "table_clusters": geometry.refcount_table_clusters,
            },
            "l2_tables": _used_entries(image, geometry.l1_table_offset, geometry.l1_entry_count),
        }
    return described


def _end_of_data(image: Qcow2Metadata, measured: Measured | None) -> dict[str, Json]:
    """Where the last cluster in use ends, and how much of the file comes after it."""
    end = measured.end_of_data if measured else None
    return {} if end is None else {"end_of_data_host_offset": end, "trailing_bytes": image.evidence.size - end}


def _version_1(image: Qcow1Metadata) -> Json:
    """The same keys as of its successor, as far as there is something to say."""
    header = image.header
    described: dict[str, Json] = {
        "format": image.format,
        "version": 1,
        "file_size": image.evidence.size,
        **_with_hex("virtual_size", header.size),
        "header_length": V1_LENGTH,
        "cluster_bits": header.cluster_bits,
        "l2_bits": header.l2_bits,
        "features": {kind: [] for kind in FEATURE_TYPES},
        "header_extensions": [],
        "encryption": {
            "method": _crypt_name(header.crypt_method, CRYPT_METHODS_OF_VERSION_1),
            "luks_header": None,
        },
        "compression_type": COMPRESSION_NAMES[0],
        "l1": {
            "entries": 0 if header.unusable else header.l1_entry_count,
            **_with_hex("host_offset", header.l1_table_offset),
        },
        "snapshot_count": 0,
    }
    if not header.unusable:
        tables = _used_entries(image, header.l1_table_offset, header.l1_entry_count)
        described |= {"cluster_size": header.cluster_size, "extended_l2": False, "l2_tables": tables}
    return described


def version_1_references(image: Qcow1Metadata) -> list[dict[str, Json]]:
    """The backing file, which is the only other file that version 1 can name."""
    return [reference("backing", image.backing_file, None)] if image.has_backing_file else []


def _crypt_name(method: int, known: Collection[CryptMethod]) -> str:
    return CRYPT_NAMES[CryptMethod(method)] if method in known else f"unknown ({method})"


def _features(cluster: HeaderCluster, number: int) -> list[Json]:
    """The bits that are set in one feature word, by our name for them or else by the image's own."""
    header = cluster.header
    word = (header.incompatible_features, header.compatible_features, header.autoclear_features)[number]
    known = FEATURES[FEATURE_TYPES[number]]
    own = {feature.bit: feature.name for feature in feature_names(cluster.extensions) if feature.feature_type == number}
    described: list[Json] = []
    for bit in (bit for bit in range(64) if word >> bit & 1):
        name = known.get(1 << bit)
        described.append(
            {
                "bit": bit,
                "name": name,
                "known": name is not None,
                "name_in_image": own[bit].as_json() if bit in own else None,
            }
        )
    return described


def references(cluster: HeaderCluster) -> list[dict[str, Json]]:
    """The other files that an image names, as it names them."""
    references: list[dict[str, Json]] = []
    data_file = cluster.extensions.text(ExtensionType.DATA_FILE)
    if cluster.header.backing_file_offset or cluster.header.backing_file_size:
        declared_format = cluster.extensions.text(ExtensionType.BACKING_FORMAT)
        references.append(reference("backing", cluster.backing_file, declared_format))
    if data_file is not None or cluster.header.incompatible_features & Incompatible.EXTERNAL_DATA_FILE:
        references.append(reference("data_file", data_file, None))
    return references


def reference(kind: str, declared: Untrusted | None, declared_format: Untrusted | None) -> dict[str, Json]:
    """One file that an image names, or should name; `declared` is None where the name is damaged or missing."""
    return {
        "kind": kind,
        "declared": declared.as_json() if declared else None,
        "declared_format": declared_format.as_json() if declared_format else None,
        "scheme": scheme(declared.raw) if declared else None,
        "followed": False,
        "consent": "none",
    }


def _not_listed(image: Qcow2Metadata, usable: bool) -> dict[str, Json]:
    """How many snapshots and bitmaps are left out of the lists, if any are."""
    found = {
        "snapshots": len(image.snapshots.snapshots) if usable and image.header.nb_snapshots else 0,
        "bitmaps": len(image.bitmaps.bitmaps) if image.bitmaps else 0,
    }
    left_out: dict[str, Json] = {kind: count - MAX_LISTED for kind, count in found.items() if count > MAX_LISTED}
    return {"not_listed": left_out} if left_out else {}


def _snapshots(image: Qcow2Metadata, measured: Measured | None) -> list[Json]:
    return [
        _shares(measured, snapshot.index)
        | {
            "index": snapshot.index,
            "id": snapshot.id.as_json(),
            "name": snapshot.name.as_json(),
            "created_at": _moment(snapshot.date_sec),
            **_with_hex("vm_clock_ns", snapshot.vm_clock_nsec),
            **_with_hex("vm_state_size", snapshot.vm_state_size),
            "icount": snapshot.icount,
            **_with_hex("virtual_size", image.virtual_size if snapshot.disk_size is None else snapshot.disk_size),
            "l1": {"entries": snapshot.l1_size, **_with_hex("host_offset", snapshot.l1_table_offset)},
        }
        for snapshot in image.snapshots.snapshots[:MAX_LISTED]
    ]


def _shares(measured: Measured | None, index: int) -> dict[str, Json]:
    """The host clusters of data that a snapshot holds alone, and those that are shared; nothing if not known."""
    if measured is None or index not in measured.snapshot_clusters:
        return {}
    alone, shared = measured.snapshot_clusters[index]
    return {"unique_clusters": alone, "shared_clusters": shared}


def _bitmaps(image: Qcow2Metadata, measured: Measured | None) -> list[Json]:
    return [
        ({"dirty_bytes": measured.dirty_bytes.get(bitmap.index)} if measured else {})
        | {
            "index": bitmap.index,
            "name": bitmap.name.as_json(),
            "granularity": 1 << bitmap.granularity_bits if bitmap.granularity_bits < 64 else None,
            "flags": [flag.name.lower() for flag in BitmapFlag if bitmap.flags & flag and flag.name],
            **_with_hex("table_host_offset", bitmap.table_offset),
            "table_entries": bitmap.table_size,
        }
        for bitmap in (image.bitmaps.bitmaps[:MAX_LISTED] if image.bitmaps else ())
    ]


def _luks(luks: LuksHeader) -> Json:
    return {
        "host_offset": luks.host_offset,
        "length": luks.length,
        "version": luks.version,
        "cipher_name": luks.cipher_name.as_json(),
        "cipher_mode": luks.cipher_mode.as_json(),
        "hash": luks.hash_spec.as_json(),
        "key_bytes": luks.key_bytes,
        "uuid": luks.uuid.as_json(),
        "active_key_slots": [number for number, slot in enumerate(luks.slots) if slot.state == SLOT_ACTIVE],
    }


def _used_entries(image: Qcow2Metadata | Qcow1Metadata, host_offset: int, entry_count: int) -> int | None:
    """How many entries of the L1 table are in use; without numpy, since `info` is to start at once."""
    if "l1" in vars(image) and len(image.l1.entries) == entry_count:  # who has walked the tables has read it
        return sum(map(bool, image.l1.entries.tolist()))
    length = min(entry_count, MAX_L1_ENTRIES) * L1_ENTRY_SIZE
    try:
        raw = image.evidence.read_at(host_offset, length)
    except ReadFailed:
        return None
    entries = array.array("Q", raw[: len(raw) // L1_ENTRY_SIZE * L1_ENTRY_SIZE])
    if sys.byteorder == "little":
        entries.byteswap()
    return len(entries) - entries.count(0)


def _with_hex(name: str, value: int) -> dict[str, Json]:
    """A number of the image that may exceed what a JSON reader with floating point keeps, and its twin in hex."""
    return {name: value, f"{name}_hex": f"{value:#x}"}


def _moment(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
