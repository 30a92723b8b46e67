"""The columns of a hex dump: how many bytes fit into a row, and which byte lies under the mouse."""

from __future__ import annotations

from msgspec import Struct

MIN_DIGITS = 8
WIDTHS = (32, 16, 8, 4)


class HexLayout(Struct, frozen=True):
    """`digits` of the offset, a rule, the bytes in groups of eight, a rule, the characters.

    A `compact` row has no wider gap between groups, and none after the last byte.
    """

    bytes_per_row: int
    digits: int
    decimal: bool = False
    compact: bool = False

    @property
    def hex_width(self) -> int:
        """Columns of the bytes: three each, and one after each group but the last."""
        return self.bytes_per_row * 3 - 1 if self.compact else self.bytes_per_row * 3 + -(-self.bytes_per_row // 8) - 1

    def gap_after(self, index: int) -> str:
        """The blanks after a byte of a row."""
        last = index + 1 == self.bytes_per_row
        if self.compact:
            return "" if last else " "
        return "  " if index % 8 == 7 and not last else " "

    @property
    def width(self) -> int:
        """Columns of a row."""
        return self.digits + 1 + self.hex_width + 1 + self.bytes_per_row

    def offset_text(self, offset: int) -> str:
        """The offset in as many digits as all offsets have."""
        return f"{offset:0{self.digits}}" if self.decimal else f"{offset:0{self.digits}x}"

    def gap_width(self, missing: int, present: int) -> int:
        """Blanks after the bytes of a row that is not full, up to the second rule."""
        written = present * 3 + (0 if self.compact else present // 8)
        return max(0, self.hex_width - written) if missing or written < self.hex_width else 0

    def byte_at(self, x: int) -> int | None:
        """Which byte of the row lies in a column; None for offset and rules."""
        inside = x - self.digits - 1
        if 0 <= inside < self.hex_width:
            if self.compact:
                return inside // 3
            group, within = divmod(inside, 25)
            return min(group * 8 + min(within // 3, 7), self.bytes_per_row - 1)
        character = inside - self.hex_width - 1
        return character if 0 <= character < self.bytes_per_row else None


def fitting(width: int, size: int, most: int = WIDTHS[0], decimal: bool = False) -> HexLayout:
    """The widest layout for so many columns and so many bytes, with at most so many in a row."""
    last = max(0, size - 1)
    digits = max(MIN_DIGITS, len(f"{last}" if decimal else f"{last:x}"))
    layouts = [
        HexLayout(count, digits, decimal, compact) for count in WIDTHS if count <= most for compact in (False, True)
    ]
    return next((layout for layout in layouts if layout.width <= width), layouts[-1])
