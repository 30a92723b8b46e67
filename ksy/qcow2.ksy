meta:
  id: qcow2
  title: QEMU qcow2 disk image
  application:
    - QEMU
    - KVM
    - libvirt
  file-extension:
    - qcow2
    - qcow
  xref:
    forensicswiki: qcow_image_format
    justsolve: Qcow
  license: CC0-1.0
  ks-version: '0.11'
  endian: be
  bit-endian: be
doc: |
  qcow2 is the disk image format of QEMU. The image file is cut into clusters
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
doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt
seq:
  - id: magic
    -orig-id: magic
    contents: ['QFI', 0xfb]
    doc: The letters `QFI` and the byte 0xfb, the same in every version.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
  - id: version
    -orig-id: version
    type: u4
    doc: |
      1 is the older qcow format, 2 is called `compat=0.10` by QEMU and 3
      `compat=1.1`. No layout is assumed for any other number.
  - id: header_v1
    type: header_v1
    if: version == 1
    doc: The rest of a version 1 header.
  - id: header_v2
    type: header_v2
    if: version == 2 or version == 3
    doc: The fields that versions 2 and 3 have in common.
  - id: header_v3
    type: header_v3
    if: version == 3
    doc: |
      The fields that version 3 adds. In a version 2 image the header
      extensions lie in their place.
instances:
  len_header:
    value: 'version == 3 ? header_v3.len_header : 72'
    doc: Bytes of the header, counted from the magic.
  cluster_size:
    value: 1 << header_v2.cluster_bits
    doc: Bytes in one cluster.
  refcount_order:
    value: 'version == 3 ? header_v3.refcount_order : 4'
    doc: Binary logarithm of the refcount width in bits; version 2 has always 16 bits.
  has_extended_l2_entries:
    value: version == 3 and header_v3.incompatible_features.has_extended_l2_entries
    doc: Whether L2 entries are 16 bytes long and carry a subcluster bitmap.
  has_external_data_file:
    value: version == 3 and header_v3.incompatible_features.has_external_data_file
    doc: Whether host offsets of guest data count in another file than this one.
  len_l2_entry:
    value: 'has_extended_l2_entries ? 16 : 8'
    doc: Bytes of one L2 entry.
  num_l2_entries:
    value: cluster_size / len_l2_entry
    doc: Entries of one L2 table, which always fills one cluster.
  num_refcount_table_entries:
    value: header_v2.num_refcount_table_clusters * cluster_size / 8
    doc: Entries of the refcount table, which always fills whole clusters.
  num_refcount_block_entries:
    value: cluster_size * 8 / (1 << refcount_order)
    doc: Refcounts in one refcount block, which always fills one cluster.
  ofs_header_extensions_end:
    value: 'header_v2.ofs_backing_file != 0 ? header_v2.ofs_backing_file : cluster_size'
    doc: |
      Where header extensions must have ended: at the backing file name or,
      without one, at the end of the first cluster.
  header_extensions:
    pos: len_header
    size: ofs_header_extensions_end - len_header
    type: header_extensions
    if: ofs_header_extensions_end > len_header
    doc: Optional information that follows the header directly.
  backing_file_name:
    pos: header_v2.ofs_backing_file
    size: header_v2.len_backing_file
    if: header_v2.ofs_backing_file != 0
    doc: |
      Name of the image that supplies clusters not allocated in this one. It
      has no terminator and no declared encoding, and any author of an image
      can write any name here.
  l1_table:
    pos: header_v2.ofs_l1_table
    type: l1_entry_node
    repeat: expr
    repeat-expr: header_v2.num_l1_entries
    doc: The active L1 table, the one the guest disk is read through.
  refcount_table:
    pos: header_v2.ofs_refcount_table
    type: refcount_table_entry_node
    repeat: expr
    repeat-expr: num_refcount_table_entries
    doc: First level of the refcounts.
  snapshots:
    pos: header_v2.ofs_snapshots
    type: snapshot_node
    repeat: expr
    repeat-expr: header_v2.num_snapshots
    if: header_v2.num_snapshots != 0
    doc: The snapshot table, whose entries vary in length.
