"""Boot sectors and directory entries of a FAT12, FAT16 or FAT32 volume."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from forensic.explore.lens.zones import Kind, Zone, ZoneAt, marked, one
from forensic.format.guest.fat import Fat
from forensic.structure import Structure, parse
from forensic.volumes.signatures import Read

BOOT_SECTOR = Kind("fat", "boot_sector", partial(parse, Fat.BootSector))
FS_INFO = Kind("fat", "fs_info", partial(parse, Fat.FsInfo))
ENTRY = Kind("fat", "directory_entry", partial(parse, Fat.DirectoryEntry))
LONG_NAME = Kind("fat", "long_name_entry", partial(parse, Fat.LongNameEntry))

LEN_SECTOR, LEN_ENTRY = 512, 32
MAX_ROOT_CLUSTERS = 4096
ATTRIBUTES, LONG, DIRECTORY = 11, 0x0F, 0x10
DOTS = (b".".ljust(ATTRIBUTES), b"..".ljust(ATTRIBUTES))


def fat_zones(read: Read, length: int) -> ZoneAt:
    """What finds the structure that holds a byte: of a directory besides the root its first cluster alone."""
    zones = [one(0, LEN_SECTOR, "boot sector", marked(BOOT_SECTOR, b"\x55\xaa", 510))]
    sector = read(0, LEN_SECTOR)
    layout = _Layout(parse(Fat.BootSector, sector, 0, "")) if isinstance(sector, bytes) else None
    if layout is None or not layout.usable:
        return lambda offset: zones[0] if offset < zones[0].end else None
    zones += layout.fixed(read, length)

    def zone_at(offset: int) -> Zone | None:
        found = next((zone for zone in zones if zone.offset <= offset < zone.end), None)
        return found or layout.directory_at(read, offset)

    return zone_at


def _kind_of(data: bytes) -> Kind | None:
    if not data[:1].strip(b"\0") or len(data) < LEN_ENTRY:
        return None
    return LONG_NAME if data[ATTRIBUTES] & 0x3F == LONG else ENTRY


class _Layout:
    """Where things lie, as the boot sector says."""

    def __init__(self, boot: Structure) -> None:
        number = boot.integer
        self.sector = number("bytes_per_sector")
        self.cluster = self.sector * number("sectors_per_cluster")
        self.fat_start = number("reserved_sectors") * self.sector
        per_fat = number("sectors_per_fat_16") or number("fat32.sectors_per_fat")
        self.root_start = self.fat_start + number("num_fats") * per_fat * self.sector
        self.root_length = number("root_entries") * LEN_ENTRY
        self.data_start = self.root_start + -(-self.root_length // max(self.sector, 1)) * self.sector
        self.root_cluster = number("fat32.root_cluster")
        self.special = (number("fat32.fs_info_sector"), number("fat32.backup_boot_sector"))

    @property
    def usable(self) -> bool:
        """Whether the numbers are such as a file system may have."""
        return self.sector in (512, 1024, 2048, 4096) and self.sector <= self.cluster <= self.sector * 128

    def fixed(self, read: Read, length: int) -> Iterator[Zone]:
        """What lies where the boot sector says: its copy, what counts free clusters, and the root directory."""
        info, copy = (number * self.sector for number in self.special)
        for place, name in ((copy, "backup boot sector"), (copy + info if copy else 0, "backup FSInfo")):
            kind_of = marked(BOOT_SECTOR, b"\x55\xaa", 510) if name.endswith("sector") else marked(FS_INFO, b"RRaA")
            if LEN_SECTOR <= place < self.fat_start:
                yield one(place, LEN_SECTOR, name, kind_of)
        if LEN_SECTOR <= info < self.fat_start:
            yield one(info, LEN_SECTOR, "FSInfo", marked(FS_INFO, b"RRaA"))
        if self.root_length:
            yield Zone(self.root_start, self.root_length, LEN_ENTRY, "entry {} of the root directory", _kind_of)
        else:
            yield from self._root_clusters(read, length)

    def _root_clusters(self, read: Read, length: int) -> Iterator[Zone]:
        cluster, seen = self.root_cluster, set[int]()
        while cluster >= 2 and cluster not in seen and len(seen) < MAX_ROOT_CLUSTERS:
            place = self._place(cluster)
            if place >= length:
                return
            first = len(seen) * self.cluster // LEN_ENTRY
            yield Zone(place, self.cluster, LEN_ENTRY, "entry {} of the root directory", _kind_of, first)
            seen.add(cluster)
            link = read(self.fat_start + cluster * 4, 4)
            cluster = int.from_bytes(link, "little") & 0x0FFFFFFF if isinstance(link, bytes) else 0

    def _place(self, cluster: int) -> int:
        return self.data_start + (cluster - 2) * self.cluster

    def directory_at(self, read: Read, offset: int) -> Zone | None:
        """The cluster that holds a byte, if it begins as a directory does: with itself and the one above it."""
        if offset < self.data_start:
            return None
        number = (offset - self.data_start) // self.cluster + 2
        place = self._place(number)
        head = read(place, 2 * LEN_ENTRY)
        if isinstance(head, str) or len(head) < 2 * LEN_ENTRY:
            return None
        for entry, name in zip((head[:LEN_ENTRY], head[LEN_ENTRY:]), DOTS, strict=True):
            if entry[:ATTRIBUTES] != name or not entry[ATTRIBUTES] & DIRECTORY:
                return None
        return Zone(place, self.cluster, LEN_ENTRY, f"entry {{}} of the directory in cluster {number}", _kind_of)
