"""What the terminal shows, cell by cell, and the shortest way from that to what it is to show.

A widget that is drawn again sends all of its cells, most of which are as they were. Over a slow line that is felt at
every key; here the cells are compared, and only those that differ are sent, with colours only where they change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

Piece = tuple[int, int, Iterable[Segment]]
"""Row, column, and what is to stand there from that column on."""

UNKNOWN = -1
"""The look of a cell of which nobody knows what it shows."""

GAP = 6
"""Cells as they were between two that changed which are rather written again than stepped over."""

SINGLE_CELLS = re.compile("[ -~\u00a1-\u00ac\u00ae-\u02ff\u2010-\u2027\u2500-\u25fc]*").fullmatch
"""Text of which each character fills one cell; all else is measured."""

ATTRIBUTES = (
    ("bold", "1"),
    ("dim", "2"),
    ("italic", "3"),
    ("underline", "4"),
    ("blink", "5"),
    ("reverse", "7"),
    ("conceal", "8"),
    ("strike", "9"),
    ("underline2", "21"),
    ("overline", "53"),
)
"""Attributes of a style and the codes that turn them on; all are turned off together."""


class Looks:
    """Numbers for the ways in which cells look, and how one is turned into another; links and metadata are no look."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str, str], int] = {("", "39", "49"): 0}
        self._codes = [("", "39", "49")]
        self._of_styles: dict[Style | None, int] = {None: 0}

    def of(self, style: Style | None, colours: ColorSystem) -> int:
        """The number of a style's look."""
        number = self._of_styles.get(style)
        if number is None:
            codes = _codes_of(style, colours) if style else self._codes[0]
            number = self._numbers.setdefault(codes, len(self._codes))
            if number == len(self._codes):
                self._codes.append(codes)
            self._of_styles[style] = number
        return number

    def change(self, before: int, after: int) -> str:
        """The control sequence from one look to another; empty if they are the same."""
        if before == after:
            return ""
        (attributes, *colours), (wanted, *wanted_colours) = self._codes[before], self._codes[after]
        if attributes == wanted:
            parts = [new for old, new in zip(colours, wanted_colours, strict=True) if old != new]
        elif not attributes:
            parts = [wanted, *(new for old, new in zip(colours, wanted_colours, strict=True) if old != new)]
        else:
            parts = ["0", wanted, *(new for new in wanted_colours if new not in ("39", "49"))]
        return f"\x1b[{';'.join(part for part in parts if part)}m"


class Frame:
    """The cells of a terminal; `difference` is what has to be sent so that it shows some pieces of lines."""

    def __init__(self) -> None:
        """Nothing is known of what the terminal shows."""
        self._characters: list[list[str]] = []
        self._looks: list[list[int]] = []
        self._known = Looks()

    def forget(self) -> None:
        """Something else may have written on the terminal: send everything the next time."""
        self._characters, self._looks = [], []

    def difference(self, pieces: Iterable[Piece], size: tuple[int, int], colours: ColorSystem) -> str:
        """Take over these pieces of lines on a terminal of so many columns and rows; gives what has to be sent."""
        self._fit(*size)
        written: list[str] = []
        pen, place = 0, (-1, -1)
        for row, column, segments in pieces:
            if not 0 <= row < size[1]:
                continue
            characters, looks = self._cells(segments, colours)
            for start, end in self._changed(row, column, characters, looks, size[0]):
                written.append(_move(place, (row, start)))
                for at in range(start, end):
                    look = looks[at - column]
                    if look != pen:
                        written.append(self._known.change(pen, look))
                        pen = look
                    written.append(characters[at - column])
                place = (row, end) if end < size[0] else (-1, -1)  # where a cursor stands past the edge differs
        if pen:
            written.append("\x1b[0m")
        return "".join(written)

    def _fit(self, width: int, height: int) -> None:
        """A terminal of another size has shifted what it showed."""
        if len(self._characters) != height or (height and len(self._characters[0]) != width):
            self._characters = [[" "] * width for _ in range(height)]
            self._looks = [[UNKNOWN] * width for _ in range(height)]

    def _cells(self, segments: Iterable[Segment], colours: ColorSystem) -> tuple[list[str], list[int]]:
        """A character and a look for each cell; the second cell of a wide character holds nothing."""
        characters: list[str] = []
        looks: list[int] = []
        for text, style, control in segments:
            if control:
                continue
            look = self._known.of(style, colours)
            if text.isascii() or SINGLE_CELLS(text):
                characters += text
            else:
                _take_wide(characters, text)
            looks += [look] * (len(characters) - len(looks))
        return characters, looks

    def _changed(
        self, row: int, column: int, characters: list[str], looks: list[int], width: int
    ) -> Iterator[tuple[int, int]]:
        """Runs of columns that show something else now, and are taken over."""
        end = min(column + len(characters), width)
        old_characters, old_looks = self._characters[row], self._looks[row]
        count = end - column
        if old_characters[column:end] == characters[:count] and old_looks[column:end] == looks[:count]:
            return
        unlike = [
            at
            for at in range(column, end)
            if old_characters[at] != characters[at - column] or old_looks[at] != looks[at - column]
        ]
        old_characters[column:end], old_looks[column:end] = characters[:count], looks[:count]
        yield from _runs(unlike, column, end, characters, looks)


