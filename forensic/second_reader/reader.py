"""The disk as the second reader sees it: layer by layer, in order, without a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from forensic.errors import Unsupported
from forensic.second_reader.answers import Answer, AnswerKind, Layer, RawLayer, unreadable, zeros
from forensic.second_reader.header import active_l1, read_header, snapshot_l1
from forensic.second_reader.image_layer import ImageLayer
from forensic.second_reader.planned_layer import PlannedLayer
from forensic.second_reader.source import Source


class SecondReader:
    """A virtual disk of `size` bytes, read in the plain way.

    It is for comparison: what it gives is right or wrong independently of what `forensic.extract` and `DiskReader`
    give. One object serves one thread.
    """

    def __init__(self, sources: Sequence[Source], target: str = "active") -> None:
        """Read `target`: `active`, `snapshot:<index>` or `vm-state:<index>` of the first source.

        The files stay open and are their owner's. Raises `Unsupported` where a header or a snapshot cannot be read.
        """
        self._layers = [_layer(sources[0], target), *(_layer(source, "active") for source in sources[1:])]
        self.size = self._layers[0].size

    def answers(self, guest_offset: int, length: int) -> Iterator[Answer]:
        """The guest bytes from `guest_offset` on, as `DATA`, `ZEROS` or `UNREADABLE`.

        Nothing is given for what lies past the end of the disk.
        """
        return self._from(0, guest_offset, max(0, min(length, self.size - guest_offset)))

    def _from(self, depth: int, position: int, length: int) -> Iterator[Answer]:
        """What a layer says, and where it has nothing the layers below it."""
        layer = self._layers[depth]
        inside = max(0, min(length, layer.size - position))
        if inside:
            for answer in layer.answers(position, inside):
                if answer.kind != AnswerKind.BELOW:
                    yield answer
                elif depth + 1 < len(self._layers):
                    yield from self._from(depth + 1, position, answer.length)
                elif layer.hides_below:
                    yield unreadable(answer.length, layer.hides_below)
                else:
                    yield zeros(answer.length)
                position += answer.length
        if inside < length:  # a backing file that is shorter than what lies on it reads as zeros past its end
            yield zeros(length - inside)


def _layer(source: Source, target: str) -> Layer:
    if source.is_raw:
        return RawLayer(source.evidence)
    header = read_header(source.evidence, source.planned.header if source.planned else b"")
    kind, _, index = target.partition(":")
    if kind in ("snapshot", "vm-state") and index.isdecimal() and header.version > 1:
        return ImageLayer(source, header, snapshot_l1(source.evidence, header, int(index), kind == "vm-state"))
    if target != "active":
        raise Unsupported(source.evidence.path_as_given, f"the image has no {target} to read a second time")
    layer = ImageLayer(source, header, active_l1(header))
    return PlannedLayer(layer, source.planned) if source.planned else layer
