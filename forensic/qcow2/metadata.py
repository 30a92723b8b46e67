"""The metadata of an image: its structures, each read when it is first asked for; damage in them is a value."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.qcow2.bitmaps import BitmapDirectory, read_bitmaps
from forensic.qcow2.extensions import ExtensionList, ExtensionType, backing_file_name, parse_extensions, without_padding
from forensic.qcow2.geometry import ACTIVE, MAX_CLUSTER_BITS, MIN_CLUSTER_BITS, Geometry, Unusable, resolve
from forensic.qcow2.header import MIN_CLUSTER_SIZE, CryptMethod, Header, parse_header
from forensic.qcow2.luks import LuksHeader, read_luks
from forensic.qcow2.snapshots import SnapshotTable, read_snapshots
from forensic.qcow2.v1 import Qcow1Header, read_header
from forensic.untrusted import Untrusted

if TYPE_CHECKING:  # numpy is loaded to walk tables, not to look at the header
    from forensic.qcow2.planned import PlannedMetadata
    from forensic.qcow2.tables import L1Table
    from forensic.qcow2.v1_tables import Qcow1L1


class HeaderCluster(Struct, frozen=True):
    """The first cluster of the file: header, extensions, backing file name, and the geometry that follows.

    `image_path` is where the image itself was found, to compare names in it with; no name is ever looked up. `cut`
    says that the data ends at a bad sector, and not at the end of the cluster or of the file.
    """

    data: bytes
    header: Header
    geometry: Geometry | Unusable
    extensions: ExtensionList
    backing_file: Untrusted | None
    file_size: int
    image_path: str
    cut: bool = False

    @property
    def extensions_unknown(self) -> bool:
        """Whether there may be extensions in what could not be read."""
        return self.cut and not self.extensions.ended


class Qcow2Metadata:
    """The structures of a qcow2 image of version 2 or 3."""

    format = "qcow2"

    def __init__(self, evidence: Evidence, planned: PlannedMetadata | None = None) -> None:
        """Read the header of a file whose magic has been seen; see `forensic.qcow2.identify`.

        What is `planned` takes the place of the header cluster and of the L1 table of the active disk.
        """
        self.evidence = evidence
        self.planned = planned

    @cached_property
    def header_cluster(self) -> HeaderCluster:
        """The first cluster, decoded."""
        data = self.planned.header if self.planned else _first_cluster(self.evidence)
        header = parse_header(data)
        return HeaderCluster(
            data,
            header,
            resolve(header),
            parse_extensions(header, data),
            without_padding(backing_file_name(header, data)),
            self.evidence.size,
            self.evidence.path,
            len(data) < min(_header_cluster_size(data), self.evidence.size),
        )

    @property
    def header(self) -> Header:
        """The header."""
        return self.header_cluster.header

    @property
    def geometry(self) -> Geometry:
        """The geometry. Raises `Unsupported` where the header gives none."""
        geometry = self.header_cluster.geometry
        if isinstance(geometry, Unusable):
            raise Unsupported(self.evidence.path_as_given, geometry.reason)
        return geometry

    @property
    def virtual_size(self) -> int:
        """Bytes of the virtual disk."""
        return self.header.size

    @property
    def backing_file(self) -> Untrusted | None:
        """The name of the backing file that the header declares."""
        return self.header_cluster.backing_file

    @property
    def has_backing_file(self) -> bool:
        """Whether what is not allocated comes from another file: offset or length of its name is set.

        A writer that removes the name clears both. With one of them, or a name that is not where it should be, the
        reference is damaged, and what it hides is missing, not zero.
        """
        return bool(self.header.backing_file_offset or self.header.backing_file_size)

    @property
    def encrypted(self) -> bool:
        """Whether the guest's data is encrypted by a method that is known."""
        return self.header.crypt_method in (CryptMethod.AES, CryptMethod.LUKS)

    @property
    def data_file(self) -> Untrusted | None:
        """The name of the external data file that an extension declares."""
        return self.header_cluster.extensions.text(ExtensionType.DATA_FILE)

    @cached_property
    def snapshots(self) -> SnapshotTable:
        """The snapshot table; at offset 0 there is the header, which is not read as one."""
        header = self.header
        count = header.nb_snapshots if header.snapshots_offset else 0
        table = read_snapshots(self.evidence, header.snapshots_offset, count, self.geometry)
        return replace(table, claimed=header.nb_snapshots)

    @cached_property
    def bitmaps(self) -> BitmapDirectory | None:
        """The bitmap directory; None if no extension announces one."""
        extension = self.header_cluster.extensions.first(ExtensionType.BITMAPS)
        cluster_size = 1 << min(self.header.cluster_bits, MAX_CLUSTER_BITS)
        return read_bitmaps(self.evidence, extension, cluster_size) if extension else None

    @cached_property
    def luks(self) -> LuksHeader | None:
        """The LUKS header; None if no extension points to one."""
        extension = self.header_cluster.extensions.first(ExtensionType.ENCRYPTION_HEADER)
        geometry = self.header_cluster.geometry
        cluster_size = geometry.cluster_size if isinstance(geometry, Geometry) else MIN_CLUSTER_SIZE
        return read_luks(self.evidence, extension, cluster_size) if extension else None

    @cached_property
    def l1(self) -> L1Table:
        """The L1 table of the active disk. Raises `Unsupported` where the header gives no geometry."""
        from forensic.qcow2.tables import believed_l1, read_l1

        geometry = self.geometry
        if self.planned:
            return self.planned.l1(geometry, self.evidence.size)
        return believed_l1(
            read_l1(
                self.evidence,
                geometry,
                ACTIVE,
                geometry.l1_table_offset,
                geometry.l1_entry_count,
                geometry.virtual_size,
            )
        )


class Qcow1Metadata:
    """The structures of an image of version 1; the same few properties as above where both have them."""

    format = "qcow1"

    def __init__(self, evidence: Evidence) -> None:
        """Look at the header of a file whose magic and version have been seen."""
        self.evidence = evidence

    @cached_property
    def header(self) -> Qcow1Header:
        """The header."""
        return read_header(self.evidence)

    @property
    def virtual_size(self) -> int:
        """Bytes of the virtual disk."""
        return self.header.size

    @property
    def backing_file(self) -> Untrusted | None:
        """The name of the backing file that the header declares."""
        return self.header.backing_file

    @property
    def has_backing_file(self) -> bool:
        """Whether what is not allocated comes from another file: offset or length of its name is set."""
        return bool(self.header.backing_file_offset or self.header.backing_file_size)

    @property
    def encrypted(self) -> bool:
        """Whether the guest's data is encrypted; version 1 knows the old AES encryption alone."""
        return self.header.crypt_method == CryptMethod.AES

    @cached_property
    def l1(self) -> Qcow1L1:
        """The L1 table. Raises `Unsupported` where the header does not tell how long it is."""
        from forensic.qcow2.v1_tables import read_l1

        if self.header.unusable:
            raise Unsupported(self.evidence.path_as_given, self.header.unusable)
        return read_l1(self.evidence, self.header)


def _first_cluster(evidence: Evidence) -> bytes:
    """The header cluster, whose size stands in itself; bounded whatever it claims."""
    start = evidence.read_up_to_bad(0, MIN_CLUSTER_SIZE)
    return evidence.read_up_to_bad(0, _header_cluster_size(start))


def _header_cluster_size(start: bytes) -> int:
    """Bytes of the header cluster as it says itself, within what the format allows."""
    return 1 << min(max(int.from_bytes(start[20:24], "big"), MIN_CLUSTER_BITS), MAX_CLUSTER_BITS)
