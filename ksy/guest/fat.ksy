meta:
  id: fat
  title: FAT12, FAT16 and FAT32 file systems
  license: CC0-1.0
  ks-version: '0.11'
  endian: le
doc: |
  The boot sector of a FAT volume, the sector that counts its free clusters,
  and the entries of its directories. Each type describes one structure and
  follows no offset.
seq:
  - id: boot_sector
    type: boot_sector
types:
  boot_sector:
    doc: The first sector of the volume.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf Boot Sector and BPB
    seq:
      - {id: jump, -orig-id: BS_jmpBoot, size: 3, doc: "A jump to the boot code."}
      - {id: oem_name, -orig-id: BS_OEMName, size: 8, doc: "What made the volume."}
      - {id: bytes_per_sector, -orig-id: BPB_BytsPerSec, type: u2, doc: "Bytes of a sector."}
      - {id: sectors_per_cluster, -orig-id: BPB_SecPerClus, type: u1, doc: "Sectors of a cluster."}
      - {id: reserved_sectors, -orig-id: BPB_RsvdSecCnt, type: u2, doc: "Sectors before the first FAT."}
      - {id: num_fats, -orig-id: BPB_NumFATs, type: u1, doc: "Copies of the FAT."}
      - {id: root_entries, -orig-id: BPB_RootEntCnt, type: u2, doc: "Entries of the root directory; 0 in FAT32."}
      - {id: sectors_16, -orig-id: BPB_TotSec16, type: u2, doc: "Sectors of the volume, if they can be counted in 16 bits."}
      - {id: media, -orig-id: BPB_Media, type: u1, doc: "0xf8 for a hard disk."}
      - {id: sectors_per_fat_16, -orig-id: BPB_FATSz16, type: u2, doc: "Sectors of a FAT; 0 in FAT32."}
      - {id: sectors_per_track, -orig-id: BPB_SecPerTrk, type: u2, doc: "Of the geometry that the BIOS saw."}
      - {id: heads, -orig-id: BPB_NumHeads, type: u2, doc: "Of the geometry that the BIOS saw."}
      - {id: hidden_sectors, -orig-id: BPB_HiddSec, type: u4, doc: "Sectors before the volume."}
      - {id: sectors_32, -orig-id: BPB_TotSec32, type: u4, doc: "Sectors of the volume, if 16 bits are too few."}
      - {id: fat32, type: fat32_part, if: sectors_per_fat_16 == 0}
      - {id: extended, type: extended_part}
      - {id: boot_code, size: "sectors_per_fat_16 == 0 ? 420 : 448", doc: "What the firmware runs."}
      - {id: signature, type: u2, doc: "0xaa55."}
  fat32_part:
    doc: What only FAT32 has.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf Boot Sector and BPB
    seq:
      - {id: sectors_per_fat, -orig-id: BPB_FATSz32, type: u4, doc: "Sectors of a FAT."}
      - {id: mirroring, -orig-id: BPB_ExtFlags, type: u2, doc: "Bit 7: only the FAT of the number in bits 0 to 3 is kept."}
      - {id: version, -orig-id: BPB_FSVer, type: u2, doc: "Zero."}
      - {id: root_cluster, -orig-id: BPB_RootClus, type: u4, doc: "First cluster of the root directory."}
      - {id: fs_info_sector, -orig-id: BPB_FSInfo, type: u2, doc: "Sector that counts the free clusters."}
      - {id: backup_boot_sector, -orig-id: BPB_BkBootSec, type: u2, doc: "Sector of the copy of this one; 0 for none."}
      - {id: reserved, -orig-id: BPB_Reserved, size: 12, doc: "Zero."}
  extended_part:
    doc: The last part of the parameters, the same in FAT12, FAT16 and FAT32.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf Boot Sector and BPB
    seq:
      - {id: drive_number, -orig-id: BS_DrvNum, type: u1, doc: "Number of the BIOS."}
      - {id: state, -orig-id: BS_Reserved1, type: u1, doc: "Windows NT: bit 0 for a volume that was not unmounted."}
      - {id: extended_signature, -orig-id: BS_BootSig, type: u1, doc: "0x29 if the next three fields are there."}
      - {id: volume_id, -orig-id: BS_VolID, type: u4, doc: "Serial number of the volume."}
      - {id: volume_label, -orig-id: BS_VolLab, size: 11, doc: "Label; that in the root directory counts."}
      - {id: file_system_type, -orig-id: BS_FilSysType, size: 8, doc: "A name to read; the count of clusters decides."}
  fs_info:
    doc: What FAT32 remembers of its free clusters.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf FSInfo Sector
    seq:
      - {id: lead_signature, -orig-id: FSI_LeadSig, size: 4, doc: "The letters `RRaA`."}
      - {id: reserved1, -orig-id: FSI_Reserved1, size: 480, doc: "Zero."}
      - {id: structure_signature, -orig-id: FSI_StrucSig, size: 4, doc: "The letters `rrAa`."}
      - {id: free_count, -orig-id: FSI_Free_Count, type: u4, doc: "Free clusters; 0xffffffff if not known."}
      - {id: next_free, -orig-id: FSI_Nxt_Free, type: u4, doc: "Where to look for a free cluster."}
      - {id: reserved2, -orig-id: FSI_Reserved2, size: 12, doc: "Zero."}
      - {id: trail_signature, -orig-id: FSI_TrailSig, type: u4, doc: "0xaa550000."}
  directory_entry:
    doc: A file of a directory under its short name, or the label of the volume.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf Directory Structure
    seq:
      - {id: name, -orig-id: DIR_Name, size: 11, doc: "Name and extension; the first byte 0xe5 marks a deleted entry, 0 the end."}
      - {id: attributes, -orig-id: DIR_Attr, type: u1, -flags: {0: read_only, 1: hidden, 2: system, 3: volume_label, 4: directory, 5: archive}, doc: "What it is."}
      - {id: case, -orig-id: DIR_NTRes, type: u1, doc: "Windows NT: bits 3 and 4 for a name and an extension in lower case."}
      - {id: creation_tenths, -orig-id: DIR_CrtTimeTenth, type: u1, doc: "Hundredths of a second to add to the time that it was made."}
      - {id: creation_time, -orig-id: DIR_CrtTime, type: u2, -unit: fat_time, doc: "When it was made."}
      - {id: creation_date, -orig-id: DIR_CrtDate, type: u2, -unit: fat_date, doc: "The day on which it was made."}
      - {id: access_date, -orig-id: DIR_LstAccDate, type: u2, -unit: fat_date, doc: "The day on which it was read last."}
      - {id: first_cluster_hi, -orig-id: DIR_FstClusHI, type: u2, doc: "Upper half of the first cluster (FAT32)."}
      - {id: write_time, -orig-id: DIR_WrtTime, type: u2, -unit: fat_time, doc: "When it was written last."}
      - {id: write_date, -orig-id: DIR_WrtDate, type: u2, -unit: fat_date, doc: "The day on which it was written last."}
      - {id: first_cluster_lo, -orig-id: DIR_FstClusLO, type: u2, doc: "First cluster of the content."}
      - {id: size, -orig-id: DIR_FileSize, type: u4, doc: "Bytes of the content."}
  long_name_entry:
    doc: A part of the long name of the entry that follows.
    doc-ref: https://academy.cba.mit.edu/classes/networking_communications/SD/FAT.pdf Long File Name
    seq:
      - {id: order, -orig-id: LDIR_Ord, type: u1, doc: "Number of the part; bit 6 marks the last one, 0xe5 a deleted entry."}
      - {id: name1, -orig-id: LDIR_Name1, size: 10, -unit: utf16, doc: "Characters 1 to 5 of the part."}
      - {id: attributes, -orig-id: LDIR_Attr, type: u1, doc: "0x0f."}
      - {id: type, -orig-id: LDIR_Type, type: u1, doc: "Zero."}
      - {id: checksum, -orig-id: LDIR_Chksum, type: u1, doc: "Checksum of the short name."}
      - {id: name2, -orig-id: LDIR_Name2, size: 12, -unit: utf16, doc: "Characters 6 to 11 of the part."}
      - {id: first_cluster, -orig-id: LDIR_FstClusLO, type: u2, doc: "Zero."}
      - {id: name3, -orig-id: LDIR_Name3, size: 4, -unit: utf16, doc: "Characters 12 and 13 of the part."}
