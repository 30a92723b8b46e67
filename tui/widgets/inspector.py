"""The field or entry under the cursor: bits by name, where it points, and the words of the specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from forensic.explore import Inspection
from tui.text import lines, plain

NAME_WIDTH = 17
WORDY_ROWS = 8
"""Fields of a group whose words are all shown; of larger ones only those under the cursor."""


HEIGHTS = 4
"""Its height is a multiple of so many lines: the screen is laid out again only when that changes."""


class Inspector(ScrollView, can_focus=True):
    """Shows one `Inspection`; posts `Copied` when a value is clicked."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "inspector--title",
        "inspector--name",
        "inspector--value",
        "inspector--here",
        "inspector--target",
        "inspector--guest",
        "inspector--words",
        "inspector--trouble",
    }

    class Copied(Message):
        """This value is to be put on the clipboard."""

        def __init__(self, value: str) -> None:
            super().__init__()
            self.value = value

    _shown = Text()
    _lines: Sequence[Text] = ()
    words = ""
    """All that is shown, without colours."""

    def show(
        self,
        inspection: Inspection | None,
        guest_offset: int | None,
        findings: list[str],
        owners: list[str],
        numbers: list[tuple[str, str]],
        guest: Inspection | None = None,
    ) -> None:
        """Explain this.

        `guest_offset` is where the cursor's byte is on the disk, `findings` what rules say of it, `owners` what refers
        to the cluster it lies in, `numbers` what its bytes are if read so, `guest` what the guest keeps there.
        """
        parts = [self._words(f"▲ {each}", "trouble") for each in findings]
        parts += [*self._of_guest(guest), Text()] if guest else []
        parts += self._of(inspection, guest_offset, owners) if inspection else self._nothing(guest_offset)
        if numbers:
            parts += [Text(), self._words("as numbers", "name"), *(self._pair(*each, "value") for each in numbers)]
        whole = lines(parts)
        if whole != self._shown:
            self._shown, self.words = whole, whole.plain
            self._break()
            self.scroll_home(animate=False)

    def on_resize(self) -> None:
        """Other lines fit."""
        self._break()

    def render_line(self, y: int) -> Strip:
        """One line of the window."""
        number = int(self.scroll_offset.y) + y
        if number >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        segments = self._lines[number].render(self.app.console)
        base = self.rich_style
        strip = Strip(Segment(text, base + style if style else base) for text, style, _ in segments)
        return strip.adjust_cell_length(self.size.width, base)

    def _break(self) -> None:
        """Break the text where the window ends."""
        width = max(1, self.scrollable_content_region.width)
        self._lines = list(self._shown.wrap(self.app.console, width)) if self._shown.plain else []
        height = -(-max(len(self._lines), self.size.height) // HEIGHTS) * HEIGHTS
        fits = len(self._lines) <= self.size.height
        self.virtual_size = Size(width, self.size.height if fits else height)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Copy the value under the mouse."""
        value = event.style.meta.get("value")
        if isinstance(value, str):
            self.post_message(self.Copied(value))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"inspector--{name}", partial=True)

    def _nothing(self, guest_offset: int | None) -> list[Text]:
        if guest_offset is None:
            return []
        return [self._words(f"guest offset {guest_offset:#x}: not stored in the file", "words")]

    def _of_guest(self, guest: Inspection) -> list[Text]:
        parts = [self._words(guest.title, "title"), self._words(guest.path, "guest"), Text()]
        parts += [self._pair(row.name, row.value, "here" if row.here else "value") for row in guest.rows]
        parts.append(Text())
        parts.append(self._pair("guest offset", f"{guest.place.offset:#x} +{guest.place.length:,}", "guest"))
        return [*parts, *(part for text in _words_of(guest) for part in (Text(), self._words(text, "words")))]

    def _of(self, inspection: Inspection, guest_offset: int | None, owners: list[str]) -> list[Text]:
        place = inspection.place
        parts = [self._words(inspection.title, "title"), self._words(inspection.path, "name"), Text()]
        for row in inspection.rows:
            parts.append(self._pair(row.name, row.value, "here" if row.here and len(inspection.rows) > 1 else "value"))
        parts.append(Text())
        if inspection.target:
            parts.append(self._pair("points to", f"{inspection.target.offset:#x}", "target"))
        parts.append(self._pair("host offset", f"{place.offset:#x} +{place.length:,}", "value"))
        about = inspection.guest_offset if inspection.guest_offset is not None else guest_offset
        if about is not None:
            parts.append(self._pair("guest offset", f"{about:#x}", "guest"))
        if owners:
            parts += [Text(), self._words("this cluster", "name")]
            parts += [self._words(f"  {each}", "trouble" if "≠" in each else "value") for each in owners]
        words = _words_of(inspection)
        return [*parts, *(part for text in words for part in (Text(), self._words(text, "words")))]

    def _pair(self, name: str, value: str, kind: str) -> Text:
        text = plain(f"{name:<{NAME_WIDTH}}")
        text.stylize(self._style("name"))
        shown_value = plain(value)
        shown_value.stylize(self._style(kind) + Style(meta={"value": shown_value.plain}))
        return text.append(" ").append_text(shown_value)

    def _words(self, words: str, kind: str) -> Text:
        text = plain(words)
        text.stylize(self._style(kind))
        return text


def _words_of(inspection: Inspection) -> list[str]:
    """What the specification says of the whole and of its parts, each thing once."""
    rows = inspection.rows if len(inspection.rows) <= WORDY_ROWS else [row for row in inspection.rows if row.here]
    words = [inspection.words.text]
    words += [f"{row.name}: {row.words}" for row in rows if row.words and row.words != inspection.words.text]
    if inspection.words.spec:
        words.append(f"§ {inspection.words.spec}")
    return list(dict.fromkeys(text for text in words if text))
