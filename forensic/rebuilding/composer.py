"""The steps of a reading, cluster by cluster into a new image."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.disk.disk import Disk
from forensic.disk.examination import fills_cluster, stream_end
from forensic.disk.layer import Layer
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.evidence import ReadFailed
from forensic.extraction.piece_reader import Filled
from forensic.extraction.plan import Hole
from forensic.rebuilding.image_writer import ImageWriter
from forensic.rebuilding.spans import Kind, Span


class Composer:
    """Takes the steps in guest order, and gives each span of clusters to the writer as what it is."""

    def __init__(
        self, disk: Disk, found: Iterator[Span], writer: ImageWriter, compression_type: int, refer: bool
    ) -> None:
        """`found` are the spans of the disk; with `refer` data stays where it is, in the data file."""
        self._disk, self._spans, self._writer = disk, found, writer
        self._compression_type, self._refer = compression_type, refer
        self._span: Span | None = None
        self._place = 0

    def take(self, step: Filled | Hole) -> None:
        """The next step. Raises `OutputFailed`."""
        length = step.length if isinstance(step, Hole) else len(step.data)
        size = self._writer.cluster_size
        position, end = step.guest_offset, step.guest_offset + length
        while position < end:
            span = self._span_at(position)
            stop = min(end, (span.first + span.count) * size)
            if isinstance(step, Filled):
                self._fill(span, step, position, stop)
            position = stop

    def _fill(self, span: Span, step: Filled, start: int, stop: int) -> None:
        """The bytes of (part of) a span."""
        data = step.data[start - step.guest_offset : stop - step.guest_offset]
        if span.kind == Kind.STREAM:
            if not any(fault.guest_offset < stop and fault.end > start for fault in step.faults):
                self._take_stream(span, data)
        elif span.kind == Kind.DATA and not self._refer:
            self._writer.write(self._place + start - span.first * self._writer.cluster_size, data)

    def _span_at(self, position: int) -> Span:
        """The span at a guest offset; one that is reached is entered into the tables."""
        size = self._writer.cluster_size
        while self._span is None or (self._span.first + self._span.count) * size <= position:
            self._span = span = next(self._spans)
            if span.kind == Kind.ZERO:
                self._writer.zero(span.first, span.count)
            elif span.kind == Kind.DATA and self._refer:
                self._writer.reference(span.first, span.count)
            elif span.kind == Kind.DATA:
                self._place = self._writer.data(span.first, span.count)
        return self._span

    def _take_stream(self, span: Span, data: memoryview) -> None:
        """Copy a stream as it is stored, if every reader of the new image will take it; otherwise what it decodes to.

        One that is of another codec, or goes on after its cluster is full, is not taken by QEMU.
        """
        stored = self._stored(self._disk.layers[span.depth], span)
        if stored is None:
            self._writer.write(self._writer.data(span.first, 1), data)
        else:
            self._writer.stream(span.first, stored)

    def _stored(self, level: Layer, span: Span) -> bytes | None:
        if not isinstance(level, Qcow2Layer):
            return None
        geometry = level.image.geometry
        size = self._writer.cluster_size
        if (geometry.cluster_size, geometry.compression_type) != (size, self._compression_type):
            return None
        try:
            stored = level.image.evidence.read_at(span.host_offset, span.stored_length)
        except ReadFailed:
            return None
        end = stream_end(stored, self._compression_type, size)
        whole = end is not None and fills_cluster(stored[:end], self._compression_type, size)
        return stored[:end] if whole else None
