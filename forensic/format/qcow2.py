# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Qcow2(KaitaiStruct):
    """qcow2 is the disk image format of QEMU. The image file is cut into clusters
    of equal size, and what the guest sees as one contiguous disk may lie in any
    order among them, compressed, encrypted, or nowhere at all.
    
    A *guest offset* is a place on the virtual disk, a *host offset* a place in
    the image file. Two levels of tables lead from one to the other: an entry of
    the L1 table names the cluster that holds an L2 table, an entry of the L2
    table names the host cluster that holds the data. A second pair of tables,
    the refcount table and its refcount blocks, counts for each host cluster how
    often it is referenced.
    
    Versions 2 and 3 are described in full. Of version 1, the older qcow format
    of the same magic, there is the header alone: its tables follow other rules.
    
    Everything reached by an offset is a lazy instance, so a damaged pointer
    hurts only the reader who follows it. Types whose names end in `_node` are
    those that follow pointers through the whole image; all other types describe
    one structure, know nothing of their surroundings, and can be used alone.
    The only value demanded here is the magic: nothing else is rejected, so that
    a damaged image can be shown as it is.
    
    Bit fields are at most 32 bits wide, as some target languages require. Host
    offsets that are wider are stored in two parts, `..._hi` and `..._lo`, and an
    instance puts them together.
    
    .. seealso::
       Source - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
    """

    class BitmapType(IntEnum):
        dirty_tracking = 1

    class CompressionType(IntEnum):
        deflate = 0
        zstd = 1

    class CryptMethod(IntEnum):
        none = 0
        aes = 1
        luks = 2

    class FeatureType(IntEnum):
        incompatible = 0
        compatible = 1
        autoclear = 2

    class HeaderExtensionType(IntEnum):
        end = 0
        encryption_header = 87539319
        bitmaps = 595929205
        external_data_file = 1145132097
        feature_name_table = 1745090647
        backing_format = 3799591626

    class Luks1KeySlotState(IntEnum):
        disabled = 57005
        enabled = 11301363
    SEQ_FIELDS = ["magic", "version", "header_v1", "header_v2", "header_v3"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Qcow2, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['magic']['start'] = self._io.pos()
        self.magic = self._io.read_bytes(4)
        self._debug['magic']['end'] = self._io.pos()
        if not self.magic == b"\x51\x46\x49\xFB":
            raise kaitaistruct.ValidationNotEqualError(b"\x51\x46\x49\xFB", self.magic, self._io, u"/seq/0")
        self._debug['version']['start'] = self._io.pos()
        self.version = self._io.read_u4be()
        self._debug['version']['end'] = self._io.pos()
        if self.version == 1:
            pass
            self._debug['header_v1']['start'] = self._io.pos()
            self.header_v1 = Qcow2.HeaderV1(self._io, self, self._root)
            self.header_v1._read()
            self._debug['header_v1']['end'] = self._io.pos()

        if  ((self.version == 2) or (self.version == 3)) :
            pass
            self._debug['header_v2']['start'] = self._io.pos()
            self.header_v2 = Qcow2.HeaderV2(self._io, self, self._root)
            self.header_v2._read()
            self._debug['header_v2']['end'] = self._io.pos()

        if self.version == 3:
            pass
            self._debug['header_v3']['start'] = self._io.pos()
            self.header_v3 = Qcow2.HeaderV3(self._io, self, self._root)
            self.header_v3._read()
            self._debug['header_v3']['end'] = self._io.pos()



    def _fetch_instances(self):
        pass
        if self.version == 1:
            pass
            self.header_v1._fetch_instances()

        if  ((self.version == 2) or (self.version == 3)) :
            pass
            self.header_v2._fetch_instances()

        if self.version == 3:
            pass
            self.header_v3._fetch_instances()

        _ = self.backing_file_name
        if hasattr(self, '_m_backing_file_name'):
            pass

        _ = self.header_extensions
        if hasattr(self, '_m_header_extensions'):
            pass
            self._m_header_extensions._fetch_instances()

        _ = self.l1_table
        if hasattr(self, '_m_l1_table'):
            pass
            for i in range(len(self._m_l1_table)):
                pass
                self._m_l1_table[i]._fetch_instances()


        _ = self.refcount_table
        if hasattr(self, '_m_refcount_table'):
            pass
            for i in range(len(self._m_refcount_table)):
                pass
                self._m_refcount_table[i]._fetch_instances()


        _ = self.snapshots
        if hasattr(self, '_m_snapshots'):
            pass
            for i in range(len(self._m_snapshots)):
                pass
                self._m_snapshots[i]._fetch_instances()



    class AutoclearFeatures(KaitaiStruct):
        """Feature bits that a writer clears when it does not know them, most
        significant bit first.
        
        .. seealso::
           Header - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["reserved1", "reserved2", "has_raw_external_data", "has_consistent_bitmaps"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.AutoclearFeatures, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(32)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(30)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['has_raw_external_data']['start'] = self._io.pos()
            self.has_raw_external_data = self._io.read_bits_int_be(1) != 0
            self._debug['has_raw_external_data']['end'] = self._io.pos()
            self._debug['has_consistent_bitmaps']['start'] = self._io.pos()
            self.has_consistent_bitmaps = self._io.read_bits_int_be(1) != 0
            self._debug['has_consistent_bitmaps']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class BitmapDirectory(KaitaiStruct):
        """All persistent bitmaps of an image.
        
        .. seealso::
           Bitmap directory - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["bitmaps"]
        def __init__(self, num_bitmaps, _io, _parent=None, _root=None):
            super(Qcow2.BitmapDirectory, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.num_bitmaps = num_bitmaps
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['bitmaps']['start'] = self._io.pos()
            self._debug['bitmaps']['arr'] = []
            self.bitmaps = []
            for i in range(self.num_bitmaps):
                self._debug['bitmaps']['arr'].append({'start': self._io.pos()})
                _t_bitmaps = Qcow2.BitmapDirectoryEntryNode(self._io, self, self._root)
                try:
                    _t_bitmaps._read()
                finally:
                    self.bitmaps.append(_t_bitmaps)
                self._debug['bitmaps']['arr'][i]['end'] = self._io.pos()

            self._debug['bitmaps']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.bitmaps)):
                pass
                self.bitmaps[i]._fetch_instances()



    class BitmapDirectoryEntry(KaitaiStruct):
        """One entry of the bitmap directory. Entries begin at multiples of 8 bytes.
        
        .. seealso::
           Bitmap directory - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["ofs_bitmap_table", "num_bitmap_table_entries", "flags", "type", "granularity_bits", "len_name", "len_extra_data", "extra_data", "name", "padding"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapDirectoryEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_bitmap_table']['start'] = self._io.pos()
            self.ofs_bitmap_table = self._io.read_u8be()
            self._debug['ofs_bitmap_table']['end'] = self._io.pos()
            self._debug['num_bitmap_table_entries']['start'] = self._io.pos()
            self.num_bitmap_table_entries = self._io.read_u4be()
            self._debug['num_bitmap_table_entries']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = Qcow2.BitmapFlags(self._io, self, self._root)
            self.flags._read()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['type']['start'] = self._io.pos()
            self.type = KaitaiStream.resolve_enum(Qcow2.BitmapType, self._io.read_u1())
            self._debug['type']['end'] = self._io.pos()
            self._debug['granularity_bits']['start'] = self._io.pos()
            self.granularity_bits = self._io.read_u1()
            self._debug['granularity_bits']['end'] = self._io.pos()
            self._debug['len_name']['start'] = self._io.pos()
            self.len_name = self._io.read_u2be()
            self._debug['len_name']['end'] = self._io.pos()
            self._debug['len_extra_data']['start'] = self._io.pos()
            self.len_extra_data = self._io.read_u4be()
            self._debug['len_extra_data']['end'] = self._io.pos()
            self._debug['extra_data']['start'] = self._io.pos()
            self.extra_data = self._io.read_bytes(self.len_extra_data)
            self._debug['extra_data']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(self.len_name)
            self._debug['name']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_bytes((8 - (self.len_extra_data + self.len_name)) % 8)
            self._debug['padding']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.flags._fetch_instances()


    class BitmapDirectoryEntryNode(KaitaiStruct):
        """A bitmap directory entry together with the bitmap table it points to."""
        SEQ_FIELDS = ["entry"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapDirectoryEntryNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['entry']['start'] = self._io.pos()
            self.entry = Qcow2.BitmapDirectoryEntry(self._io, self, self._root)
            self.entry._read()
            self._debug['entry']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.entry._fetch_instances()
            _ = self.bitmap_table
            if hasattr(self, '_m_bitmap_table'):
                pass
                for i in range(len(self._m_bitmap_table)):
                    pass
                    self._m_bitmap_table[i]._fetch_instances()



        @property
        def bitmap_table(self):
            """The table of the clusters that make up the bitmap."""
            if hasattr(self, '_m_bitmap_table'):
                return self._m_bitmap_table

            io = self._root._io
            _pos = io.pos()
            io.seek(self.entry.ofs_bitmap_table)
            self._debug['_m_bitmap_table']['start'] = io.pos()
            self._debug['_m_bitmap_table']['arr'] = []
            self._m_bitmap_table = []
            for i in range(self.entry.num_bitmap_table_entries):
                self._debug['_m_bitmap_table']['arr'].append({'start': io.pos()})
                _t__m_bitmap_table = Qcow2.BitmapTableEntryNode(io, self, self._root)
                try:
                    _t__m_bitmap_table._read()
                finally:
                    self._m_bitmap_table.append(_t__m_bitmap_table)
                self._debug['_m_bitmap_table']['arr'][i]['end'] = io.pos()

            self._debug['_m_bitmap_table']['end'] = io.pos()
            io.seek(_pos)
            return getattr(self, '_m_bitmap_table', None)


    class BitmapFlags(KaitaiStruct):
        """The 32 flag bits of a bitmap, most significant bit first.
        
        .. seealso::
           Bitmap directory - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["reserved", "is_extra_data_compatible", "is_auto", "is_in_use"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapFlags, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_bits_int_be(29)
            self._debug['reserved']['end'] = self._io.pos()
            self._debug['is_extra_data_compatible']['start'] = self._io.pos()
            self.is_extra_data_compatible = self._io.read_bits_int_be(1) != 0
            self._debug['is_extra_data_compatible']['end'] = self._io.pos()
            self._debug['is_auto']['start'] = self._io.pos()
            self.is_auto = self._io.read_bits_int_be(1) != 0
            self._debug['is_auto']['end'] = self._io.pos()
            self._debug['is_in_use']['start'] = self._io.pos()
            self.is_in_use = self._io.read_bits_int_be(1) != 0
            self._debug['is_in_use']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class BitmapTableEntry(KaitaiStruct):
        """One 8-byte entry of a bitmap table.
        
        .. seealso::
           Bitmap table - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["reserved1", "ofs_bitmap_data_hi", "ofs_bitmap_data_lo", "reserved2", "is_all_ones"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapTableEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(8)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['ofs_bitmap_data_hi']['start'] = self._io.pos()
            self.ofs_bitmap_data_hi = self._io.read_bits_int_be(24)
            self._debug['ofs_bitmap_data_hi']['end'] = self._io.pos()
            self._debug['ofs_bitmap_data_lo']['start'] = self._io.pos()
            self.ofs_bitmap_data_lo = self._io.read_bits_int_be(23)
            self._debug['ofs_bitmap_data_lo']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(8)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['is_all_ones']['start'] = self._io.pos()
            self.is_all_ones = self._io.read_bits_int_be(1) != 0
            self._debug['is_all_ones']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass

        @property
        def ofs_bitmap_data(self):
            """Host offset of one cluster of bitmap data, 0 when none is stored."""
            if hasattr(self, '_m_ofs_bitmap_data'):
                return self._m_ofs_bitmap_data

            self._m_ofs_bitmap_data = self.ofs_bitmap_data_hi * 4294967296 + self.ofs_bitmap_data_lo * 512
            return getattr(self, '_m_ofs_bitmap_data', None)


    class BitmapTableEntryNode(KaitaiStruct):
        """A bitmap table entry together with the cluster it points to."""
        SEQ_FIELDS = ["entry"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapTableEntryNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['entry']['start'] = self._io.pos()
            self.entry = Qcow2.BitmapTableEntry(self._io, self, self._root)
            self.entry._read()
            self._debug['entry']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.entry._fetch_instances()
            _ = self.bitmap_data
            if hasattr(self, '_m_bitmap_data'):
                pass


        @property
        def bitmap_data(self):
            """One cluster of the bitmap. Bit `i` of the bitmap is bit `i % 8` of
            byte `i / 8`, counted from the least significant one.
            """
            if hasattr(self, '_m_bitmap_data'):
                return self._m_bitmap_data

            if self.entry.ofs_bitmap_data != 0:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.entry.ofs_bitmap_data)
                self._debug['_m_bitmap_data']['start'] = io.pos()
                self._m_bitmap_data = io.read_bytes(self._root.cluster_size)
                self._debug['_m_bitmap_data']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_bitmap_data', None)


    class BitmapsExtension(KaitaiStruct):
        """Where the bitmap directory lies and how large it is.
        
        .. seealso::
           Bitmaps extension - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["num_bitmaps", "reserved", "len_bitmap_directory", "ofs_bitmap_directory", "trailing"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.BitmapsExtension, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['num_bitmaps']['start'] = self._io.pos()
            self.num_bitmaps = self._io.read_u4be()
            self._debug['num_bitmaps']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_u4be()
            self._debug['reserved']['end'] = self._io.pos()
            self._debug['len_bitmap_directory']['start'] = self._io.pos()
            self.len_bitmap_directory = self._io.read_u8be()
            self._debug['len_bitmap_directory']['end'] = self._io.pos()
            self._debug['ofs_bitmap_directory']['start'] = self._io.pos()
            self.ofs_bitmap_directory = self._io.read_u8be()
            self._debug['ofs_bitmap_directory']['end'] = self._io.pos()
            if (not (self._io.is_eof())):
                pass
                self._debug['trailing']['start'] = self._io.pos()
                self.trailing = self._io.read_bytes_full()
                self._debug['trailing']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if (not (self._io.is_eof())):
                pass



    class CompatibleFeatures(KaitaiStruct):
        """Feature bits that may be ignored, most significant bit first.
        
        .. seealso::
           Header - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["reserved1", "reserved2", "has_lazy_refcounts"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.CompatibleFeatures, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(32)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(31)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['has_lazy_refcounts']['start'] = self._io.pos()
            self.has_lazy_refcounts = self._io.read_bits_int_be(1) != 0
            self._debug['has_lazy_refcounts']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class EncryptionHeaderPointer(KaitaiStruct):
        """Where the header of the disk encryption lies, which today means a LUKS header.
        
        .. seealso::
           Full disk encryption header pointer - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["ofs_header", "len_header", "trailing"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.EncryptionHeaderPointer, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_header']['start'] = self._io.pos()
            self.ofs_header = self._io.read_u8be()
            self._debug['ofs_header']['end'] = self._io.pos()
            self._debug['len_header']['start'] = self._io.pos()
            self.len_header = self._io.read_u8be()
            self._debug['len_header']['end'] = self._io.pos()
            if (not (self._io.is_eof())):
                pass
                self._debug['trailing']['start'] = self._io.pos()
                self.trailing = self._io.read_bytes_full()
                self._debug['trailing']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if (not (self._io.is_eof())):
                pass



    class FeatureName(KaitaiStruct):
        """The name of one feature bit.
        
        .. seealso::
           Feature name table - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["type", "bit_number", "name"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.FeatureName, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['type']['start'] = self._io.pos()
            self.type = KaitaiStream.resolve_enum(Qcow2.FeatureType, self._io.read_u1())
            self._debug['type']['end'] = self._io.pos()
            self._debug['bit_number']['start'] = self._io.pos()
            self.bit_number = self._io.read_u1()
            self._debug['bit_number']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(46)
            self._debug['name']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class FeatureNameTable(KaitaiStruct):
        """Names by which a reader can report feature bits that it does not know.
        
        .. seealso::
           Feature name table - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["features"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.FeatureNameTable, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['features']['start'] = self._io.pos()
            self._debug['features']['arr'] = []
            self.features = []
            i = 0
            while not self._io.is_eof():
                self._debug['features']['arr'].append({'start': self._io.pos()})
                _t_features = Qcow2.FeatureName(self._io, self, self._root)
                try:
                    _t_features._read()
                finally:
                    self.features.append(_t_features)
                self._debug['features']['arr'][len(self.features) - 1]['end'] = self._io.pos()
                i += 1

            self._debug['features']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.features)):
                pass
                self.features[i]._fetch_instances()



    class HeaderExtension(KaitaiStruct):
        """One header extension. Each type occurs at most once.
        
        .. seealso::
           Header extensions - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["type", "len_data", "data", "padding"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderExtension, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['type']['start'] = self._io.pos()
            self.type = KaitaiStream.resolve_enum(Qcow2.HeaderExtensionType, self._io.read_u4be())
            self._debug['type']['end'] = self._io.pos()
            self._debug['len_data']['start'] = self._io.pos()
            self.len_data = self._io.read_u4be()
            self._debug['len_data']['end'] = self._io.pos()
            self._debug['data']['start'] = self._io.pos()
            _on = self.type
            if _on == Qcow2.HeaderExtensionType.backing_format:
                pass
                self._raw_data = self._io.read_bytes(self.len_data)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Qcow2.StringExtension(_io__raw_data, self, self._root)
                self.data._read()
            elif _on == Qcow2.HeaderExtensionType.bitmaps:
                pass
                self._raw_data = self._io.read_bytes(self.len_data)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Qcow2.BitmapsExtension(_io__raw_data, self, self._root)
                self.data._read()
            elif _on == Qcow2.HeaderExtensionType.encryption_header:
                pass
                self._raw_data = self._io.read_bytes(self.len_data)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Qcow2.EncryptionHeaderPointer(_io__raw_data, self, self._root)
                self.data._read()
            elif _on == Qcow2.HeaderExtensionType.external_data_file:
                pass
                self._raw_data = self._io.read_bytes(self.len_data)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Qcow2.StringExtension(_io__raw_data, self, self._root)
                self.data._read()
            elif _on == Qcow2.HeaderExtensionType.feature_name_table:
                pass
                self._raw_data = self._io.read_bytes(self.len_data)
                _io__raw_data = KaitaiStream(BytesIO(self._raw_data))
                self.data = Qcow2.FeatureNameTable(_io__raw_data, self, self._root)
                self.data._read()
            else:
                pass
                self.data = self._io.read_bytes(self.len_data)
            self._debug['data']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_bytes((8 - self.len_data) % 8)
            self._debug['padding']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            _on = self.type
            if _on == Qcow2.HeaderExtensionType.backing_format:
                pass
                self.data._fetch_instances()
            elif _on == Qcow2.HeaderExtensionType.bitmaps:
                pass
                self.data._fetch_instances()
            elif _on == Qcow2.HeaderExtensionType.encryption_header:
                pass
                self.data._fetch_instances()
            elif _on == Qcow2.HeaderExtensionType.external_data_file:
                pass
                self.data._fetch_instances()
            elif _on == Qcow2.HeaderExtensionType.feature_name_table:
                pass
                self.data._fetch_instances()
            else:
                pass


    class HeaderExtensionNode(KaitaiStruct):
        """A header extension together with the structures it points to."""
        SEQ_FIELDS = ["extension"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderExtensionNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['extension']['start'] = self._io.pos()
            self.extension = Qcow2.HeaderExtension(self._io, self, self._root)
            self.extension._read()
            self._debug['extension']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.extension._fetch_instances()
            _ = self.bitmap_directory
            if hasattr(self, '_m_bitmap_directory'):
                pass
                self._m_bitmap_directory._fetch_instances()

            _ = self.luks_header
            if hasattr(self, '_m_luks_header'):
                pass
                self._m_luks_header._fetch_instances()


        @property
        def bitmap_directory(self):
            """The bitmap directory, when this is the bitmaps extension."""
            if hasattr(self, '_m_bitmap_directory'):
                return self._m_bitmap_directory

            if self.extension.type == Qcow2.HeaderExtensionType.bitmaps:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.extension.data.ofs_bitmap_directory)
                self._debug['_m_bitmap_directory']['start'] = io.pos()
                self._raw__m_bitmap_directory = io.read_bytes(self.extension.data.len_bitmap_directory)
                _io__raw__m_bitmap_directory = KaitaiStream(BytesIO(self._raw__m_bitmap_directory))
                self._m_bitmap_directory = Qcow2.BitmapDirectory(self.extension.data.num_bitmaps, _io__raw__m_bitmap_directory, self, self._root)
                self._m_bitmap_directory._read()
                self._debug['_m_bitmap_directory']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_bitmap_directory', None)

        @property
        def luks_header(self):
            """The LUKS header with its key material, when this is the pointer to it."""
            if hasattr(self, '_m_luks_header'):
                return self._m_luks_header

            if self.extension.type == Qcow2.HeaderExtensionType.encryption_header:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.extension.data.ofs_header)
                self._debug['_m_luks_header']['start'] = io.pos()
                self._raw__m_luks_header = io.read_bytes(self.extension.data.len_header)
                _io__raw__m_luks_header = KaitaiStream(BytesIO(self._raw__m_luks_header))
                self._m_luks_header = Qcow2.Luks1Header(_io__raw__m_luks_header, self, self._root)
                self._m_luks_header._read()
                self._debug['_m_luks_header']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_luks_header', None)


    class HeaderExtensions(KaitaiStruct):
        """The header extensions of an image, up to and including the one that marks
        the end. Bytes between that one and the bound are not described.
        
        .. seealso::
           Header extensions - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["extensions"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderExtensions, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['extensions']['start'] = self._io.pos()
            self._debug['extensions']['arr'] = []
            self.extensions = []
            i = 0
            while True:
                self._debug['extensions']['arr'].append({'start': self._io.pos()})
                _t_extensions = Qcow2.HeaderExtensionNode(self._io, self, self._root)
                try:
                    _t_extensions._read()
                finally:
                    _ = _t_extensions
                    self.extensions.append(_)
                self._debug['extensions']['arr'][len(self.extensions) - 1]['end'] = self._io.pos()
                if  ((_.extension.type == Qcow2.HeaderExtensionType.end) or (self._io.is_eof())) :
                    break
                i += 1
            self._debug['extensions']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.extensions)):
                pass
                self.extensions[i]._fetch_instances()



    class HeaderV1(KaitaiStruct):
        """Header of version 1 after magic and version. There are no refcounts, no
        snapshots and no feature bits, and the length of the L1 table has to be
        computed from the size of the disk.
        
        .. seealso::
           QCowHeader - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/block/qcow.c
        """
        SEQ_FIELDS = ["ofs_backing_file", "len_backing_file", "mtime", "size", "cluster_bits", "l2_bits", "padding", "crypt_method", "ofs_l1_table"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderV1, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_backing_file']['start'] = self._io.pos()
            self.ofs_backing_file = self._io.read_u8be()
            self._debug['ofs_backing_file']['end'] = self._io.pos()
            self._debug['len_backing_file']['start'] = self._io.pos()
            self.len_backing_file = self._io.read_u4be()
            self._debug['len_backing_file']['end'] = self._io.pos()
            self._debug['mtime']['start'] = self._io.pos()
            self.mtime = self._io.read_u4be()
            self._debug['mtime']['end'] = self._io.pos()
            self._debug['size']['start'] = self._io.pos()
            self.size = self._io.read_u8be()
            self._debug['size']['end'] = self._io.pos()
            self._debug['cluster_bits']['start'] = self._io.pos()
            self.cluster_bits = self._io.read_u1()
            self._debug['cluster_bits']['end'] = self._io.pos()
            self._debug['l2_bits']['start'] = self._io.pos()
            self.l2_bits = self._io.read_u1()
            self._debug['l2_bits']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_u2be()
            self._debug['padding']['end'] = self._io.pos()
            self._debug['crypt_method']['start'] = self._io.pos()
            self.crypt_method = KaitaiStream.resolve_enum(Qcow2.CryptMethod, self._io.read_u4be())
            self._debug['crypt_method']['end'] = self._io.pos()
            self._debug['ofs_l1_table']['start'] = self._io.pos()
            self.ofs_l1_table = self._io.read_u8be()
            self._debug['ofs_l1_table']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class HeaderV2(KaitaiStruct):
        """Bytes 8 to 71 of the header, the same in versions 2 and 3.
        
        .. seealso::
           Header - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["ofs_backing_file", "len_backing_file", "cluster_bits", "size", "crypt_method", "num_l1_entries", "ofs_l1_table", "ofs_refcount_table", "num_refcount_table_clusters", "num_snapshots", "ofs_snapshots"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderV2, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_backing_file']['start'] = self._io.pos()
            self.ofs_backing_file = self._io.read_u8be()
            self._debug['ofs_backing_file']['end'] = self._io.pos()
            self._debug['len_backing_file']['start'] = self._io.pos()
            self.len_backing_file = self._io.read_u4be()
            self._debug['len_backing_file']['end'] = self._io.pos()
            self._debug['cluster_bits']['start'] = self._io.pos()
            self.cluster_bits = self._io.read_u4be()
            self._debug['cluster_bits']['end'] = self._io.pos()
            self._debug['size']['start'] = self._io.pos()
            self.size = self._io.read_u8be()
            self._debug['size']['end'] = self._io.pos()
            self._debug['crypt_method']['start'] = self._io.pos()
            self.crypt_method = KaitaiStream.resolve_enum(Qcow2.CryptMethod, self._io.read_u4be())
            self._debug['crypt_method']['end'] = self._io.pos()
            self._debug['num_l1_entries']['start'] = self._io.pos()
            self.num_l1_entries = self._io.read_u4be()
            self._debug['num_l1_entries']['end'] = self._io.pos()
            self._debug['ofs_l1_table']['start'] = self._io.pos()
            self.ofs_l1_table = self._io.read_u8be()
            self._debug['ofs_l1_table']['end'] = self._io.pos()
            self._debug['ofs_refcount_table']['start'] = self._io.pos()
            self.ofs_refcount_table = self._io.read_u8be()
            self._debug['ofs_refcount_table']['end'] = self._io.pos()
            self._debug['num_refcount_table_clusters']['start'] = self._io.pos()
            self.num_refcount_table_clusters = self._io.read_u4be()
            self._debug['num_refcount_table_clusters']['end'] = self._io.pos()
            self._debug['num_snapshots']['start'] = self._io.pos()
            self.num_snapshots = self._io.read_u4be()
            self._debug['num_snapshots']['end'] = self._io.pos()
            self._debug['ofs_snapshots']['start'] = self._io.pos()
            self.ofs_snapshots = self._io.read_u8be()
            self._debug['ofs_snapshots']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class HeaderV3(KaitaiStruct):
        """Byte 72 of the header onwards, in version 3 only. A header of 104 bytes
        ends before the compression type; whatever lies past byte 112 belongs to
        fields that this description does not know.
        
        .. seealso::
           Header - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["incompatible_features", "compatible_features", "autoclear_features", "refcount_order", "len_header", "compression_type", "padding", "additional_fields"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.HeaderV3, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['incompatible_features']['start'] = self._io.pos()
            self.incompatible_features = Qcow2.IncompatibleFeatures(self._io, self, self._root)
            self.incompatible_features._read()
            self._debug['incompatible_features']['end'] = self._io.pos()
            self._debug['compatible_features']['start'] = self._io.pos()
            self.compatible_features = Qcow2.CompatibleFeatures(self._io, self, self._root)
            self.compatible_features._read()
            self._debug['compatible_features']['end'] = self._io.pos()
            self._debug['autoclear_features']['start'] = self._io.pos()
            self.autoclear_features = Qcow2.AutoclearFeatures(self._io, self, self._root)
            self.autoclear_features._read()
            self._debug['autoclear_features']['end'] = self._io.pos()
            self._debug['refcount_order']['start'] = self._io.pos()
            self.refcount_order = self._io.read_u4be()
            self._debug['refcount_order']['end'] = self._io.pos()
            self._debug['len_header']['start'] = self._io.pos()
            self.len_header = self._io.read_u4be()
            self._debug['len_header']['end'] = self._io.pos()
            if self.len_header > 104:
                pass
                self._debug['compression_type']['start'] = self._io.pos()
                self.compression_type = KaitaiStream.resolve_enum(Qcow2.CompressionType, self._io.read_u1())
                self._debug['compression_type']['end'] = self._io.pos()

            if self.len_header > 105:
                pass
                self._debug['padding']['start'] = self._io.pos()
                self.padding = self._io.read_bytes((self.len_header - 105 if self.len_header < 112 else 7))
                self._debug['padding']['end'] = self._io.pos()

            if self.len_header > 112:
                pass
                self._debug['additional_fields']['start'] = self._io.pos()
                self.additional_fields = self._io.read_bytes(self.len_header - 112)
                self._debug['additional_fields']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            self.incompatible_features._fetch_instances()
            self.compatible_features._fetch_instances()
            self.autoclear_features._fetch_instances()
            if self.len_header > 104:
                pass

            if self.len_header > 105:
                pass

            if self.len_header > 112:
                pass



    class IncompatibleFeatures(KaitaiStruct):
        """Feature bits that forbid reading to those who do not know them. The most
        significant bit, number 63, is stored first.
        
        .. seealso::
           Header - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["reserved1", "reserved2", "has_extended_l2_entries", "has_compression_type", "has_external_data_file", "is_corrupt", "is_dirty"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.IncompatibleFeatures, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(32)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(27)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['has_extended_l2_entries']['start'] = self._io.pos()
            self.has_extended_l2_entries = self._io.read_bits_int_be(1) != 0
            self._debug['has_extended_l2_entries']['end'] = self._io.pos()
            self._debug['has_compression_type']['start'] = self._io.pos()
            self.has_compression_type = self._io.read_bits_int_be(1) != 0
            self._debug['has_compression_type']['end'] = self._io.pos()
            self._debug['has_external_data_file']['start'] = self._io.pos()
            self.has_external_data_file = self._io.read_bits_int_be(1) != 0
            self._debug['has_external_data_file']['end'] = self._io.pos()
            self._debug['is_corrupt']['start'] = self._io.pos()
            self.is_corrupt = self._io.read_bits_int_be(1) != 0
            self._debug['is_corrupt']['end'] = self._io.pos()
            self._debug['is_dirty']['start'] = self._io.pos()
            self.is_dirty = self._io.read_bits_int_be(1) != 0
            self._debug['is_dirty']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class L1Entry(KaitaiStruct):
        """One 8-byte entry of an L1 table. It covers as much of the guest disk as one L2 table.
        
        .. seealso::
           Cluster mapping - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["is_copied", "reserved1", "ofs_l2_table_hi", "ofs_l2_table_lo", "reserved2"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.L1Entry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['is_copied']['start'] = self._io.pos()
            self.is_copied = self._io.read_bits_int_be(1) != 0
            self._debug['is_copied']['end'] = self._io.pos()
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(7)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['ofs_l2_table_hi']['start'] = self._io.pos()
            self.ofs_l2_table_hi = self._io.read_bits_int_be(24)
            self._debug['ofs_l2_table_hi']['end'] = self._io.pos()
            self._debug['ofs_l2_table_lo']['start'] = self._io.pos()
            self.ofs_l2_table_lo = self._io.read_bits_int_be(23)
            self._debug['ofs_l2_table_lo']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(9)
            self._debug['reserved2']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass

        @property
        def ofs_l2_table(self):
            """Host offset of the L2 table, a multiple of the cluster size. 0 means
            that neither the table nor anything it would lead to is allocated.
            """
            if hasattr(self, '_m_ofs_l2_table'):
                return self._m_ofs_l2_table

            self._m_ofs_l2_table = self.ofs_l2_table_hi * 4294967296 + self.ofs_l2_table_lo * 512
            return getattr(self, '_m_ofs_l2_table', None)


    class L1EntryNode(KaitaiStruct):
        """An L1 entry together with the L2 table it points to."""
        SEQ_FIELDS = ["entry"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.L1EntryNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['entry']['start'] = self._io.pos()
            self.entry = Qcow2.L1Entry(self._io, self, self._root)
            self.entry._read()
            self._debug['entry']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.entry._fetch_instances()
            _ = self.l2_table
            if hasattr(self, '_m_l2_table'):
                pass
                for i in range(len(self._m_l2_table)):
                    pass
                    self._m_l2_table[i]._fetch_instances()



        @property
        def l2_table(self):
            """The L2 table, when it is allocated."""
            if hasattr(self, '_m_l2_table'):
                return self._m_l2_table

            if self.entry.ofs_l2_table != 0:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.entry.ofs_l2_table)
                self._debug['_m_l2_table']['start'] = io.pos()
                self._debug['_m_l2_table']['arr'] = []
                self._raw__m_l2_table = []
                self._m_l2_table = []
                for i in range(self._root.num_l2_entries):
                    self._debug['_m_l2_table']['arr'].append({'start': io.pos()})
                    self._raw__m_l2_table.append(io.read_bytes(self._root.len_l2_entry))
                    _io__raw__m_l2_table = KaitaiStream(BytesIO(self._raw__m_l2_table[i]))
                    _t__m_l2_table = Qcow2.L2EntryNode(_io__raw__m_l2_table, self, self._root)
                    try:
                        _t__m_l2_table._read()
                    finally:
                        self._m_l2_table.append(_t__m_l2_table)
                    self._debug['_m_l2_table']['arr'][i]['end'] = io.pos()

                self._debug['_m_l2_table']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_l2_table', None)


    class L2Entry(KaitaiStruct):
        """One 8-byte entry of an L2 table that describes an uncompressed cluster,
        or the first half of an extended entry.
        
        .. seealso::
           Standard Cluster Descriptor - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["is_copied", "is_compressed", "reserved1", "ofs_host_cluster_hi", "ofs_host_cluster_lo", "reserved2", "is_zero"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.L2Entry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['is_copied']['start'] = self._io.pos()
            self.is_copied = self._io.read_bits_int_be(1) != 0
            self._debug['is_copied']['end'] = self._io.pos()
            self._debug['is_compressed']['start'] = self._io.pos()
            self.is_compressed = self._io.read_bits_int_be(1) != 0
            self._debug['is_compressed']['end'] = self._io.pos()
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_bits_int_be(6)
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['ofs_host_cluster_hi']['start'] = self._io.pos()
            self.ofs_host_cluster_hi = self._io.read_bits_int_be(24)
            self._debug['ofs_host_cluster_hi']['end'] = self._io.pos()
            self._debug['ofs_host_cluster_lo']['start'] = self._io.pos()
            self.ofs_host_cluster_lo = self._io.read_bits_int_be(23)
            self._debug['ofs_host_cluster_lo']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bits_int_be(8)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['is_zero']['start'] = self._io.pos()
            self.is_zero = self._io.read_bits_int_be(1) != 0
            self._debug['is_zero']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass

        @property
        def ofs_host_cluster(self):
            """Host offset of the cluster, a multiple of the cluster size. 0 means
            unallocated, unless the guest data is in an external data file and
            `is_copied` is set: there 0 is a place like any other.
            """
            if hasattr(self, '_m_ofs_host_cluster'):
                return self._m_ofs_host_cluster

            self._m_ofs_host_cluster = self.ofs_host_cluster_hi * 4294967296 + self.ofs_host_cluster_lo * 512
            return getattr(self, '_m_ofs_host_cluster', None)


    class L2EntryCompressed(KaitaiStruct):
        """One 8-byte entry of an L2 table that describes a compressed cluster. Its
        lower 62 bits are split at bit `70 - cluster_bits`: above is a count of
        512-byte sectors, below a host offset that needs no alignment. The split
        depends on a header field, so instances take the parts out of two halves.
        
        .. seealso::
           Compressed Clusters Descriptor - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["is_copied", "is_compressed", "descriptor_hi", "descriptor_lo"]
        def __init__(self, cluster_bits, _io, _parent=None, _root=None):
            super(Qcow2.L2EntryCompressed, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.cluster_bits = cluster_bits
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['is_copied']['start'] = self._io.pos()
            self.is_copied = self._io.read_bits_int_be(1) != 0
            self._debug['is_copied']['end'] = self._io.pos()
            self._debug['is_compressed']['start'] = self._io.pos()
            self.is_compressed = self._io.read_bits_int_be(1) != 0
            self._debug['is_compressed']['end'] = self._io.pos()
            self._debug['descriptor_hi']['start'] = self._io.pos()
            self.descriptor_hi = self._io.read_bits_int_be(30)
            self._debug['descriptor_hi']['end'] = self._io.pos()
            self._debug['descriptor_lo']['start'] = self._io.pos()
            self.descriptor_lo = self._io.read_bits_int_be(32)
            self._debug['descriptor_lo']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass

        @property
        def len_data_max(self):
            """Bytes from the host offset to the end of the last sector. The exact
            length is stored nowhere; the compressed data itself tells its end.
            """
            if hasattr(self, '_m_len_data_max'):
                return self._m_len_data_max

            self._m_len_data_max = (self.num_additional_sectors + 1) * 512 - self.ofs_data % 512
            return getattr(self, '_m_len_data_max', None)

        @property
        def num_additional_sectors(self):
            """Sectors that the data touches beyond the one it begins in."""
            if hasattr(self, '_m_num_additional_sectors'):
                return self._m_num_additional_sectors

            self._m_num_additional_sectors = self.descriptor_hi // (1 << 38 - self.cluster_bits)
            return getattr(self, '_m_num_additional_sectors', None)

        @property
        def ofs_data(self):
            """Host offset of the compressed data, exact to the byte."""
            if hasattr(self, '_m_ofs_data'):
                return self._m_ofs_data

            self._m_ofs_data = (self.descriptor_hi % (1 << 38 - self.cluster_bits)) * 4294967296 + self.descriptor_lo
            return getattr(self, '_m_ofs_data', None)


    class L2EntryExtended(KaitaiStruct):
        """One 16-byte entry of an L2 table in an image with extended L2 entries,
        for an uncompressed cluster. A compressed one has `l2_entry_compressed`
        in the first word and zeros in the second.
        
        .. seealso::
           Extended L2 Entries - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["descriptor", "subclusters"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.L2EntryExtended, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['descriptor']['start'] = self._io.pos()
            self.descriptor = Qcow2.L2Entry(self._io, self, self._root)
            self.descriptor._read()
            self._debug['descriptor']['end'] = self._io.pos()
            self._debug['subclusters']['start'] = self._io.pos()
            self.subclusters = Qcow2.SubclusterBitmap(self._io, self, self._root)
            self.subclusters._read()
            self._debug['subclusters']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.descriptor._fetch_instances()
            self.subclusters._fetch_instances()


    class L2EntryNode(KaitaiStruct):
        """An L2 entry of whichever kind, together with the bytes of its host
        cluster. The stream of this type must hold this one entry alone.
        """
        SEQ_FIELDS = ["descriptor", "subclusters"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.L2EntryNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['descriptor']['start'] = self._io.pos()
            _on = self.is_compressed
            if _on == False:
                pass
                self.descriptor = Qcow2.L2Entry(self._io, self, self._root)
                self.descriptor._read()
            elif _on == True:
                pass
                self.descriptor = Qcow2.L2EntryCompressed(self._root.header_v2.cluster_bits, self._io, self, self._root)
                self.descriptor._read()
            self._debug['descriptor']['end'] = self._io.pos()
            if self._root.has_extended_l2_entries:
                pass
                self._debug['subclusters']['start'] = self._io.pos()
                self.subclusters = Qcow2.SubclusterBitmap(self._io, self, self._root)
                self.subclusters._read()
                self._debug['subclusters']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            _on = self.is_compressed
            if _on == False:
                pass
                self.descriptor._fetch_instances()
            elif _on == True:
                pass
                self.descriptor._fetch_instances()
            if self._root.has_extended_l2_entries:
                pass
                self.subclusters._fetch_instances()

            _ = self.compressed_data
            if hasattr(self, '_m_compressed_data'):
                pass

            _ = self.first_byte
            if hasattr(self, '_m_first_byte'):
                pass

            _ = self.host_cluster
            if hasattr(self, '_m_host_cluster'):
                pass


        @property
        def compressed_data(self):
            """The compressed cluster and whatever follows it up to the end of its
            last sector, which the file may not contain in full.
            """
            if hasattr(self, '_m_compressed_data'):
                return self._m_compressed_data

            if self.is_compressed:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.descriptor.ofs_data)
                self._debug['_m_compressed_data']['start'] = io.pos()
                self._m_compressed_data = io.read_bytes((self._root._io.size() - self.descriptor.ofs_data if self.descriptor.ofs_data + self.descriptor.len_data_max > self._root._io.size() else self.descriptor.len_data_max))
                self._debug['_m_compressed_data']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_compressed_data', None)

        @property
        def first_byte(self):
            """Bits 63 to 56 of the entry, read ahead to tell what kind it is."""
            if hasattr(self, '_m_first_byte'):
                return self._m_first_byte

            _pos = self._io.pos()
            self._io.seek(0)
            self._debug['_m_first_byte']['start'] = self._io.pos()
            self._m_first_byte = self._io.read_u1()
            self._debug['_m_first_byte']['end'] = self._io.pos()
            self._io.seek(_pos)
            return getattr(self, '_m_first_byte', None)

        @property
        def host_cluster(self):
            """The cluster as it is stored, encrypted if the image is."""
            if hasattr(self, '_m_host_cluster'):
                return self._m_host_cluster

            if  (((not (self.is_compressed))) and (self.descriptor.ofs_host_cluster != 0) and ((not (self._root.has_external_data_file)))) :
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.descriptor.ofs_host_cluster)
                self._debug['_m_host_cluster']['start'] = io.pos()
                self._m_host_cluster = io.read_bytes(self._root.cluster_size)
                self._debug['_m_host_cluster']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_host_cluster', None)

        @property
        def is_compressed(self):
            """Bit 62 of the entry."""
            if hasattr(self, '_m_is_compressed'):
                return self._m_is_compressed

            self._m_is_compressed = self.first_byte & 64 != 0
            return getattr(self, '_m_is_compressed', None)


    class Luks1Header(KaitaiStruct):
        """Header of a LUKS version 1 volume. Its sector numbers count from the
        start of this header. QEMU keeps header and key material together; the
        encrypted payload is the guest clusters, wherever they lie.
        
        .. seealso::
           Source - https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf
        """
        SEQ_FIELDS = ["magic", "version", "cipher_name", "cipher_mode", "hash_spec", "payload_offset", "len_key", "mk_digest", "mk_digest_salt", "mk_digest_iterations", "uuid", "key_slots"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.Luks1Header, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(6)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u2be()
            self._debug['version']['end'] = self._io.pos()
            self._debug['cipher_name']['start'] = self._io.pos()
            self.cipher_name = self._io.read_bytes(32)
            self._debug['cipher_name']['end'] = self._io.pos()
            self._debug['cipher_mode']['start'] = self._io.pos()
            self.cipher_mode = self._io.read_bytes(32)
            self._debug['cipher_mode']['end'] = self._io.pos()
            self._debug['hash_spec']['start'] = self._io.pos()
            self.hash_spec = self._io.read_bytes(32)
            self._debug['hash_spec']['end'] = self._io.pos()
            self._debug['payload_offset']['start'] = self._io.pos()
            self.payload_offset = self._io.read_u4be()
            self._debug['payload_offset']['end'] = self._io.pos()
            self._debug['len_key']['start'] = self._io.pos()
            self.len_key = self._io.read_u4be()
            self._debug['len_key']['end'] = self._io.pos()
            self._debug['mk_digest']['start'] = self._io.pos()
            self.mk_digest = self._io.read_bytes(20)
            self._debug['mk_digest']['end'] = self._io.pos()
            self._debug['mk_digest_salt']['start'] = self._io.pos()
            self.mk_digest_salt = self._io.read_bytes(32)
            self._debug['mk_digest_salt']['end'] = self._io.pos()
            self._debug['mk_digest_iterations']['start'] = self._io.pos()
            self.mk_digest_iterations = self._io.read_u4be()
            self._debug['mk_digest_iterations']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(40)
            self._debug['uuid']['end'] = self._io.pos()
            self._debug['key_slots']['start'] = self._io.pos()
            self._debug['key_slots']['arr'] = []
            self.key_slots = []
            for i in range(8):
                self._debug['key_slots']['arr'].append({'start': self._io.pos()})
                _t_key_slots = Qcow2.Luks1KeySlot(self.len_key, self._io, self, self._root)
                try:
                    _t_key_slots._read()
                finally:
                    self.key_slots.append(_t_key_slots)
                self._debug['key_slots']['arr'][i]['end'] = self._io.pos()

            self._debug['key_slots']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.key_slots)):
                pass
                self.key_slots[i]._fetch_instances()



    class Luks1KeySlot(KaitaiStruct):
        """One key slot of a LUKS header.
        
        .. seealso::
           Source - https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf
        """
        SEQ_FIELDS = ["state", "iterations", "salt", "key_material_offset", "num_stripes"]
        def __init__(self, len_key, _io, _parent=None, _root=None):
            super(Qcow2.Luks1KeySlot, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.len_key = len_key
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['state']['start'] = self._io.pos()
            self.state = KaitaiStream.resolve_enum(Qcow2.Luks1KeySlotState, self._io.read_u4be())
            self._debug['state']['end'] = self._io.pos()
            self._debug['iterations']['start'] = self._io.pos()
            self.iterations = self._io.read_u4be()
            self._debug['iterations']['end'] = self._io.pos()
            self._debug['salt']['start'] = self._io.pos()
            self.salt = self._io.read_bytes(32)
            self._debug['salt']['end'] = self._io.pos()
            self._debug['key_material_offset']['start'] = self._io.pos()
            self.key_material_offset = self._io.read_u4be()
            self._debug['key_material_offset']['end'] = self._io.pos()
            self._debug['num_stripes']['start'] = self._io.pos()
            self.num_stripes = self._io.read_u4be()
            self._debug['num_stripes']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            _ = self.key_material
            if hasattr(self, '_m_key_material'):
                pass


        @property
        def key_material(self):
            """The master key, split and encrypted; a disabled slot may still hold
            what remains of an old one. The stream must begin with the LUKS header.
            """
            if hasattr(self, '_m_key_material'):
                return self._m_key_material

            _pos = self._io.pos()
            self._io.seek(self.key_material_offset * 512)
            self._debug['_m_key_material']['start'] = self._io.pos()
            self._m_key_material = self._io.read_bytes(self.len_key * self.num_stripes)
            self._debug['_m_key_material']['end'] = self._io.pos()
            self._io.seek(_pos)
            return getattr(self, '_m_key_material', None)


    class RefcountBlock(KaitaiStruct):
        """Refcounts of consecutive host clusters. 0 is a free cluster, 1 a cluster
        with a single user, more a cluster that must be copied before it is
        changed. Refcounts narrower than a byte fill each byte from its least
        significant bit; wider ones are big-endian numbers.
        
        An order above 6 has no meaning; no refcount is read then.
        
        .. seealso::
           Host cluster management - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["is_referenced", "refcounts"]
        def __init__(self, refcount_order, num_entries, _io, _parent=None, _root=None):
            super(Qcow2.RefcountBlock, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.refcount_order = refcount_order
            self.num_entries = num_entries
            self._debug = collections.defaultdict(dict)

        def _read(self):
            if self.refcount_order == 0:
                pass
                self._debug['is_referenced']['start'] = self._io.pos()
                self._debug['is_referenced']['arr'] = []
                self.is_referenced = []
                for i in range(self.num_entries):
                    self._debug['is_referenced']['arr'].append({'start': self._io.pos()})
                    self.is_referenced.append(self._io.read_bits_int_le(1) != 0)
                    self._debug['is_referenced']['arr'][i]['end'] = self._io.pos()

                self._debug['is_referenced']['end'] = self._io.pos()

            if self.refcount_order != 0:
                pass
                self._debug['refcounts']['start'] = self._io.pos()
                self._debug['refcounts']['arr'] = []
                self.refcounts = []
                for i in range(self.num_entries):
                    self._debug['refcounts']['arr'].append({'start': self._io.pos()})
                    _on = self.refcount_order
                    if _on == 1:
                        pass
                        self.refcounts.append(self._io.read_bits_int_le(2))
                    elif _on == 2:
                        pass
                        self.refcounts.append(self._io.read_bits_int_le(4))
                    elif _on == 3:
                        pass
                        self.refcounts.append(self._io.read_u1())
                    elif _on == 4:
                        pass
                        self.refcounts.append(self._io.read_u2be())
                    elif _on == 5:
                        pass
                        self.refcounts.append(self._io.read_u4be())
                    elif _on == 6:
                        pass
                        self.refcounts.append(self._io.read_u8be())
                    self._debug['refcounts']['arr'][i]['end'] = self._io.pos()

                self._debug['refcounts']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.refcount_order == 0:
                pass
                for i in range(len(self.is_referenced)):
                    pass


            if self.refcount_order != 0:
                pass
                for i in range(len(self.refcounts)):
                    pass
                    _on = self.refcount_order
                    if _on == 1:
                        pass
                    elif _on == 2:
                        pass
                    elif _on == 3:
                        pass
                    elif _on == 4:
                        pass
                    elif _on == 5:
                        pass
                    elif _on == 6:
                        pass




    class RefcountTableEntry(KaitaiStruct):
        """One 8-byte entry of the refcount table.
        
        .. seealso::
           Host cluster management - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["ofs_refcount_block_hi", "ofs_refcount_block_lo", "reserved"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.RefcountTableEntry, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_refcount_block_hi']['start'] = self._io.pos()
            self.ofs_refcount_block_hi = self._io.read_bits_int_be(32)
            self._debug['ofs_refcount_block_hi']['end'] = self._io.pos()
            self._debug['ofs_refcount_block_lo']['start'] = self._io.pos()
            self.ofs_refcount_block_lo = self._io.read_bits_int_be(23)
            self._debug['ofs_refcount_block_lo']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_bits_int_be(9)
            self._debug['reserved']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass

        @property
        def ofs_refcount_block(self):
            """Host offset of the refcount block, a multiple of the cluster size. 0
            means no block: all its refcounts are 0.
            """
            if hasattr(self, '_m_ofs_refcount_block'):
                return self._m_ofs_refcount_block

            self._m_ofs_refcount_block = self.ofs_refcount_block_hi * 4294967296 + self.ofs_refcount_block_lo * 512
            return getattr(self, '_m_ofs_refcount_block', None)


    class RefcountTableEntryNode(KaitaiStruct):
        """A refcount table entry together with the refcount block it points to."""
        SEQ_FIELDS = ["entry"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.RefcountTableEntryNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['entry']['start'] = self._io.pos()
            self.entry = Qcow2.RefcountTableEntry(self._io, self, self._root)
            self.entry._read()
            self._debug['entry']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.entry._fetch_instances()
            _ = self.refcount_block
            if hasattr(self, '_m_refcount_block'):
                pass
                self._m_refcount_block._fetch_instances()


        @property
        def refcount_block(self):
            """The refcount block, when it is allocated."""
            if hasattr(self, '_m_refcount_block'):
                return self._m_refcount_block

            if self.entry.ofs_refcount_block != 0:
                pass
                io = self._root._io
                _pos = io.pos()
                io.seek(self.entry.ofs_refcount_block)
                self._debug['_m_refcount_block']['start'] = io.pos()
                self._raw__m_refcount_block = io.read_bytes(self._root.cluster_size)
                _io__raw__m_refcount_block = KaitaiStream(BytesIO(self._raw__m_refcount_block))
                self._m_refcount_block = Qcow2.RefcountBlock(self._root.refcount_order, self._root.num_refcount_block_entries, _io__raw__m_refcount_block, self, self._root)
                self._m_refcount_block._read()
                self._debug['_m_refcount_block']['end'] = io.pos()
                io.seek(_pos)

            return getattr(self, '_m_refcount_block', None)


    class Snapshot(KaitaiStruct):
        """One entry of the snapshot table: an internal snapshot, which keeps its
        own copy of the L1 table. Entries begin at multiples of 8 bytes.
        
        .. seealso::
           Snapshots - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["ofs_l1_table", "num_l1_entries", "len_id", "len_name", "date_sec", "date_nsec", "vm_clock_nsec", "len_vm_state", "len_extra_data", "extra_data", "id", "name", "padding"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.Snapshot, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['ofs_l1_table']['start'] = self._io.pos()
            self.ofs_l1_table = self._io.read_u8be()
            self._debug['ofs_l1_table']['end'] = self._io.pos()
            self._debug['num_l1_entries']['start'] = self._io.pos()
            self.num_l1_entries = self._io.read_u4be()
            self._debug['num_l1_entries']['end'] = self._io.pos()
            self._debug['len_id']['start'] = self._io.pos()
            self.len_id = self._io.read_u2be()
            self._debug['len_id']['end'] = self._io.pos()
            self._debug['len_name']['start'] = self._io.pos()
            self.len_name = self._io.read_u2be()
            self._debug['len_name']['end'] = self._io.pos()
            self._debug['date_sec']['start'] = self._io.pos()
            self.date_sec = self._io.read_u4be()
            self._debug['date_sec']['end'] = self._io.pos()
            self._debug['date_nsec']['start'] = self._io.pos()
            self.date_nsec = self._io.read_u4be()
            self._debug['date_nsec']['end'] = self._io.pos()
            self._debug['vm_clock_nsec']['start'] = self._io.pos()
            self.vm_clock_nsec = self._io.read_u8be()
            self._debug['vm_clock_nsec']['end'] = self._io.pos()
            self._debug['len_vm_state']['start'] = self._io.pos()
            self.len_vm_state = self._io.read_u4be()
            self._debug['len_vm_state']['end'] = self._io.pos()
            self._debug['len_extra_data']['start'] = self._io.pos()
            self.len_extra_data = self._io.read_u4be()
            self._debug['len_extra_data']['end'] = self._io.pos()
            self._debug['extra_data']['start'] = self._io.pos()
            self._raw_extra_data = self._io.read_bytes(self.len_extra_data)
            _io__raw_extra_data = KaitaiStream(BytesIO(self._raw_extra_data))
            self.extra_data = Qcow2.SnapshotExtraData(self.len_extra_data, _io__raw_extra_data, self, self._root)
            self.extra_data._read()
            self._debug['extra_data']['end'] = self._io.pos()
            self._debug['id']['start'] = self._io.pos()
            self.id = self._io.read_bytes(self.len_id)
            self._debug['id']['end'] = self._io.pos()
            self._debug['name']['start'] = self._io.pos()
            self.name = self._io.read_bytes(self.len_name)
            self._debug['name']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_bytes((self._io.size() - self._io.pos() if self._io.size() - self._io.pos() < self.len_padding else self.len_padding))
            self._debug['padding']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.extra_data._fetch_instances()

        @property
        def len_padding(self):
            """Bytes from the end of the name to the next multiple of 8."""
            if hasattr(self, '_m_len_padding'):
                return self._m_len_padding

            self._m_len_padding = (8 - ((self.len_extra_data + self.len_id) + self.len_name)) % 8
            return getattr(self, '_m_len_padding', None)


    class SnapshotExtraData(KaitaiStruct):
        """Optional fields of a snapshot. Version 3 requires the first two.
        
        .. seealso::
           Snapshots - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["len_vm_state_large", "disk_size", "icount", "unknown"]
        def __init__(self, len, _io, _parent=None, _root=None):
            super(Qcow2.SnapshotExtraData, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.len = len
            self._debug = collections.defaultdict(dict)

        def _read(self):
            if self.len >= 8:
                pass
                self._debug['len_vm_state_large']['start'] = self._io.pos()
                self.len_vm_state_large = self._io.read_u8be()
                self._debug['len_vm_state_large']['end'] = self._io.pos()

            if self.len >= 16:
                pass
                self._debug['disk_size']['start'] = self._io.pos()
                self.disk_size = self._io.read_u8be()
                self._debug['disk_size']['end'] = self._io.pos()

            if self.len >= 24:
                pass
                self._debug['icount']['start'] = self._io.pos()
                self.icount = self._io.read_u8be()
                self._debug['icount']['end'] = self._io.pos()

            if (not (self._io.is_eof())):
                pass
                self._debug['unknown']['start'] = self._io.pos()
                self.unknown = self._io.read_bytes_full()
                self._debug['unknown']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.len >= 8:
                pass

            if self.len >= 16:
                pass

            if self.len >= 24:
                pass

            if (not (self._io.is_eof())):
                pass



    class SnapshotNode(KaitaiStruct):
        """A snapshot table entry together with the L1 table it points to."""
        SEQ_FIELDS = ["snapshot"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.SnapshotNode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['snapshot']['start'] = self._io.pos()
            self.snapshot = Qcow2.Snapshot(self._io, self, self._root)
            self.snapshot._read()
            self._debug['snapshot']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.snapshot._fetch_instances()
            _ = self.l1_table
            if hasattr(self, '_m_l1_table'):
                pass
                for i in range(len(self._m_l1_table)):
                    pass
                    self._m_l1_table[i]._fetch_instances()



        @property
        def l1_table(self):
            """The L1 table as it was, through which the old state of the disk is read."""
            if hasattr(self, '_m_l1_table'):
                return self._m_l1_table

            io = self._root._io
            _pos = io.pos()
            io.seek(self.snapshot.ofs_l1_table)
            self._debug['_m_l1_table']['start'] = io.pos()
            self._debug['_m_l1_table']['arr'] = []
            self._m_l1_table = []
            for i in range(self.snapshot.num_l1_entries):
                self._debug['_m_l1_table']['arr'].append({'start': io.pos()})
                _t__m_l1_table = Qcow2.L1EntryNode(io, self, self._root)
                try:
                    _t__m_l1_table._read()
                finally:
                    self._m_l1_table.append(_t__m_l1_table)
                self._debug['_m_l1_table']['arr'][i]['end'] = io.pos()

            self._debug['_m_l1_table']['end'] = io.pos()
            io.seek(_pos)
            return getattr(self, '_m_l1_table', None)


    class StringExtension(KaitaiStruct):
        """An extension whose data is one string, without a terminator.
        
        .. seealso::
           String header extensions - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["value"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.StringExtension, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['value']['start'] = self._io.pos()
            self.value = self._io.read_bytes_full()
            self._debug['value']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class SubclusterBitmap(KaitaiStruct):
        """State of the 32 subclusters of a cluster. A subcluster whose two bits are
        both clear comes from the backing file; both set is invalid.
        
        Bits are stored from the most significant one, so in both lists the item
        with index `i` speaks of subcluster `31 - i`.
        
        .. seealso::
           Extended L2 Entries - https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
        """
        SEQ_FIELDS = ["is_zero", "is_allocated"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Qcow2.SubclusterBitmap, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['is_zero']['start'] = self._io.pos()
            self._debug['is_zero']['arr'] = []
            self.is_zero = []
            for i in range(32):
                self._debug['is_zero']['arr'].append({'start': self._io.pos()})
                self.is_zero.append(self._io.read_bits_int_be(1) != 0)
                self._debug['is_zero']['arr'][i]['end'] = self._io.pos()

            self._debug['is_zero']['end'] = self._io.pos()
            self._debug['is_allocated']['start'] = self._io.pos()
            self._debug['is_allocated']['arr'] = []
            self.is_allocated = []
            for i in range(32):
                self._debug['is_allocated']['arr'].append({'start': self._io.pos()})
                self.is_allocated.append(self._io.read_bits_int_be(1) != 0)
                self._debug['is_allocated']['arr'][i]['end'] = self._io.pos()

            self._debug['is_allocated']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.is_zero)):
                pass

            for i in range(len(self.is_allocated)):
                pass



    @property
    def backing_file_name(self):
        """Name of the image that supplies clusters not allocated in this one. It
        has no terminator and no declared encoding, and any author of an image
        can write any name here.
        """
        if hasattr(self, '_m_backing_file_name'):
            return self._m_backing_file_name

        if self.header_v2.ofs_backing_file != 0:
            pass
            _pos = self._io.pos()
            self._io.seek(self.header_v2.ofs_backing_file)
            self._debug['_m_backing_file_name']['start'] = self._io.pos()
            self._m_backing_file_name = self._io.read_bytes(self.header_v2.len_backing_file)
            self._debug['_m_backing_file_name']['end'] = self._io.pos()
            self._io.seek(_pos)

        return getattr(self, '_m_backing_file_name', None)

    @property
    def cluster_size(self):
        """Bytes in one cluster."""
        if hasattr(self, '_m_cluster_size'):
            return self._m_cluster_size

        self._m_cluster_size = 1 << self.header_v2.cluster_bits
        return getattr(self, '_m_cluster_size', None)

    @property
    def has_extended_l2_entries(self):
        """Whether L2 entries are 16 bytes long and carry a subcluster bitmap."""
        if hasattr(self, '_m_has_extended_l2_entries'):
            return self._m_has_extended_l2_entries

        self._m_has_extended_l2_entries =  ((self.version == 3) and (self.header_v3.incompatible_features.has_extended_l2_entries)) 
        return getattr(self, '_m_has_extended_l2_entries', None)

    @property
    def has_external_data_file(self):
        """Whether host offsets of guest data count in another file than this one."""
        if hasattr(self, '_m_has_external_data_file'):
            return self._m_has_external_data_file

        self._m_has_external_data_file =  ((self.version == 3) and (self.header_v3.incompatible_features.has_external_data_file)) 
        return getattr(self, '_m_has_external_data_file', None)

    @property
    def header_extensions(self):
        """Optional information that follows the header directly."""
        if hasattr(self, '_m_header_extensions'):
            return self._m_header_extensions

        if self.ofs_header_extensions_end > self.len_header:
            pass
            _pos = self._io.pos()
            self._io.seek(self.len_header)
            self._debug['_m_header_extensions']['start'] = self._io.pos()
            self._raw__m_header_extensions = self._io.read_bytes(self.ofs_header_extensions_end - self.len_header)
            _io__raw__m_header_extensions = KaitaiStream(BytesIO(self._raw__m_header_extensions))
            self._m_header_extensions = Qcow2.HeaderExtensions(_io__raw__m_header_extensions, self, self._root)
            self._m_header_extensions._read()
            self._debug['_m_header_extensions']['end'] = self._io.pos()
            self._io.seek(_pos)

        return getattr(self, '_m_header_extensions', None)

    @property
    def l1_table(self):
        """The active L1 table, the one the guest disk is read through."""
        if hasattr(self, '_m_l1_table'):
            return self._m_l1_table

        _pos = self._io.pos()
        self._io.seek(self.header_v2.ofs_l1_table)
        self._debug['_m_l1_table']['start'] = self._io.pos()
        self._debug['_m_l1_table']['arr'] = []
        self._m_l1_table = []
        for i in range(self.header_v2.num_l1_entries):
            self._debug['_m_l1_table']['arr'].append({'start': self._io.pos()})
            _t__m_l1_table = Qcow2.L1EntryNode(self._io, self, self._root)
            try:
                _t__m_l1_table._read()
            finally:
                self._m_l1_table.append(_t__m_l1_table)
            self._debug['_m_l1_table']['arr'][i]['end'] = self._io.pos()

        self._debug['_m_l1_table']['end'] = self._io.pos()
        self._io.seek(_pos)
        return getattr(self, '_m_l1_table', None)

    @property
    def len_header(self):
        """Bytes of the header, counted from the magic."""
        if hasattr(self, '_m_len_header'):
            return self._m_len_header

        self._m_len_header = (self.header_v3.len_header if self.version == 3 else 72)
        return getattr(self, '_m_len_header', None)

    @property
    def len_l2_entry(self):
        """Bytes of one L2 entry."""
        if hasattr(self, '_m_len_l2_entry'):
            return self._m_len_l2_entry

        self._m_len_l2_entry = (16 if self.has_extended_l2_entries else 8)
        return getattr(self, '_m_len_l2_entry', None)

    @property
    def num_l2_entries(self):
        """Entries of one L2 table, which always fills one cluster."""
        if hasattr(self, '_m_num_l2_entries'):
            return self._m_num_l2_entries

        self._m_num_l2_entries = self.cluster_size // self.len_l2_entry
        return getattr(self, '_m_num_l2_entries', None)

    @property
    def num_refcount_block_entries(self):
        """Refcounts in one refcount block, which always fills one cluster."""
        if hasattr(self, '_m_num_refcount_block_entries'):
            return self._m_num_refcount_block_entries

        self._m_num_refcount_block_entries = (self.cluster_size * 8) // (1 << self.refcount_order)
        return getattr(self, '_m_num_refcount_block_entries', None)

    @property
    def num_refcount_table_entries(self):
        """Entries of the refcount table, which always fills whole clusters."""
        if hasattr(self, '_m_num_refcount_table_entries'):
            return self._m_num_refcount_table_entries

        self._m_num_refcount_table_entries = (self.header_v2.num_refcount_table_clusters * self.cluster_size) // 8
        return getattr(self, '_m_num_refcount_table_entries', None)

    @property
    def ofs_header_extensions_end(self):
        """Where header extensions must have ended: at the backing file name or,
        without one, at the end of the first cluster.
        """
        if hasattr(self, '_m_ofs_header_extensions_end'):
            return self._m_ofs_header_extensions_end

        self._m_ofs_header_extensions_end = (self.header_v2.ofs_backing_file if self.header_v2.ofs_backing_file != 0 else self.cluster_size)
        return getattr(self, '_m_ofs_header_extensions_end', None)

    @property
    def refcount_order(self):
        """Binary logarithm of the refcount width in bits; version 2 has always 16 bits."""
        if hasattr(self, '_m_refcount_order'):
            return self._m_refcount_order

        self._m_refcount_order = (self.header_v3.refcount_order if self.version == 3 else 4)
        return getattr(self, '_m_refcount_order', None)

    @property
    def refcount_table(self):
        """First level of the refcounts."""
        if hasattr(self, '_m_refcount_table'):
            return self._m_refcount_table

        _pos = self._io.pos()
        self._io.seek(self.header_v2.ofs_refcount_table)
        self._debug['_m_refcount_table']['start'] = self._io.pos()
        self._debug['_m_refcount_table']['arr'] = []
        self._m_refcount_table = []
        for i in range(self.num_refcount_table_entries):
            self._debug['_m_refcount_table']['arr'].append({'start': self._io.pos()})
            _t__m_refcount_table = Qcow2.RefcountTableEntryNode(self._io, self, self._root)
            try:
                _t__m_refcount_table._read()
            finally:
                self._m_refcount_table.append(_t__m_refcount_table)
            self._debug['_m_refcount_table']['arr'][i]['end'] = self._io.pos()

        self._debug['_m_refcount_table']['end'] = self._io.pos()
        self._io.seek(_pos)
        return getattr(self, '_m_refcount_table', None)

    @property
    def snapshots(self):
        """The snapshot table, whose entries vary in length."""
        if hasattr(self, '_m_snapshots'):
            return self._m_snapshots

        if self.header_v2.num_snapshots != 0:
            pass
            _pos = self._io.pos()
            self._io.seek(self.header_v2.ofs_snapshots)
            self._debug['_m_snapshots']['start'] = self._io.pos()
            self._debug['_m_snapshots']['arr'] = []
            self._m_snapshots = []
            for i in range(self.header_v2.num_snapshots):
                self._debug['_m_snapshots']['arr'].append({'start': self._io.pos()})
                _t__m_snapshots = Qcow2.SnapshotNode(self._io, self, self._root)
                try:
                    _t__m_snapshots._read()
                finally:
                    self._m_snapshots.append(_t__m_snapshots)
                self._debug['_m_snapshots']['arr'][i]['end'] = self._io.pos()

            self._debug['_m_snapshots']['end'] = self._io.pos()
            self._io.seek(_pos)

        return getattr(self, '_m_snapshots', None)