types:
  header_v1:
    doc: |
      Header of version 1 after magic and version. There are no refcounts, no
      snapshots and no feature bits, and the length of the L1 table has to be
      computed from the size of the disk.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/block/qcow.c QCowHeader
    seq:
      - id: ofs_backing_file
        -orig-id: backing_file_offset
        type: u8
        doc: Host offset of the backing file name, 0 without a backing file.
      - id: len_backing_file
        -orig-id: backing_file_size
        type: u4
        doc: Bytes of the backing file name.
      - id: mtime
        -orig-id: mtime
        type: u4
        doc: Modification time of the backing file in seconds since 1970.
      - id: size
        -orig-id: size
        type: u8
        doc: Bytes of the virtual disk.
      - id: cluster_bits
        -orig-id: cluster_bits
        type: u1
        doc: Binary logarithm of the cluster size.
      - id: l2_bits
        -orig-id: l2_bits
        type: u1
        doc: Binary logarithm of the number of entries in an L2 table.
      - id: padding
        -orig-id: padding
        type: u2
        doc: Not used.
      - id: crypt_method
        -orig-id: crypt_method
        type: u4
        enum: crypt_method
        doc: How guest data is encrypted; LUKS came only with version 2.
      - id: ofs_l1_table
        -orig-id: l1_table_offset
        type: u8
        doc: Host offset of the L1 table.
  header_v2:
    doc: Bytes 8 to 71 of the header, the same in versions 2 and 3.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
    seq:
      - id: ofs_backing_file
        -orig-id: backing_file_offset
        type: u8
        doc: |
          Host offset of the backing file name, 0 without a backing file. It
          also bounds the header extensions.
      - id: len_backing_file
        -orig-id: backing_file_size
        type: u4
        doc: Bytes of the backing file name, at most 1023.
      - id: cluster_bits
        -orig-id: cluster_bits
        type: u4
        doc: Binary logarithm of the cluster size, at least 9; QEMU reads up to 21.
      - id: size
        -orig-id: size
        type: u8
        doc: Bytes of the virtual disk.
      - id: crypt_method
        -orig-id: crypt_method
        type: u4
        enum: crypt_method
        doc: How guest data is encrypted.
      - id: num_l1_entries
        -orig-id: l1_size
        type: u4
        doc: Entries of the active L1 table.
      - id: ofs_l1_table
        -orig-id: l1_table_offset
        type: u8
        doc: Host offset of the active L1 table, a multiple of the cluster size.
      - id: ofs_refcount_table
        -orig-id: refcount_table_offset
        type: u8
        doc: Host offset of the refcount table, a multiple of the cluster size.
      - id: num_refcount_table_clusters
        -orig-id: refcount_table_clusters
        type: u4
        doc: Length of the refcount table in clusters.
      - id: num_snapshots
        -orig-id: nb_snapshots
        type: u4
        doc: Entries of the snapshot table.
      - id: ofs_snapshots
        -orig-id: snapshots_offset
        type: u8
        doc: Host offset of the snapshot table, a multiple of the cluster size.
  header_v3:
    doc: |
      Byte 72 of the header onwards, in version 3 only. A header of 104 bytes
      ends before the compression type; whatever lies past byte 112 belongs to
      fields that this description does not know.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
    seq:
      - id: incompatible_features
        -orig-id: incompatible_features
        type: incompatible_features
        doc: What a reader must understand to read the image at all.
      - id: compatible_features
        -orig-id: compatible_features
        type: compatible_features
        doc: What a reader may ignore.
      - id: autoclear_features
        -orig-id: autoclear_features
        type: autoclear_features
        doc: What stops being true when a writer that does not know it changes the image.
      - id: refcount_order
        -orig-id: refcount_order
        type: u4
        doc: Binary logarithm of the refcount width in bits, at most 6.
      - id: len_header
        -orig-id: header_length
        type: u4
        doc: Bytes of the whole header counted from the magic, a multiple of 8.
      - id: compression_type
        -orig-id: compression_type
        type: u1
        enum: compression_type
        if: len_header > 104
        doc: How compressed clusters are compressed; deflate when the header ends before this.
      - id: padding
        -orig-id: padding
        size: 'len_header < 112 ? len_header - 105 : 7'
        if: len_header > 105
        doc: Zeros up to byte 112. A header whose length is no multiple of 8 has only part of them.
      - id: additional_fields
        size: len_header - 112
        if: len_header > 112
        doc: Fields of some later revision of the format, unknown to this description.
  incompatible_features:
    doc: |
      Feature bits that forbid reading to those who do not know them. The most
      significant bit, number 63, is stored first.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
    seq:
      - id: reserved1
        type: b32
        doc: Bits 63 to 32, zero.
      - id: reserved2
        type: b27
        doc: Bits 31 to 5, zero.
      - id: has_extended_l2_entries
        -orig-id: Extended L2 Entries bit
        type: b1
        doc: Bit 4. Each L2 entry has a second word with a bitmap of 32 subclusters.
      - id: has_compression_type
        -orig-id: Compression type bit
        type: b1
        doc: Bit 3. The compression type differs from deflate.
      - id: has_external_data_file
        -orig-id: External data file bit
        type: b1
        doc: Bit 2. Guest clusters are kept in another file, this one has the metadata only.
      - id: is_corrupt
        -orig-id: Corrupt bit
        type: b1
        doc: Bit 1. A writer noticed inconsistent metadata; the image must not be written to.
      - id: is_dirty
        -orig-id: Dirty bit
        type: b1
        doc: Bit 0. Refcounts may be out of date, and have to be rebuilt before the image is written to.
  compatible_features:
    doc: Feature bits that may be ignored, most significant bit first.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
    seq:
      - id: reserved1
        type: b32
        doc: Bits 63 to 32, zero.
      - id: reserved2
        type: b31
        doc: Bits 31 to 1, zero.
      - id: has_lazy_refcounts
        -orig-id: Lazy refcounts bit
        type: b1
        doc: Bit 0. A writer may mark the image dirty and put off the update of refcounts.
  autoclear_features:
    doc: |
      Feature bits that a writer clears when it does not know them, most
      significant bit first.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header
    seq:
      - id: reserved1
        type: b32
        doc: Bits 63 to 32, zero.
      - id: reserved2
        type: b30
        doc: Bits 31 to 2, zero.
      - id: has_raw_external_data
        -orig-id: Raw external data bit
        type: b1
        doc: Bit 1. The external data file can be read as a raw disk without this image.
      - id: has_consistent_bitmaps
        -orig-id: Bitmaps extension bit
        type: b1
        doc: Bit 0. The bitmaps extension agrees with the guest data.
  header_extensions:
    -webide-representation: '{extensions}'
    doc: |
      The header extensions of an image, up to and including the one that marks
      the end. Bytes between that one and the bound are not described.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header extensions
    seq:
      - id: extensions
        type: header_extension_node
        repeat: until
        repeat-until: _.extension.type == header_extension_type::end or _io.eof
        doc: Each extension with what it points to.
  header_extension_node:
    -webide-representation: '{extension}'
    doc: A header extension together with the structures it points to.
    seq:
      - id: extension
        type: header_extension
        doc: The extension itself.
    instances:
      bitmap_directory:
        io: _root._io
        pos: extension.data.as<bitmaps_extension>.ofs_bitmap_directory
        size: extension.data.as<bitmaps_extension>.len_bitmap_directory
        type: bitmap_directory(extension.data.as<bitmaps_extension>.num_bitmaps)
        if: extension.type == header_extension_type::bitmaps
        doc: The bitmap directory, when this is the bitmaps extension.
      luks_header:
        io: _root._io
        pos: extension.data.as<encryption_header_pointer>.ofs_header
        size: extension.data.as<encryption_header_pointer>.len_header
        type: luks1_header
        if: extension.type == header_extension_type::encryption_header
        doc: The LUKS header with its key material, when this is the pointer to it.
  header_extension:
    -webide-representation: '{type} len={len_data:dec}'
    doc: One header extension. Each type occurs at most once.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Header extensions
    seq:
      - id: type
        -orig-id: Header extension type
        type: u4
        enum: header_extension_type
        doc: What the data means. Readers skip a type they do not know.
      - id: len_data
        -orig-id: Length of the header extension data
        type: u4
        doc: Bytes of the data without the padding.
      - id: data
        -orig-id: Header extension data
        size: len_data
        type:
          switch-on: type
          cases:
            'header_extension_type::backing_format': string_extension
            'header_extension_type::external_data_file': string_extension
            'header_extension_type::feature_name_table': feature_name_table
            'header_extension_type::bitmaps': bitmaps_extension
            'header_extension_type::encryption_header': encryption_header_pointer
        doc: What the extension says; plain bytes when its type is unknown or marks the end.
      - id: padding
        size: (8 - len_data) % 8
        doc: Fills up to a multiple of 8 bytes.
  string_extension:
    doc: An extension whose data is one string, without a terminator.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt String header extensions
    seq:
      - id: value
        size-eos: true
        doc: |
          The bytes of the string: the format name of the backing file, or the
          name of the external data file. No encoding is declared.
  feature_name_table:
    doc: Names by which a reader can report feature bits that it does not know.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Feature name table
    seq:
      - id: features
        type: feature_name
        repeat: eos
        doc: One entry for each named bit.
  feature_name:
    -webide-representation: '{type} bit {bit_number:dec}: {name:str}'
    doc: The name of one feature bit.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Feature name table
    seq:
      - id: type
        -orig-id: Type of feature
        type: u1
        enum: feature_type
        doc: Which of the three feature fields has the bit.
      - id: bit_number
        -orig-id: Bit number
        type: u1
        doc: Number of the bit in that field; 0 is the least significant one.
      - id: name
        -orig-id: Feature name
        size: 46
        doc: The name, filled up with zeros; a name of 46 bytes has none.
  bitmaps_extension:
    doc: Where the bitmap directory lies and how large it is.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Bitmaps extension
    seq:
      - id: num_bitmaps
        -orig-id: nb_bitmaps
        type: u4
        doc: Entries of the bitmap directory, at least one.
      - id: reserved
        -orig-id: Reserved
        type: u4
        doc: Zero.
      - id: len_bitmap_directory
        -orig-id: bitmap_directory_size
        type: u8
        doc: Bytes of the bitmap directory, all entries with their padding.
      - id: ofs_bitmap_directory
        -orig-id: bitmap_directory_offset
        type: u8
        doc: Host offset of the bitmap directory, a multiple of the cluster size.
      - id: trailing
        size-eos: true
        if: not _io.eof
        doc: Bytes that the format does not provide for here.
  encryption_header_pointer:
    doc: Where the header of the disk encryption lies, which today means a LUKS header.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Full disk encryption header pointer
    seq:
      - id: ofs_header
        -orig-id: Offset into the image file at which the encryption header starts
        type: u8
        doc: Host offset of the encryption header, a multiple of the cluster size.
      - id: len_header
        -orig-id: Length of the written encryption header
        type: u8
        doc: Bytes of the encryption header; the clusters it lies in may have more.
      - id: trailing
        size-eos: true
        if: not _io.eof
        doc: Bytes that the format does not provide for here.
  l1_entry_node:
    -webide-representation: '{entry}'
    doc: An L1 entry together with the L2 table it points to.
    seq:
      - id: entry
        type: l1_entry
        doc: The entry itself.
    instances:
      l2_table:
        io: _root._io
        pos: entry.ofs_l2_table
        size: _root.len_l2_entry
        type: l2_entry_node
        repeat: expr
        repeat-expr: _root.num_l2_entries
        if: entry.ofs_l2_table != 0
        doc: The L2 table, when it is allocated.
  l1_entry:
    -webide-representation: 'L2 table at {ofs_l2_table:hex}'
    doc: One 8-byte entry of an L1 table. It covers as much of the guest disk as one L2 table.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Cluster mapping
    seq:
      - id: is_copied
        -orig-id: COPIED
        type: b1
        doc: Bit 63. The refcount of the L2 table is exactly one; kept up to date in the active L1 table only.
      - id: reserved1
        type: b7
        doc: Bits 62 to 56, zero.
      - id: ofs_l2_table_hi
        type: b24
        doc: Bits 55 to 32 of the host offset of the L2 table.
      - id: ofs_l2_table_lo
        type: b23
        doc: Bits 31 to 9 of the host offset of the L2 table.
      - id: reserved2
        type: b9
        doc: Bits 8 to 0, zero.
    instances:
      ofs_l2_table:
        value: ofs_l2_table_hi * 0x1_0000_0000 + ofs_l2_table_lo * 512
        doc: |
          Host offset of the L2 table, a multiple of the cluster size. 0 means
          that neither the table nor anything it would lead to is allocated.
  l2_entry_node:
    -webide-representation: '{descriptor}'
    doc: |
      An L2 entry of whichever kind, together with the bytes of its host
      cluster. The stream of this type must hold this one entry alone.
    seq:
      - id: descriptor
        type:
          switch-on: is_compressed
          cases:
            true: l2_entry_compressed(_root.header_v2.cluster_bits)
            false: l2_entry
        doc: The first word of the entry.
      - id: subclusters
        type: subcluster_bitmap
        if: _root.has_extended_l2_entries
        doc: The second word of an extended entry; zero if the cluster is compressed.
    instances:
      first_byte:
        pos: 0
        type: u1
        doc: Bits 63 to 56 of the entry, read ahead to tell what kind it is.
      is_compressed:
        value: (first_byte & 0x40) != 0
        doc: Bit 62 of the entry.
      host_cluster:
        io: _root._io
        pos: descriptor.as<l2_entry>.ofs_host_cluster
        size: _root.cluster_size
        if: not is_compressed and descriptor.as<l2_entry>.ofs_host_cluster != 0 and not _root.has_external_data_file
        doc: The cluster as it is stored, encrypted if the image is.
      compressed_data:
        io: _root._io
        pos: descriptor.as<l2_entry_compressed>.ofs_data
        size: >-
          descriptor.as<l2_entry_compressed>.ofs_data + descriptor.as<l2_entry_compressed>.len_data_max > _root._io.size
          ? _root._io.size - descriptor.as<l2_entry_compressed>.ofs_data
          : descriptor.as<l2_entry_compressed>.len_data_max
        if: is_compressed
        doc: |
          The compressed cluster and whatever follows it up to the end of its
          last sector, which the file may not contain in full.
  l2_entry:
    -webide-representation: 'cluster at {ofs_host_cluster:hex} zero={is_zero}'
    doc: |
      One 8-byte entry of an L2 table that describes an uncompressed cluster,
      or the first half of an extended entry.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Standard Cluster Descriptor
    seq:
      - id: is_copied
        -orig-id: COPIED
        type: b1
        doc: Bit 63. The refcount of the cluster is exactly one; kept up to date only below the active L1 table.
      - id: is_compressed
        type: b1
        doc: Bit 62. When set, the word has to be read as `l2_entry_compressed` instead.
      - id: reserved1
        type: b6
        doc: Bits 61 to 56, zero.
      - id: ofs_host_cluster_hi
        type: b24
        doc: Bits 55 to 32 of the host cluster offset.
      - id: ofs_host_cluster_lo
        type: b23
        doc: Bits 31 to 9 of the host cluster offset.
      - id: reserved2
        type: b8
        doc: Bits 8 to 1, zero.
      - id: is_zero
        type: b1
        doc: |
          Bit 0. The cluster reads as zeros, whether a host cluster is
          reserved for it or not. Reserved in version 2 and in extended
          entries, whose bitmap says it for each subcluster.
    instances:
      ofs_host_cluster:
        value: ofs_host_cluster_hi * 0x1_0000_0000 + ofs_host_cluster_lo * 512
        doc: |
          Host offset of the cluster, a multiple of the cluster size. 0 means
          unallocated, unless the guest data is in an external data file and
          `is_copied` is set: there 0 is a place like any other.
  l2_entry_compressed:
    params:
      - id: cluster_bits
        type: u4
        doc: Binary logarithm of the cluster size, from the header.
    -webide-representation: 'compressed at {ofs_data:hex}, {num_additional_sectors:dec} more sectors'
    doc: |
      One 8-byte entry of an L2 table that describes a compressed cluster. Its
      lower 62 bits are split at bit `70 - cluster_bits`: above is a count of
      512-byte sectors, below a host offset that needs no alignment. The split
      depends on a header field, so instances take the parts out of two halves.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Compressed Clusters Descriptor
    seq:
      - id: is_copied
        -orig-id: COPIED
        type: b1
        doc: Bit 63, never set for a compressed cluster.
      - id: is_compressed
        type: b1
        doc: Bit 62, set.
      - id: descriptor_hi
        type: b30
        doc: Bits 61 to 32, with the whole sector count and the upper part of the host offset.
      - id: descriptor_lo
        type: b32
        doc: Bits 31 to 0, the lower part of the host offset.
    instances:
      num_additional_sectors:
        -orig-id: Additional sectors
        value: descriptor_hi / (1 << (38 - cluster_bits))
        doc: Sectors that the data touches beyond the one it begins in.
      ofs_data:
        -orig-id: Host cluster offset
        value: descriptor_hi % (1 << (38 - cluster_bits)) * 0x1_0000_0000 + descriptor_lo
        doc: Host offset of the compressed data, exact to the byte.
      len_data_max:
        value: (num_additional_sectors + 1) * 512 - ofs_data % 512
        doc: |
          Bytes from the host offset to the end of the last sector. The exact
          length is stored nowhere; the compressed data itself tells its end.
  l2_entry_extended:
    -webide-representation: '{descriptor} {subclusters}'
    doc: |
      One 16-byte entry of an L2 table in an image with extended L2 entries,
      for an uncompressed cluster. A compressed one has `l2_entry_compressed`
      in the first word and zeros in the second.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Extended L2 Entries
    seq:
      - id: descriptor
        type: l2_entry
        doc: The first word. Its bit 0, `is_zero`, is reserved here.
      - id: subclusters
        type: subcluster_bitmap
        doc: The second word.
  subcluster_bitmap:
    doc: |
      State of the 32 subclusters of a cluster. A subcluster whose two bits are
      both clear comes from the backing file; both set is invalid.

      Bits are stored from the most significant one, so in both lists the item
      with index `i` speaks of subcluster `31 - i`.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Extended L2 Entries
    seq:
      - id: is_zero
        -orig-id: Subcluster reads as zeros
        type: b1
        repeat: expr
        repeat-expr: 32
        doc: Bits 63 to 32. The subcluster reads as zeros; subcluster 31 comes first.
      - id: is_allocated
        -orig-id: Allocation status
        type: b1
        repeat: expr
        repeat-expr: 32
        doc: Bits 31 to 0. The subcluster lies in the host cluster; subcluster 31 comes first.
  refcount_table_entry_node:
    -webide-representation: '{entry}'
    doc: A refcount table entry together with the refcount block it points to.
    seq:
      - id: entry
        type: refcount_table_entry
        doc: The entry itself.
    instances:
      refcount_block:
        io: _root._io
        pos: entry.ofs_refcount_block
        size: _root.cluster_size
        type: refcount_block(_root.refcount_order, _root.num_refcount_block_entries)
        if: entry.ofs_refcount_block != 0
        doc: The refcount block, when it is allocated.
  refcount_table_entry:
    -webide-representation: 'refcount block at {ofs_refcount_block:hex}'
    doc: One 8-byte entry of the refcount table.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Host cluster management
    seq:
      - id: ofs_refcount_block_hi
        type: b32
        doc: Bits 63 to 32 of the host offset of the refcount block.
      - id: ofs_refcount_block_lo
        type: b23
        doc: Bits 31 to 9 of the host offset of the refcount block.
      - id: reserved
        type: b9
        doc: Bits 8 to 0, zero.
    instances:
      ofs_refcount_block:
        value: ofs_refcount_block_hi * 0x1_0000_0000 + ofs_refcount_block_lo * 512
        doc: |
          Host offset of the refcount block, a multiple of the cluster size. 0
          means no block: all its refcounts are 0.
  refcount_block:
    params:
      - id: refcount_order
        type: u4
        doc: Binary logarithm of the refcount width in bits, from the header.
      - id: num_entries
        type: u4
        doc: Refcounts to read; a whole block has `cluster_size * 8 >> refcount_order`.
    doc: |
      Refcounts of consecutive host clusters. 0 is a free cluster, 1 a cluster
      with a single user, more a cluster that must be copied before it is
      changed. Refcounts narrower than a byte fill each byte from its least
      significant bit; wider ones are big-endian numbers.

      An order above 6 has no meaning; no refcount is read then.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Host cluster management
    seq:
      - id: is_referenced
        type: b1le
        repeat: expr
        repeat-expr: num_entries
        if: refcount_order == 0
        doc: Refcounts of one bit, which tell only whether a host cluster is referenced.
      - id: refcounts
        type:
          switch-on: refcount_order
          cases:
            1: b2le
            2: b4le
            3: u1
            4: u2
            5: u4
            6: u8
        repeat: expr
        repeat-expr: num_entries
        if: refcount_order != 0
        doc: How often each host cluster is referenced.
  snapshot_node:
    -webide-representation: '{snapshot}'
    doc: A snapshot table entry together with the L1 table it points to.
    seq:
      - id: snapshot
        type: snapshot
        doc: The entry itself.
    instances:
      l1_table:
        io: _root._io
        pos: snapshot.ofs_l1_table
        type: l1_entry_node
        repeat: expr
        repeat-expr: snapshot.num_l1_entries
        doc: The L1 table as it was, through which the old state of the disk is read.
  snapshot:
    -webide-representation: '{id:str} {name:str}'
    doc: |
      One entry of the snapshot table: an internal snapshot, which keeps its
      own copy of the L1 table. Entries begin at multiples of 8 bytes.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Snapshots
    seq:
      - id: ofs_l1_table
        -orig-id: l1_table_offset
        type: u8
        doc: Host offset of the L1 table of the snapshot, a multiple of the cluster size.
      - id: num_l1_entries
        -orig-id: l1_size
        type: u4
        doc: Entries of that L1 table.
      - id: len_id
        -orig-id: id_str_size
        type: u2
        doc: Bytes of the unique ID.
      - id: len_name
        -orig-id: name_size
        type: u2
        doc: Bytes of the name.
      - id: date_sec
        -orig-id: date_sec
        type: u4
        doc: When the snapshot was taken, in seconds since 1970.
      - id: date_nsec
        -orig-id: date_nsec
        type: u4
        doc: Nanoseconds to add to that time.
      - id: vm_clock_nsec
        -orig-id: vm_clock_nsec
        type: u8
        doc: How long the guest had been running, in nanoseconds.
      - id: len_vm_state
        -orig-id: vm_state_size
        type: u4
        doc: |
          Bytes of the saved state of the virtual machine, 0 if none was saved.
          Superseded by the 64-bit field of the extra data where that exists.
      - id: len_extra_data
        -orig-id: extra_data_size
        type: u4
        doc: Bytes of the extra data.
      - id: extra_data
        size: len_extra_data
        type: snapshot_extra_data(len_extra_data)
        doc: Fields that were added to the format over time.
      - id: id
        -orig-id: Unique ID string for the snapshot
        size: len_id
        doc: The ID, usually a decimal number. It has no terminator.
      - id: name
        -orig-id: Name of the snapshot
        size: len_name
        doc: The name. It has no terminator and no declared encoding.
      - id: padding
        size: '_io.size - _io.pos < len_padding ? _io.size - _io.pos : len_padding'
        doc: |
          Fills up to a multiple of 8 bytes. QEMU writes none after the last
          entry, so the file may end before the padding does.
    instances:
      len_padding:
        value: (8 - (len_extra_data + len_id + len_name)) % 8
        doc: Bytes from the end of the name to the next multiple of 8.
  snapshot_extra_data:
    params:
      - id: len
        type: u4
        doc: Bytes of the extra data; a field that does not fit in is absent.
    doc: Optional fields of a snapshot. Version 3 requires the first two.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Snapshots
    seq:
      - id: len_vm_state_large
        -orig-id: vm_state_size_large
        type: u8
        if: len >= 8
        doc: Bytes of the saved state of the virtual machine, 0 if none was saved.
      - id: disk_size
        -orig-id: disk_size
        type: u8
        if: len >= 16
        doc: Bytes of the virtual disk when the snapshot was taken.
      - id: icount
        -orig-id: icount
        type: u8
        if: len >= 24
        doc: Instructions executed up to the snapshot, for record and replay; all bits set when they were not counted.
      - id: unknown
        size-eos: true
        if: not _io.eof
        doc: Bytes that belong to no known field.
  bitmap_directory:
    params:
      - id: num_bitmaps
        type: u4
        doc: Entries of the directory, from the bitmaps extension.
    doc: All persistent bitmaps of an image.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Bitmap directory
    seq:
      - id: bitmaps
        type: bitmap_directory_entry_node
        repeat: expr
        repeat-expr: num_bitmaps
        doc: One entry for each bitmap.
  bitmap_directory_entry_node:
    -webide-representation: '{entry}'
    doc: A bitmap directory entry together with the bitmap table it points to.
    seq:
      - id: entry
        type: bitmap_directory_entry
        doc: The entry itself.
    instances:
      bitmap_table:
        io: _root._io
        pos: entry.ofs_bitmap_table
        type: bitmap_table_entry_node
        repeat: expr
        repeat-expr: entry.num_bitmap_table_entries
        doc: The table of the clusters that make up the bitmap.
  bitmap_directory_entry:
    -webide-representation: '{name:str}'
    doc: One entry of the bitmap directory. Entries begin at multiples of 8 bytes.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Bitmap directory
    seq:
      - id: ofs_bitmap_table
        -orig-id: bitmap_table_offset
        type: u8
        doc: Host offset of the bitmap table, a multiple of the cluster size.
      - id: num_bitmap_table_entries
        -orig-id: bitmap_table_size
        type: u4
        doc: Entries of the bitmap table.
      - id: flags
        -orig-id: flags
        type: bitmap_flags
        doc: State of the bitmap.
      - id: type
        -orig-id: type
        type: u1
        enum: bitmap_type
        doc: What the bitmap records.
      - id: granularity_bits
        -orig-id: granularity_bits
        type: u1
        doc: Binary logarithm of the guest bytes that one bit stands for.
      - id: len_name
        -orig-id: name_size
        type: u2
        doc: Bytes of the name.
      - id: len_extra_data
        -orig-id: extra_data_size
        type: u4
        doc: Bytes of the extra data; no bitmap type known today has any.
      - id: extra_data
        -orig-id: extra_data
        size: len_extra_data
        doc: Data of a kind this description does not know.
      - id: name
        -orig-id: name
        size: len_name
        doc: The name, unique among the bitmaps. It has no terminator and no declared encoding.
      - id: padding
        size: (8 - (len_extra_data + len_name)) % 8
        doc: Zeros up to a multiple of 8 bytes.
  bitmap_flags:
    doc: The 32 flag bits of a bitmap, most significant bit first.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Bitmap directory
    seq:
      - id: reserved
        type: b29
        doc: Bits 31 to 3, zero.
      - id: is_extra_data_compatible
        -orig-id: extra_data_compatible
        type: b1
        doc: Bit 2. The bitmap can be used without understanding its extra data.
      - id: is_auto
        -orig-id: auto
        type: b1
        doc: Bit 1. Every write of the guest has to be recorded in the bitmap.
      - id: is_in_use
        -orig-id: in_use
        type: b1
        doc: Bit 0. The bitmap was not saved properly, its content is not to be trusted.
  bitmap_table_entry_node:
    -webide-representation: '{entry}'
    doc: A bitmap table entry together with the cluster it points to.
    seq:
      - id: entry
        type: bitmap_table_entry
        doc: The entry itself.
    instances:
      bitmap_data:
        io: _root._io
        pos: entry.ofs_bitmap_data
        size: _root.cluster_size
        if: entry.ofs_bitmap_data != 0
        doc: |
          One cluster of the bitmap. Bit `i` of the bitmap is bit `i % 8` of
          byte `i / 8`, counted from the least significant one.
  bitmap_table_entry:
    -webide-representation: 'bitmap data at {ofs_bitmap_data:hex} all_ones={is_all_ones}'
    doc: One 8-byte entry of a bitmap table.
    doc-ref: https://gitlab.com/qemu-project/qemu/-/blob/v10.0.0/docs/interop/qcow2.txt Bitmap table
    seq:
      - id: reserved1
        type: b8
        doc: Bits 63 to 56, zero.
      - id: ofs_bitmap_data_hi
        type: b24
        doc: Bits 55 to 32 of the host offset of the bitmap data.
      - id: ofs_bitmap_data_lo
        type: b23
        doc: Bits 31 to 9 of the host offset of the bitmap data.
      - id: reserved2
        type: b8
        doc: Bits 8 to 1, zero.
      - id: is_all_ones
        type: b1
        doc: |
          Bit 0. Without a data cluster, this part of the bitmap is all ones
          (set) or all zeros (clear). Reserved when there is a data cluster.
    instances:
      ofs_bitmap_data:
        value: ofs_bitmap_data_hi * 0x1_0000_0000 + ofs_bitmap_data_lo * 512
        doc: Host offset of one cluster of bitmap data, 0 when none is stored.
  luks1_header:
    doc: |
      Header of a LUKS version 1 volume. Its sector numbers count from the
      start of this header. QEMU keeps header and key material together; the
      encrypted payload is the guest clusters, wherever they lie.
    doc-ref: https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf
    seq:
      - id: magic
        -orig-id: magic
        size: 6
        doc: The letters `LUKS` and the bytes 0xba 0xbe. Not demanded, so that a damaged header can be read.
      - id: version
        -orig-id: version
        type: u2
        doc: Version of the LUKS format, 1.
      - id: cipher_name
        -orig-id: cipher-name
        size: 32
        doc: Name of the cipher, ended by a zero byte.
      - id: cipher_mode
        -orig-id: cipher-mode
        size: 32
        doc: Mode of the cipher and how its initial vectors are made, ended by a zero byte.
      - id: hash_spec
        -orig-id: hash-spec
        size: 32
        doc: Name of the hash used to derive keys, ended by a zero byte.
      - id: payload_offset
        -orig-id: payload-offset
        type: u4
        doc: Where the payload of a LUKS volume would begin, in sectors of 512 bytes; not used for qcow2.
      - id: len_key
        -orig-id: key-bytes
        type: u4
        doc: Bytes of the master key.
      - id: mk_digest
        -orig-id: mk-digest
        size: 20
        doc: Digest that tells whether a recovered master key is the right one.
      - id: mk_digest_salt
        -orig-id: mk-digest-salt
        size: 32
        doc: Salt of that digest.
      - id: mk_digest_iterations
        -orig-id: mk-digest-iter
        type: u4
        doc: Rounds of the key derivation for that digest.
      - id: uuid
        -orig-id: uuid
        size: 40
        doc: UUID of the volume as text, ended by a zero byte.
      - id: key_slots
        -orig-id: key-slots
        type: luks1_key_slot(len_key)
        repeat: expr
        repeat-expr: 8
        doc: Up to eight passphrases, each of which unlocks the master key.
  luks1_key_slot:
    params:
      - id: len_key
        type: u4
        doc: Bytes of the master key, from the LUKS header.
    -webide-representation: '{state}'
    doc: One key slot of a LUKS header.
    doc-ref: https://gitlab.com/cryptsetup/cryptsetup/-/wikis/LUKS-standard/on-disk-format.pdf
    seq:
      - id: state
        -orig-id: active
        type: u4
        enum: luks1_key_slot_state
        doc: Whether the slot holds a key.
      - id: iterations
        -orig-id: iterations
        type: u4
        doc: Rounds of the key derivation from the passphrase.
      - id: salt
        -orig-id: salt
        size: 32
        doc: Salt of that key derivation.
      - id: key_material_offset
        -orig-id: key-material-offset
        type: u4
        doc: Where the key material begins, in sectors of 512 bytes from the LUKS header.
      - id: num_stripes
        -orig-id: stripes
        type: u4
        doc: Parts into which the anti-forensic splitter spread the master key.
    instances:
      key_material:
        pos: key_material_offset * 512
        size: len_key * num_stripes
        doc: |
          The master key, split and encrypted; a disabled slot may still hold
          what remains of an old one. The stream must begin with the LUKS header.
