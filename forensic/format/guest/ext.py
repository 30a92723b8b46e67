# This is a generated file! Please edit source .ksy file and use kaitai-struct-compiler to rebuild
# type: ignore

import kaitaistruct
from kaitaistruct import KaitaiStruct, KaitaiStream, BytesIO
from enum import IntEnum
import collections


if getattr(kaitaistruct, 'API_VERSION', (0, 9)) < (0, 11):
    raise Exception("Incompatible Kaitai Struct Python API: 0.11 or later is required, but you have %s" % (kaitaistruct.__version__))

class Ext(KaitaiStruct):
    """The three structures that all of an ext file system is found by. The volume
    is cut into groups of blocks; the superblock tells how many and how large,
    the descriptor of a group where its bitmaps and its inodes lie. Each type
    describes one structure and follows no offset.
    """

    class OnError(IntEnum):
        go_on = 1
        remount_read_only = 2
        panic = 3

    class System(IntEnum):
        linux = 0
        hurd = 1
        masix = 2
        freebsd = 3
        lites = 4
    SEQ_FIELDS = ["boot", "superblock"]
    def __init__(self, _io, _parent=None, _root=None):
        super(Ext, self).__init__(_io)
        self._parent = _parent
        self._root = _root or self
        self._debug = collections.defaultdict(dict)

    def _read(self):
        self._debug['boot']['start'] = self._io.pos()
        self.boot = self._io.read_bytes(1024)
        self._debug['boot']['end'] = self._io.pos()
        self._debug['superblock']['start'] = self._io.pos()
        self.superblock = Ext.Superblock(self._io, self, self._root)
        self.superblock._read()
        self._debug['superblock']['end'] = self._io.pos()


    def _fetch_instances(self):
        pass
        self.superblock._fetch_instances()

    class GroupDescriptor(KaitaiStruct):
        """Where the bitmaps and the inodes of a group lie.
        
        .. seealso::
           Block Group Descriptors - https://docs.kernel.org/filesystems/ext4/group_descr.html
        """
        SEQ_FIELDS = ["block_bitmap_lo", "inode_bitmap_lo", "inode_table_lo", "free_blocks_count_lo", "free_inodes_count_lo", "directories_count_lo", "flags", "exclude_bitmap_lo", "block_bitmap_checksum_lo", "inode_bitmap_checksum_lo", "unused_inodes_lo", "checksum", "upper"]
        def __init__(self, len_descriptor, _io, _parent=None, _root=None):
            super(Ext.GroupDescriptor, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.len_descriptor = len_descriptor
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['block_bitmap_lo']['start'] = self._io.pos()
            self.block_bitmap_lo = self._io.read_u4le()
            self._debug['block_bitmap_lo']['end'] = self._io.pos()
            self._debug['inode_bitmap_lo']['start'] = self._io.pos()
            self.inode_bitmap_lo = self._io.read_u4le()
            self._debug['inode_bitmap_lo']['end'] = self._io.pos()
            self._debug['inode_table_lo']['start'] = self._io.pos()
            self.inode_table_lo = self._io.read_u4le()
            self._debug['inode_table_lo']['end'] = self._io.pos()
            self._debug['free_blocks_count_lo']['start'] = self._io.pos()
            self.free_blocks_count_lo = self._io.read_u2le()
            self._debug['free_blocks_count_lo']['end'] = self._io.pos()
            self._debug['free_inodes_count_lo']['start'] = self._io.pos()
            self.free_inodes_count_lo = self._io.read_u2le()
            self._debug['free_inodes_count_lo']['end'] = self._io.pos()
            self._debug['directories_count_lo']['start'] = self._io.pos()
            self.directories_count_lo = self._io.read_u2le()
            self._debug['directories_count_lo']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u2le()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['exclude_bitmap_lo']['start'] = self._io.pos()
            self.exclude_bitmap_lo = self._io.read_u4le()
            self._debug['exclude_bitmap_lo']['end'] = self._io.pos()
            self._debug['block_bitmap_checksum_lo']['start'] = self._io.pos()
            self.block_bitmap_checksum_lo = self._io.read_u2le()
            self._debug['block_bitmap_checksum_lo']['end'] = self._io.pos()
            self._debug['inode_bitmap_checksum_lo']['start'] = self._io.pos()
            self.inode_bitmap_checksum_lo = self._io.read_u2le()
            self._debug['inode_bitmap_checksum_lo']['end'] = self._io.pos()
            self._debug['unused_inodes_lo']['start'] = self._io.pos()
            self.unused_inodes_lo = self._io.read_u2le()
            self._debug['unused_inodes_lo']['end'] = self._io.pos()
            self._debug['checksum']['start'] = self._io.pos()
            self.checksum = self._io.read_u2le()
            self._debug['checksum']['end'] = self._io.pos()
            if self.len_descriptor >= 64:
                pass
                self._debug['upper']['start'] = self._io.pos()
                self.upper = Ext.GroupDescriptorUpper(self._io, self, self._root)
                self.upper._read()
                self._debug['upper']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.len_descriptor >= 64:
                pass
                self.upper._fetch_instances()



    class GroupDescriptorUpper(KaitaiStruct):
        """The second half of a descriptor of 64 bytes, upper halves of the fields of the first.
        
        .. seealso::
           Block Group Descriptors - https://docs.kernel.org/filesystems/ext4/group_descr.html
        """
        SEQ_FIELDS = ["block_bitmap_hi", "inode_bitmap_hi", "inode_table_hi", "free_blocks_count_hi", "free_inodes_count_hi", "directories_count_hi", "unused_inodes_hi", "exclude_bitmap_hi", "block_bitmap_checksum_hi", "inode_bitmap_checksum_hi", "reserved"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ext.GroupDescriptorUpper, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['block_bitmap_hi']['start'] = self._io.pos()
            self.block_bitmap_hi = self._io.read_u4le()
            self._debug['block_bitmap_hi']['end'] = self._io.pos()
            self._debug['inode_bitmap_hi']['start'] = self._io.pos()
            self.inode_bitmap_hi = self._io.read_u4le()
            self._debug['inode_bitmap_hi']['end'] = self._io.pos()
            self._debug['inode_table_hi']['start'] = self._io.pos()
            self.inode_table_hi = self._io.read_u4le()
            self._debug['inode_table_hi']['end'] = self._io.pos()
            self._debug['free_blocks_count_hi']['start'] = self._io.pos()
            self.free_blocks_count_hi = self._io.read_u2le()
            self._debug['free_blocks_count_hi']['end'] = self._io.pos()
            self._debug['free_inodes_count_hi']['start'] = self._io.pos()
            self.free_inodes_count_hi = self._io.read_u2le()
            self._debug['free_inodes_count_hi']['end'] = self._io.pos()
            self._debug['directories_count_hi']['start'] = self._io.pos()
            self.directories_count_hi = self._io.read_u2le()
            self._debug['directories_count_hi']['end'] = self._io.pos()
            self._debug['unused_inodes_hi']['start'] = self._io.pos()
            self.unused_inodes_hi = self._io.read_u2le()
            self._debug['unused_inodes_hi']['end'] = self._io.pos()
            self._debug['exclude_bitmap_hi']['start'] = self._io.pos()
            self.exclude_bitmap_hi = self._io.read_u4le()
            self._debug['exclude_bitmap_hi']['end'] = self._io.pos()
            self._debug['block_bitmap_checksum_hi']['start'] = self._io.pos()
            self.block_bitmap_checksum_hi = self._io.read_u2le()
            self._debug['block_bitmap_checksum_hi']['end'] = self._io.pos()
            self._debug['inode_bitmap_checksum_hi']['start'] = self._io.pos()
            self.inode_bitmap_checksum_hi = self._io.read_u2le()
            self._debug['inode_bitmap_checksum_hi']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_u4le()
            self._debug['reserved']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Inode(KaitaiStruct):
        """What is known of a file besides its names.
        
        .. seealso::
           Index Nodes - https://docs.kernel.org/filesystems/ext4/inodes.html
        """
        SEQ_FIELDS = ["mode", "uid_lo", "size_lo", "access_time", "change_time", "modification_time", "deletion_time", "gid_lo", "links_count", "sectors_lo", "flags", "version_lo", "block", "generation", "file_acl_lo", "size_hi", "fragment", "sectors_hi", "file_acl_hi", "uid_hi", "gid_hi", "checksum_lo", "reserved", "extra"]
        def __init__(self, len_inode, _io, _parent=None, _root=None):
            super(Ext.Inode, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self.len_inode = len_inode
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['mode']['start'] = self._io.pos()
            self.mode = self._io.read_u2le()
            self._debug['mode']['end'] = self._io.pos()
            self._debug['uid_lo']['start'] = self._io.pos()
            self.uid_lo = self._io.read_u2le()
            self._debug['uid_lo']['end'] = self._io.pos()
            self._debug['size_lo']['start'] = self._io.pos()
            self.size_lo = self._io.read_u4le()
            self._debug['size_lo']['end'] = self._io.pos()
            self._debug['access_time']['start'] = self._io.pos()
            self.access_time = self._io.read_s4le()
            self._debug['access_time']['end'] = self._io.pos()
            self._debug['change_time']['start'] = self._io.pos()
            self.change_time = self._io.read_s4le()
            self._debug['change_time']['end'] = self._io.pos()
            self._debug['modification_time']['start'] = self._io.pos()
            self.modification_time = self._io.read_s4le()
            self._debug['modification_time']['end'] = self._io.pos()
            self._debug['deletion_time']['start'] = self._io.pos()
            self.deletion_time = self._io.read_u4le()
            self._debug['deletion_time']['end'] = self._io.pos()
            self._debug['gid_lo']['start'] = self._io.pos()
            self.gid_lo = self._io.read_u2le()
            self._debug['gid_lo']['end'] = self._io.pos()
            self._debug['links_count']['start'] = self._io.pos()
            self.links_count = self._io.read_u2le()
            self._debug['links_count']['end'] = self._io.pos()
            self._debug['sectors_lo']['start'] = self._io.pos()
            self.sectors_lo = self._io.read_u4le()
            self._debug['sectors_lo']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u4le()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['version_lo']['start'] = self._io.pos()
            self.version_lo = self._io.read_u4le()
            self._debug['version_lo']['end'] = self._io.pos()
            self._debug['block']['start'] = self._io.pos()
            self.block = self._io.read_bytes(60)
            self._debug['block']['end'] = self._io.pos()
            self._debug['generation']['start'] = self._io.pos()
            self.generation = self._io.read_u4le()
            self._debug['generation']['end'] = self._io.pos()
            self._debug['file_acl_lo']['start'] = self._io.pos()
            self.file_acl_lo = self._io.read_u4le()
            self._debug['file_acl_lo']['end'] = self._io.pos()
            self._debug['size_hi']['start'] = self._io.pos()
            self.size_hi = self._io.read_u4le()
            self._debug['size_hi']['end'] = self._io.pos()
            self._debug['fragment']['start'] = self._io.pos()
            self.fragment = self._io.read_u4le()
            self._debug['fragment']['end'] = self._io.pos()
            self._debug['sectors_hi']['start'] = self._io.pos()
            self.sectors_hi = self._io.read_u2le()
            self._debug['sectors_hi']['end'] = self._io.pos()
            self._debug['file_acl_hi']['start'] = self._io.pos()
            self.file_acl_hi = self._io.read_u2le()
            self._debug['file_acl_hi']['end'] = self._io.pos()
            self._debug['uid_hi']['start'] = self._io.pos()
            self.uid_hi = self._io.read_u2le()
            self._debug['uid_hi']['end'] = self._io.pos()
            self._debug['gid_hi']['start'] = self._io.pos()
            self.gid_hi = self._io.read_u2le()
            self._debug['gid_hi']['end'] = self._io.pos()
            self._debug['checksum_lo']['start'] = self._io.pos()
            self.checksum_lo = self._io.read_u2le()
            self._debug['checksum_lo']['end'] = self._io.pos()
            self._debug['reserved']['start'] = self._io.pos()
            self.reserved = self._io.read_u2le()
            self._debug['reserved']['end'] = self._io.pos()
            if self.len_inode >= 160:
                pass
                self._debug['extra']['start'] = self._io.pos()
                self.extra = Ext.InodeExtra(self._io, self, self._root)
                self.extra._read()
                self._debug['extra']['end'] = self._io.pos()



        def _fetch_instances(self):
            pass
            if self.len_inode >= 160:
                pass
                self.extra._fetch_instances()



    class InodeExtra(KaitaiStruct):
        """What inodes of more than 128 bytes have besides; its first field tells how much of it is used.
        
        .. seealso::
           Index Nodes - https://docs.kernel.org/filesystems/ext4/inodes.html
        """
        SEQ_FIELDS = ["extra_isize", "checksum_hi", "change_time_extra", "modification_time_extra", "access_time_extra", "creation_time", "creation_time_extra", "version_hi", "project_id"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ext.InodeExtra, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['extra_isize']['start'] = self._io.pos()
            self.extra_isize = self._io.read_u2le()
            self._debug['extra_isize']['end'] = self._io.pos()
            self._debug['checksum_hi']['start'] = self._io.pos()
            self.checksum_hi = self._io.read_u2le()
            self._debug['checksum_hi']['end'] = self._io.pos()
            self._debug['change_time_extra']['start'] = self._io.pos()
            self.change_time_extra = self._io.read_u4le()
            self._debug['change_time_extra']['end'] = self._io.pos()
            self._debug['modification_time_extra']['start'] = self._io.pos()
            self.modification_time_extra = self._io.read_u4le()
            self._debug['modification_time_extra']['end'] = self._io.pos()
            self._debug['access_time_extra']['start'] = self._io.pos()
            self.access_time_extra = self._io.read_u4le()
            self._debug['access_time_extra']['end'] = self._io.pos()
            self._debug['creation_time']['start'] = self._io.pos()
            self.creation_time = self._io.read_s4le()
            self._debug['creation_time']['end'] = self._io.pos()
            self._debug['creation_time_extra']['start'] = self._io.pos()
            self.creation_time_extra = self._io.read_u4le()
            self._debug['creation_time_extra']['end'] = self._io.pos()
            self._debug['version_hi']['start'] = self._io.pos()
            self.version_hi = self._io.read_u4le()
            self._debug['version_hi']['end'] = self._io.pos()
            self._debug['project_id']['start'] = self._io.pos()
            self.project_id = self._io.read_u4le()
            self._debug['project_id']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass


    class Superblock(KaitaiStruct):
        """The superblock; copies of it begin some of the groups.
        
        .. seealso::
           The Super Block - https://docs.kernel.org/filesystems/ext4/super.html
        """
        SEQ_FIELDS = ["inodes_count", "blocks_count_lo", "reserved_blocks_count_lo", "free_blocks_count_lo", "free_inodes_count", "first_data_block", "log_block_size", "log_cluster_size", "blocks_per_group", "clusters_per_group", "inodes_per_group", "mount_time", "write_time", "mount_count", "max_mount_count", "magic", "state", "errors", "minor_revision", "last_check", "check_interval", "creator_os", "revision", "default_uid", "default_gid", "first_inode", "inode_size", "group_number", "feature_compat", "feature_incompat", "feature_ro_compat", "uuid", "volume_name", "last_mounted", "algorithm_bitmap", "prealloc_blocks", "prealloc_dir_blocks", "reserved_gdt_blocks", "journal_uuid", "journal_inode", "journal_device", "last_orphan", "hash_seed", "hash_version", "journal_backup_type", "descriptor_size", "default_mount_options", "first_meta_bg", "make_time", "journal_blocks", "blocks_count_hi", "reserved_blocks_count_hi", "free_blocks_count_hi", "min_extra_isize", "want_extra_isize", "flags", "raid_stride", "mmp_interval", "mmp_block", "raid_stripe_width", "log_groups_per_flex", "checksum_type", "encryption_level", "reserved1", "kbytes_written", "snapshots", "error_count", "first_error_time", "first_error", "last_error_time", "last_error", "mount_options", "user_quota_inode", "group_quota_inode", "overhead_blocks", "backup_groups", "encryption_algorithms", "encryption_salt", "lost_found_inode", "project_quota_inode", "checksum_seed", "times_hi", "error_codes", "encoding", "encoding_flags", "orphan_file_inode", "reserved2", "checksum"]
        def __init__(self, _io, _parent=None, _root=None):
            super(Ext.Superblock, self).__init__(_io)
            self._parent = _parent
            self._root = _root
            self._debug = collections.defaultdict(dict)

        def _read(self):
            self._debug['inodes_count']['start'] = self._io.pos()
            self.inodes_count = self._io.read_u4le()
            self._debug['inodes_count']['end'] = self._io.pos()
            self._debug['blocks_count_lo']['start'] = self._io.pos()
            self.blocks_count_lo = self._io.read_u4le()
            self._debug['blocks_count_lo']['end'] = self._io.pos()
            self._debug['reserved_blocks_count_lo']['start'] = self._io.pos()
            self.reserved_blocks_count_lo = self._io.read_u4le()
            self._debug['reserved_blocks_count_lo']['end'] = self._io.pos()
            self._debug['free_blocks_count_lo']['start'] = self._io.pos()
            self.free_blocks_count_lo = self._io.read_u4le()
            self._debug['free_blocks_count_lo']['end'] = self._io.pos()
            self._debug['free_inodes_count']['start'] = self._io.pos()
            self.free_inodes_count = self._io.read_u4le()
            self._debug['free_inodes_count']['end'] = self._io.pos()
            self._debug['first_data_block']['start'] = self._io.pos()
            self.first_data_block = self._io.read_u4le()
            self._debug['first_data_block']['end'] = self._io.pos()
            self._debug['log_block_size']['start'] = self._io.pos()
            self.log_block_size = self._io.read_u4le()
            self._debug['log_block_size']['end'] = self._io.pos()
            self._debug['log_cluster_size']['start'] = self._io.pos()
            self.log_cluster_size = self._io.read_u4le()
            self._debug['log_cluster_size']['end'] = self._io.pos()
            self._debug['blocks_per_group']['start'] = self._io.pos()
            self.blocks_per_group = self._io.read_u4le()
            self._debug['blocks_per_group']['end'] = self._io.pos()
            self._debug['clusters_per_group']['start'] = self._io.pos()
            self.clusters_per_group = self._io.read_u4le()
            self._debug['clusters_per_group']['end'] = self._io.pos()
            self._debug['inodes_per_group']['start'] = self._io.pos()
            self.inodes_per_group = self._io.read_u4le()
            self._debug['inodes_per_group']['end'] = self._io.pos()
            self._debug['mount_time']['start'] = self._io.pos()
            self.mount_time = self._io.read_u4le()
            self._debug['mount_time']['end'] = self._io.pos()
            self._debug['write_time']['start'] = self._io.pos()
            self.write_time = self._io.read_u4le()
            self._debug['write_time']['end'] = self._io.pos()
            self._debug['mount_count']['start'] = self._io.pos()
            self.mount_count = self._io.read_u2le()
            self._debug['mount_count']['end'] = self._io.pos()
            self._debug['max_mount_count']['start'] = self._io.pos()
            self.max_mount_count = self._io.read_u2le()
            self._debug['max_mount_count']['end'] = self._io.pos()
            self._debug['magic']['start'] = self._io.pos()
            self.magic = self._io.read_u2le()
            self._debug['magic']['end'] = self._io.pos()
            self._debug['state']['start'] = self._io.pos()
            self.state = self._io.read_u2le()
            self._debug['state']['end'] = self._io.pos()
            self._debug['errors']['start'] = self._io.pos()
            self.errors = KaitaiStream.resolve_enum(Ext.OnError, self._io.read_u2le())
            self._debug['errors']['end'] = self._io.pos()
            self._debug['minor_revision']['start'] = self._io.pos()
            self.minor_revision = self._io.read_u2le()
            self._debug['minor_revision']['end'] = self._io.pos()
            self._debug['last_check']['start'] = self._io.pos()
            self.last_check = self._io.read_u4le()
            self._debug['last_check']['end'] = self._io.pos()
            self._debug['check_interval']['start'] = self._io.pos()
            self.check_interval = self._io.read_u4le()
            self._debug['check_interval']['end'] = self._io.pos()
            self._debug['creator_os']['start'] = self._io.pos()
            self.creator_os = KaitaiStream.resolve_enum(Ext.System, self._io.read_u4le())
            self._debug['creator_os']['end'] = self._io.pos()
            self._debug['revision']['start'] = self._io.pos()
            self.revision = self._io.read_u4le()
            self._debug['revision']['end'] = self._io.pos()
            self._debug['default_uid']['start'] = self._io.pos()
            self.default_uid = self._io.read_u2le()
            self._debug['default_uid']['end'] = self._io.pos()
            self._debug['default_gid']['start'] = self._io.pos()
            self.default_gid = self._io.read_u2le()
            self._debug['default_gid']['end'] = self._io.pos()
            self._debug['first_inode']['start'] = self._io.pos()
            self.first_inode = self._io.read_u4le()
            self._debug['first_inode']['end'] = self._io.pos()
            self._debug['inode_size']['start'] = self._io.pos()
            self.inode_size = self._io.read_u2le()
            self._debug['inode_size']['end'] = self._io.pos()
            self._debug['group_number']['start'] = self._io.pos()
            self.group_number = self._io.read_u2le()
            self._debug['group_number']['end'] = self._io.pos()
            self._debug['feature_compat']['start'] = self._io.pos()
            self.feature_compat = self._io.read_u4le()
            self._debug['feature_compat']['end'] = self._io.pos()
            self._debug['feature_incompat']['start'] = self._io.pos()
            self.feature_incompat = self._io.read_u4le()
            self._debug['feature_incompat']['end'] = self._io.pos()
            self._debug['feature_ro_compat']['start'] = self._io.pos()
            self.feature_ro_compat = self._io.read_u4le()
            self._debug['feature_ro_compat']['end'] = self._io.pos()
            self._debug['uuid']['start'] = self._io.pos()
            self.uuid = self._io.read_bytes(16)
            self._debug['uuid']['end'] = self._io.pos()
            self._debug['volume_name']['start'] = self._io.pos()
            self.volume_name = self._io.read_bytes(16)
            self._debug['volume_name']['end'] = self._io.pos()
            self._debug['last_mounted']['start'] = self._io.pos()
            self.last_mounted = self._io.read_bytes(64)
            self._debug['last_mounted']['end'] = self._io.pos()
            self._debug['algorithm_bitmap']['start'] = self._io.pos()
            self.algorithm_bitmap = self._io.read_u4le()
            self._debug['algorithm_bitmap']['end'] = self._io.pos()
            self._debug['prealloc_blocks']['start'] = self._io.pos()
            self.prealloc_blocks = self._io.read_u1()
            self._debug['prealloc_blocks']['end'] = self._io.pos()
            self._debug['prealloc_dir_blocks']['start'] = self._io.pos()
            self.prealloc_dir_blocks = self._io.read_u1()
            self._debug['prealloc_dir_blocks']['end'] = self._io.pos()
            self._debug['reserved_gdt_blocks']['start'] = self._io.pos()
            self.reserved_gdt_blocks = self._io.read_u2le()
            self._debug['reserved_gdt_blocks']['end'] = self._io.pos()
            self._debug['journal_uuid']['start'] = self._io.pos()
            self.journal_uuid = self._io.read_bytes(16)
            self._debug['journal_uuid']['end'] = self._io.pos()
            self._debug['journal_inode']['start'] = self._io.pos()
            self.journal_inode = self._io.read_u4le()
            self._debug['journal_inode']['end'] = self._io.pos()
            self._debug['journal_device']['start'] = self._io.pos()
            self.journal_device = self._io.read_u4le()
            self._debug['journal_device']['end'] = self._io.pos()
            self._debug['last_orphan']['start'] = self._io.pos()
            self.last_orphan = self._io.read_u4le()
            self._debug['last_orphan']['end'] = self._io.pos()
            self._debug['hash_seed']['start'] = self._io.pos()
            self.hash_seed = self._io.read_bytes(16)
            self._debug['hash_seed']['end'] = self._io.pos()
            self._debug['hash_version']['start'] = self._io.pos()
            self.hash_version = self._io.read_u1()
            self._debug['hash_version']['end'] = self._io.pos()
            self._debug['journal_backup_type']['start'] = self._io.pos()
            self.journal_backup_type = self._io.read_u1()
            self._debug['journal_backup_type']['end'] = self._io.pos()
            self._debug['descriptor_size']['start'] = self._io.pos()
            self.descriptor_size = self._io.read_u2le()
            self._debug['descriptor_size']['end'] = self._io.pos()
            self._debug['default_mount_options']['start'] = self._io.pos()
            self.default_mount_options = self._io.read_u4le()
            self._debug['default_mount_options']['end'] = self._io.pos()
            self._debug['first_meta_bg']['start'] = self._io.pos()
            self.first_meta_bg = self._io.read_u4le()
            self._debug['first_meta_bg']['end'] = self._io.pos()
            self._debug['make_time']['start'] = self._io.pos()
            self.make_time = self._io.read_u4le()
            self._debug['make_time']['end'] = self._io.pos()
            self._debug['journal_blocks']['start'] = self._io.pos()
            self.journal_blocks = self._io.read_bytes(68)
            self._debug['journal_blocks']['end'] = self._io.pos()
            self._debug['blocks_count_hi']['start'] = self._io.pos()
            self.blocks_count_hi = self._io.read_u4le()
            self._debug['blocks_count_hi']['end'] = self._io.pos()
            self._debug['reserved_blocks_count_hi']['start'] = self._io.pos()
            self.reserved_blocks_count_hi = self._io.read_u4le()
            self._debug['reserved_blocks_count_hi']['end'] = self._io.pos()
            self._debug['free_blocks_count_hi']['start'] = self._io.pos()
            self.free_blocks_count_hi = self._io.read_u4le()
            self._debug['free_blocks_count_hi']['end'] = self._io.pos()
            self._debug['min_extra_isize']['start'] = self._io.pos()
            self.min_extra_isize = self._io.read_u2le()
            self._debug['min_extra_isize']['end'] = self._io.pos()
            self._debug['want_extra_isize']['start'] = self._io.pos()
            self.want_extra_isize = self._io.read_u2le()
            self._debug['want_extra_isize']['end'] = self._io.pos()
            self._debug['flags']['start'] = self._io.pos()
            self.flags = self._io.read_u4le()
            self._debug['flags']['end'] = self._io.pos()
            self._debug['raid_stride']['start'] = self._io.pos()
            self.raid_stride = self._io.read_u2le()
            self._debug['raid_stride']['end'] = self._io.pos()
            self._debug['mmp_interval']['start'] = self._io.pos()
            self.mmp_interval = self._io.read_u2le()
            self._debug['mmp_interval']['end'] = self._io.pos()
            self._debug['mmp_block']['start'] = self._io.pos()
            self.mmp_block = self._io.read_u8le()
            self._debug['mmp_block']['end'] = self._io.pos()
            self._debug['raid_stripe_width']['start'] = self._io.pos()
            self.raid_stripe_width = self._io.read_u4le()
            self._debug['raid_stripe_width']['end'] = self._io.pos()
            self._debug['log_groups_per_flex']['start'] = self._io.pos()
            self.log_groups_per_flex = self._io.read_u1()
            self._debug['log_groups_per_flex']['end'] = self._io.pos()
            self._debug['checksum_type']['start'] = self._io.pos()
            self.checksum_type = self._io.read_u1()
            self._debug['checksum_type']['end'] = self._io.pos()
            self._debug['encryption_level']['start'] = self._io.pos()
            self.encryption_level = self._io.read_u1()
            self._debug['encryption_level']['end'] = self._io.pos()
            self._debug['reserved1']['start'] = self._io.pos()
            self.reserved1 = self._io.read_u1()
            self._debug['reserved1']['end'] = self._io.pos()
            self._debug['kbytes_written']['start'] = self._io.pos()
            self.kbytes_written = self._io.read_u8le()
            self._debug['kbytes_written']['end'] = self._io.pos()
            self._debug['snapshots']['start'] = self._io.pos()
            self.snapshots = self._io.read_bytes(24)
            self._debug['snapshots']['end'] = self._io.pos()
            self._debug['error_count']['start'] = self._io.pos()
            self.error_count = self._io.read_u4le()
            self._debug['error_count']['end'] = self._io.pos()
            self._debug['first_error_time']['start'] = self._io.pos()
            self.first_error_time = self._io.read_u4le()
            self._debug['first_error_time']['end'] = self._io.pos()
            self._debug['first_error']['start'] = self._io.pos()
            self.first_error = self._io.read_bytes(48)
            self._debug['first_error']['end'] = self._io.pos()
            self._debug['last_error_time']['start'] = self._io.pos()
            self.last_error_time = self._io.read_u4le()
            self._debug['last_error_time']['end'] = self._io.pos()
            self._debug['last_error']['start'] = self._io.pos()
            self.last_error = self._io.read_bytes(48)
            self._debug['last_error']['end'] = self._io.pos()
            self._debug['mount_options']['start'] = self._io.pos()
            self.mount_options = self._io.read_bytes(64)
            self._debug['mount_options']['end'] = self._io.pos()
            self._debug['user_quota_inode']['start'] = self._io.pos()
            self.user_quota_inode = self._io.read_u4le()
            self._debug['user_quota_inode']['end'] = self._io.pos()
            self._debug['group_quota_inode']['start'] = self._io.pos()
            self.group_quota_inode = self._io.read_u4le()
            self._debug['group_quota_inode']['end'] = self._io.pos()
            self._debug['overhead_blocks']['start'] = self._io.pos()
            self.overhead_blocks = self._io.read_u4le()
            self._debug['overhead_blocks']['end'] = self._io.pos()
            self._debug['backup_groups']['start'] = self._io.pos()
            self._debug['backup_groups']['arr'] = []
            self.backup_groups = []
            for i in range(2):
                self._debug['backup_groups']['arr'].append({'start': self._io.pos()})
                self.backup_groups.append(self._io.read_u4le())
                self._debug['backup_groups']['arr'][i]['end'] = self._io.pos()

            self._debug['backup_groups']['end'] = self._io.pos()
            self._debug['encryption_algorithms']['start'] = self._io.pos()
            self.encryption_algorithms = self._io.read_bytes(4)
            self._debug['encryption_algorithms']['end'] = self._io.pos()
            self._debug['encryption_salt']['start'] = self._io.pos()
            self.encryption_salt = self._io.read_bytes(16)
            self._debug['encryption_salt']['end'] = self._io.pos()
            self._debug['lost_found_inode']['start'] = self._io.pos()
            self.lost_found_inode = self._io.read_u4le()
            self._debug['lost_found_inode']['end'] = self._io.pos()
            self._debug['project_quota_inode']['start'] = self._io.pos()
            self.project_quota_inode = self._io.read_u4le()
            self._debug['project_quota_inode']['end'] = self._io.pos()
            self._debug['checksum_seed']['start'] = self._io.pos()
            self.checksum_seed = self._io.read_u4le()
            self._debug['checksum_seed']['end'] = self._io.pos()
            self._debug['times_hi']['start'] = self._io.pos()
            self.times_hi = self._io.read_bytes(6)
            self._debug['times_hi']['end'] = self._io.pos()
            self._debug['error_codes']['start'] = self._io.pos()
            self.error_codes = self._io.read_bytes(2)
            self._debug['error_codes']['end'] = self._io.pos()
            self._debug['encoding']['start'] = self._io.pos()
            self.encoding = self._io.read_u2le()
            self._debug['encoding']['end'] = self._io.pos()
            self._debug['encoding_flags']['start'] = self._io.pos()
            self.encoding_flags = self._io.read_u2le()
            self._debug['encoding_flags']['end'] = self._io.pos()
            self._debug['orphan_file_inode']['start'] = self._io.pos()
            self.orphan_file_inode = self._io.read_u4le()
            self._debug['orphan_file_inode']['end'] = self._io.pos()
            self._debug['reserved2']['start'] = self._io.pos()
            self.reserved2 = self._io.read_bytes(376)
            self._debug['reserved2']['end'] = self._io.pos()
            self._debug['checksum']['start'] = self._io.pos()
            self.checksum = self._io.read_u4le()
            self._debug['checksum']['end'] = self._io.pos()


        def _fetch_instances(self):
            pass
            for i in range(len(self.backup_groups)):
                pass




