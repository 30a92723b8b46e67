"""What is served under which name: the active disk, and each snapshot by its place in the table."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from forensic.disk.disk import Disk
from forensic.disk.qcow2_layer import L1Place, Qcow2Layer
from forensic.image import Image, Qcow2Image
from forensic.nbd.protocol import MAX_STRING_BYTES
from forensic.qcow2.snapshots import Snapshot

ACTIVE = "active"
SNAPSHOT = "snapshot:"

ZEROS_SAID = "ranges that cannot be read are given as zeros"


class Export(Struct, frozen=True):
    """One disk with the name under which it is served, and what is said about it."""

    name: str
    description: str
    disk: Disk


class Exports:
    """The disks of one image; only that of a snapshot someone asks for is made.

    Names in the image are no export names: they are shown in the descriptions.
    """

    def __init__(self, image: Image, active: Disk, default: Snapshot | None = None, zeros: bool = False) -> None:
        """`default` is what is served under no name (the active disk otherwise).

        With `zeros` what cannot be read is given as zeros.
        """
        self._image, self._active, self._default = image, active, default
        self.zeros = zeros

    def names(self) -> Iterator[tuple[str, str]]:
        """The name and the description of each export."""
        yield ACTIVE, self._description("the active disk")
        for snapshot in self._snapshots():
            yield f"{SNAPSHOT}{snapshot.index}", self._description(_said_of(snapshot))

    def find(self, name: str) -> Export | None:
        """The export of that name; None if there is none."""
        if name == "" and self._default is not None:
            name = f"{SNAPSHOT}{self._default.index}"
        if name in ("", ACTIVE):
            return Export(ACTIVE, self._description("the active disk"), self._active)
        index = name.removeprefix(SNAPSHOT)
        if index == name or not (index.isascii() and index.isdigit() and len(index) < 10):
            return None
        for snapshot in self._snapshots():
            if snapshot.index == int(index) and index == str(snapshot.index):
                return Export(name, self._description(_said_of(snapshot)), self._disk_of(snapshot))
        return None

    def _snapshots(self) -> tuple[Snapshot, ...]:
        image = self._image
        return image.snapshots.snapshots if isinstance(image, Qcow2Image) and image.header.nb_snapshots else ()

    def _disk_of(self, snapshot: Snapshot) -> Disk:
        """The disk of a snapshot with the files and the key that were supplied for the active one."""
        layer = self._active.layers[0]
        assert isinstance(layer, Qcow2Layer), "only images of version 2 and 3 have snapshots"
        size = self._image.virtual_size if snapshot.disk_size is None else snapshot.disk_size
        place = L1Place(snapshot.owner, snapshot.l1_table_offset, snapshot.l1_size, size)
        first = Qcow2Layer(
            layer.image, place, size, 0, layer.data_file, layer.cipher, layer.as_stored, salvage=layer.salvage
        )
        target = f"{SNAPSHOT}{snapshot.index}"
        return replace(self._active, target=target, size=size, layers=(first, *self._active.layers[1:]), inputs=())

    def _description(self, what: str) -> str:
        return f"{what}; {ZEROS_SAID}" if self.zeros else what


def _said_of(snapshot: Snapshot) -> str:
    return f'snapshot {snapshot.index}: id "{snapshot.id}", name "{snapshot.name}"'


def as_string(text: str) -> bytes:
    """A text as the protocol takes it, cut where it is too long."""
    return text.encode("utf-8", "replace")[:MAX_STRING_BYTES].decode("utf-8", "ignore").encode()
