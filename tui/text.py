"""Text for widgets: every string is made harmless, and none is read as markup."""

from __future__ import annotations

from rich.text import Text

from forensic.explore import Untrusted, shown

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def plain(words: str | Untrusted | Text, style: str = "") -> Text:
    """Text without control characters, and never parsed for markup; what is `Text` already came through here."""
    if isinstance(words, Text):
        return words
    return Text(words.text if isinstance(words, Untrusted) else shown(words), style, no_wrap=False, end="")


def line(*parts: str | Untrusted | Text | tuple[str | Untrusted, str]) -> Text:
    """Pieces one after the other, each with its style."""
    whole = Text(end="")
    for part in parts:
        whole.append_text(plain(*part) if isinstance(part, tuple) else plain(part))
    return whole


def lines(parts: list[Text]) -> Text:
    """Pieces one below the other."""
    return Text("\n", end="").join(parts)


def wrapped(entries: list[Text], width: int, indent: int = 0) -> Text:
    """Entries beside each other as far as they fit, none broken, every line indented."""
    rows: list[Text] = []
    for entry in entries:
        if rows and rows[-1].cell_len + 3 + entry.cell_len <= width:
            rows[-1].append("   ").append_text(entry)
        else:
            rows.append(Text(" " * indent).append_text(entry))
    return lines(rows)


def size(number: int) -> str:
    """A size with a unit, in three or four digits."""
    value, unit = float(number), 0
    while value >= 1024 and unit < len(UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number:,} B" if not unit else f"{value:.4g} {UNITS[unit]}"


def counted(count: int, one: str) -> str:
    """A number and its noun, which takes an s for more than one."""
    return f"{count:,} {one}" + ("" if count == 1 else "s")