enums:
  crypt_method:
    0:
      id: none
      doc: Guest data is not encrypted.
    1:
      id: aes
      doc: AES in CBC mode with a key made from the passphrase itself. Obsolete and weak.
    2:
      id: luks
      doc: LUKS, with its header in the image.
  compression_type:
    0:
      id: deflate
      -orig-id: zlib
      doc: Raw deflate stream, without a zlib header.
    1:
      id: zstd
      doc: Zstandard frames.
  header_extension_type:
    0x00000000:
      id: end
      -orig-id: End of the header extension area
      doc: Nothing follows.
    0x0537be77:
      id: encryption_header
      -orig-id: Full disk encryption header pointer
      doc: Place of the LUKS header.
    0x23852875:
      id: bitmaps
      -orig-id: Bitmaps extension
      doc: Place of the bitmap directory.
    0x44415441:
      id: external_data_file
      -orig-id: External data file name string
      doc: Name of the file that holds the guest data. The number spells `DATA`.
    0x6803f857:
      id: feature_name_table
      -orig-id: Feature name table
      doc: Names of feature bits.
    0xe2792aca:
      id: backing_format
      -orig-id: Backing file format name string
      doc: Format of the backing file.
  feature_type:
    0:
      id: incompatible
      doc: A bit of the incompatible features.
    1:
      id: compatible
      doc: A bit of the compatible features.
    2:
      id: autoclear
      doc: A bit of the autoclear features.
  bitmap_type:
    1:
      id: dirty_tracking
      -orig-id: Dirty tracking bitmap
      doc: A set bit tells that this part of the disk was written to.
  luks1_key_slot_state:
    0x0000dead:
      id: disabled
      -orig-id: LUKS_KEY_DISABLED
      doc: The slot is free.
    0x00ac71f3:
      id: enabled
      -orig-id: LUKS_KEY_ENABLED
      doc: The slot holds a key.
