"""A version 1 image as one layer of a backing chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.disk.codecs import Codec
from forensic.disk.layer import ClusterDecoder, Fault, read_data
from forensic.evidence import Evidence
from forensic.mapping.extents import Reason, Run
from forensic.mapping.rows import Rows
from forensic.mapping.v1 import most_extents, row_batches
from forensic.qcow2.metadata import Qcow1Metadata
from forensic.qcow2.v1_tables import Qcow1L1
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone
    from forensic.disk.sector_ciphers import SectorCipher


class Qcow1Layer(Struct, frozen=True, dict=True):
    """A version 1 image as one layer of a chain; see `forensic.disk.layer.Layer`."""

    image: Qcow1Metadata
    l1: Qcow1L1
    cipher: SectorCipher | None = None
    as_stored: bool = False
    salvage: bool = False

    @property
    def size(self) -> int:
        """The size of the disk."""
        return self.image.virtual_size

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The image."""
        return (self.image.evidence,)

    @property
    def data_lacks(self) -> Reason:
        """What is missing for reading data."""
        locked = self.image.encrypted and self.cipher is None and not self.as_stored
        return Reason.KEY_NOT_SUPPLIED if locked else Reason.NONE

    @property
    def backing_file(self) -> Untrusted | None:
        """The declared backing file, empty where its name is damaged."""
        return (self.image.backing_file or Untrusted(b"")) if self.image.has_backing_file else None

    @property
    def backing_format(self) -> Untrusted | None:
        """Version 1 has no place for it."""
        return None

    @property
    def encryption(self) -> str | None:
        """`aes`."""
        return "aes" if self.image.encrypted else None

    @property
    def plain_data(self) -> Evidence | None:
        """The image, if its data is not encrypted."""
        return None if self.cipher else self.image.evidence

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows of the tables."""
        return row_batches(self.image.evidence, self.l1, guest_start, guest_end)

    def most_extents(self) -> int:
        """One for each entry of a distinct L2 table, one for each L1 entry."""
        return most_extents(self.l1)

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """Nothing: images of version 1 are too rare to be decoded in two ways."""
        return iter(())

    @cached_property
    def decoder(self) -> ClusterDecoder:
        """Reads the compressed clusters of the image."""
        return ClusterDecoder(self.image.evidence, Codec.DEFLATE, self.l1.header.cluster_size, self.salvage)

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from the image."""
        if self.cipher is None:
            return read_data(self.image.evidence, host_offset, buffer)
        from forensic.disk.sector_ciphers import read_encrypted

        return read_encrypted(self.image.evidence, self.cipher, guest_offset, host_offset, buffer)
