meta:
  id: xfs
  title: XFS file system
  license: CC0-1.0
  ks-version: '0.11'
  endian: be
doc: |
  The headers of an allocation group of an XFS file system, and its inodes.
  The volume is cut into allocation groups; each begins with a superblock, of
  which the first one counts, and has in the sectors after it the headers of
  its free space and of its inodes. Each type describes one structure and
  follows no offset.
doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git
seq:
  - id: superblock
    type: superblock
types:
  superblock:
    doc: The superblock of an allocation group.
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git Superblocks
    seq:
      - {id: magic, -orig-id: sb_magicnum, size: 4, doc: "The letters `XFSB`."}
      - {id: block_size, -orig-id: sb_blocksize, type: u4, doc: "Bytes of a block."}
      - {id: num_blocks, -orig-id: sb_dblocks, type: u8, doc: "Blocks of the volume."}
      - {id: num_realtime_blocks, -orig-id: sb_rblocks, type: u8, doc: "Blocks of the realtime device."}
      - {id: num_realtime_extents, -orig-id: sb_rextents, type: u8, doc: "Extents of the realtime device."}
      - {id: uuid, -orig-id: sb_uuid, size: 16, -unit: uuid, doc: "What the file system is known by."}
      - {id: log_start, -orig-id: sb_logstart, type: u8, doc: "First block of the log; 0 if it is on another device."}
      - {id: root_inode, -orig-id: sb_rootino, type: u8, doc: "Inode of the root directory."}
      - {id: realtime_bitmap_inode, -orig-id: sb_rbmino, type: u8, doc: "Inode of the bitmap of the realtime device."}
      - {id: realtime_summary_inode, -orig-id: sb_rsumino, type: u8, doc: "Inode of the summary of the realtime device."}
      - {id: realtime_extent_size, -orig-id: sb_rextsize, type: u4, doc: "Blocks of a realtime extent."}
      - {id: ag_blocks, -orig-id: sb_agblocks, type: u4, doc: "Blocks of an allocation group; the last one may have fewer."}
      - {id: ag_count, -orig-id: sb_agcount, type: u4, doc: "Allocation groups."}
      - {id: realtime_bitmap_blocks, -orig-id: sb_rbmblocks, type: u4, doc: "Blocks of the bitmap of the realtime device."}
      - {id: log_blocks, -orig-id: sb_logblocks, type: u4, doc: "Blocks of the log."}
      - {id: version, -orig-id: sb_versionnum, type: u2, doc: "Bits 0 to 3: version of the format, 4 or 5; the others are features."}
      - {id: sector_size, -orig-id: sb_sectsize, type: u2, doc: "Bytes of a sector."}
      - {id: inode_size, -orig-id: sb_inodesize, type: u2, doc: "Bytes of an inode."}
      - {id: inodes_per_block, -orig-id: sb_inopblock, type: u2, doc: "Inodes of a block."}
      - {id: label, -orig-id: sb_fname, size: 12, doc: "The label."}
      - {id: log2_block_size, -orig-id: sb_blocklog, type: u1, doc: "Binary logarithm of the block size."}
      - {id: log2_sector_size, -orig-id: sb_sectlog, type: u1, doc: "Binary logarithm of the sector size."}
      - {id: log2_inode_size, -orig-id: sb_inodelog, type: u1, doc: "Binary logarithm of the inode size."}
      - {id: log2_inodes_per_block, -orig-id: sb_inopblog, type: u1, doc: "Binary logarithm of the inodes of a block."}
      - {id: log2_ag_blocks, -orig-id: sb_agblklog, type: u1, doc: "Binary logarithm of the blocks of a group, rounded up."}
      - {id: log2_realtime_extents, -orig-id: sb_rextslog, type: u1, doc: "Binary logarithm of the extents of the realtime device."}
      - {id: in_progress, -orig-id: sb_inprogress, type: u1, doc: "1 while mkfs is not done."}
      - {id: max_inode_percent, -orig-id: sb_imax_pct, type: u1, doc: "Percentage of the volume that inodes may take."}
      - {id: num_inodes, -orig-id: sb_icount, type: u8, doc: "Inodes there are."}
      - {id: num_free_inodes, -orig-id: sb_ifree, type: u8, doc: "Of these not in use."}
      - {id: num_free_blocks, -orig-id: sb_fdblocks, type: u8, doc: "Blocks not in use."}
      - {id: num_free_realtime_extents, -orig-id: sb_frextents, type: u8, doc: "Realtime extents not in use."}
      - {id: user_quota_inode, -orig-id: sb_uquotino, type: u8, doc: "Inode of user quotas."}
      - {id: group_quota_inode, -orig-id: sb_gquotino, type: u8, doc: "Inode of group quotas."}
      - {id: quota_flags, -orig-id: sb_qflags, type: u2, doc: "Which quotas are kept and enforced."}
      - {id: flags, -orig-id: sb_flags, type: u1, doc: "Various."}
      - {id: shared_version, -orig-id: sb_shared_vn, type: u1, doc: "Zero."}
      - {id: inode_alignment, -orig-id: sb_inoalignmt, type: u4, doc: "Blocks at whose multiples inodes begin."}
      - {id: stripe_unit, -orig-id: sb_unit, type: u4, doc: "Blocks of a RAID stripe unit."}
      - {id: stripe_width, -orig-id: sb_width, type: u4, doc: "Blocks of a RAID stripe."}
      - {id: log2_directory_block, -orig-id: sb_dirblklog, type: u1, doc: "Binary logarithm of the blocks of a directory block."}
      - {id: log2_log_sector, -orig-id: sb_logsectlog, type: u1, doc: "Binary logarithm of the sector size of the log."}
      - {id: log_sector_size, -orig-id: sb_logsectsize, type: u2, doc: "Bytes of a sector of the log."}
      - {id: log_stripe_unit, -orig-id: sb_logsunit, type: u4, doc: "Bytes of a stripe unit of the log."}
      - {id: features2, -orig-id: sb_features2, type: u4, -flags: {1: lazy_counters, 3: attr2, 4: parent_pointers, 7: project_ids_32, 8: crc, 9: file_types}, doc: "More features."}
      - {id: bad_features2, -orig-id: sb_bad_features2, type: u4, doc: "The same as features2."}
      - {id: features_compat, -orig-id: sb_features_compat, type: u4, doc: "Features that may be unknown to who reads or writes."}
      - {id: features_ro_compat, -orig-id: sb_features_ro_compat, type: u4, -flags: {0: free_inode_tree, 1: reverse_map, 2: reflink, 3: inode_tree_counts}, doc: "Features that must be known to who writes."}
      - {id: features_incompat, -orig-id: sb_features_incompat, type: u4, -flags: {0: file_types, 1: sparse_inodes, 2: metadata_uuid, 3: big_times, 4: needs_repair, 5: large_extent_counts, 6: exchange_range, 7: parent_pointers, 8: metadata_directory}, doc: "Features that must be known to who reads."}
      - {id: features_log_incompat, -orig-id: sb_features_log_incompat, type: u4, doc: "Features that must be known to who replays the log."}
      - {id: crc, -orig-id: sb_crc, type: u4le, doc: "CRC-32C of the sector."}
      - {id: sparse_inode_alignment, -orig-id: sb_spino_align, type: u4, doc: "Blocks at whose multiples parts of inode chunks begin."}
      - {id: project_quota_inode, -orig-id: sb_pquotino, type: u8, doc: "Inode of project quotas."}
      - {id: lsn, -orig-id: sb_lsn, type: u8, doc: "Place in the log of the last change."}
      - {id: metadata_uuid, -orig-id: sb_meta_uuid, size: 16, -unit: uuid, doc: "The UUID that structures bear where it is not that of the file system."}
  free_space_header:
    doc: The header of the free space of an allocation group (AGF).
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git AG Free Space Block
    seq:
      - {id: magic, -orig-id: agf_magicnum, size: 4, doc: "The letters `XAGF`."}
      - {id: version, -orig-id: agf_versionnum, type: u4, doc: "1."}
      - {id: ag_number, -orig-id: agf_seqno, type: u4, doc: "The allocation group."}
      - {id: num_blocks, -orig-id: agf_length, type: u4, doc: "Blocks of the group."}
      - {id: by_block_root, -orig-id: agf_bno_root, type: u4, doc: "Root of the tree of free space by place."}
      - {id: by_size_root, -orig-id: agf_cnt_root, type: u4, doc: "Root of the tree of free space by size."}
      - {id: reverse_map_root, -orig-id: agf_rmap_root, type: u4, doc: "Root of the tree of owners."}
      - {id: by_block_level, -orig-id: agf_bno_level, type: u4, doc: "Levels of the tree by place."}
      - {id: by_size_level, -orig-id: agf_cnt_level, type: u4, doc: "Levels of the tree by size."}
      - {id: reverse_map_level, -orig-id: agf_rmap_level, type: u4, doc: "Levels of the tree of owners."}
      - {id: free_list_first, -orig-id: agf_flfirst, type: u4, doc: "First entry in use of the free list."}
      - {id: free_list_last, -orig-id: agf_fllast, type: u4, doc: "Last entry in use of the free list."}
      - {id: free_list_count, -orig-id: agf_flcount, type: u4, doc: "Entries in use of the free list."}
      - {id: num_free_blocks, -orig-id: agf_freeblks, type: u4, doc: "Blocks not in use."}
      - {id: longest, -orig-id: agf_longest, type: u4, doc: "Blocks of the longest free run."}
      - {id: tree_blocks, -orig-id: agf_btreeblks, type: u4, doc: "Blocks of the trees of free space."}
      - {id: uuid, -orig-id: agf_uuid, size: 16, -unit: uuid, doc: "The file system that this belongs to (version 5)."}
  inode_header:
    doc: The header of the inodes of an allocation group (AGI).
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git AG Inode Management
    seq:
      - {id: magic, -orig-id: agi_magicnum, size: 4, doc: "The letters `XAGI`."}
      - {id: version, -orig-id: agi_versionnum, type: u4, doc: "1."}
      - {id: ag_number, -orig-id: agi_seqno, type: u4, doc: "The allocation group."}
      - {id: num_blocks, -orig-id: agi_length, type: u4, doc: "Blocks of the group."}
      - {id: num_inodes, -orig-id: agi_count, type: u4, doc: "Inodes of the group."}
      - {id: root, -orig-id: agi_root, type: u4, doc: "Root of the tree of inodes."}
      - {id: level, -orig-id: agi_level, type: u4, doc: "Levels of that tree."}
      - {id: num_free_inodes, -orig-id: agi_freecount, type: u4, doc: "Inodes not in use."}
      - {id: newest_inode, -orig-id: agi_newino, type: u4, doc: "First inode of the chunk that was allocated last."}
      - {id: last_directory_inode, -orig-id: agi_dirino, type: u4, doc: "Not used."}
      - {id: unlinked, -orig-id: agi_unlinked, type: u4, repeat: expr, repeat-expr: 64, doc: "First inodes of lists of files that were deleted while they were open; 0xffffffff for none."}
      - {id: uuid, -orig-id: agi_uuid, size: 16, -unit: uuid, doc: "The file system that this belongs to (version 5)."}
      - {id: crc, -orig-id: agi_crc, type: u4le, doc: "CRC-32C of the sector."}
  inode:
    doc: What is known of a file besides its names.
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git On-disk Inode
    seq:
      - {id: magic, -orig-id: di_magic, size: 2, doc: "The letters `IN`."}
      - {id: mode, -orig-id: di_mode, type: u2, -unit: mode, doc: "Kind of file and permissions; 0 in an inode that is not in use."}
      - {id: version, -orig-id: di_version, type: u1, doc: "3 where the file system has version 5, else 1 or 2."}
      - {id: format, -orig-id: di_format, type: u1, enum: fork_format, doc: "How the content is kept."}
      - {id: links_old, -orig-id: di_onlink, type: u2, doc: "Names of the file in version 1."}
      - {id: uid, -orig-id: di_uid, type: u4, doc: "The owner's number."}
      - {id: gid, -orig-id: di_gid, type: u4, doc: "The group's number."}
      - {id: links_count, -orig-id: di_nlink, type: u4, doc: "Names of the file."}
      - {id: project_id_lo, -orig-id: di_projid_lo, type: u2, doc: "Lower half of the project's number."}
      - {id: project_id_hi, -orig-id: di_projid_hi, type: u2, doc: "Upper half of the project's number."}
      - {id: extent_count_big, -orig-id: di_big_nextents, type: u8, doc: "Extents of the content with large extent counts."}
      - {id: access_time, -orig-id: di_atime, type: "timestamp(has_big_times)"}
      - {id: modification_time, -orig-id: di_mtime, type: "timestamp(has_big_times)"}
      - {id: change_time, -orig-id: di_ctime, type: "timestamp(has_big_times)"}
      - {id: size, -orig-id: di_size, type: u8, doc: "Bytes of the content."}
      - {id: num_blocks, -orig-id: di_nblocks, type: u8, doc: "Blocks that the file takes."}
      - {id: extent_size, -orig-id: di_extsize, type: u4, doc: "Blocks by which it grows."}
      - {id: num_extents, -orig-id: di_nextents, type: u4, doc: "Extents of the content."}
      - {id: num_attribute_extents, -orig-id: di_anextents, type: u2, doc: "Extents of the extended attributes."}
      - {id: fork_offset, -orig-id: di_forkoff, type: u1, doc: "Where the extended attributes begin, in 8 bytes after this header."}
      - {id: attribute_format, -orig-id: di_aformat, type: s1, enum: fork_format, doc: "How the extended attributes are kept."}
      - {id: dm_event_mask, -orig-id: di_dmevmask, type: u4, doc: "Not used."}
      - {id: dm_state, -orig-id: di_dmstate, type: u2, doc: "Not used."}
      - {id: flags, -orig-id: di_flags, type: u2, -flags: {0: realtime, 1: preallocated, 3: immutable, 4: append_only, 5: synchronous, 6: no_atime, 7: no_dump, 9: project_inherited}, doc: "How the file is treated."}
      - {id: generation, -orig-id: di_gen, type: u4, doc: "Distinguishes files that had this inode one after the other."}
      - {id: next_unlinked, -orig-id: di_next_unlinked, type: u4, doc: "Next inode of a list of deleted files; 0xffffffff for none."}
      - {id: v3, type: inode_v3, if: version >= 3}
    instances:
      flags2_byte:
        pos: 127
        type: u1
        if: version >= 3
        doc: The lowest byte of flags2, which says how the times before it are kept.
      has_big_times:
        value: version >= 3 and (flags2_byte & 8) != 0
        doc: Whether times are nanoseconds in 64 bits.
  inode_v3:
    doc: What inodes have besides where the file system has version 5.
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git On-disk Inode
    seq:
      - {id: crc, -orig-id: di_crc, type: u4le, doc: "CRC-32C of the inode."}
      - {id: change_count, -orig-id: di_changecount, type: u8, doc: "Counts changes."}
      - {id: lsn, -orig-id: di_lsn, type: u8, doc: "Place in the log of the last change."}
      - {id: flags2, -orig-id: di_flags2, type: u8, -flags: {0: dax, 1: reflink, 2: copy_on_write_size, 3: big_times, 4: large_extent_counts}, doc: "How the file is treated."}
      - {id: copy_on_write_size, -orig-id: di_cowextsize, type: u4, doc: "Blocks by which copies on write grow."}
      - {id: padding, -orig-id: di_pad2, size: 12, doc: "Zero."}
      - {id: creation_time, -orig-id: di_crtime, type: "timestamp((flags2 & 8) != 0)"}
      - {id: inode_number, -orig-id: di_ino, type: u8, doc: "The number of this inode."}
      - {id: uuid, -orig-id: di_uuid, size: 16, -unit: uuid, doc: "The file system that this belongs to."}
  timestamp:
    doc: A time, in one of two forms.
    doc-ref: https://git.kernel.org/pub/scm/fs/xfs/xfs-documentation.git Timestamps
    params:
      - {id: is_big, type: bool, doc: "Whether it is nanoseconds in 64 bits."}
    seq:
      - {id: nanoseconds_since_1901, type: u8, if: is_big, -unit: xfs_big, doc: "Nanoseconds since 1901-12-13 20:45:52 UTC."}
      - {id: seconds, -orig-id: t_sec, type: s4, if: not is_big, -unit: unix, doc: "Seconds since 1970."}
      - {id: nanoseconds, -orig-id: t_nsec, type: u4, if: not is_big, doc: "Nanoseconds."}
enums:
  fork_format:
    0: device
    1: local
    2: extents
    3: btree
    4: uuid
    5: reverse_map
