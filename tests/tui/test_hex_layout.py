"""Rows of a dump: as wide as they say, and each column belongs to the byte that is drawn there."""

from __future__ import annotations

import pytest
from rich.style import Style

from tui.widgets.hex_layout import WIDTHS, HexLayout, fitting
from tui.widgets.hex_paint import STYLES, Painter, Painting

LAYOUTS = [
    HexLayout(count, digits, False, compact) for count in WIDTHS for digits in (8, 11) for compact in (False, True)
]
PAINT = {name: Style() for name in STYLES}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_a_row_is_as_wide_as_it_says_and_each_column_belongs_to_its_byte(layout: HexLayout) -> None:
    for count in range(1, layout.bytes_per_row + 1):
        data = bytes(0x41 + number for number in range(count))
        row = "".join(segment.text for segment in Painter(PAINT, layout).row(Painting(), 0, data))
        assert len(row) == layout.width - layout.bytes_per_row + count
        for x, character in enumerate(row):
            byte = layout.byte_at(x)
            if x > layout.digits and character not in " │":
                assert byte is not None
                assert f"{data[byte]:02x}".find(character) >= 0 or chr(data[byte]) == character


@pytest.mark.parametrize(("width", "size"), [(77, 1 << 40), (76, 1 << 40), (77, 1 << 30), (76, (1 << 40) + 1)])
def test_sixteen_bytes_stand_in_a_row_also_where_offsets_are_long(width: int, size: int) -> None:
    layout = fitting(width, size)
    assert layout.bytes_per_row == 16
    assert layout.width <= width
