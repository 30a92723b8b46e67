# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Xfs(KaitaiStruct):
    """The headers of an allocation group of an XFS file system, and its inodes.
    The volume is cut into allocation groups; each begins with a superblock, of
    which the first one counts, and has in the sectors after it the headers of
    its free space and of its inodes. Each type describes one structure and
    follows no offset.
    
    .. seealso::
       Source - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
    """

    class ForkFormat(IntEnum):
        device = 0
        local = 1
        extents = 2
        btree = 3
        uuid = 4
        reverse_map = 5
    SEQ_FIELDS = ["superblock"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Xfs, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['superblock']['start'] = self._io.pos()
        self.superblock = Xfs.Superblock(self._io, self, self._root)
        self.superblock._read()
        self._debug['superblock']['end'] = self._io.pos()


    def _fetch_instances(self):
        pass
        self.superblock._fetch_instances()

    class FreeSpaceHeader(KaitaiStruct):
        """The header of the free space of an allocation group (AGF).
        
        .. seealso::
           AG Free Space Block - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["magic", "version", "ag_number", "num_blocks", "by_block_root", "by_size_root", "reverse_map_root", "by_block_level", "by_size_level", "reverse_map_level", "free_list_first", "free_list_last", "free_list_count", "num_free_blocks", "longest", "tree_blocks", "uuid"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Xfs.FreeSpaceHeader, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(4)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u4be()
            self._debug['version']['end'] = self._io.pos()
            self._debug['ag_number']['start'] = self._io.pos()
            self.ag_number = self._io.read_u4be()
            self._debug['ag_number']['end'] = self._io.pos()
            self._debug['num_blocks']['start'] = self._io.pos()
            self.num_blocks = self._io.read_u4be()
            self._debug['num_blocks']['end'] = self._io.pos()
            self._debug['by_block_root']['start'] = self._io.pos()
            self.by_block_root = self._io.read_u4be()
            self._debug['by_block_root']['end'] = self._io.pos()
            self._debug['by_size_root']['start'] = self._io.pos()
            self.by_size_root = self._io.read_u4be()
            self._debug['by_size_root']['end'] = self._io.pos()
            self._debug['reverse_map_root']['start'] = self._io.pos()
            self.reverse_map_root = self._io.read_u4be()
            self._debug['reverse_map_root']['end'] = self._io.pos()
            self._debug['by_block_level']['start'] = self._io.pos()
            self.by_block_level = self._io.read_u4be()
            self._debug['by_block_level']['end'] = self._io.pos()
            self._debug['by_size_level']['start'] = self._io.pos()
            self.by_size_level = self._io.read_u4be()
            self._debug['by_size_level']['end'] = self._io.pos()
            self._debug['reverse_map_level']['start'] = self._io.pos()
            self.reverse_map_level = self._io.read_u4be()
            self._debug['reverse_map_level']['end'] = self._io.pos()
            self._debug['free_list_first']['start'] = self._io.pos()
            self.free_list_first = self._io.read_u4be()
            self._debug['free_list_first']['end'] = self._io.pos()
            self._debug['free_list_last']['start'] = self._io.pos()
            self.free_list_last = self._io.read_u4be()
            self._debug['free_list_last']['end'] = self._io.pos()
            self._debug['free_list_count']['start'] = self._io.pos()
            self.free_list_count = self._io.read_u4be()
            self._debug['free_list_count']['end'] = self._io.pos()
            self._debug['num_free_blocks']['start'] = self._io.pos()
            self.num_free_blocks = self._io.read_u4be()
            self._debug['num_free_blocks']['end'] = self._io.pos()
            self._debug['longest']['start'] = self._io.pos()
            self.longest = self._io.read_u4be()
            self._debug['longest']['end'] = self._io.pos()
            self._debug['tree_blocks']['start'] = self._io.pos()
            self.tree_blocks = self._io.read_u4be()
            self._debug['tree_blocks']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(16)
            self._debug['uuid']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Inode(KaitaiStruct):
        """What is known of a file besides its names.
        
        .. seealso::
           On-disk Inode - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["magic", "mode", "version", "format", "links_old", "uid", "gid", "links_count", "project_id_lo", "project_id_hi", "extent_count_big", "access_time", "modification_time", "change_time", "size", "num_blocks", "extent_size", "num_extents", "num_attribute_extents", "fork_offset", "attribute_format", "dm_event_mask", "dm_state", "flags", "generation", "next_unlinked", "v3"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Xfs.Inode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(2)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['mode']['start'] = self._io.pos()
            self.mode = self._io.read_u2be()
            self._debug['mode']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u1()
            self._debug['version']['end'] = self._io.pos()
            self._debug['format']['start'] = self._io.pos()
            self.format = KaitaiStream.resolve_enum(Xfs.ForkFormat, self._io.read_u1())
            self._debug['format']['end'] = self._io.pos()
            self._debug['links_old']['start'] = self._io.pos()
            self.links_old = self._io.read_u2be()
            self._debug['links_old']['end'] = self._io.pos()
            self._debug['uid']['start'] = self._io.pos()
            self.uid = self._io.read_u4be()
            self._debug['uid']['end'] = self._io.pos()
            self._debug['gid']['start'] = self._io.pos()
            self.gid = self._io.read_u4be()
            self._debug['gid']['end'] = self._io.pos()
            self._debug['links_count']['start'] = self._io.pos()
            self.links_count = self._io.read_u4be()
            self._debug['links_count']['end'] = self._io.pos()
            self._debug['project_id_lo']['start'] = self._io.pos()
            self.project_id_lo = self._io.read_u2be()
            self._debug['project_id_lo']['end'] = self._io.pos()
            self._debug['project_id_hi']['start'] = self._io.pos()
            self.project_id_hi = self._io.read_u2be()
            self._debug['project_id_hi']['end'] = self._io.pos()
            self._debug['extent_count_big']['start'] = self._io.pos()
            self.extent_count_big = self._io.read_u8be()
            self._debug['extent_count_big']['end'] = self._io.pos()
            self._debug['access_time']['start'] = self._io.pos()
            self.access_time = Xfs.Timestamp(self.has_big_times, self._io, self, self._root)
            self.access_time._read()
            self._debug['access_time']['end'] = self._io.pos()
            self._debug['modification_time']['start'] = self._io.pos()
            self.modification_time = Xfs.Timestamp(self.has_big_times, self._io, self, self._root)
            self.modification_time._read()
            self._debug['modification_time']['end'] = self._io.pos()
            self._debug['change_time']['start'] = self._io.pos()
            self.change_time = Xfs.Timestamp(self.has_big_times, self._io, self, self._root)
            self.change_time._read()
            self._debug['change_time']['end'] = self._io.pos()
            self._debug['size']['start'] = self._io.pos()
            self.size = self._io.read_u8be()
            self._debug['size']['end'] = self._io.pos()
            self._debug['num_blocks']['start'] = self._io.pos()
            self.num_blocks = self._io.read_u8be()
            self._debug['num_blocks']['end'] = self._io.pos()
            self._debug['extent_size']['start'] = self._io.pos()
            self.extent_size = self._io.read_u4be()
            self._debug['extent_size']['end'] = self._io.pos()
            self._debug['num_extents']['start'] = self._io.pos()
            self.num_extents = self._io.read_u4be()
            self._debug['num_extents']['end'] = self._io.pos()
            self._debug['num_attribute_extents']['start'] = self._io.pos()
            self.num_attribute_extents = self._io.read_u2be()
            self._debug['num_attribute_extents']['end'] = self._io.pos()
            self._debug['fork_offset']['start'] = self._io.pos()
            self.fork_offset = self._io.read_u1()
            self._debug['fork_offset']['end'] = self._io.pos()
            self._debug['attribute_format']['start'] = self._io.pos()
            self.attribute_format = KaitaiStream.resolve_enum(Xfs.ForkFormat, self._io.read_s1())
            self._debug['attribute_format']['end'] = self._io.pos()
            self._debug['dm_event_mask']['start'] = self._io.pos()
            self.dm_event_mask = self._io.read_u4be()
            self._debug['dm_event_mask']['end'] = self._io.pos()
            self._debug['dm_state']['start'] = self._io.pos()
            self.dm_state = self._io.read_u2be()
            self._debug['dm_state']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u2be()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['generation']['start'] = self._io.pos()
            self.generation = self._io.read_u4be()
            self._debug['generation']['end'] = self._io.pos()
            self._debug['next_unlinked']['start'] = self._io.pos()
            self.next_unlinked = self._io.read_u4be()
            self._debug['next_unlinked']['end'] = self._io.pos()
            if self.version >= 3:
                pass
                self._debug['v3']['start'] = self._io.pos()
                self.v3 = Xfs.InodeV3(self._io, self, self._root)
                self.v3._read()
                self._debug['v3']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            self.access_time._fetch_instances()
            self.modification_time._fetch_instances()
            self.change_time._fetch_instances()
            if self.version >= 3:
                pass
                self.v3._fetch_instances()

            _ = self.flags2_byte
            if hasattr(self, '_m_flags2_byte'):
                pass


        @property
        def flags2_byte(self):
            """The lowest byte of flags2, which says how the times before it are kept."""
            if hasattr(self, '_m_flags2_byte'):
                return self._m_flags2_byte

            if self.version >= 3:
                pass
                _pos = self._io.pos()
                self._io.seek(127)
                self._debug['_m_flags2_byte']['start'] = self._io.pos()
                self._m_flags2_byte = self._io.read_u1()
                self._debug['_m_flags2_byte']['end'] = self._io.pos()
                self._io.seek(_pos)

            return getattr(self, '_m_flags2_byte', None)

        @property
        def has_big_times(self):
            """Whether times are nanoseconds in 64 bits."""
            if hasattr(self, '_m_has_big_times'):
                return self._m_has_big_times

            self._m_has_big_times =  ((self.version >= 3) and (self.flags2_byte & 8 != 0)) 
            return getattr(self, '_m_has_big_times', None)


    class InodeHeader(KaitaiStruct):
        """The header of the inodes of an allocation group (AGI).
        
        .. seealso::
           AG Inode Management - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["magic", "version", "ag_number", "num_blocks", "num_inodes", "root", "level", "num_free_inodes", "newest_inode", "last_directory_inode", "unlinked", "uuid", "crc"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Xfs.InodeHeader, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(4)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u4be()
            self._debug['version']['end'] = self._io.pos()
            self._debug['ag_number']['start'] = self._io.pos()
            self.ag_number = self._io.read_u4be()
            self._debug['ag_number']['end'] = self._io.pos()
            self._debug['num_blocks']['start'] = self._io.pos()
            self.num_blocks = self._io.read_u4be()
            self._debug['num_blocks']['end'] = self._io.pos()
            self._debug['num_inodes']['start'] = self._io.pos()
            self.num_inodes = self._io.read_u4be()
            self._debug['num_inodes']['end'] = self._io.pos()
            self._debug['root']['start'] = self._io.pos()
            self.root = self._io.read_u4be()
            self._debug['root']['end'] = self._io.pos()
            self._debug['level']['start'] = self._io.pos()
            self.level = self._io.read_u4be()
            self._debug['level']['end'] = self._io.pos()
            self._debug['num_free_inodes']['start'] = self._io.pos()
            self.num_free_inodes = self._io.read_u4be()
            self._debug['num_free_inodes']['end'] = self._io.pos()
            self._debug['newest_inode']['start'] = self._io.pos()
            self.newest_inode = self._io.read_u4be()
            self._debug['newest_inode']['end'] = self._io.pos()
            self._debug['last_directory_inode']['start'] = self._io.pos()
            self.last_directory_inode = self._io.read_u4be()
            self._debug['last_directory_inode']['end'] = self._io.pos()
            self._debug['unlinked']['start'] = self._io.pos()
            self._debug['unlinked']['arr'] = []
            self.unlinked = []
            for i in range(64):
                self._debug['unlinked']['arr'].append({'start': self._io.pos()})
                self.unlinked.append(self._io.read_u4be())
                self._debug['unlinked']['arr'][i]['end'] = self._io.pos()

            self._debug['unlinked']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(16)
            self._debug['uuid']['end'] = self._io.pos()
            self._debug['crc']['start'] = self._io.pos()
            self.crc = self._io.read_u4le()
            self._debug['crc']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.unlinked)):
                pass



    class InodeV3(KaitaiStruct):
        """What inodes have besides where the file system has version 5.
        
        .. seealso::
           On-disk Inode - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["crc", "change_count", "lsn", "flags2", "copy_on_write_size", "padding", "creation_time", "inode_number", "uuid"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Xfs.InodeV3, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['crc']['start'] = self._io.pos()
            self.crc = self._io.read_u4le()
            self._debug['crc']['end'] = self._io.pos()
            self._debug['change_count']['start'] = self._io.pos()
            self.change_count = self._io.read_u8be()
            self._debug['change_count']['end'] = self._io.pos()
            self._debug['lsn']['start'] = self._io.pos()
            self.lsn = self._io.read_u8be()
            self._debug['lsn']['end'] = self._io.pos()
            self._debug['flags2']['start'] = self._io.pos()
            self.flags2 = self._io.read_u8be()
            self._debug['flags2']['end'] = self._io.pos()
            self._debug['copy_on_write_size']['start'] = self._io.pos()
            self.copy_on_write_size = self._io.read_u4be()
            self._debug['copy_on_write_size']['end'] = self._io.pos()
            self._debug['padding']['start'] = self._io.pos()
            self.padding = self._io.read_bytes(12)
            self._debug['padding']['end'] = self._io.pos()
            self._debug['creation_time']['start'] = self._io.pos()
            self.creation_time = Xfs.Timestamp(self.flags2 & 8 != 0, self._io, self, self._root)
            self.creation_time._read()
            self._debug['creation_time']['end'] = self._io.pos()
            self._debug['inode_number']['start'] = self._io.pos()
            self.inode_number = self._io.read_u8be()
            self._debug['inode_number']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(16)
            self._debug['uuid']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            self.creation_time._fetch_instances()


    class Superblock(KaitaiStruct):
        """The superblock of an allocation group.
        
        .. seealso::
           Superblocks - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["magic", "block_size", "num_blocks", "num_realtime_blocks", "num_realtime_extents", "uuid", "log_start", "root_inode", "realtime_bitmap_inode", "realtime_summary_inode", "realtime_extent_size", "ag_blocks", "ag_count", "realtime_bitmap_blocks", "log_blocks", "version", "sector_size", "inode_size", "inodes_per_block", "label", "log2_block_size", "log2_sector_size", "log2_inode_size", "log2_inodes_per_block", "log2_ag_blocks", "log2_realtime_extents", "in_progress", "max_inode_percent", "num_inodes", "num_free_inodes", "num_free_blocks", "num_free_realtime_extents", "user_quota_inode", "group_quota_inode", "quota_flags", "flags", "shared_version", "inode_alignment", "stripe_unit", "stripe_width", "log2_directory_block", "log2_log_sector", "log_sector_size", "log_stripe_unit", "features2", "bad_features2", "features_compat", "features_ro_compat", "features_incompat", "features_log_incompat", "crc", "sparse_inode_alignment", "project_quota_inode", "lsn", "metadata_uuid"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Xfs.Superblock, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_bytes(4)
            self._debug['magic']['end'] = self._io.pos()
            self._debug['block_size']['start'] = self._io.pos()
            self.block_size = self._io.read_u4be()
            self._debug['block_size']['end'] = self._io.pos()
            self._debug['num_blocks']['start'] = self._io.pos()
            self.num_blocks = self._io.read_u8be()
            self._debug['num_blocks']['end'] = self._io.pos()
            self._debug['num_realtime_blocks']['start'] = self._io.pos()
            self.num_realtime_blocks = self._io.read_u8be()
            self._debug['num_realtime_blocks']['end'] = self._io.pos()
            self._debug['num_realtime_extents']['start'] = self._io.pos()
            self.num_realtime_extents = self._io.read_u8be()
            self._debug['num_realtime_extents']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(16)
            self._debug['uuid']['end'] = self._io.pos()
            self._debug['log_start']['start'] = self._io.pos()
            self.log_start = self._io.read_u8be()
            self._debug['log_start']['end'] = self._io.pos()
            self._debug['root_inode']['start'] = self._io.pos()
            self.root_inode = self._io.read_u8be()
            self._debug['root_inode']['end'] = self._io.pos()
            self._debug['realtime_bitmap_inode']['start'] = self._io.pos()
            self.realtime_bitmap_inode = self._io.read_u8be()
            self._debug['realtime_bitmap_inode']['end'] = self._io.pos()
            self._debug['realtime_summary_inode']['start'] = self._io.pos()
            self.realtime_summary_inode = self._io.read_u8be()
            self._debug['realtime_summary_inode']['end'] = self._io.pos()
            self._debug['realtime_extent_size']['start'] = self._io.pos()
            self.realtime_extent_size = self._io.read_u4be()
            self._debug['realtime_extent_size']['end'] = self._io.pos()
            self._debug['ag_blocks']['start'] = self._io.pos()
            self.ag_blocks = self._io.read_u4be()
            self._debug['ag_blocks']['end'] = self._io.pos()
            self._debug['ag_count']['start'] = self._io.pos()
            self.ag_count = self._io.read_u4be()
            self._debug['ag_count']['end'] = self._io.pos()
            self._debug['realtime_bitmap_blocks']['start'] = self._io.pos()
            self.realtime_bitmap_blocks = self._io.read_u4be()
            self._debug['realtime_bitmap_blocks']['end'] = self._io.pos()
            self._debug['log_blocks']['start'] = self._io.pos()
            self.log_blocks = self._io.read_u4be()
            self._debug['log_blocks']['end'] = self._io.pos()
            self._debug['version']['start'] = self._io.pos()
            self.version = self._io.read_u2be()
            self._debug['version']['end'] = self._io.pos()
            self._debug['sector_size']['start'] = self._io.pos()
            self.sector_size = self._io.read_u2be()
            self._debug['sector_size']['end'] = self._io.pos()
            self._debug['inode_size']['start'] = self._io.pos()
            self.inode_size = self._io.read_u2be()
            self._debug['inode_size']['end'] = self._io.pos()
            self._debug['inodes_per_block']['start'] = self._io.pos()
            self.inodes_per_block = self._io.read_u2be()
            self._debug['inodes_per_block']['end'] = self._io.pos()
            self._debug['label']['start'] = self._io.pos()
            self.label = self._io.read_bytes(12)
            self._debug['label']['end'] = self._io.pos()
            self._debug['log2_block_size']['start'] = self._io.pos()
            self.log2_block_size = self._io.read_u1()
            self._debug['log2_block_size']['end'] = self._io.pos()
            self._debug['log2_sector_size']['start'] = self._io.pos()
            self.log2_sector_size = self._io.read_u1()
            self._debug['log2_sector_size']['end'] = self._io.pos()
            self._debug['log2_inode_size']['start'] = self._io.pos()
            self.log2_inode_size = self._io.read_u1()
            self._debug['log2_inode_size']['end'] = self._io.pos()
            self._debug['log2_inodes_per_block']['start'] = self._io.pos()
            self.log2_inodes_per_block = self._io.read_u1()
            self._debug['log2_inodes_per_block']['end'] = self._io.pos()
            self._debug['log2_ag_blocks']['start'] = self._io.pos()
            self.log2_ag_blocks = self._io.read_u1()
            self._debug['log2_ag_blocks']['end'] = self._io.pos()
            self._debug['log2_realtime_extents']['start'] = self._io.pos()
            self.log2_realtime_extents = self._io.read_u1()
            self._debug['log2_realtime_extents']['end'] = self._io.pos()
            self._debug['in_progress']['start'] = self._io.pos()
            self.in_progress = self._io.read_u1()
            self._debug['in_progress']['end'] = self._io.pos()
            self._debug['max_inode_percent']['start'] = self._io.pos()
            self.max_inode_percent = self._io.read_u1()
            self._debug['max_inode_percent']['end'] = self._io.pos()
            self._debug['num_inodes']['start'] = self._io.pos()
            self.num_inodes = self._io.read_u8be()
            self._debug['num_inodes']['end'] = self._io.pos()
            self._debug['num_free_inodes']['start'] = self._io.pos()
            self.num_free_inodes = self._io.read_u8be()
            self._debug['num_free_inodes']['end'] = self._io.pos()
            self._debug['num_free_blocks']['start'] = self._io.pos()
            self.num_free_blocks = self._io.read_u8be()
            self._debug['num_free_blocks']['end'] = self._io.pos()
            self._debug['num_free_realtime_extents']['start'] = self._io.pos()
            self.num_free_realtime_extents = self._io.read_u8be()
            self._debug['num_free_realtime_extents']['end'] = self._io.pos()
            self._debug['user_quota_inode']['start'] = self._io.pos()
            self.user_quota_inode = self._io.read_u8be()
            self._debug['user_quota_inode']['end'] = self._io.pos()
            self._debug['group_quota_inode']['start'] = self._io.pos()
            self.group_quota_inode = self._io.read_u8be()
            self._debug['group_quota_inode']['end'] = self._io.pos()
            self._debug['quota_flags']['start'] = self._io.pos()
            self.quota_flags = self._io.read_u2be()
            self._debug['quota_flags']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u1()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['shared_version']['start'] = self._io.pos()
            self.shared_version = self._io.read_u1()
            self._debug['shared_version']['end'] = self._io.pos()
            self._debug['inode_alignment']['start'] = self._io.pos()
            self.inode_alignment = self._io.read_u4be()
            self._debug['inode_alignment']['end'] = self._io.pos()
            self._debug['stripe_unit']['start'] = self._io.pos()
            self.stripe_unit = self._io.read_u4be()
            self._debug['stripe_unit']['end'] = self._io.pos()
            self._debug['stripe_width']['start'] = self._io.pos()
            self.stripe_width = self._io.read_u4be()
            self._debug['stripe_width']['end'] = self._io.pos()
            self._debug['log2_directory_block']['start'] = self._io.pos()
            self.log2_directory_block = self._io.read_u1()
            self._debug['log2_directory_block']['end'] = self._io.pos()
            self._debug['log2_log_sector']['start'] = self._io.pos()
            self.log2_log_sector = self._io.read_u1()
            self._debug['log2_log_sector']['end'] = self._io.pos()
            self._debug['log_sector_size']['start'] = self._io.pos()
            self.log_sector_size = self._io.read_u2be()
            self._debug['log_sector_size']['end'] = self._io.pos()
            self._debug['log_stripe_unit']['start'] = self._io.pos()
            self.log_stripe_unit = self._io.read_u4be()
            self._debug['log_stripe_unit']['end'] = self._io.pos()
            self._debug['features2']['start'] = self._io.pos()
            self.features2 = self._io.read_u4be()
            self._debug['features2']['end'] = self._io.pos()
            self._debug['bad_features2']['start'] = self._io.pos()
            self.bad_features2 = self._io.read_u4be()
            self._debug['bad_features2']['end'] = self._io.pos()
            self._debug['features_compat']['start'] = self._io.pos()
            self.features_compat = self._io.read_u4be()
            self._debug['features_compat']['end'] = self._io.pos()
            self._debug['features_ro_compat']['start'] = self._io.pos()
            self.features_ro_compat = self._io.read_u4be()
            self._debug['features_ro_compat']['end'] = self._io.pos()
            self._debug['features_incompat']['start'] = self._io.pos()
            self.features_incompat = self._io.read_u4be()
            self._debug['features_incompat']['end'] = self._io.pos()
            self._debug['features_log_incompat']['start'] = self._io.pos()
            self.features_log_incompat = self._io.read_u4be()
            self._debug['features_log_incompat']['end'] = self._io.pos()
            self._debug['crc']['start'] = self._io.pos()
            self.crc = self._io.read_u4le()
            self._debug['crc']['end'] = self._io.pos()
            self._debug['sparse_inode_alignment']['start'] = self._io.pos()
            self.sparse_inode_alignment = self._io.read_u4be()
            self._debug['sparse_inode_alignment']['end'] = self._io.pos()
            self._debug['project_quota_inode']['start'] = self._io.pos()
            self.project_quota_inode = self._io.read_u8be()
            self._debug['project_quota_inode']['end'] = self._io.pos()
            self._debug['lsn']['start'] = self._io.pos()
            self.lsn = self._io.read_u8be()
            self._debug['lsn']['end'] = self._io.pos()
            self._debug['metadata_uuid']['start'] = self._io.pos()
            self.metadata_uuid = self._io.read_bytes(16)
            self._debug['metadata_uuid']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Timestamp(KaitaiStruct):
        """A time, in one of two forms.
        
        .. seealso::
           Timestamps - https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
        """
        SEQ_FIELDS = ["nanoseconds_since_1901", "seconds", "nanoseconds"]
        def __init__(self, is_big, _io, _parent=None, _root=None):
            super(Xfs.Timestamp, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.is_big = is_big
            self._debug = collections.defaultdict(dict)

        def _read(self):
            if self.is_big:
                pass
                self._debug['nanoseconds_since_1901']['start'] = self._io.pos()
                self.nanoseconds_since_1901 = self._io.read_u8be()
                self._debug['nanoseconds_since_1901']['end'] = self._io.pos()

            if (not (self.is_big)):
                pass
                self._debug['seconds']['start'] = self._io.pos()
                self.seconds = self._io.read_s4be()
                self._debug['seconds']['end'] = self._io.pos()

            if (not (self.is_big)):
                pass
                self._debug['nanoseconds']['start'] = self._io.pos()
                self.nanoseconds = self._io.read_u4be()
                self._debug['nanoseconds']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.is_big:
                pass

            if (not (self.is_big)):
                pass

            if (not (self.is_big)):
                pass




