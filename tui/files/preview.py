"""How a file begins: its bytes with a cursor, or its lines of text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from forensic.explore import Beginning, Entry, Space
from tui.files.rows import title_of
from tui.screens.reading import Lines
from tui.text import plain
from tui.widgets.hex_view import HexView

SAMPLE = 4096
MOST_LINES = 20_000
NO_CLUSTERS = 1 << 62


class BytesView:
    """Bytes that are held in memory, as something to look at."""

    space = Space.GUEST

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes | str:
        """Some of them."""
        return self._data[offset : offset + length]

    def stretches(self) -> Iterator[tuple[int, int]]:
        """All of them."""
        yield 0, len(self._data)

    def zeros_until(self, offset: int) -> int:
        """Nothing is known without looking."""
        return offset

    def missing_around(self, offset: int) -> tuple[int, int]:
        """Nothing is missing."""
        return offset, offset


class Preview(HexView, inherit_bindings=False):
    """A dump; Enter goes to where the byte under the cursor lies."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", show=False),
        Binding("right", "step(1)", show=False),
        Binding("up,k", "rows(-1)", show=False),
        Binding("down,j", "rows(1)", show=False),
        Binding("pageup,ctrl+u", "pages(-1)", show=False),
        Binding("pagedown,ctrl+d", "pages(1)", show=False),
        Binding("home", "edge(False)", show=False),
        Binding("end,G", "edge(True)", show=False),
        Binding("enter", "follow", show=False),
    ]

    def show(self, data: bytes) -> None:
        """Look at other bytes, from their beginning."""
        self.set_reactive(HexView.cursor, 0)
        self.look_at(BytesView(data))
        self.scroll_home(animate=False)


class BeginningPane(Vertical):
    """The dump or the text of what a file begins with."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._data, self._title, self._instead = b"", "", ""
        self._as_text: bool | None = None

    def compose(self) -> ComposeResult:
        """Both, of which one is shown."""
        yield Preview(BytesView(b""), NO_CLUSTERS, id="preview")
        yield Lines((), id="preview-text")

    def on_mount(self) -> None:
        """Nothing is known of a file yet."""
        self.clear()

    def clear(self, words: str = "") -> None:
        """There is nothing to see, which `words` may explain."""
        self._data, self._title, self._instead, self._as_text = b"", "", words, None
        self._draw()

    def show(self, entry: Entry, beginning: Beginning) -> None:
        """Show how a file begins: what reads as text as text, until `turn` was called."""
        self._data, self._instead, self._as_text = beginning.data, "", None
        self._title = "; ".join((title_of(beginning, entry.size), *beginning.trouble))
        self._draw()

    def turn(self) -> None:
        """From bytes to text, or back."""
        if self._data:
            self._as_text = not self._shows_text
            self._draw()

    @property
    def _shows_text(self) -> bool:
        return is_text(self._data) if self._as_text is None else self._as_text

    def _draw(self) -> None:
        as_text = not self._data or self._shows_text
        preview, text = self.query_one(Preview), self.query_one(Lines)
        preview.display, text.display = not as_text, as_text
        shown = text if as_text else preview
        shown.border_title = "beginning" if not self._data else "text" if as_text else "bytes"
        shown.border_subtitle = plain(self._title)
        if as_text:
            text.show(lines_of(self._data) if self._data else [self._instead])
        else:
            preview.show(self._data)


def lines_of(data: bytes) -> list[str]:
    """The lines of a text, none of them harmless yet: the widget that draws them makes them so."""
    text = _decoded(data).replace("\r\n", "\n")
    return [each.expandtabs(8) for each in text.split("\n")[:MOST_LINES]]


def is_text(data: bytes) -> bool:
    """Whether these bytes read as text: nothing, or next to nothing, that an editor would not write."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    sample = data[:SAMPLE]
    odd = sum(byte < 0x20 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    return bool(sample) and b"\0" not in sample and odd * 100 <= len(sample)


def _decoded(data: bytes) -> str:
    """UTF-16 where it says so, and else UTF-8, with every byte kept that is none of it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data[: len(data) // 2 * 2].decode("utf-16", "replace")
    return data.decode("utf-8", "surrogateescape")
