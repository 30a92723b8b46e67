meta:
  id: partitions
  title: Partition tables of a PC disk (MBR and GPT)
  license: CC0-1.0
  ks-version: '0.11'
  endian: le
doc: |
  What tells where the volumes of a disk begin. The first sector is a master
  boot record; where the disk has a GUID partition table, that sector only
  guards it, the table's header follows in the next one, and copies of header
  and entries end the disk. Each type describes one structure and follows no
  offset.
seq:
  - id: mbr
    type: boot_record
types:
  boot_record:
    doc: A master boot record, or the like of it at the begin of each logical partition.
    doc-ref: https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html UEFI 5.2.1
    seq:
      - id: boot_code
        size: 440
        doc: What the firmware runs; not looked at by anything else.
      - id: disk_signature
        -orig-id: UniqueMBRDiskSignature
        type: u4
        doc: A number by which Windows knows the disk.
      - id: copy_protected
        -orig-id: Unknown
        type: u2
        doc: Zero; 0x5a5a marks a disk that is not to be written to.
      - id: entries
        type: partition_entry
        repeat: expr
        repeat-expr: 4
      - id: signature
        type: u2
        doc: "0xaa55."
  partition_entry:
    doc: One of the four partitions of a boot record.
    doc-ref: https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html UEFI 5.2.1
    seq:
      - id: status
        -orig-id: BootIndicator
        type: u1
        doc: "0x80 for the partition to boot from, zero for others."
      - id: chs_first
        -orig-id: StartingCHS
        size: 3
        doc: Cylinder, head and sector of the first sector; not used since disks are larger than they count.
      - id: type
        -orig-id: OSType
        type: u1
        enum: mbr_type
        doc: What the partition is for.
      - id: chs_last
        -orig-id: EndingCHS
        size: 3
        doc: Cylinder, head and sector of the last sector.
      - id: lba_first
        -orig-id: StartingLBA
        type: u4
        doc: First sector; in the chain of logical partitions counted from where that chain, or the link, begins.
      - id: num_sectors
        -orig-id: SizeInLBA
        type: u4
        doc: Sectors of the partition.
  gpt_header:
    doc: The header of a GUID partition table, or the copy of it in the last sector.
    doc-ref: https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html UEFI 5.3.2
    seq:
      - id: signature
        -orig-id: Signature
        size: 8
        doc: The letters `EFI PART`.
      - id: revision
        -orig-id: Revision
        type: u4
        doc: "0x10000 is version 1.0."
      - id: len_header
        -orig-id: HeaderSize
        type: u4
        doc: Bytes that the checksum covers.
      - id: header_crc32
        -orig-id: HeaderCRC32
        type: u4
        doc: CRC-32 of the header, this field counted as zero.
      - id: reserved
        -orig-id: Reserved
        type: u4
        doc: Zero.
      - id: lba_self
        -orig-id: MyLBA
        type: u8
        doc: The sector that holds this header.
      - id: lba_other
        -orig-id: AlternateLBA
        type: u8
        doc: The sector that holds the other copy.
      - id: lba_first_usable
        -orig-id: FirstUsableLBA
        type: u8
        doc: First sector that a partition may use.
      - id: lba_last_usable
        -orig-id: LastUsableLBA
        type: u8
        doc: Last sector that a partition may use.
      - id: disk_guid
        -orig-id: DiskGUID
        size: 16
        -unit: guid
        doc: What the disk is known by.
      - id: lba_entries
        -orig-id: PartitionEntryLBA
        type: u8
        doc: First sector of the entries that belong to this header.
      - id: num_entries
        -orig-id: NumberOfPartitionEntries
        type: u4
        doc: Entries in the table, used or not.
      - id: len_entry
        -orig-id: SizeOfPartitionEntry
        type: u4
        doc: Bytes of an entry.
      - id: entries_crc32
        -orig-id: PartitionEntryArrayCRC32
        type: u4
        doc: CRC-32 of all entries.
  gpt_entry:
    doc: One partition of a GUID partition table; a type of zeros marks an entry that is not used.
    doc-ref: https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html UEFI 5.3.3
    seq:
      - id: type_guid
        -orig-id: PartitionTypeGUID
        size: 16
        -unit: guid
        doc: What the partition is for.
      - id: guid
        -orig-id: UniquePartitionGUID
        size: 16
        -unit: guid
        doc: What this partition is known by.
      - id: lba_first
        -orig-id: StartingLBA
        type: u8
        doc: First sector.
      - id: lba_last
        -orig-id: EndingLBA
        type: u8
        doc: Last sector; it belongs to the partition.
      - id: attributes
        -orig-id: Attributes
        type: u8
        -flags: {0: required, 1: no_block_io, 2: legacy_boot, 60: read_only, 62: hidden, 63: no_drive_letter}
        doc: Bits 48 to 63 mean what the type says; those of Windows are named here.
      - id: name
        -orig-id: PartitionName
        size: 72
        -unit: utf16
        doc: The name, 36 characters at most.
enums:
  mbr_type:
    0x00: unused
    0x01: fat12
    0x04: fat16_small
    0x05: extended
    0x06: fat16
    0x07: ntfs_or_exfat
    0x0b: fat32
    0x0c: fat32_lba
    0x0e: fat16_lba
    0x0f: extended_lba
    0x27: windows_recovery
    0x82: linux_swap
    0x83: linux
    0x85: linux_extended
    0x8e: linux_lvm
    0xa5: freebsd
    0xee: gpt_guard
    0xef: efi_system
    0xfd: linux_raid
