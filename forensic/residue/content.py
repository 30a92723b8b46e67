"""What an area of the file holds: its hash, its entropy, how it begins."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from forensic.evidence import Evidence
from forensic.numbers import plain
from forensic.qcow2.arrays import I64
from forensic.qcow2.table_reading import read_what_is_there
from forensic.untrusted import Json

READ_BYTES = 1 << 20
MEASURED_BYTES = 16 << 20
"""Bytes of one area that are hashed and counted for its entropy."""


class Area(Struct, frozen=True):
    """What can be said about the bytes of one area, over its first 16 MiB at most."""

    length: int
    measured_length: int
    first_bytes: bytes
    sha256: str
    entropy: float
    looks_like: str | None

    def as_json(self) -> dict[str, Json]:
        """The values a problem holds."""
        return {
            "length": self.length,
            "measured_length": self.measured_length,
            "first_bytes_hex": self.first_bytes.hex(),
            "sha256": self.sha256,
            "entropy_bits_per_byte": plain(round(self.entropy, 3)),
            "looks_like": self.looks_like,
        }


FILE_SIGNATURES: dict[bytes, str] = {
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b\x08": "gzip data",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\xfd7zXZ\x00": "xz data",
    b"BZh": "bzip2 data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"\x7fELF": "an ELF program",
    b"MZ": "a DOS or Windows program",
    b"%PDF-": "a PDF document",
    b"\x89PNG\r\n": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"SQLite format 3\x00": "an SQLite database",
    b"LUKS\xba\xbe": "a LUKS header",
    b"QFI\xfb": "a qcow2 header",
    b"#!": "a script",
}


def entropy(counts: I64, length: int) -> float:
    """Shannon's entropy in bits a byte, from how often each value of a byte is among so many bytes; 0 for no bytes."""
    shares = counts[counts > 0] / max(1, length)
    return abs(float((shares * np.log2(shares)).sum()))


def measure(evidence: Evidence, begin: int, end: int) -> Area:
    """Hash, entropy and first bytes of an area of the file."""
    import hashlib  # slow to load, and no concern of images without such areas

    measured = min(end - begin, MEASURED_BYTES)
    digest = hashlib.sha256()
    histogram = np.zeros(256, dtype=np.int64)
    first = b""
    for start in range(begin, begin + measured, READ_BYTES):
        data = read_what_is_there(evidence, start, min(READ_BYTES, begin + measured - start))
        first = first or data[:16]
        digest.update(data)
        histogram += np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    looks_like = next((name for magic, name in FILE_SIGNATURES.items() if first.startswith(magic)), None)
    return Area(end - begin, measured, first, digest.hexdigest(), entropy(histogram, measured), looks_like)
