"""An image as a layer: L1 entry, L2 entry, cluster, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.second_reader.answers import Answer, AnswerKind, StoredFile, below, data, unreadable, zeros
from forensic.second_reader.decoding import decoded
from forensic.second_reader.entries import ClusterEntry, StreamEntry, l2_entry, l2_table_offset, version_1_entry
from forensic.second_reader.header import AES, L1, LONGEST_L1, LUKS, Header
from forensic.second_reader.overwritten import l1_is_overwritten, l2_is_overwritten
from forensic.second_reader.source import Source
from forensic.second_reader.tables import Tables

SECTOR = 512
TABLES_REMEMBERED = 1 << 16
SUBCLUSTERS = 32
NOTHING = ClusterEntry(0, copied=False, zero_flag=False)


class ImageLayer:
    """A qcow or qcow2 image, read through one of its L1 tables. See `forensic.second_reader.answers.Layer`."""

    def __init__(self, source: Source, header: Header, l1: L1) -> None:
        """Read the disk of this L1 table."""
        self._image, self._header, self._l1 = source.evidence, header, l1
        self._file = StoredFile(source.evidence)
        self._data_file = StoredFile(source.data_file) if source.data_file else None
        self._tables = Tables(source.evidence)
        self._planned = source.planned.l2_tables if source.planned else None
        self._last_stream: tuple[StreamEntry, Answer] | None = None
        self._overwritten: dict[int, bool] = {}
        self.size = l1.size
        # Past the end of the disk, where a machine's state is saved, the backing file has nothing.
        self.hides_below = "backing_not_supplied" if header.has_backing_file and not l1.base else ""
        self._lacks = ""
        if header.external_data_file and source.data_file is None:
            self._lacks = "data_file_not_supplied"
        elif header.encryption in (AES, LUKS) and source.key is None and not source.as_stored:
            self._lacks = "key_not_supplied"
        self._decryption = None
        key = source.key
        if header.encryption in (AES, LUKS) and key is not None and not source.as_stored:
            from forensic.second_reader.keys import decryption_of

            head = source.planned.header if source.planned else b""
            self._decryption = key.opened(lambda: decryption_of(source.evidence, header, key, head))

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """See `Layer`."""
        coverage = self._header.l1_coverage
        position, end = guest_offset + self._l1.base, guest_offset + self._l1.base + length
        known_end = min(end, self._l1_believed * coverage)
        if position < end and self._l1_is_overwritten():
            yield unreadable(end - position, "entry_doubtful")
            return
        nothing = 0  # guest bytes without an L2 table that were not answered for yet
        while position < known_end:
            stop = min(known_end, (position // coverage + 1) * coverage)
            table = self._l2_table(position // coverage)
            if table == 0:
                nothing += stop - position
            else:
                if nothing:
                    yield below(nothing)
                    nothing = 0
                if table is None:
                    yield unreadable(stop - position, "l2_unreadable")
                elif self._is_overwritten(table):
                    yield from self._doubtful(table, position, stop)
                else:
                    yield from self._through_table(table, position, stop)
            position = stop
        if nothing:
            yield below(nothing)
        if position < end:
            yield unreadable(end - position, "l2_unreadable")

    def placed(self, guest_offset: int, length: int, host_offset: int) -> Iterator[Answer]:
        """A guest range whose bytes lie in a row from a host offset on, whatever the tables say."""
        within = guest_offset % self._header.cluster_size
        yield from self._stored(ClusterEntry(host_offset - within, copied=True, zero_flag=False), guest_offset, length)

    def placed_stream(self, host_offset: int, stored_length: int, skip: int, length: int) -> Answer:
        """A part of a compressed cluster whose stream lies here, whatever the tables say."""
        return self._part_of_stream(StreamEntry(host_offset, stored_length), skip, length)

    @property
    def _l1_believed(self) -> int:
        """Entries of the L1 table; one that claims more than any reader takes is believed as far as its disk goes."""
        claimed = self._l1.entries
        needed = -(-self._l1.size // self._header.l1_coverage)
        return min(claimed if claimed <= LONGEST_L1 else needed, LONGEST_L1)

    def _l2_table(self, index: int) -> int | None:
        """The host offset of an L2 table, 0 if there is none; None if the entry or the table cannot be read."""
        header = self._header
        if self._planned is not None:
            offset = self._planned[index] if index < len(self._planned) else 0
            return offset if offset < self._image.size else None
        raw = self._tables.entry(self._l1.host_offset, self._l1_believed * 8, index, 8)
        if raw is None:
            return None
        if not any(raw):
            return 0
        if header.version == 1:
            offset, aligned = int.from_bytes(raw, "big"), True
        else:
            offset = l2_table_offset(raw)
            aligned = offset % header.cluster_size == 0
        return offset if aligned and offset < self._image.size else None

    def _l1_is_overwritten(self) -> bool:
        if self._header.version == 1 or self._planned is not None:
            return False
        if -1 not in self._overwritten:
            raw = self._tables.whole(self._l1.host_offset, self._l1_believed * 8)
            self._overwritten[-1] = l1_is_overwritten(raw, self._header, self._image.size)
        return self._overwritten[-1]

    def _is_overwritten(self, table: int) -> bool:
        """Whether something else was written over an L2 table; worked out once for each of the last tables.

        A recovery plan says of each entry whether it is believed.
        """
        header = self._header
        if header.version == 1 or self._planned is not None:
            return False
        if table not in self._overwritten:
            if len(self._overwritten) > TABLES_REMEMBERED:
                self._overwritten = {key: found for key, found in self._overwritten.items() if key < 0}
            raw = self._tables.whole(table, header.cluster_size)
            whole = len(raw) // header.l2_entry_size * header.l2_entry_size
            self._overwritten[table] = l2_is_overwritten(raw[:whole], header, self._image.size)
        return self._overwritten[table]

    def _doubtful(self, table: int, position: int, end: int) -> Iterator[Answer]:
        """The range of a table that was overwritten: doubtful as far as the file holds it."""
        header = self._header
        there = len(self._tables.whole(table, header.cluster_size)) // header.l2_entry_size * header.cluster_size
        limit = max(position, min(end, position // header.l1_coverage * header.l1_coverage + there))
        if position < limit:
            yield unreadable(limit - position, "entry_doubtful")
        if limit < end:
            yield unreadable(end - limit, "l2_unreadable")

    def _through_table(self, table: int, position: int, end: int) -> Iterator[Answer]:
        """The clusters that an L2 table maps from `position` to `end`; neighbours with nothing there are one answer."""
        cluster_size = self._header.cluster_size
        nothing = 0
        while position < end:
            stop = min(end, (position // cluster_size + 1) * cluster_size)
            entry = self._l2_entry(table, position // cluster_size % self._header.l2_entries)
            if entry is NOTHING:
                nothing += stop - position
            else:
                if nothing:
                    yield below(nothing)
                    nothing = 0
                yield from self._cluster(entry, position, stop - position)
            position = stop
        if nothing:
            yield below(nothing)

    def _l2_entry(self, table: int, index: int) -> ClusterEntry | StreamEntry | None:
        header = self._header
        size = header.l2_entry_size
        raw = self._tables.entry(table, header.l2_entries * size, index, size)
        if raw is None:
            return None
        if not any(raw):
            return NOTHING
        if header.version == 1:
            return version_1_entry(raw, header.cluster_bits)
        return l2_entry(raw, header.cluster_bits, header.extended_l2)

    def _cluster(self, entry: ClusterEntry | StreamEntry | None, position: int, length: int) -> Iterator[Answer]:
        """A cluster, or the part of it from guest offset `position` on."""
        if entry is None:
            yield unreadable(length, "l2_unreadable")
        elif isinstance(entry, StreamEntry):
            yield self._part_of_stream(entry, position % self._header.cluster_size, length)
        elif entry.subcluster_zero:
            yield from self._subclusters(entry, position, length)
        else:
            yield from self._standard(entry, position, length)

    def _standard(self, entry: ClusterEntry, position: int, length: int) -> Iterator[Answer]:
        """Specification: "Standard Cluster Descriptor"."""
        if entry.zero_flag and self._header.version >= 3:
            yield zeros(length)
        elif entry.zero_flag:
            yield unreadable(length, "reserved_bits_set")
        elif fault := self._fault_of_place(entry, position):
            yield unreadable(length, fault)
        elif self._is_allocated(entry):
            yield from self._stored(entry, position, length)
        else:
            yield below(length)

    def _subclusters(self, entry: ClusterEntry, position: int, length: int) -> Iterator[Answer]:
        """Specification: "Extended L2 Entries"."""
        fault = self._fault_of_place(entry, position)
        if fault:
            yield unreadable(length, fault)
            return
        part_size, end = self._header.cluster_size // SUBCLUSTERS, position + length
        while position < end:
            part = position % self._header.cluster_size // part_size
            count = min(end, (position // part_size + 1) * part_size) - position
            is_zero, is_allocated = entry.subcluster_zero[part], entry.subcluster_allocated[part]
            if is_allocated and (is_zero or not self._is_allocated(entry)):
                yield unreadable(count, "reserved_bits_set")
            elif is_allocated:
                yield from self._stored(entry, position, count)
            else:
                yield zeros(count) if is_zero else below(count)
            position += count

    def _is_allocated(self, entry: ClusterEntry) -> bool:
        """Whether there is a host cluster; in an external data file offset 0 is a place like any other."""
        return entry.host_offset != 0 or (self._header.external_data_file and entry.copied)

    def _fault_of_place(self, entry: ClusterEntry, position: int) -> str:
        """Why an entry cannot lead to its cluster; nothing if it can."""
        header = self._header
        if entry.host_offset % (SECTOR if header.version == 1 else header.cluster_size):
            return "entry_unaligned"
        cluster = position - position % header.cluster_size
        if header.external_data_file and self._is_allocated(entry) and entry.host_offset != cluster:
            return "entry_misplaced"
        return ""

    def _stored(self, entry: ClusterEntry, position: int, length: int) -> Iterator[Answer]:
        """Guest bytes that are stored as they are, or encrypted."""
        host_offset = entry.host_offset + position % self._header.cluster_size
        file = self._file
        if self._header.external_data_file:
            if self._data_file is None:
                yield unreadable(length, self._lacks)
                return
            file = self._data_file
        inside = max(0, min(length, file.evidence.size - host_offset))
        if self._lacks:
            if inside:
                yield unreadable(inside, self._lacks)
        elif self._decryption is None:
            yield from file.bytes(host_offset, inside)
        elif inside:
            from forensic.second_reader.decryption import decrypted

            yield from decrypted(file, self._decryption, position, host_offset, inside)
        if inside < length:
            yield unreadable(length - inside, "entry_beyond_eof")

    def _part_of_stream(self, entry: StreamEntry, skip: int, length: int) -> Answer:
        """Part of a compressed cluster, which is never encrypted. Specification: "Compressed Clusters Descriptor"."""
        if self._last_stream is None or self._last_stream[0] != entry:
            self._last_stream = (entry, self._decode(entry))
        whole = self._last_stream[1]
        if whole.kind == AnswerKind.UNREADABLE:
            return unreadable(length, whole.reason)
        return data(whole.data[skip : skip + length])

    def _decode(self, entry: StreamEntry) -> Answer:
        cluster_size = self._header.cluster_size
        if not entry.stored_length:  # only version 1 can say so
            return unreadable(cluster_size, "decompress_failed")
        if entry.host_offset >= self._image.size:
            return unreadable(cluster_size, "entry_beyond_eof")
        stored = b""
        there = min(entry.stored_length, self._image.size - entry.host_offset)
        for answer in self._file.bytes(entry.host_offset, there):
            if answer.kind == AnswerKind.UNREADABLE:
                return unreadable(cluster_size, answer.reason)
            stored += answer.data or bytes(answer.length)
        return decoded(stored, self._header.compression_type, cluster_size)