class FrameUpdate(CompositorUpdate):
    """An update of the screen of which only what changed is sent."""

    def __init__(self, frame: Frame, update: LayoutUpdate | ChopsUpdate, size: tuple[int, int]) -> None:
        self._frame, self._update, self._size = frame, update, size

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The whole update, for whoever prints it elsewhere."""
        return self._update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        """What has to be sent; called once, when it is sent."""
        colours = COLOR_SYSTEMS.get(console.color_system or "truecolor", ColorSystem.TRUECOLOR)
        return self._frame.difference(pieces_of(self._update), self._size, colours)


def pieces_of(update: LayoutUpdate | ChopsUpdate) -> Iterator[Piece]:
    """The pieces of lines that an update consists of."""
    if isinstance(update, LayoutUpdate):
        for row, strips in enumerate(update.strips, update.region.y):
            column = update.region.x
            for strip in strips:
                yield row, column, strip
                column += strip.cell_length
        return
    for row, begin, end in update.spans:
        for chop_end, (column, chop) in zip(update.chop_ends[row], update.chops[row].items(), strict=False):
            if chop is not None and column < end and chop_end > begin:
                yield row, column, chop if chop_end <= end else chop.crop(0, end - column)


def _runs(
    unlike: list[int], column: int, end: int, characters: list[str], looks: list[int]
) -> Iterator[tuple[int, int]]:
    """Neighbouring columns together, and no half of a wide character alone."""
    start = stop = -1
    for at in unlike:
        near = at <= stop or (at - stop <= GAP and len(set(looks[stop - 1 - column : at + 1 - column])) == 1)
        if start >= 0 and not near:
            yield start, stop
            start = -1
        if start < 0:
            start = at
            while start > column and not characters[start - column]:
                start -= 1
        stop = max(stop, at + 1)
        while stop < end and not characters[stop - column]:
            stop += 1
    if start >= 0:
        yield start, stop


def _move(place: tuple[int, int], target: tuple[int, int]) -> str:
    """The control sequence from where the cursor is to where something is written."""
    if place == target:
        return ""
    if place[0] == target[0] and target[1] > place[1] >= 0:
        return f"\x1b[{target[1] - place[1]}C"
    return f"\x1b[{target[0] + 1};{target[1] + 1}H"


def _take_wide(characters: list[str], text: str) -> None:
    for character in text:
        width = cell_len(character)
        if width:
            characters += [character, ""] if width == 2 else [character]
        elif characters:  # it is drawn over the one before
            characters[-1 if characters[-1] else -2] += character


def _codes_of(style: Style, colours: ColorSystem) -> tuple[str, str, str]:
    """Codes of the attributes, of the colour and of the background."""
    attributes = ";".join(code for name, code in ATTRIBUTES if getattr(style, name))
    parts = [attributes]
    for colour, foreground in ((style.color, True), (style.bgcolor, False)):
        codes = colour.downgrade(colours).get_ansi_codes(foreground) if colour else ()
        parts.append(";".join(codes) or ("39" if foreground else "49"))
    return parts[0], parts[1], parts[2]
