"""What a disk is read from: one file for each layer, and what belongs to it."""

from __future__ import annotations

from msgspec import Struct

from forensic.evidence import Evidence


class Secret:
    """A key; it is in no text form of anything that holds it."""

    def __init__(self, key: bytes) -> None:
        """Keep the key."""
        self.key = key


class Source(Struct, frozen=True):
    """One layer of a disk, the image itself first, then its backing files.

    `is_raw` says that the file is a raw disk. `key` is the key of the data (of LUKS the master key, of the older
    encryption the passphrase cut or padded to 16 bytes); `as_stored` asks for encrypted data as it is.
    """

    evidence: Evidence
    is_raw: bool = False
    data_file: Evidence | None = None
    key: Secret | None = None
    as_stored: bool = False
