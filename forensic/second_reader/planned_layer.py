"""An image whose tables come from a recovery plan: what the plan does not know is unreadable, whatever lies there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forensic.second_reader.answers import Answer, AnswerKind, unreadable
from forensic.second_reader.image_layer import ImageLayer
from forensic.second_reader.source import PlannedTables


class PlannedLayer:
    """See `forensic.second_reader.answers.Layer`."""

    def __init__(self, layer: ImageLayer, planned: PlannedTables) -> None:
        """Ask `layer` for what its tables tell."""
        self._layer, self._unknown, self._data = layer, planned.unknown, planned.data
        self.size = layer.size
        self.hides_below = layer.hides_below

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """See `Layer`."""
        position, end = guest_offset, guest_offset + length
        for index in _touching(self._unknown, guest_offset, end):
            start, stop, reason = self._unknown[index]
            if position < start:
                yield from self._known(position, start)
            position = max(position, start)
            yield from self._not_known(position, min(end, stop), reason)
            position = min(end, stop)
        if position < end:
            yield from self._known(position, end)

    def _known(self, position: int, end: int) -> Iterator[Answer]:
        """A range that is known: by the tables, or by the plan where they are lost."""
        for index in _touching(self._data, position, end):
            start, stop, host_offset, stored_length = self._data[index]
            if position < start:
                yield from self._layer.answers(position, start - position)
            position, stop = max(position, start), min(end, stop)
            if stored_length:
                yield self._layer.placed_stream(host_offset, stored_length, position - start, stop - position)
            else:
                yield from self._layer.placed(position, stop - position, host_offset + position - start)
            position = stop
        if position < end:
            yield from self._layer.answers(position, end - position)

    def _not_known(self, start: int, end: int, reason: str) -> Iterator[Answer]:
        """A range that the plan does not know: where the tables cannot be read either, that is the reason."""
        for answer in self._layer.answers(start, end - start):
            yield answer if answer.kind == AnswerKind.UNREADABLE else unreadable(answer.length, reason)


def _touching(ranges: Sequence[tuple[int, int, *tuple[object, ...]]], start: int, end: int) -> Iterator[int]:
    """The places of those of some ranges, in order and each with start and end, that touch a guest range."""
    low, high = 0, len(ranges)
    while low < high:
        middle = (low + high) // 2
        if ranges[middle][1] <= start:
            low = middle + 1
        else:
            high = middle
    while low < len(ranges) and ranges[low][0] < end:
        yield low
        low += 1
