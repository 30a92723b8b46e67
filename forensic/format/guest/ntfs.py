# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Ntfs(KaitaiStruct):
    """The boot sector of an NTFS volume and the records of its master file table:
    every file, the table itself among them, is a record, and all that is known
    of a file is one of its attributes. Each type describes one structure and
    follows no offset. The last two bytes of each sector of a record lie in its
    update sequence; they are to be put back before a record is read.
    """

    class AttributeType(IntEnum):
        standard_information = 16
        attribute_list = 32
        file_name = 48
        object_id = 64
        security_descriptor = 80
        volume_name = 96
        volume_information = 112
        data = 128
        index_root = 144
        index_allocation = 160
        bitmap = 176
        reparse_point = 192
        ea_information = 208
        ea = 224
        logged_utility_stream = 256
        end = 4294967295

    class NameSpace(IntEnum):
        posix = 0
        windows = 1
        dos = 2
        windows_and_dos = 3
    SEQ_FIELDS = ["boot_sector"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Ntfs, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['boot_sector']['start'] = self._io.pos()
        self.boot_sector = Ntfs.BootSector(self._io, self, self._root)
        self.boot_sector._read()
        self._debug['boot_sector']['end'] = self._io.pos()


    def _fetch_instances(self):
        pass
        self.boot_sector._fetch_instances()

    class Attribute(KaitaiStruct):
        """One thing that is known of a file.
        
        .. seealso::
           ATTRIBUTE_RECORD_HEADER - https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header
        """
        SEQ_FIELDS = ["type", "length", "body"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ntfs.Attribute, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['type']['start'] = self._io.pos()
            self.type = KaitaiStream.resolve_enum(Ntfs.AttributeType, self._io.read_u4le())
            self._debug['type']['end'] = self._io.pos()
            if self.type != Ntfs.AttributeType.end:
                pass
                self._debug['length']['start'] = self._io.pos()
                self.length = self._io.read_u4le()
                self._debug['length']['end'] = self._io.pos()

            if self.type != Ntfs.AttributeType.end:
                pass
                self._debug['body']['start'] = self._io.pos()
                self._raw_body = self._io.read_bytes((0 if self.length < 8 else self.length - 8))
                _io__raw_body = KaitaiStream(BytesIO(self._raw_body))
                self.body = Ntfs.AttributeBody(self.type, _io__raw_body, self, self._root)
                self.body._read()
                self._debug['body']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.type != Ntfs.AttributeType.end:
                pass

            if self.type != Ntfs.AttributeType.end:
                pass
                self.body._fetch_instances()



    class AttributeBody(KaitaiStruct):
        """An attribute after its type and length.
        
        .. seealso::
           ATTRIBUTE_RECORD_HEADER - https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header
        """
        SEQ_FIELDS = ["is_non_resident", "len_name", "ofs_name", "flags", "attribute_id", "resident", "non_resident"]
        def __init__(self, kind, _io, _parent=None, _root=None):
            super(Ntfs.AttributeBody, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.kind = kind
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['is_non_resident']['start'] = self._io.pos()
            self.is_non_resident = self._io.read_u1()
            self._debug['is_non_resident']['end'] = self._io.pos()
            self._debug['len_name']['start'] = self._io.pos()
            self.len_name = self._io.read_u1()
            self._debug['len_name']['end'] = self._io.pos()
            self._debug['ofs_name']['start'] = self._io.pos()
            self.ofs_name = self._io.read_u2le()
            self._debug['ofs_name']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u2le()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['attribute_id']['start'] = self._io.pos()
            self.attribute_id = self._io.read_u2le()
            self._debug['attribute_id']['end'] = self._io.pos()
            if self.is_non_resident == 0:
                pass
                self._debug['resident']['start'] = self._io.pos()
                self.resident = Ntfs.Resident(self.kind, self._io, self, self._root)
                self.resident._read()
                self._debug['resident']['end'] = self._io.pos()

            if self.is_non_resident != 0:
                pass
                self._debug['non_resident']['start'] = self._io.pos()
                self.non_resident = Ntfs.NonResident(self._io, self, self._root)
                self.non_resident._read()
                self._debug['non_resident']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.is_non_resident == 0:
                pass
                self.resident._fetch_instances()

            if self.is_non_resident != 0:
                pass
                self.non_resident._fetch_instances()



    class BootSector(KaitaiStruct):
        """The first sector of the volume; the last one holds a copy.
        
        .. seealso::
           Boot Sector - https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2003/cc781134(v=ws.10)
        """
        SEQ_FIELDS = ["jump", "oem_id", "bytes_per_sector", "sectors_per_cluster", "reserved1", "media", "reserved2", "sectors_per_track", "heads", "hidden_sectors", "reserved3", "sector_count", "mft_cluster", "mft_mirror_cluster", "record_size_code", "reserved4", "index_size_code", "reserved5", "serial_number", "checksum", "boot_code", "signature"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ntfs.BootSector, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['jump']['start'] = self._io.pos()
            self.jump = self._io.read_bytes(3)
            self._debug['jump']['end'] = self._io.pos()
            self._debug['oem_id']['start'] = self._io.pos()
            self.oem_id = self._io.read_bytes(8)
            self._debug['oem_id']['end'] = self._io.pos()
            self._debug['bytes_per_sector']['start'] = self._io.pos()
            self.bytes_per_sector = self._io.read_u2le()
            self._debug['bytes_per_sector']['end'] = self._io.pos()
            self._debug['sectors_per_cluster']['start'] = self._io.pos()
            self.sectors_per_cluster = self._io.read_u1()
            self._debug['sectors_per_cluster']['end'] = self._io.pos()
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bytes(7)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['media']['start'] = self._io.pos()
            self.media = self._io.read_u1()
            self._debug['media']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_u2le()
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['sectors_per_track']['start'] = self._io.pos()
            self.sectors_per_track = self._io.read_u2le()
            self._debug['sectors_per_track']['end'] = self._io.pos()
            self._debug['heads']['start'] = self._io.pos()
            self.heads = self._io.read_u2le()
            self._debug['heads']['end'] = self._io.pos()
            self._debug['hidden_sectors']['start'] = self._io.pos()
            self.hidden_sectors = self._io.read_u4le()
            self._debug['hidden_sectors']['end'] = self._io.pos()
            self._debug['reserved3']['start'] = self._io.pos()
            self.reserved3 = self._io.read_bytes(8)
            self._debug['reserved3']['end'] = self._io.pos()
            self._debug['sector_count']['start'] = self._io.pos()
            self.sector_count = self._io.read_u8le()
            self._debug['sector_count']['end'] = self._io.pos()
            self._debug['mft_cluster']['start'] = self._io.pos()
            self.mft_cluster = self._io.read_u8le()
            self._debug['mft_cluster']['end'] = self._io.pos()
            self._debug['mft_mirror_cluster']['start'] = self._io.pos()
            self.mft_mirror_cluster = self._io.read_u8le()
            self._debug['mft_mirror_cluster']['end'] = self._io.pos()
            self._debug['record_size_code']['start'] = self._io.pos()
            self.record_size_code = self._io.read_s1()
            self._debug['record_size_code']['end'] = self._io.pos()
            self._debug['reserved4']['start'] = self._io.pos()
            self.reserved4 = self._io.read_bytes(3)
            self._debug['reserved4']['end'] = self._io.pos()
            self._debug['index_size_code']['start'] = self._io.pos()
            self.index_size_code = self._io.read_s1()
            self._debug['index_size_code']['end'] = self._io.pos()
            self._debug['reserved5']['start'] = self._io.pos()
            self.reserved5 = self._io.read_bytes(3)
            self._debug['reserved5']['end'] = self._io.pos()
            self._debug['serial_number']['start'] = self._io.pos()
            self.serial_number = self._io.read_u8le()
            self._debug['serial_number']['end'] = self._io.pos()
            self._debug['checksum']['start'] = self._io.pos()
            self.checksum = self._io.read_u4le()
            self._debug['checksum']['end'] = self._io.pos()
            self._debug['boot_code']['start'] = self._io.pos()
            self.boot_code = self._io.read_bytes(426)
            self._debug['boot_code']['end'] = self._io.pos()
            self._debug['signature']['start'] = self._io.pos()
            self.signature = self._io.read_u2le()
            self._debug['signature']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class FileName(KaitaiStruct):
        """A name of the file, with a copy of its times from when the name was given.
        
        .. seealso::
           FILE_NAME - https://learn.microsoft.com/en-us/windows/win32/devnotes/file-name
        """
        SEQ_FIELDS = ["parent", "creation_time", "modification_time", "record_change_time", "access_time", "len_allocated", "len_data", "file_attributes", "reparse", "num_characters", "name_space", "name"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ntfs.FileName, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['parent']['start'] = self._io.pos()
            self.parent = self._io.read_u8le()
            self._debug['parent']['end'] = self._io.pos()
            self._debug['creation_time']['start'] = self._io.pos()
            self.creation_time = self._io.read_u8le()
            self._debug['creation_time']['end'] = self._io.pos()
            self._debug['modification_time']['start'] = self._io.pos()
            self.modification_time = self._io.read_u8le()
            self._debug['modification_time']['end'] = self._io.pos()
            self._debug['record_change_time']['start'] = self._io.pos()
            self.record_change_time = self._io.read_u8le()
            self._debug['record_change_time']['end'] = self._io.pos()
            self._debug['access_time']['start'] = self._io.pos()
            self.access_time = self._io.read_u8le()
            self._debug['access_time']['end'] = self._io.pos()
            self._debug['len_allocated']['start'] = self._io.pos()
            self.len_allocated = self._io.read_u8le()
            self._debug['len_allocated']['end'] = self._io.pos()
            self._debug['len_data']['start'] = self._io.pos()
            self.len_data = self._io.read_u8le()
            self._debug['len_data']['end'] = self._io.pos()
            self._debug['file_attributes']['start'] = self._io.pos()
            self.file_attributes = self._io.read_u4le()
            self._debug['file_attributes']['end'] = self._io.pos()
            self._debug['reparse']['start'] = self._io.pos()
            self.reparse = self._io.read_u4le()
            self._debug['reparse']['end'] = self._io.pos()
            self._debug['num_characters']['start'] = self._io.pos()
            self.num_characters = self._io.read_u1()
            self._debug['num_characters']['end'] = self._io.pos()
            self._debug['name_space']['start'] = self._io.pos()
            self.name_space = KaitaiStream.resolve_enum(Ntfs.NameSpace, self._io.read_u1())
            self._debug['name_space']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(self.num_characters * 2)
            self._debug['name']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class FileRecord(KaitaiStruct):
        """A record of the master file table.
        
        .. seealso::
           FILE_RECORD_SEGMENT_HEADER - https://learn.microsoft.com/en-us/windows/win32/devnotes/file-record-segment-header
        """
        SEQ_FIELDS = ["magic", "ofs_update_sequence", "num_update_sequence", "log_sequence_number", "sequence_number", "link_count", "ofs_attributes", "flags", "len_used", "len_allocated", "base_record", "next_attribute_id", "padding", "attributes"]
        def __init__(self, max_attributes, _io, _parent=None, _root=None):
            super(Ntfs.FileRecord, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.max_attributes = max_attributes
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(4)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['ofs_update_sequence']['start'] = self._io.pos()
            self.ofs_update_sequence = self._io.read_u2le()
            self._debug['ofs_update_sequence']['end'] = self._io.pos()
            self._debug['num_update_sequence']['start'] = self._io.pos()
            self.num_update_sequence = self._io.read_u2le()
            self._debug['num_update_sequence']['end'] = self._io.pos()
            self._debug['log_sequence_number']['start'] = self._io.pos()
            self.log_sequence_number = self._io.read_u8le()
            self._debug['log_sequence_number']['end'] = self._io.pos()
            self._debug['sequence_number']['start'] = self._io.pos()
            self.sequence_number = self._io.read_u2le()
            self._debug['sequence_number']['end'] = self._io.pos()
            self._debug['link_count']['start'] = self._io.pos()
            self.link_count = self._io.read_u2le()
            self._debug['link_count']['end'] = self._io.pos()
            self._debug['ofs_attributes']['start'] = self._io.pos()
            self.ofs_attributes = self._io.read_u2le()
            self._debug['ofs_attributes']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u2le()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['len_used']['start'] = self._io.pos()
            self.len_used = self._io.read_u4le()
            self._debug['len_used']['end'] = self._io.pos()
            self._debug['len_allocated']['start'] = self._io.pos()
            self.len_allocated = self._io.read_u4le()
            self._debug['len_allocated']['end'] = self._io.pos()
            self._debug['base_record']['start'] = self._io.pos()
            self.base_record = self._io.read_u8le()
            self._debug['base_record']['end'] = self._io.pos()
            self._debug['next_attribute_id']['start'] = self._io.pos()
            self.next_attribute_id = self._io.read_u2le()
            self._debug['next_attribute_id']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_bytes((0 if self.ofs_attributes < 42 else self.ofs_attributes - 42))
            self._debug['padding']['end'] = self._io.pos()
            if self.ofs_attributes >= 42:
                pass
                self._debug['attributes']['start'] = self._io.pos()
                self._debug['attributes']['arr'] = []
                self.attributes = []
                i = 0
                while True:
                    self._debug['attributes']['arr'].append({'start': self._io.pos()})
                    _t_attributes = Ntfs.Attribute(self._io, self, self._root)
                    try:
                        _t_attributes._read()
                    finally:
                        _ = _t_attributes
                        self.attributes.append(_)
                    self._debug['attributes']['arr'][len(self.attributes) - 1]['end'] = self._io.pos()
                    if  ((_.type == Ntfs.AttributeType.end) or (i + 1 >= self.max_attributes)) :
                        break
                    i += 1
                self._debug['attributes']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.ofs_attributes >= 42:
                pass
                for i in range(len(self.attributes)):
                    pass
                    self.attributes[i]._fetch_instances()




    class NonResident(KaitaiStruct):
        """Content that lies in clusters of its own.
        
        .. seealso::
           ATTRIBUTE_RECORD_HEADER - https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header
        """
        SEQ_FIELDS = ["first_vcn", "last_vcn", "ofs_runs", "compression_unit", "reserved", "len_allocated", "len_data", "len_initialized", "name", "runs"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ntfs.NonResident, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['first_vcn']['start'] = self._io.pos()
            self.first_vcn = self._io.read_u8le()
            self._debug['first_vcn']['end'] = self._io.pos()
            self._debug['last_vcn']['start'] = self._io.pos()
            self.last_vcn = self._io.read_u8le()
            self._debug['last_vcn']['end'] = self._io.pos()
            self._debug['ofs_runs']['start'] = self._io.pos()
            self.ofs_runs = self._io.read_u2le()
            self._debug['ofs_runs']['end'] = self._io.pos()
            self._debug['compression_unit']['start'] = self._io.pos()
            self.compression_unit = self._io.read_u2le()
            self._debug['compression_unit']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_u4le()
            self._debug['reserved']['end'] = self._io.pos()
            self._debug['len_allocated']['start'] = self._io.pos()
            self.len_allocated = self._io.read_u8le()
            self._debug['len_allocated']['end'] = self._io.pos()
            self._debug['len_data']['start'] = self._io.pos()
            self.len_data = self._io.read_u8le()
            self._debug['len_data']['end'] = self._io.pos()
            self._debug['len_initialized']['start'] = self._io.pos()
            self.len_initialized = self._io.read_u8le()
            self._debug['len_initialized']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes((0 if self.ofs_runs < 64 else self.ofs_runs - 64))
            self._debug['name']['end'] = self._io.pos()
            self._debug['runs']['start'] = self._io.pos()
            self.runs = self._io.read_bytes_full()
            self._debug['runs']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Resident(KaitaiStruct):
        """Content that lies in the record itself.
        
        .. seealso::
           ATTRIBUTE_RECORD_HEADER - https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header
        """
        SEQ_FIELDS = ["len_content", "ofs_content", "indexed", "name", "content"]
        def __init__(self, kind, _io, _parent=None, _root=None):
            super(Ntfs.Resident, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.kind = kind
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['len_content']['start'] = self._io.pos()
            self.len_content = self._io.read_u4le()
            self._debug['len_content']['end'] = self._io.pos()
            self._debug['ofs_content']['start'] = self._io.pos()
            self.ofs_content = self._io.read_u2le()
            self._debug['ofs_content']['end'] = self._io.pos()
            self._debug['indexed']['start'] = self._io.pos()
            self.indexed = self._io.read_u2le()
            self._debug['indexed']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes((0 if self.ofs_content < 24 else self.ofs_content - 24))
            self._debug['name']['end'] = self._io.pos()
            self._debug['content']['start'] = self._io.pos()
            _on = self.kind
            if _on == Ntfs.AttributeType.file_name:
                pass
                self._raw_content = self._io.read_bytes(self.len_content)
                _io__raw_content = KaitaiStream(BytesIO(self._raw_content))
                self.content = Ntfs.FileName(_io__raw_content, self, self._root)
                self.content._read()
            elif _on == Ntfs.AttributeType.standard_information:
                pass
                self._raw_content = self._io.read_bytes(self.len_content)
                _io__raw_content = KaitaiStream(BytesIO(self._raw_content))
                self.content = Ntfs.StandardInformation(_io__raw_content, self, self._root)
                self.content._read()
            else:
                pass
                self.content = self._io.read_bytes(self.len_content)
            self._debug['content']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            _on = self.kind
            if _on == Ntfs.AttributeType.file_name:
                pass
                self.content._fetch_instances()
            elif _on == Ntfs.AttributeType.standard_information:
                pass
                self.content._fetch_instances()
            else:
                pass


    class StandardInformation(KaitaiStruct):
        """Times and flags of the file.
        
        .. seealso::
           STANDARD_INFORMATION - https://learn.microsoft.com/en-us/windows/win32/devnotes/standard-information
        """
        SEQ_FIELDS = ["creation_time", "modification_time", "record_change_time", "access_time", "file_attributes", "more"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ntfs.StandardInformation, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['creation_time']['start'] = self._io.pos()
            self.creation_time = self._io.read_u8le()
            self._debug['creation_time']['end'] = self._io.pos()
            self._debug['modification_time']['start'] = self._io.pos()
            self.modification_time = self._io.read_u8le()
            self._debug['modification_time']['end'] = self._io.pos()
            self._debug['record_change_time']['start'] = self._io.pos()
            self.record_change_time = self._io.read_u8le()
            self._debug['record_change_time']['end'] = self._io.pos()
            self._debug['access_time']['start'] = self._io.pos()
            self.access_time = self._io.read_u8le()
            self._debug['access_time']['end'] = self._io.pos()
            self._debug['file_attributes']['start'] = self._io.pos()
            self.file_attributes = self._io.read_u4le()
            self._debug['file_attributes']['end'] = self._io.pos()
            self._debug['more']['start'] = self._io.pos()
            self.more = self._io.read_bytes_full()
            self._debug['more']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass



