"""Where the bytes of a volume lie on the disk: one partition, or the striped segments of a logical volume."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

from msgspec import Struct


class Segment(Struct, frozen=True):
    """`length` bytes from `start` of a volume, dealt to the stripes in turn, `stripe_size` bytes at a time.

    Each stripe is the guest offset where it begins; None if it lies on a physical volume that this disk does not have.
    """

    start: int
    length: int
    stripes: tuple[int | None, ...]
    stripe_size: int


class Piece(Struct, frozen=True):
    """A range of a volume that is in one piece on the disk; `guest_offset` is None if it is not on this disk."""

    offset: int
    length: int
    guest_offset: int | None


class Layout(Struct, frozen=True):
    """The segments of a volume, in order; between them there may be gaps, which are nowhere on the disk."""

    length: int
    segments: tuple[Segment, ...]

    def pieces(self, offset: int, length: int) -> Iterator[Piece]:
        """A range of the volume, piece by piece; it ends where the volume ends."""
        end = min(offset + length, self.length)
        while offset < end:
            piece = self._piece_at(offset, end)
            yield piece
            offset += piece.length

    def _piece_at(self, offset: int, end: int) -> Piece:
        number = bisect_right(self.segments, offset, key=lambda segment: segment.start) - 1
        segment = self.segments[number] if number >= 0 else None
        if segment is None or offset >= segment.start + segment.length:
            following = self.segments[number + 1].start if number + 1 < len(self.segments) else end
            return Piece(offset, min(end, following) - offset, None)
        within = offset - segment.start
        row, place = divmod(within, segment.stripe_size * len(segment.stripes))
        stripe, rest = divmod(place, segment.stripe_size)
        length = min(segment.stripe_size - rest, segment.length - within, end - offset)
        base = segment.stripes[stripe]
        return Piece(offset, length, None if base is None else base + row * segment.stripe_size + rest)

    def offset_of(self, guest_offset: int) -> int | None:
        """Which byte of the volume lies at a guest offset; None if none does."""
        for segment in self.segments:
            for number, base in enumerate(segment.stripes):
                within = guest_offset - base if base is not None else -1
                if not 0 <= within < segment.length:
                    continue
                row, rest = divmod(within, segment.stripe_size)
                offset = (row * len(segment.stripes) + number) * segment.stripe_size + rest
                if offset < segment.length:
                    return segment.start + offset
        return None


def in_one_piece(guest_offset: int, length: int) -> Layout:
    """The layout of a partition, or of the whole disk."""
    return Layout(length, (Segment(0, length, (guest_offset,), max(length, 1)),))
