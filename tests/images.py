"""The committed samples, and tiny images made by hand: one L1 table, one L2 table, and clusters of known bytes."""

import json
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from forensic.evidence import Evidence, ReadFailed
from forensic.image import Qcow2Image
from forensic.qcow2.geometry import Geometry, resolve
from forensic.qcow2.header import parse_header
from forensic.qcow2.snapshots import EXTRA_OFFSET, Snapshot
from samples.kinds import KINDS, Kind

SOUND = Path(__file__).resolve().parent.parent / "samples" / "sound"
COMMITTED = [kind for kind in KINDS.values() if kind.committed]
QCOW2 = [kind for kind in COMMITTED if kind.format == "qcow2"]
COMPLETE = [kind for kind in QCOW2 if not (kind.backing or kind.data_file or kind.passphrase)]
"""Samples whose guest bytes are all in the one file."""

COPIED, COMPRESSED, ZERO = 1 << 63, 1 << 62, 1
REFCOUNT_TABLE, REFCOUNT_BLOCK, L1, L2, FIRST_DATA = 1, 2, 3, 4, 5
"""Which cluster of a tiny image holds what."""


def sample(kind: Kind) -> Path:
    """The committed image of a kind."""
    return SOUND / kind.image


def described(kind: Kind) -> dict[str, object]:
    """What QEMU said about a committed sample."""
    facts: dict[str, object] = json.loads((SOUND / f"{kind.name}.json").read_text(encoding="utf-8"))
    return facts


def header(
    version: int = 3,
    cluster_bits: int = 9,
    virtual_size: int = 1 << 14,
    l1_size: int = 1,
    l1_offset: int | None = None,
    features: int = 0,
    compression_type: int = 0,
    refcount_order: int = 4,
    backing: tuple[int, int] = (0, 0),
    crypt_method: int = 0,
    snapshots: tuple[int, int] = (0, 0),
    header_length: int = 112,
) -> bytes:
    """A header; `backing` is offset and length of a name, `snapshots` count and offset of the table."""
    cluster = 1 << cluster_bits
    l1_offset = L1 * cluster if l1_offset is None else l1_offset
    common = struct.pack(
        ">4sIQIIQIIQQIIQ", b"QFI\xfb", version, backing[0], backing[1], cluster_bits, virtual_size, crypt_method,
        l1_size, l1_offset, REFCOUNT_TABLE * cluster, 1, *snapshots,
    )  # fmt: skip
    if version == 2:
        return common
    return common + struct.pack(">QQQIIB7x", features, 0, 0, refcount_order, header_length, compression_type)


def tiny(
    l2_words: Sequence[int],
    *,
    l1_entries: Sequence[int] | None = None,
    file_clusters: int = 16,
    cluster_bits: int = 9,
    head: bytes | None = None,
) -> bytes:
    """An image whose L2 table begins with `l2_words`; from cluster 5 on, each byte is its cluster's number."""
    cluster = 1 << cluster_bits
    content = bytearray(file_clusters * cluster)
    for number in range(FIRST_DATA, file_clusters):
        content[number * cluster : (number + 1) * cluster] = bytes([number % 256]) * cluster
    entries = [COPIED | L2 * cluster] if l1_entries is None else l1_entries
    parts = (
        (0, head or header(cluster_bits=cluster_bits)),
        (REFCOUNT_TABLE, struct.pack(">Q", REFCOUNT_BLOCK * cluster)),
        (L1, struct.pack(f">{len(entries)}Q", *entries)),
        (L2, struct.pack(f">{len(l2_words)}Q", *l2_words)),
    )
    for number, part in parts:
        content[number * cluster : number * cluster + len(part)] = part
    return bytes(content)


def written(folder: Path, content: bytes, name: str = "image.qcow2") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


def opened(folder: Path, content: bytes) -> Qcow2Image:
    """An image with this content, open."""
    return Qcow2Image(Evidence(written(folder, content)))


def geometry(head: bytes | None = None) -> Geometry:
    """The geometry that follows from a header."""
    found = resolve(parse_header(head or header()))
    assert isinstance(found, Geometry)
    return found


class ReadOneByOne(Evidence):
    """Evidence that reads in one way only, which a test replaces."""

    def read_each(self, host_offsets: Iterable[int], buffers: Sequence[memoryview]) -> list[int]:
        """The plain way."""
        failed = []
        for index, (host_offset, buffer) in enumerate(zip(host_offsets, buffers, strict=True)):
            try:
                self.read_into(host_offset, buffer)
            except ReadFailed:
                failed.append(index)
        return failed


class BoundedEvidence(ReadOneByOne):
    """Evidence that fails the test when something outside the file is asked for."""

    def read_into(self, host_offset: int, buffer: memoryview) -> None:
        """Check, then read."""
        assert 0 <= host_offset <= host_offset + len(buffer) <= self.size, (host_offset, len(buffer), self.size)
        super().read_into(host_offset, buffer)


def file_descriptors_of(path: Path) -> list[int]:
    """The descriptors under which this process has a file open."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target == str(path):
            found.append(int(name))
    return found


def with_texts(snapshot: Snapshot, identifier: bytes, name: bytes) -> Snapshot:
    """The same entry of a snapshot table with another ID and name."""
    data = snapshot.data[: EXTRA_OFFSET + snapshot.extra_data_size] + identifier + name
    return replace(snapshot, data=data, id_length=len(identifier), name_length=len(name))
