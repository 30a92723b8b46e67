"""An image whose tables come from a recovery plan: what the plan does not know is unreadable, whatever lies there."""

from __future__ import annotations

from collections.abc import Iterator

from forensic.second_reader.answers import Answer, AnswerKind, unreadable
from forensic.second_reader.image_layer import ImageLayer
from forensic.second_reader.source import PlannedTables


class PlannedLayer:
    """See `forensic.second_reader.answers.Layer`."""

    def __init__(self, layer: ImageLayer, planned: PlannedTables) -> None:
        """Ask `layer` for what is known."""
        self._layer, self._unknown = layer, planned.unknown
        self.size = layer.size
        self.hides_below = layer.hides_below

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """See `Layer`."""
        position, end = guest_offset, guest_offset + length
        for start, stop, reason in self._within(guest_offset, end):
            if position < start:
                yield from self._layer.answers(position, start - position)
            position = max(position, start)
            yield from self._not_known(position, min(end, stop), reason)
            position = min(end, stop)
        if position < end:
            yield from self._layer.answers(position, end - position)

    def _not_known(self, start: int, end: int, reason: str) -> Iterator[Answer]:
        """A range that the plan does not know: where the tables cannot be read either, that is the reason."""
        for answer in self._layer.answers(start, end - start):
            yield answer if answer.kind == AnswerKind.UNREADABLE else unreadable(answer.length, reason)

    def _within(self, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """The unknown ranges that touch a guest range."""
        low, high = 0, len(self._unknown)
        while low < high:
            middle = (low + high) // 2
            if self._unknown[middle][1] <= start:
                low = middle + 1
            else:
                high = middle
        while low < len(self._unknown) and self._unknown[low][0] < end:
            yield self._unknown[low]
            low += 1
