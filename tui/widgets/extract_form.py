"""The form of an extraction; what it says is an `ExtractionPlan`."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import HorizontalGroup, ItemGrid, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Checkbox, Collapsible, Input, Label, Select, Static

from tui.extraction_plan import CASE_FIELDS, COMMON_REPORTS, REPORT_ENDINGS, TICKED, TYPED, ExtractionPlan
from tui.session.supplies import WHAT, Supplies
from tui.text import line, lines, plain
from tui.widgets.tick import Tick

ACTIVE = -1
RARER = "more: range, bitmap, split, machine state, lists …"
HINTS = {
    "range": "START:LENGTH, such as 1MiB:64KiB or 63s:2s",
    "bitmap": "name of a dirty bitmap: what it marks, all else zeros",
    "split": "size of a piece, such as 4GiB",
    "hash_window": "size of a window; “manifest” lists their SHA-256",
    "level": "0 to 9, of an output named .E01",
}
CHOSEN_AT_FIRST = ("sha256", "json", "sparse")


class ExtractForm(VerticalScroll):
    """Posts `Changed` when it says something else, `Wanted` when a file or a key is to be handed over."""

    class Changed(Message):
        """Another plan."""

    class Wanted(Message):
        """The examiner wants to hand over what the image needs: `backing`, `data_file` or `key`."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(
        self, plan: ExtractionPlan, targets: list[tuple[Text, int]], hashes: tuple[str, ...], needs: dict[str, Text]
    ) -> None:
        """`targets` are the disks by snapshot index, `needs` what the image lacks, with what it says of it."""
        super().__init__(id="form")
        self._first = plan
        self._targets, self._hashes, self._needs = targets, hashes, needs
        self.supplies = Supplies()
        self.border_title = "extract"

    def compose(self) -> ComposeResult:
        """From what to read, over where to write, to whose case it is."""
        yield _row("target", Select(self._targets, allow_blank=False, value=ACTIVE, id="target", compact=True))
        yield _row(
            "output",
            Input(self._first.output, placeholder="path of the raw image, or of an .E01", id="output", compact=True),
        )
        yield _row("hashes", _ticks(*self._hashes))
        yield _row("reports", _ticks(*COMMON_REPORTS))
        yield _row("options", _ticks("sparse", "verify", "overwrite", "in-use"))
        if self._needs:
            yield Label("what the image needs: opened only if you supply it", classes="label")
        for what, words in self._needs.items():
            button = Button("enter …" if what == "key" else "supply …", id=f"supply-{what}", compact=True)
            yield _row(what.replace("_", " "), Static(words, markup=False, classes="declared"), button)
        yield Static("", markup=False, id="supplied")
        yield Collapsible(*self._rarer(), title=RARER, collapsed=True, id="rarer")
        yield Label("case", classes="label")
        for each in CASE_FIELDS:
            yield _row(each.replace("_", " "), Input(id=each, compact=True))

    def _rarer(self) -> list[HorizontalGroup]:
        """What few extractions need; as much as the command line has."""
        typed = [_row(name.replace("_", " "), Input(placeholder=HINTS[name], id=name, compact=True)) for name in TYPED]
        others = [name for name in REPORT_ENDINGS if name not in COMMON_REPORTS]
        ticked = [name.replace("_", "-") for name in TICKED]
        return [*typed, _row("more reports", _ticks(*others)), _row("more options", _ticks(*ticked))]

    @property
    def plan(self) -> ExtractionPlan:
        """What the form says."""
        target = self.query_one("#target", Select).value
        return replace(
            self._first,
            output=self._value("output"),
            snapshot=target if isinstance(target, int) and target != ACTIVE else None,
            hashes=tuple(each for each in self._hashes if self._ticked(each)),
            reports=tuple(each for each in REPORT_ENDINGS if self._ticked(each)),
            sparse=self._ticked("sparse"),
            verify=self._ticked("verify"),
            force=self._ticked("overwrite"),
            in_use=self._ticked("in-use"),
            supplies=self.supplies,
            typed={name: self._value(name) for name in TYPED},
            ticked=frozenset(name for name in TICKED if self._ticked(name.replace("_", "-"))),
            case={each: self._value(each) for each in CASE_FIELDS},
        )

    def supply(self, supplies: Supplies) -> None:
        """Remember what was handed over; the key is not shown."""
        self.supplies = supplies
        parts = [line((f"{WHAT[what]:<14}", "dim"), words) for what, _, words in supplies.listed()]
        for button in self.query("Button").results(Button):
            what = (button.id or "").removeprefix("supply-")
            had = any(each.startswith(what) for each, _, _ in supplies.listed())
            button.label = "change …" if had else "enter …" if what == "key" else "supply …"
        self.query_one("#supplied", Static).update(lines(parts))
        self.post_message(self.Changed())

    def on_input_changed(self) -> None:
        """Another word in a field."""
        self.post_message(self.Changed())

    def on_checkbox_changed(self) -> None:
        """Another tick."""
        self.post_message(self.Changed())

    def on_select_changed(self) -> None:
        """Another disk."""
        self.post_message(self.Changed())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Something is to be handed over."""
        event.stop()
        self.post_message(self.Wanted((event.button.id or "").removeprefix("supply-")))

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _ticked(self, name: str) -> bool:
        return self.query_one(f"#tick-{name}", Checkbox).value


def _ticks(*names: str) -> ItemGrid:
    return ItemGrid(*(Tick(name, name in CHOSEN_AT_FIRST) for name in names), min_column_width=13)


def _row(name: str, *widgets: Input | ItemGrid | Select[int] | Static | Button) -> HorizontalGroup:
    return HorizontalGroup(Label(plain(name), classes="field-name"), *widgets)
