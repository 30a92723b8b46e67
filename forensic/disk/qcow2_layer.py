"""A qcow2 image of version 2 or 3, read through one of its L1 tables, as one layer of a backing chain."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct

from forensic.disk.layer import ClusterDecoder, Fault, read_data
from forensic.evidence import Evidence
from forensic.mapping.extents import Reason, Run
from forensic.mapping.fast_path import few_runs
from forensic.qcow2.extensions import ExtensionType
from forensic.qcow2.geometry import ACTIVE
from forensic.qcow2.header import CryptMethod
from forensic.qcow2.metadata import Qcow2Metadata
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # cryptography is loaded for encrypted images alone, numpy for those that need arrays
    from forensic.disk.planned import Planned
    from forensic.disk.sector_ciphers import SectorCipher
    from forensic.mapping.rows import Rows
    from forensic.qcow2.tables import L1Table


class L1Place(Struct, frozen=True):
    """Where an L1 table lies, whose it is, how many entries it claims, and the size of its disk in bytes."""

    owner: str
    host_offset: int
    entry_count: int
    disk_size: int


def active_l1(image: Qcow2Metadata) -> L1Place:
    """The place of the L1 table of the active disk. Raises `Unsupported` where the header gives no geometry."""
    geometry = image.geometry
    return L1Place(ACTIVE, geometry.l1_table_offset, geometry.l1_entry_count, geometry.virtual_size)


class Qcow2Layer(Struct, frozen=True, dict=True):
    """A qcow2 image read through one of its L1 tables.

    The disk begins at guest offset `base` of the table: 0, but for a saved machine state, which lies past the end of
    the disk. Encrypted data is decrypted with `cipher`, or given as it is stored if `as_stored` asks for that. With
    `salvage` a compressed cluster that breaks is given as far as it can be decoded.
    """

    image: Qcow2Metadata
    l1_place: L1Place
    size: int
    base: int = 0
    data_file: Evidence | None = None
    cipher: SectorCipher | None = None
    as_stored: bool = False
    salvage: bool = False

    @cached_property
    def l1(self) -> L1Table:
        """The L1 table."""
        from forensic.qcow2.tables import believed_l1, read_l1

        place = self.l1_place
        evidence, geometry = self.image.evidence, self.image.geometry
        if self.planned:
            return self.planned.l1(geometry, evidence.size)
        return believed_l1(
            read_l1(evidence, geometry, place.owner, place.host_offset, place.entry_count, place.disk_size)
        )

    @property
    def planned(self) -> Planned | None:
        """The recovery plan that this layer is read by; it says nothing about snapshots."""
        planned = self.image.planned
        if planned is None or self.l1_place.owner != ACTIVE:
            return None
        from forensic.disk.planned import Planned

        return planned if isinstance(planned, Planned) else None

    @property
    def evidences(self) -> tuple[Evidence, ...]:
        """The image, and its data file if there is one."""
        return (self.image.evidence, self.data_file) if self.data_file else (self.image.evidence,)

    @property
    def data_lacks(self) -> Reason:
        """What is missing for reading data."""
        geometry = self.image.geometry
        if geometry.external_data_file and self.data_file is None:
            return Reason.DATA_FILE_NOT_SUPPLIED
        locked = self.image.encrypted and self.cipher is None and not self.as_stored
        return Reason.KEY_NOT_SUPPLIED if locked else Reason.NONE

    @property
    def backing_file(self) -> Untrusted | None:
        """The declared backing file, empty where its name is damaged; past the end of the disk it says nothing."""
        return (self.image.backing_file or Untrusted(b"")) if self.image.has_backing_file and not self.base else None

    @property
    def backing_format(self) -> Untrusted | None:
        """The declared format of the backing file."""
        return self.image.header_cluster.extensions.text(ExtensionType.BACKING_FORMAT)

    @property
    def encryption(self) -> str | None:
        """`aes` or `luks`."""
        return CryptMethod(self.image.header.crypt_method).name.lower() if self.image.encrypted else None

    @property
    def plain_data(self) -> Evidence | None:
        """The file that holds the data, if it is not encrypted."""
        return None if self.cipher else self._data

    @property
    def _data(self) -> Evidence:
        return self.data_file or self.image.evidence

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """The rows of the L1 table."""
        from forensic.mapping.table_rows import row_batches

        data_size = self.data_file.size if self.data_file else None
        start, end = guest_start + self.base, guest_end + self.base
        for rows in row_batches(self.image.evidence, self.l1, start, end, data_size):
            rows["guest_offset"] -= self.base
            yield self.planned.marked(rows) if self.planned else rows

    def most_extents(self) -> int:
        """One for each entry and subcluster of a distinct L2 table, one for each L1 entry."""
        from forensic.mapping.table_rows import most_extents

        return most_extents(self.image.evidence, self.l1)

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """The runs of an L1 table that begins with the disk, up to the first entry that needs a closer look."""
        place = self.l1_place
        if not self.base and not self.planned:
            yield from few_runs(
                self.image.evidence,
                self.image.geometry,
                place.host_offset,
                place.entry_count,
                guest_start,
                guest_end,
            )

    @cached_property
    def decoder(self) -> ClusterDecoder:
        """Reads the compressed clusters of the image."""
        geometry = self.image.geometry
        return ClusterDecoder(self.image.evidence, geometry.compression_type, geometry.cluster_size, self.salvage)

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Fill the buffer from the file that holds the data."""
        if self.cipher is None:
            return read_data(self._data, host_offset, buffer)
        from forensic.disk.sector_ciphers import read_encrypted

        return read_encrypted(self._data, self.cipher, guest_offset + self.base, host_offset, buffer)
