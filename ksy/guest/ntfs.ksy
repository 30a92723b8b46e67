meta:
  id: ntfs
  title: NTFS file system
  license: CC0-1.0
  ks-version: '0.11'
  endian: le
doc: |
  The boot sector of an NTFS volume and the records of its master file table:
  every file, the table itself among them, is a record, and all that is known
  of a file is one of its attributes. Each type describes one structure and
  follows no offset. The last two bytes of each sector of a record lie in its
  update sequence; they are to be put back before a record is read.
seq:
  - id: boot_sector
    type: boot_sector
types:
  boot_sector:
    doc: The first sector of the volume; the last one holds a copy.
    doc-ref: https://learn.microsoft.com/en-us/previous-versions/windows/it-pro/windows-server-2003/cc781134(v=ws.10) Boot Sector
    seq:
      - {id: jump, size: 3, doc: "A jump to the boot code."}
      - {id: oem_id, size: 8, doc: "The letters `NTFS` and four spaces."}
      - {id: bytes_per_sector, type: u2, doc: "Bytes of a sector."}
      - {id: sectors_per_cluster, type: u1, doc: "Sectors of a cluster; from 0x81 on two to the power of 256 less this."}
      - {id: reserved1, size: 7, doc: "Zero."}
      - {id: media, type: u1, doc: "0xf8 for a hard disk."}
      - {id: reserved2, type: u2, doc: "Zero."}
      - {id: sectors_per_track, type: u2, doc: "Of the geometry that the BIOS saw."}
      - {id: heads, type: u2, doc: "Of the geometry that the BIOS saw."}
      - {id: hidden_sectors, type: u4, doc: "Sectors before the volume."}
      - {id: reserved3, size: 8, doc: "Not used by NTFS."}
      - {id: sector_count, type: u8, doc: "Sectors of the volume without the copy of this one."}
      - {id: mft_cluster, type: u8, doc: "First cluster of the master file table."}
      - {id: mft_mirror_cluster, type: u8, doc: "First cluster of the copy of its first records."}
      - {id: record_size_code, type: s1, doc: "Clusters of a record; if negative a record has two to the power of the number without its sign bytes."}
      - {id: reserved4, size: 3, doc: "Zero."}
      - {id: index_size_code, type: s1, doc: "The same of a block of a directory."}
      - {id: reserved5, size: 3, doc: "Zero."}
      - {id: serial_number, type: u8, doc: "What the volume is known by."}
      - {id: checksum, type: u4, doc: "Not used."}
      - {id: boot_code, size: 426, doc: "What the firmware runs."}
      - {id: signature, type: u2, doc: "0xaa55."}
  file_record:
    doc: A record of the master file table.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/file-record-segment-header FILE_RECORD_SEGMENT_HEADER
    params:
      - {id: max_attributes, type: u4, doc: "Attributes at which reading stops."}
    seq:
      - {id: magic, size: 4, doc: "The letters `FILE`, or `BAAD` for a record that chkdsk gave up."}
      - {id: ofs_update_sequence, type: u2, doc: "Where the update sequence begins in the record."}
      - {id: num_update_sequence, type: u2, doc: "Its 16-bit numbers."}
      - {id: log_sequence_number, type: u8, doc: "The last change in the log."}
      - {id: sequence_number, type: u2, doc: "Counts the files that had this record."}
      - {id: link_count, type: u2, doc: "Names of the file."}
      - {id: ofs_attributes, type: u2, doc: "Where the first attribute begins in the record."}
      - {id: flags, type: u2, -flags: {0: in_use, 1: directory, 2: extension, 3: index}, doc: "Without in_use the file is deleted."}
      - {id: len_used, type: u4, doc: "Bytes of the record that are used."}
      - {id: len_allocated, type: u4, doc: "Bytes of the record."}
      - {id: base_record, type: u8, -unit: reference, doc: "Of a record that continues another one that one; zero in all others."}
      - {id: next_attribute_id, type: u2, doc: "Number of the next attribute."}
      - {id: padding, size: "ofs_attributes < 42 ? 0 : ofs_attributes - 42", doc: "Number of the record and the update sequence."}
      - id: attributes
        type: attribute
        repeat: until
        repeat-until: _.type == attribute_type::end or _index + 1 >= max_attributes
        if: ofs_attributes >= 42
  attribute:
    doc: One thing that is known of a file.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header ATTRIBUTE_RECORD_HEADER
    seq:
      - {id: type, type: u4, enum: attribute_type, doc: "What it is; 0xffffffff ends the list."}
      - {id: length, type: u4, if: type != attribute_type::end, doc: "Bytes of the attribute with this header."}
      - {id: body, type: attribute_body(type), size: "length < 8 ? 0 : length - 8", if: type != attribute_type::end}
  attribute_body:
    doc: An attribute after its type and length.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header ATTRIBUTE_RECORD_HEADER
    params:
      - {id: kind, type: u4, enum: attribute_type, doc: "The type of the attribute."}
    seq:
      - {id: is_non_resident, type: u1, doc: "1 if the content lies in clusters of its own."}
      - {id: len_name, type: u1, doc: "Characters of its name."}
      - {id: ofs_name, type: u2, doc: "Where the name begins in the attribute."}
      - {id: flags, type: u2, -flags: {0: compressed, 14: encrypted, 15: sparse}, doc: "How the content is kept."}
      - {id: attribute_id, type: u2, doc: "Its number in the record."}
      - {id: resident, type: resident(kind), if: is_non_resident == 0}
      - {id: non_resident, type: non_resident, if: is_non_resident != 0}
  resident:
    doc: Content that lies in the record itself.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header ATTRIBUTE_RECORD_HEADER
    params:
      - {id: kind, type: u4, enum: attribute_type, doc: "The type of the attribute."}
    seq:
      - {id: len_content, type: u4, doc: "Bytes of the content."}
      - {id: ofs_content, type: u2, doc: "Where it begins in the attribute."}
      - {id: indexed, type: u2, doc: "1 if an index holds it as well."}
      - {id: name, size: "ofs_content < 24 ? 0 : ofs_content - 24", doc: "The name of the attribute and what fills up."}
      - id: content
        size: len_content
        type:
          switch-on: kind
          cases:
            attribute_type::standard_information: standard_information
            attribute_type::file_name: file_name
        doc: The content.
  non_resident:
    doc: Content that lies in clusters of its own.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/attribute-record-header ATTRIBUTE_RECORD_HEADER
    seq:
      - {id: first_vcn, type: u8, doc: "First cluster of the content that is listed here."}
      - {id: last_vcn, type: u8, doc: "Last cluster of the content that is listed here."}
      - {id: ofs_runs, type: u2, doc: "Where the list of runs begins in the attribute."}
      - {id: compression_unit, type: u2, doc: "Binary logarithm of the clusters that are compressed together."}
      - {id: reserved, type: u4, doc: "Zero."}
      - {id: len_allocated, type: u8, doc: "Bytes of its clusters."}
      - {id: len_data, type: u8, doc: "Bytes of the content."}
      - {id: len_initialized, type: u8, doc: "Bytes after which the content reads as zeros."}
      - {id: name, size: "ofs_runs < 64 ? 0 : ofs_runs - 64", doc: "The name of the attribute and what fills up."}
      - {id: runs, size-eos: true, doc: "The runs: lengths and distances in as many bytes as the byte before each says."}
  standard_information:
    doc: Times and flags of the file.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/standard-information STANDARD_INFORMATION
    seq:
      - {id: creation_time, type: u8, -unit: filetime, doc: "When the file was made."}
      - {id: modification_time, type: u8, -unit: filetime, doc: "When the content was changed last."}
      - {id: record_change_time, type: u8, -unit: filetime, doc: "When the record was changed last."}
      - {id: access_time, type: u8, -unit: filetime, doc: "When the file was read last."}
      - {id: file_attributes, type: u4, -flags: {0: read_only, 1: hidden, 2: system, 5: archive, 8: temporary, 9: sparse, 10: reparse_point, 11: compressed, 12: offline, 13: not_indexed, 14: encrypted}, doc: "Attributes as DOS had them and more."}
      - {id: more, size-eos: true, doc: "Versions, owner, security, quota and the number in the change journal."}
  file_name:
    doc: A name of the file, with a copy of its times from when the name was given.
    doc-ref: https://learn.microsoft.com/en-us/windows/win32/devnotes/file-name FILE_NAME
    seq:
      - {id: parent, type: u8, -unit: reference, doc: "Record of the directory."}
      - {id: creation_time, type: u8, -unit: filetime, doc: "When the file was made."}
      - {id: modification_time, type: u8, -unit: filetime, doc: "When the content was changed last."}
      - {id: record_change_time, type: u8, -unit: filetime, doc: "When the record was changed last."}
      - {id: access_time, type: u8, -unit: filetime, doc: "When the file was read last."}
      - {id: len_allocated, type: u8, doc: "Bytes of its clusters."}
      - {id: len_data, type: u8, doc: "Bytes of the content."}
      - {id: file_attributes, type: u4, -flags: {0: read_only, 1: hidden, 2: system, 5: archive, 10: reparse_point, 28: directory, 29: index_view}, doc: "Attributes as DOS had them and more."}
      - {id: reparse, type: u4, doc: "Of a reparse point its kind; otherwise the size of extended attributes."}
      - {id: num_characters, type: u1, doc: "Characters of the name."}
      - {id: name_space, type: u1, enum: name_space, doc: "Which rules the name follows."}
      - {id: name, size: num_characters * 2, -unit: utf16, doc: "The name."}
enums:
  attribute_type:
    0x10: standard_information
    0x20: attribute_list
    0x30: file_name
    0x40: object_id
    0x50: security_descriptor
    0x60: volume_name
    0x70: volume_information
    0x80: data
    0x90: index_root
    0xa0: index_allocation
    0xb0: bitmap
    0xc0: reparse_point
    0xd0: ea_information
    0xe0: ea
    0x100: logged_utility_stream
    0xffffffff: end
  name_space:
    0: posix
    1: windows
    2: dos
    3: windows_and_dos
