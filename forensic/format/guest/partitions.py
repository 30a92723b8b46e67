# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Partitions(KaitaiStruct):
    """What tells where the volumes of a disk begin. The first sector is a master
    boot record; where the disk has a GUID partition table, that sector only
    guards it, the table's header follows in the next one, and copies of header
    and entries end the disk. Each type describes one structure and follows no
    offset.
    """

    class MbrType(IntEnum):
        unused = 0
        fat12 = 1
        fat16_small = 4
        extended = 5
        fat16 = 6
        ntfs_or_exfat = 7
        fat32 = 11
        fat32_lba = 12
        fat16_lba = 14
        extended_lba = 15
        windows_recovery = 39
        linux_swap = 130
        linux = 131
        linux_extended = 133
        linux_lvm = 142
        freebsd = 165
        gpt_guard = 238
        efi_system = 239
        linux_raid = 253
    SEQ_FIELDS = ["mbr"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Partitions, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['mbr']['start'] = self._io.pos()
        self.mbr = Partitions.BootRecord(self._io, self, self._root)
        self.mbr._read()
        self._debug['mbr']['end'] = self._io.pos()


    def _fetch_instances(self):
        pass
        self.mbr._fetch_instances()

    class BootRecord(KaitaiStruct):
        """A master boot record, or the like of it at the begin of each logical partition.
        
        .. seealso::
           UEFI 5.2.1 - https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html
        """
        SEQ_FIELDS = ["boot_code", "disk_signature", "copy_protected", "entries", "signature"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Partitions.BootRecord, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['boot_code']['start'] = self._io.pos()
            self.boot_code = self._io.read_bytes(440)
            self._debug['boot_code']['end'] = self._io.pos()
            self._debug['disk_signature']['start'] = self._io.pos()
            self.disk_signature = self._io.read_u4le()
            self._debug['disk_signature']['end'] = self._io.pos()
            self._debug['copy_protected']['start'] = self._io.pos()
            self.copy_protected = self._io.read_u2le()
            self._debug['copy_protected']['end'] = self._io.pos()
            self._debug['entries']['start'] = self._io.pos()
            self._debug['entries']['arr'] = []
            self.entries = []
            for i in range(4):
                self._debug['entries']['arr'].append({'start': self._io.pos()})
                _t_entries = Partitions.PartitionEntry(self._io, self, self._root)
                try:
                    _t_entries._read()
                finally:
                    self.entries.append(_t_entries)
                self._debug['entries']['arr'][i]['end'] = self._io.pos()

            self._debug['entries']['end'] = self._io.pos()
            self._debug['signature']['start'] = self._io.pos()
            self.signature = self._io.read_u2le()
            self._debug['signature']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.entries)):
                pass
                self.entries[i]._fetch_instances()



    class GptEntry(KaitaiStruct):
        """One partition of a GUID partition table; a type of zeros marks an entry that is not used.
        
        .. seealso::
           UEFI 5.3.3 - https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html
        """
        SEQ_FIELDS = ["type_guid", "guid", "lba_first", "lba_last", "attributes", "name"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Partitions.GptEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['type_guid']['start'] = self._io.pos()
            self.type_guid = self._io.read_bytes(16)
            self._debug['type_guid']['end'] = self._io.pos()
            self._debug['guid']['start'] = self._io.pos()
            self.guid = self._io.read_bytes(16)
            self._debug['guid']['end'] = self._io.pos()
            self._debug['lba_first']['start'] = self._io.pos()
            self.lba_first = self._io.read_u8le()
            self._debug['lba_first']['end'] = self._io.pos()
            self._debug['lba_last']['start'] = self._io.pos()
            self.lba_last = self._io.read_u8le()
            self._debug['lba_last']['end'] = self._io.pos()
            self._debug['attributes']['start'] = self._io.pos()
            self.attributes = self._io.read_u8le()
            self._debug['attributes']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(72)
            self._debug['name']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class GptHeader(KaitaiStruct):
        """The header of a GUID partition table, or the copy of it in the last sector.
        
        .. seealso::
           UEFI 5.3.2 - https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html
        """
        SEQ_FIELDS = ["signature", "revision", "len_header", "header_crc32", "reserved", "lba_self", "lba_other", "lba_first_usable", "lba_last_usable", "disk_guid", "lba_entries", "num_entries", "len_entry", "entries_crc32"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Partitions.GptHeader, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['signature']['start'] = self._io.pos()
            self.signature = self._io.read_bytes(8)
            self._debug['signature']['end'] = self._io.pos()
            self._debug['revision']['start'] = self._io.pos()
            self.revision = self._io.read_u4le()
            self._debug['revision']['end'] = self._io.pos()
            self._debug['len_header']['start'] = self._io.pos()
            self.len_header = self._io.read_u4le()
            self._debug['len_header']['end'] = self._io.pos()
            self._debug['header_crc32']['start'] = self._io.pos()
            self.header_crc32 = self._io.read_u4le()
            self._debug['header_crc32']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_u4le()
            self._debug['reserved']['end'] = self._io.pos()
            self._debug['lba_self']['start'] = self._io.pos()
            self.lba_self = self._io.read_u8le()
            self._debug['lba_self']['end'] = self._io.pos()
            self._debug['lba_other']['start'] = self._io.pos()
            self.lba_other = self._io.read_u8le()
            self._debug['lba_other']['end'] = self._io.pos()
            self._debug['lba_first_usable']['start'] = self._io.pos()
            self.lba_first_usable = self._io.read_u8le()
            self._debug['lba_first_usable']['end'] = self._io.pos()
            self._debug['lba_last_usable']['start'] = self._io.pos()
            self.lba_last_usable = self._io.read_u8le()
            self._debug['lba_last_usable']['end'] = self._io.pos()
            self._debug['disk_guid']['start'] = self._io.pos()
            self.disk_guid = self._io.read_bytes(16)
            self._debug['disk_guid']['end'] = self._io.pos()
            self._debug['lba_entries']['start'] = self._io.pos()
            self.lba_entries = self._io.read_u8le()
            self._debug['lba_entries']['end'] = self._io.pos()
            self._debug['num_entries']['start'] = self._io.pos()
            self.num_entries = self._io.read_u4le()
            self._debug['num_entries']['end'] = self._io.pos()
            self._debug['len_entry']['start'] = self._io.pos()
            self.len_entry = self._io.read_u4le()
            self._debug['len_entry']['end'] = self._io.pos()
            self._debug['entries_crc32']['start'] = self._io.pos()
            self.entries_crc32 = self._io.read_u4le()
            self._debug['entries_crc32']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class PartitionEntry(KaitaiStruct):
        """One of the four partitions of a boot record.
        
        .. seealso::
           UEFI 5.2.1 - https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html
        """
        SEQ_FIELDS = ["status", "chs_first", "type", "chs_last", "lba_first", "num_sectors"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Partitions.PartitionEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['status']['start'] = self._io.pos()
            self.status = self._io.read_u1()
            self._debug['status']['end'] = self._io.pos()
            self._debug['chs_first']['start'] = self._io.pos()
            self.chs_first = self._io.read_bytes(3)
            self._debug['chs_first']['end'] = self._io.pos()
            self._debug['type']['start'] = self._io.pos()
            self.type = KaitaiStream.resolve_enum(Partitions.MbrType, self._io.read_u1())
            self._debug['type']['end'] = self._io.pos()
            self._debug['chs_last']['start'] = self._io.pos()
            self.chs_last = self._io.read_bytes(3)
            self._debug['chs_last']['end'] = self._io.pos()
            self._debug['lba_first']['start'] = self._io.pos()
            self.lba_first = self._io.read_u4le()
            self._debug['lba_first']['end'] = self._io.pos()
            self._debug['num_sectors']['start'] = self._io.pos()
            self.num_sectors = self._io.read_u4le()
            self._debug['num_sectors']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass



