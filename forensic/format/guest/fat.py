# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Fat(KaitaiStruct):
    """The boot sector of a FAT volume, the sector that counts its free clusters,
    and the entries of its directories. Each type describes one structure and
    follows no offset.
    """
    SEQ_FIELDS = ["boot_sector"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Fat, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['boot_sector']['start'] = self._io.pos()
        self.boot_sector = Fat.BootSector(self._io, self, self._root)
        self.boot_sector._read()
        self._debug['boot_sector']['end'] = self._io.pos()


    def _fetch_instances(self):
        pass
        self.boot_sector._fetch_instances()

    class BootSector(KaitaiStruct):
        """The first sector of the volume.
        
        .. seealso::
           Boot Sector and BPB - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["jump", "oem_name", "bytes_per_sector", "sectors_per_cluster", "reserved_sectors", "num_fats", "root_entries", "sectors_16", "media", "sectors_per_fat_16", "sectors_per_track", "heads", "hidden_sectors", "sectors_32", "fat32", "extended", "boot_code", "signature"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.BootSector, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['jump']['start'] = self._io.pos()
            self.jump = self._io.read_bytes(3)
            self._debug['jump']['end'] = self._io.pos()
            self._debug['oem_name']['start'] = self._io.pos()
            self.oem_name = self._io.read_bytes(8)
            self._debug['oem_name']['end'] = self._io.pos()
            self._debug['bytes_per_sector']['start'] = self._io.pos()
            self.bytes_per_sector = self._io.read_u2le()
            self._debug['bytes_per_sector']['end'] = self._io.pos()
            self._debug['sectors_per_cluster']['start'] = self._io.pos()
            self.sectors_per_cluster = self._io.read_u1()
            self._debug['sectors_per_cluster']['end'] = self._io.pos()
            self._debug['reserved_sectors']['start'] = self._io.pos()
            self.reserved_sectors = self._io.read_u2le()
            self._debug['reserved_sectors']['end'] = self._io.pos()
            self._debug['num_fats']['start'] = self._io.pos()
            self.num_fats = self._io.read_u1()
            self._debug['num_fats']['end'] = self._io.pos()
            self._debug['root_entries']['start'] = self._io.pos()
            self.root_entries = self._io.read_u2le()
            self._debug['root_entries']['end'] = self._io.pos()
            self._debug['sectors_16']['start'] = self._io.pos()
            self.sectors_16 = self._io.read_u2le()
            self._debug['sectors_16']['end'] = self._io.pos()
            self._debug['media']['start'] = self._io.pos()
            self.media = self._io.read_u1()
            self._debug['media']['end'] = self._io.pos()
            self._debug['sectors_per_fat_16']['start'] = self._io.pos()
            self.sectors_per_fat_16 = self._io.read_u2le()
            self._debug['sectors_per_fat_16']['end'] = self._io.pos()
            self._debug['sectors_per_track']['start'] = self._io.pos()
            self.sectors_per_track = self._io.read_u2le()
            self._debug['sectors_per_track']['end'] = self._io.pos()
            self._debug['heads']['start'] = self._io.pos()
            self.heads = self._io.read_u2le()
            self._debug['heads']['end'] = self._io.pos()
            self._debug['hidden_sectors']['start'] = self._io.pos()
            self.hidden_sectors = self._io.read_u4le()
            self._debug['hidden_sectors']['end'] = self._io.pos()
            self._debug['sectors_32']['start'] = self._io.pos()
            self.sectors_32 = self._io.read_u4le()
            self._debug['sectors_32']['end'] = self._io.pos()
            if self.sectors_per_fat_16 == 0:
                pass
                self._debug['fat32']['start'] = self._io.pos()
                self.fat32 = Fat.Fat32Part(self._io, self, self._root)
                self.fat32._read()
                self._debug['fat32']['end'] = self._io.pos()

            self._debug['extended']['start'] = self._io.pos()
            self.extended = Fat.ExtendedPart(self._io, self, self._root)
            self.extended._read()
            self._debug['extended']['end'] = self._io.pos()
            self._debug['boot_code']['start'] = self._io.pos()
            self.boot_code = self._io.read_bytes((420 if self.sectors_per_fat_16 == 0 else 448))
            self._debug['boot_code']['end'] = self._io.pos()
            self._debug['signature']['start'] = self._io.pos()
            self.signature = self._io.read_u2le()
            self._debug['signature']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            if self.sectors_per_fat_16 == 0:
                pass
                self.fat32._fetch_instances()

            self.extended._fetch_instances()


    class DirectoryEntry(KaitaiStruct):
        """A file of a directory under its short name, or the label of the volume.
        
        .. seealso::
           Directory Structure - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["name", "attributes", "case", "creation_tenths", "creation_time", "creation_date", "access_date", "first_cluster_hi", "write_time", "write_date", "first_cluster_lo", "size"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.DirectoryEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(11)
            self._debug['name']['end'] = self._io.pos()
            self._debug['attributes']['start'] = self._io.pos()
            self.attributes = self._io.read_u1()
            self._debug['attributes']['end'] = self._io.pos()
            self._debug['case']['start'] = self._io.pos()
            self.case = self._io.read_u1()
            self._debug['case']['end'] = self._io.pos()
            self._debug['creation_tenths']['start'] = self._io.pos()
            self.creation_tenths = self._io.read_u1()
            self._debug['creation_tenths']['end'] = self._io.pos()
            self._debug['creation_time']['start'] = self._io.pos()
            self.creation_time = self._io.read_u2le()
            self._debug['creation_time']['end'] = self._io.pos()
            self._debug['creation_date']['start'] = self._io.pos()
            self.creation_date = self._io.read_u2le()
            self._debug['creation_date']['end'] = self._io.pos()
            self._debug['access_date']['start'] = self._io.pos()
            self.access_date = self._io.read_u2le()
            self._debug['access_date']['end'] = self._io.pos()
            self._debug['first_cluster_hi']['start'] = self._io.pos()
            self.first_cluster_hi = self._io.read_u2le()
            self._debug['first_cluster_hi']['end'] = self._io.pos()
            self._debug['write_time']['start'] = self._io.pos()
            self.write_time = self._io.read_u2le()
            self._debug['write_time']['end'] = self._io.pos()
            self._debug['write_date']['start'] = self._io.pos()
            self.write_date = self._io.read_u2le()
            self._debug['write_date']['end'] = self._io.pos()
            self._debug['first_cluster_lo']['start'] = self._io.pos()
            self.first_cluster_lo = self._io.read_u2le()
            self._debug['first_cluster_lo']['end'] = self._io.pos()
            self._debug['size']['start'] = self._io.pos()
            self.size = self._io.read_u4le()
            self._debug['size']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class ExtendedPart(KaitaiStruct):
        """The last part of the parameters, the same in FAT12, FAT16 and FAT32.
        
        .. seealso::
           Boot Sector and BPB - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["drive_number", "state", "extended_signature", "volume_id", "volume_label", "file_system_type"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.ExtendedPart, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['drive_number']['start'] = self._io.pos()
            self.drive_number = self._io.read_u1()
            self._debug['drive_number']['end'] = self._io.pos()
            self._debug['state']['start'] = self._io.pos()
            self.state = self._io.read_u1()
            self._debug['state']['end'] = self._io.pos()
            self._debug['extended_signature']['start'] = self._io.pos()
            self.extended_signature = self._io.read_u1()
            self._debug['extended_signature']['end'] = self._io.pos()
            self._debug['volume_id']['start'] = self._io.pos()
            self.volume_id = self._io.read_u4le()
            self._debug['volume_id']['end'] = self._io.pos()
            self._debug['volume_label']['start'] = self._io.pos()
            self.volume_label = self._io.read_bytes(11)
            self._debug['volume_label']['end'] = self._io.pos()
            self._debug['file_system_type']['start'] = self._io.pos()
            self.file_system_type = self._io.read_bytes(8)
            self._debug['file_system_type']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Fat32Part(KaitaiStruct):
        """What only FAT32 has.
        
        .. seealso::
           Boot Sector and BPB - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["sectors_per_fat", "mirroring", "version", "root_cluster", "fs_info_sector", "backup_boot_sector", "reserved"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.Fat32Part, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['sectors_per_fat']['start'] = self._io.pos()
            self.sectors_per_fat = self._io.read_u4le()
            self._debug['sectors_per_fat']['end'] = self._io.pos()
            self._debug['mirroring']['start'] = self._io.pos()
            self.mirroring = self._io.read_u2le()
            self._debug['mirroring']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u2le()
            self._debug['version']['end'] = self._io.pos()
            self._debug['root_cluster']['start'] = self._io.pos()
            self.root_cluster = self._io.read_u4le()
            self._debug['root_cluster']['end'] = self._io.pos()
            self._debug['fs_info_sector']['start'] = self._io.pos()
            self.fs_info_sector = self._io.read_u2le()
            self._debug['fs_info_sector']['end'] = self._io.pos()
            self._debug['backup_boot_sector']['start'] = self._io.pos()
            self.backup_boot_sector = self._io.read_u2le()
            self._debug['backup_boot_sector']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_bytes(12)
            self._debug['reserved']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class FsInfo(KaitaiStruct):
        """What FAT32 remembers of its free clusters.
        
        .. seealso::
           FSInfo Sector - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["lead_signature", "reserved1", "structure_signature", "free_count", "next_free", "reserved2", "trail_signature"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.FsInfo, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['lead_signature']['start'] = self._io.pos()
            self.lead_signature = self._io.read_bytes(4)
            self._debug['lead_signature']['end'] = self._io.pos()
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bytes(480)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['structure_signature']['start'] = self._io.pos()
            self.structure_signature = self._io.read_bytes(4)
            self._debug['structure_signature']['end'] = self._io.pos()
            self._debug['free_count']['start'] = self._io.pos()
            self.free_count = self._io.read_u4le()
            self._debug['free_count']['end'] = self._io.pos()
            self._debug['next_free']['start'] = self._io.pos()
            self.next_free = self._io.read_u4le()
            self._debug['next_free']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bytes(12)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['trail_signature']['start'] = self._io.pos()
            self.trail_signature = self._io.read_u4le()
            self._debug['trail_signature']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class LongNameEntry(KaitaiStruct):
        """A part of the long name of the entry that follows.
        
        .. seealso::
           Long File Name - https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf
        """
        SEQ_FIELDS = ["order", "name1", "attributes", "type", "checksum", "name2", "first_cluster", "name3"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Fat.LongNameEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['order']['start'] = self._io.pos()
            self.order = self._io.read_u1()
            self._debug['order']['end'] = self._io.pos()
            self._debug['name1']['start'] = self._io.pos()
            self.name1 = self._io.read_bytes(10)
            self._debug['name1']['end'] = self._io.pos()
            self._debug['attributes']['start'] = self._io.pos()
            self.attributes = self._io.read_u1()
            self._debug['attributes']['end'] = self._io.pos()
            self._debug['type']['start'] = self._io.pos()
            self.type = self._io.read_u1()
            self._debug['type']['end'] = self._io.pos()
            self._debug['checksum']['start'] = self._io.pos()
            self.checksum = self._io.read_u1()
            self._debug['checksum']['end'] = self._io.pos()
            self._debug['name2']['start'] = self._io.pos()
            self.name2 = self._io.read_bytes(12)
            self._debug['name2']['end'] = self._io.pos()
            self._debug['first_cluster']['start'] = self._io.pos()
            self.first_cluster = self._io.read_u2le()
            self._debug['first_cluster']['end'] = self._io.pos()
            self._debug['name3']['start'] = self._io.pos()
            self.name3 = self._io.read_bytes(4)
            self._debug['name3']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass



