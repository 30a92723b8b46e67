meta:
  id: ext
  title: ext2, ext3 and ext4 file systems
  license: CC0-1.0
  ks-version: '0.11'
  endian: le
doc: |
  The three structures that all of an ext file system is found by. The volume
  is cut into groups of blocks; the superblock tells how many and how large,
  the descriptor of a group where its bitmaps and its inodes lie. Each type
  describes one structure and follows no offset.
seq:
  - id: boot
    size: 1024
    doc: Left to the boot loader.
  - id: superblock
    type: superblock
types:
  superblock:
    doc: The superblock; copies of it begin some of the groups.
    doc-ref: https://docs.kernel.org/filesystems/ext4/super.html The Super Block
    seq:
      - {id: inodes_count, -orig-id: s_inodes_count, type: u4, doc: "All inodes."}
      - {id: blocks_count_lo, -orig-id: s_blocks_count_lo, type: u4, doc: "All blocks; the upper half follows below."}
      - {id: reserved_blocks_count_lo, -orig-id: s_r_blocks_count_lo, type: u4, doc: "Blocks that only root may take."}
      - {id: free_blocks_count_lo, -orig-id: s_free_blocks_count_lo, type: u4, doc: "Blocks not in use."}
      - {id: free_inodes_count, -orig-id: s_free_inodes_count, type: u4, doc: "Inodes not in use."}
      - {id: first_data_block, -orig-id: s_first_data_block, type: u4, doc: "The block of group 0: 1 where blocks have 1 KiB, else 0."}
      - {id: log_block_size, -orig-id: s_log_block_size, type: u4, doc: "A block has 1024 bytes shifted left by this."}
      - {id: log_cluster_size, -orig-id: s_log_cluster_size, type: u4, doc: "The same of a cluster of blocks (feature bigalloc)."}
      - {id: blocks_per_group, -orig-id: s_blocks_per_group, type: u4, doc: "Blocks of a group."}
      - {id: clusters_per_group, -orig-id: s_clusters_per_group, type: u4, doc: "Clusters of a group."}
      - {id: inodes_per_group, -orig-id: s_inodes_per_group, type: u4, doc: "Inodes of a group."}
      - {id: mount_time, -orig-id: s_mtime, type: u4, -unit: unix, doc: "When it was mounted last."}
      - {id: write_time, -orig-id: s_wtime, type: u4, -unit: unix, doc: "When it was written to last."}
      - {id: mount_count, -orig-id: s_mnt_count, type: u2, doc: "Mounts since the last check."}
      - {id: max_mount_count, -orig-id: s_max_mnt_count, type: u2, doc: "Mounts after which a check is due; 0xffff for never."}
      - {id: magic, -orig-id: s_magic, type: u2, doc: "0xef53."}
      - {id: state, -orig-id: s_state, type: u2, -flags: {0: clean, 1: errors, 2: orphans}, doc: "Whether it was unmounted properly."}
      - {id: errors, -orig-id: s_errors, type: u2, enum: on_error, doc: "What is done when an error is found."}
      - {id: minor_revision, -orig-id: s_minor_rev_level, type: u2, doc: "Minor revision."}
      - {id: last_check, -orig-id: s_lastcheck, type: u4, -unit: unix, doc: "When it was checked last."}
      - {id: check_interval, -orig-id: s_checkinterval, type: u4, doc: "Seconds between checks; 0 for none."}
      - {id: creator_os, -orig-id: s_creator_os, type: u4, enum: system, doc: "The system that made it."}
      - {id: revision, -orig-id: s_rev_level, type: u4, doc: "0 for the old format with fixed inodes, 1 for all others."}
      - {id: default_uid, -orig-id: s_def_resuid, type: u2, doc: "User that may take reserved blocks."}
      - {id: default_gid, -orig-id: s_def_resgid, type: u2, doc: "Group that may take reserved blocks."}
      - {id: first_inode, -orig-id: s_first_ino, type: u4, doc: "First inode that is not reserved."}
      - {id: inode_size, -orig-id: s_inode_size, type: u2, doc: "Bytes of an inode."}
      - {id: group_number, -orig-id: s_block_group_nr, type: u2, doc: "The group that this copy begins."}
      - id: feature_compat
        -orig-id: s_feature_compat
        type: u4
        -flags: {0: dir_prealloc, 2: has_journal, 3: ext_attr, 4: resize_inode, 5: dir_index, 9: sparse_super2, 10: fast_commit, 12: orphan_file}
        doc: Features that may be unknown to who reads or writes.
      - id: feature_incompat
        -orig-id: s_feature_incompat
        type: u4
        -flags: {0: compression, 1: filetype, 2: needs_recovery, 3: journal_dev, 4: meta_bg, 6: extents, 7: 64bit, 8: mmp, 9: flex_bg, 10: ea_inode, 13: metadata_csum_seed, 14: large_dir, 15: inline_data, 16: encrypt, 17: casefold}
        doc: Features that must be known to who reads.
      - id: feature_ro_compat
        -orig-id: s_feature_ro_compat
        type: u4
        -flags: {0: sparse_super, 1: large_file, 3: huge_file, 4: uninit_bg, 5: dir_nlink, 6: extra_isize, 8: quota, 9: bigalloc, 10: metadata_csum, 12: read_only, 13: project, 15: verity, 16: orphan_present}
        doc: Features that must be known to who writes.
      - {id: uuid, -orig-id: s_uuid, size: 16, -unit: uuid, doc: "What the file system is known by."}
      - {id: volume_name, -orig-id: s_volume_name, size: 16, doc: "The label."}
      - {id: last_mounted, -orig-id: s_last_mounted, size: 64, doc: "Where it was mounted last."}
      - {id: algorithm_bitmap, -orig-id: s_algorithm_usage_bitmap, type: u4, doc: "For compression; not used."}
      - {id: prealloc_blocks, -orig-id: s_prealloc_blocks, type: u1, doc: "Blocks to allocate ahead for files."}
      - {id: prealloc_dir_blocks, -orig-id: s_prealloc_dir_blocks, type: u1, doc: "Blocks to allocate ahead for directories."}
      - {id: reserved_gdt_blocks, -orig-id: s_reserved_gdt_blocks, type: u2, doc: "Blocks kept free after the descriptors so that they can grow."}
      - {id: journal_uuid, -orig-id: s_journal_uuid, size: 16, -unit: uuid, doc: "UUID of a journal on another device."}
      - {id: journal_inode, -orig-id: s_journal_inum, type: u4, doc: "Inode of the journal."}
      - {id: journal_device, -orig-id: s_journal_dev, type: u4, doc: "Device number of a journal on another device."}
      - {id: last_orphan, -orig-id: s_last_orphan, type: u4, doc: "First inode of those that were deleted while they were open."}
      - {id: hash_seed, -orig-id: s_hash_seed, size: 16, -unit: uuid, doc: "Seed of the hashes of directory indices."}
      - {id: hash_version, -orig-id: s_def_hash_version, type: u1, doc: "Hash of directory indices."}
      - {id: journal_backup_type, -orig-id: s_jnl_backup_type, type: u1, doc: "1 if the copy of the journal's inode below is kept."}
      - {id: descriptor_size, -orig-id: s_desc_size, type: u2, doc: "Bytes of a group descriptor with feature 64bit; 32 without."}
      - {id: default_mount_options, -orig-id: s_default_mount_opts, type: u4, doc: "Options to mount with."}
      - {id: first_meta_bg, -orig-id: s_first_meta_bg, type: u4, doc: "First group of descriptors that lie in their own groups (feature meta_bg)."}
      - {id: make_time, -orig-id: s_mkfs_time, type: u4, -unit: unix, doc: "When the file system was made."}
      - {id: journal_blocks, -orig-id: s_jnl_blocks, size: 68, doc: "Copy of the block list and the size of the journal's inode."}
      - {id: blocks_count_hi, -orig-id: s_blocks_count_hi, type: u4, doc: "Upper half of all blocks."}
      - {id: reserved_blocks_count_hi, -orig-id: s_r_blocks_count_hi, type: u4, doc: "Upper half of the reserved blocks."}
      - {id: free_blocks_count_hi, -orig-id: s_free_blocks_count_hi, type: u4, doc: "Upper half of the blocks not in use."}
      - {id: min_extra_isize, -orig-id: s_min_extra_isize, type: u2, doc: "Bytes after the first 128 that every inode has."}
      - {id: want_extra_isize, -orig-id: s_want_extra_isize, type: u2, doc: "Bytes after the first 128 that new inodes get."}
      - {id: flags, -orig-id: s_flags, type: u4, -flags: {0: signed_hash, 1: unsigned_hash, 2: test_code}, doc: "Various."}
      - {id: raid_stride, -orig-id: s_raid_stride, type: u2, doc: "Blocks of a RAID stride."}
      - {id: mmp_interval, -orig-id: s_mmp_interval, type: u2, doc: "Seconds to wait in the check against two mounts at once."}
      - {id: mmp_block, -orig-id: s_mmp_block, type: u8, doc: "Block of that check."}
      - {id: raid_stripe_width, -orig-id: s_raid_stripe_width, type: u4, doc: "Blocks of a RAID stripe."}
      - {id: log_groups_per_flex, -orig-id: s_log_groups_per_flex, type: u1, doc: "Binary logarithm of the groups whose bitmaps and inodes lie together."}
      - {id: checksum_type, -orig-id: s_checksum_type, type: u1, doc: "1 for CRC-32C."}
      - {id: encryption_level, -orig-id: s_encryption_level, type: u1, doc: "Version of the encryption."}
      - {id: reserved1, -orig-id: s_reserved_pad, type: u1, doc: "Zero."}
      - {id: kbytes_written, -orig-id: s_kbytes_written, type: u8, doc: "KiB that were written in the life of the file system."}
      - {id: snapshots, size: 24, doc: "Of a snapshot feature that never came."}
      - {id: error_count, -orig-id: s_error_count, type: u4, doc: "Errors found so far."}
      - {id: first_error_time, -orig-id: s_first_error_time, type: u4, -unit: unix, doc: "When the first was found."}
      - {id: first_error, size: 48, doc: "Inode, block, function and line of the first error."}
      - {id: last_error_time, -orig-id: s_last_error_time, type: u4, -unit: unix, doc: "When the last was found."}
      - {id: last_error, size: 48, doc: "Inode, line, block and function of the last error."}
      - {id: mount_options, -orig-id: s_mount_opts, size: 64, doc: "Options to mount with, as text."}
      - {id: user_quota_inode, -orig-id: s_usr_quota_inum, type: u4, doc: "Inode of user quotas."}
      - {id: group_quota_inode, -orig-id: s_grp_quota_inum, type: u4, doc: "Inode of group quotas."}
      - {id: overhead_blocks, -orig-id: s_overhead_clusters, type: u4, doc: "Blocks or clusters that the file system itself takes."}
      - {id: backup_groups, -orig-id: s_backup_bgs, type: u4, repeat: expr, repeat-expr: 2, doc: "Groups with a copy of this superblock (feature sparse_super2)."}
      - {id: encryption_algorithms, -orig-id: s_encrypt_algos, size: 4, doc: "Encryption algorithms in use."}
      - {id: encryption_salt, -orig-id: s_encrypt_pw_salt, size: 16, doc: "Salt of passwords."}
      - {id: lost_found_inode, -orig-id: s_lpf_ino, type: u4, doc: "Inode of lost+found."}
      - {id: project_quota_inode, -orig-id: s_prj_quota_inum, type: u4, doc: "Inode of project quotas."}
      - {id: checksum_seed, -orig-id: s_checksum_seed, type: u4, doc: "Seed of the checksums (feature metadata_csum_seed)."}
      - {id: times_hi, size: 6, doc: "Bits 32 to 39 of six of the times above."}
      - {id: error_codes, size: 2, doc: "Codes of the first and the last error."}
      - {id: encoding, -orig-id: s_encoding, type: u2, doc: "Encoding of names (feature casefold)."}
      - {id: encoding_flags, -orig-id: s_encoding_flags, type: u2, doc: "How strictly names are held to it."}
      - {id: orphan_file_inode, -orig-id: s_orphan_file_inum, type: u4, doc: "Inode of the file that lists orphans."}
      - {id: reserved2, -orig-id: s_reserved, size: 376, doc: "Zero."}
      - {id: checksum, -orig-id: s_checksum, type: u4, doc: "CRC-32C of the superblock."}
  group_descriptor:
    doc: Where the bitmaps and the inodes of a group lie.
    doc-ref: https://docs.kernel.org/filesystems/ext4/group_descr.html Block Group Descriptors
    params:
      - {id: len_descriptor, type: u4, doc: "Bytes of it."}
    seq:
      - {id: block_bitmap_lo, -orig-id: bg_block_bitmap_lo, type: u4, doc: "Block of the bitmap of blocks."}
      - {id: inode_bitmap_lo, -orig-id: bg_inode_bitmap_lo, type: u4, doc: "Block of the bitmap of inodes."}
      - {id: inode_table_lo, -orig-id: bg_inode_table_lo, type: u4, doc: "First block of the inodes."}
      - {id: free_blocks_count_lo, -orig-id: bg_free_blocks_count_lo, type: u2, doc: "Blocks not in use."}
      - {id: free_inodes_count_lo, -orig-id: bg_free_inodes_count_lo, type: u2, doc: "Inodes not in use."}
      - {id: directories_count_lo, -orig-id: bg_used_dirs_count_lo, type: u2, doc: "Directories."}
      - {id: flags, -orig-id: bg_flags, type: u2, -flags: {0: inode_uninit, 1: block_uninit, 2: inode_zeroed}, doc: "What of it was never written."}
      - {id: exclude_bitmap_lo, -orig-id: bg_exclude_bitmap_lo, type: u4, doc: "Of a snapshot feature that never came."}
      - {id: block_bitmap_checksum_lo, -orig-id: bg_block_bitmap_csum_lo, type: u2, doc: "Checksum of the bitmap of blocks."}
      - {id: inode_bitmap_checksum_lo, -orig-id: bg_inode_bitmap_csum_lo, type: u2, doc: "Checksum of the bitmap of inodes."}
      - {id: unused_inodes_lo, -orig-id: bg_itable_unused_lo, type: u2, doc: "Inodes at the end of the table that were never used."}
      - {id: checksum, -orig-id: bg_checksum, type: u2, doc: "Checksum of the descriptor."}
      - {id: upper, type: group_descriptor_upper, if: len_descriptor >= 64}
  group_descriptor_upper:
    doc: The second half of a descriptor of 64 bytes, upper halves of the fields of the first.
    doc-ref: https://docs.kernel.org/filesystems/ext4/group_descr.html Block Group Descriptors
    seq:
      - {id: block_bitmap_hi, -orig-id: bg_block_bitmap_hi, type: u4, doc: "Upper half of the block of the bitmap of blocks."}
      - {id: inode_bitmap_hi, -orig-id: bg_inode_bitmap_hi, type: u4, doc: "Upper half of the block of the bitmap of inodes."}
      - {id: inode_table_hi, -orig-id: bg_inode_table_hi, type: u4, doc: "Upper half of the first block of the inodes."}
      - {id: free_blocks_count_hi, -orig-id: bg_free_blocks_count_hi, type: u2, doc: "Upper half of the blocks not in use."}
      - {id: free_inodes_count_hi, -orig-id: bg_free_inodes_count_hi, type: u2, doc: "Upper half of the inodes not in use."}
      - {id: directories_count_hi, -orig-id: bg_used_dirs_count_hi, type: u2, doc: "Upper half of the directories."}
      - {id: unused_inodes_hi, -orig-id: bg_itable_unused_hi, type: u2, doc: "Upper half of the inodes that were never used."}
      - {id: exclude_bitmap_hi, -orig-id: bg_exclude_bitmap_hi, type: u4, doc: "Not used."}
      - {id: block_bitmap_checksum_hi, -orig-id: bg_block_bitmap_csum_hi, type: u2, doc: "Upper half of the checksum of the bitmap of blocks."}
      - {id: inode_bitmap_checksum_hi, -orig-id: bg_inode_bitmap_csum_hi, type: u2, doc: "Upper half of the checksum of the bitmap of inodes."}
      - {id: reserved, -orig-id: bg_reserved, type: u4, doc: "Zero."}
  inode:
    doc: What is known of a file besides its names.
    doc-ref: https://docs.kernel.org/filesystems/ext4/inodes.html Index Nodes
    params:
      - {id: len_inode, type: u4, doc: "Bytes of it."}
    seq:
      - {id: mode, -orig-id: i_mode, type: u2, -unit: mode, doc: "Kind of file and permissions."}
      - {id: uid_lo, -orig-id: i_uid, type: u2, doc: "Lower half of the owner's number."}
      - {id: size_lo, -orig-id: i_size_lo, type: u4, doc: "Lower half of the size in bytes."}
      - {id: access_time, -orig-id: i_atime, type: s4, -unit: unix, doc: "When it was read last."}
      - {id: change_time, -orig-id: i_ctime, type: s4, -unit: unix, doc: "When the inode was changed last."}
      - {id: modification_time, -orig-id: i_mtime, type: s4, -unit: unix, doc: "When the content was changed last."}
      - {id: deletion_time, -orig-id: i_dtime, type: u4, -unit: unix, doc: "When it was deleted; in the list of orphans the number of the next inode."}
      - {id: gid_lo, -orig-id: i_gid, type: u2, doc: "Lower half of the group's number."}
      - {id: links_count, -orig-id: i_links_count, type: u2, doc: "Names of the file."}
      - {id: sectors_lo, -orig-id: i_blocks_lo, type: u4, doc: "Sectors of 512 bytes that the content takes."}
      - id: flags
        -orig-id: i_flags
        type: u4
        -flags: {0: secure_deletion, 1: undelete, 2: compressed, 3: synchronous, 4: immutable, 5: append_only, 6: no_dump, 7: no_atime, 11: encrypted, 12: hashed_index, 14: journalled_data, 18: huge_file, 19: extents, 20: verity, 21: ea_inode, 28: inline_data, 29: project_inherited, 30: casefold}
        doc: How content and names are kept.
      - {id: version_lo, -orig-id: i_version, type: u4, doc: "Counts changes."}
      - {id: block, -orig-id: i_block, size: 60, doc: "Where the content lies: an extent tree, block numbers, or the content itself."}
      - {id: generation, -orig-id: i_generation, type: u4, doc: "Distinguishes files that had this inode one after the other."}
      - {id: file_acl_lo, -orig-id: i_file_acl_lo, type: u4, doc: "Block of extended attributes."}
      - {id: size_hi, -orig-id: i_size_high, type: u4, doc: "Upper half of the size in bytes."}
      - {id: fragment, -orig-id: i_obso_faddr, type: u4, doc: "Not used."}
      - {id: sectors_hi, -orig-id: l_i_blocks_high, type: u2, doc: "Bits 32 to 47 of the sectors."}
      - {id: file_acl_hi, -orig-id: l_i_file_acl_high, type: u2, doc: "Bits 32 to 47 of the block of extended attributes."}
      - {id: uid_hi, -orig-id: l_i_uid_high, type: u2, doc: "Upper half of the owner's number."}
      - {id: gid_hi, -orig-id: l_i_gid_high, type: u2, doc: "Upper half of the group's number."}
      - {id: checksum_lo, -orig-id: l_i_checksum_lo, type: u2, doc: "Lower half of the checksum of the inode."}
      - {id: reserved, -orig-id: l_i_reserved, type: u2, doc: "Zero."}
      - {id: extra, type: inode_extra, if: len_inode >= 160}
  inode_extra:
    doc: What inodes of more than 128 bytes have besides; its first field tells how much of it is used.
    doc-ref: https://docs.kernel.org/filesystems/ext4/inodes.html Index Nodes
    seq:
      - {id: extra_isize, -orig-id: i_extra_isize, type: u2, doc: "Bytes of this part that are used; extended attributes may follow."}
      - {id: checksum_hi, -orig-id: i_checksum_hi, type: u2, doc: "Upper half of the checksum of the inode."}
      - {id: change_time_extra, -orig-id: i_ctime_extra, type: u4, doc: "Bits 0 and 1 extend the seconds, the others are nanoseconds."}
      - {id: modification_time_extra, -orig-id: i_mtime_extra, type: u4, doc: "Bits 0 and 1 extend the seconds, the others are nanoseconds."}
      - {id: access_time_extra, -orig-id: i_atime_extra, type: u4, doc: "Bits 0 and 1 extend the seconds, the others are nanoseconds."}
      - {id: creation_time, -orig-id: i_crtime, type: s4, -unit: unix, doc: "When the file was made."}
      - {id: creation_time_extra, -orig-id: i_crtime_extra, type: u4, doc: "Bits 0 and 1 extend the seconds, the others are nanoseconds."}
      - {id: version_hi, -orig-id: i_version_hi, type: u4, doc: "Upper half of the version."}
      - {id: project_id, -orig-id: i_projid, type: u4, doc: "The project's number."}
enums:
  on_error:
    1: go_on
    2: remount_read_only
    3: panic
  system:
    0: linux
    1: hurd
    2: masix
    3: freebsd
    4: lites
