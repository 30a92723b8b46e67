"""How a row of a dump is drawn: each byte by its class, over it fields, findings, the selection and the cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from rich.segment import Segment
from rich.style import Style

from forensic.explore import Range, Span
from tui.widgets.hex_layout import HexLayout
from tui.widgets.squeeze import Line

FieldsBetween = Callable[[int, int], list[Span]]
DOT = "·"
CHARACTERS = {
    encoding: "".join(
        character if character.isprintable() and character != "\N{NO-BREAK SPACE}" else DOT
        for character in bytes(range(256)).decode(encoding, "replace").replace("\N{REPLACEMENT CHARACTER}", DOT)
    )
    for encoding in ("ascii", "cp437", "cp037")
}
"""For each table the character of each byte; cp437 is that of the PC, cp037 EBCDIC."""

STYLES = (
    *("offset", "cluster", "rule", "missing", "squeezed", "base"),
    *("zero", "print", "byte", "high", "field-even", "field-odd", "field", "selection", "finding", "hit", "cursor"),
    *("note-plain", "note-evidence", "note-question", "note-explained", "note-bookmark"),
)


class Painting(Struct):
    """What a row may have to show; places are of the space that is dumped, `marks` and `hits` those of findings and of
    a search in the row, `notes` those of notes with the style of their label."""

    cursor: int = 0
    field: Range | None = None
    selection: Range | None = None
    marks: Sequence[tuple[int, int]] = ()
    hits: Sequence[tuple[int, int]] = ()
    notes: Sequence[tuple[Range, str]] = ()
    fields_between: FieldsBetween | None = None
    cluster_size: int = 512
    characters: str = CHARACTERS["ascii"]


class Painter:
    """Draws rows in these styles (`STYLES`) and this layout."""

    def __init__(self, styles: Mapping[str, Style], layout: HexLayout) -> None:
        self._styles = styles
        self._layout = layout

    def row(self, painting: Painting, offset: int, data: bytes) -> list[Segment]:
        """Offset, bytes, characters."""
        styles, rule = self._styles_of(painting, offset, data), self._styles["rule"]
        segments = [self._offset(painting, offset), Segment("│", rule)]
        for index, byte in enumerate(data):
            joined = index + 1 < len(data) and styles[index] == styles[index + 1]
            segments.append(Segment(f"{byte:02x}", styles[index]))
            gap = self._layout.gap_after(index)
            segments.append(Segment(gap, styles[index] if joined and gap == " " else self._blank_after(styles[index])))
        missing = self._layout.bytes_per_row - len(data)
        segments.append(Segment(" " * self._layout.gap_width(missing, len(data)) + "│", rule))
        for byte, style in zip(data, styles, strict=True):
            segments.append(Segment(painting.characters[byte], style))
        return segments

    def unread(self, painting: Painting, offset: int, length: int, reason: str) -> list[Segment]:
        """A row that cannot be read, and why."""
        return [self._offset(painting, offset), Segment("?? " * min(4, length) + reason, self._styles["missing"])]

    def squeezed(self, line: Line) -> list[Segment]:
        """The line that stands for rows like the one above."""
        size = line.hidden * self._layout.bytes_per_row
        words = f"*  {line.hidden:,} lines like the one above, {size:,} bytes"
        return [Segment(" " * self._layout.digits, self._styles["offset"]), Segment(words, self._styles["squeezed"])]

    def _blank_after(self, style: Style) -> Style:
        """A blank shows no colour but that of its background: after a byte without one, the byte's style will do."""
        base = self._styles["base"]
        plain = style.bgcolor == base.bgcolor and not (style.underline or style.reverse)
        return style if plain else base

    def _offset(self, painting: Painting, offset: int) -> Segment:
        size = painting.cluster_size
        begins = -(-offset // size) * size < offset + self._layout.bytes_per_row
        return Segment(self._layout.offset_text(offset), self._styles["cluster" if begins else "offset"])

    def _styles_of(self, painting: Painting, offset: int, data: bytes) -> list[Style]:
        known = self._styles
        styles = [known[_class_of(byte)] for byte in data]
        end = offset + len(data)
        for span in painting.fields_between(offset, end) if painting.fields_between else ():
            field = known["field-odd" if span.number % 2 else "field-even"]
            _paint(styles, offset, span.place.offset, span.place.length, field)
        for begin, length in painting.marks:
            _paint(styles, offset, begin, length, known["finding"])
        for begin, length in painting.hits:
            _paint(styles, offset, begin, length, known["hit"])
        chosen = [(painting.selection, "selection")] if painting.selection else []
        around = [(painting.field, "field")] if painting.field else []
        for place, name in (*around, *painting.notes, *chosen):
            _paint(styles, offset, place.offset, place.length, known[name])
        if offset <= painting.cursor < end:
            styles[painting.cursor - offset] = known["cursor"]
        return styles


def _paint(styles: list[Style], offset: int, begin: int, length: int, style: Style) -> None:
    for index in range(max(0, begin - offset), min(len(styles), begin + length - offset)):
        styles[index] = styles[index] + style


def _class_of(byte: int) -> str:
    if byte == 0:
        return "zero"
    return "high" if byte == 0xFF else "print" if 0x20 <= byte < 0x7F else "byte"
