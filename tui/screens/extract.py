"""Screen 5: write the disk out, see how far it is, and what was not had."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, HorizontalGroup, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Label, ProgressBar, Static

from forensic import Extraction
from tui.commands import EXTRACT, bindings
from tui.desk import Desk
from tui.extract_job import Control, Extracted, Extracting, run_extraction
from tui.extraction_plan import CASE_FIELDS, HASH_NAMES, ExtractionPlan
from tui.facts import items, section, untrusted
from tui.screens.base import ImageScreen
from tui.text import line, lines, plain, size
from tui.widgets.tick import Tick

LISTED_RANGES = 12


class ExtractScreen(ImageScreen):
    """The form and the live side."""

    NAME = "extract"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(EXTRACT), Binding("escape", "leave_field", show=False)]
    AUTO_FOCUS = "#start"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._control: Control | None = None
        self._started = 0.0

    def body(self) -> Iterable[Widget]:
        """What is wanted beside what happens."""
        name = self.desk.path.name.removesuffix(".qcow2")
        form = VerticalScroll(
            Label("target", classes="label"),
            Static(line(("● active disk", "bold"), f"   {size(self.desk.image.virtual_size)}"), markup=False),
            _field("output", f"{name}.raw", "path of the raw image"),
            _field("report", f"{name}.report.json", "path of the JSON report, empty for none"),
            Label("hashes", classes="label"),
            HorizontalGroup(*(Tick(each, each == "sha256", id=f"hash-{each}", compact=True) for each in HASH_NAMES)),
            HorizontalGroup(
                Tick("sparse", True, id="sparse", compact=True),
                Tick("overwrite", False, id="force", compact=True),
            ),
            Label("case", classes="label"),
            *(_field(each, "", each.replace("_", " ")) for each in CASE_FIELDS),
            Static(self._references(), markup=False, id="references"),
            id="form",
        )
        live = VerticalScroll(
            Horizontal(
                Button("Start  F5", id="start", variant="success"),
                Button("Pause  F6", id="pause", disabled=True),
                Button("Stop  F8", id="stop", disabled=True),
                id="buttons",
            ),
            ProgressBar(total=None, id="progress", show_eta=False),
            Static("", markup=False, id="live"),
            Label("equal command line · F9 copies", classes="label"),
            Static("", markup=False, id="command"),
            Static("", markup=False, id="outcome"),
            id="live-pane",
        )
        form.border_title, live.border_title = "extract", "live"
        yield Horizontal(form, live, id="extract-panes")

    def on_mount(self) -> None:
        """Show the command line."""
        super().on_mount()
        self.query_one("#progress").display = False
        self._show_command()

    def on_input_changed(self) -> None:
        """The command line says the same."""
        self._show_command()

    def on_checkbox_changed(self) -> None:
        """The command line says the same."""
        self._show_command()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The three buttons."""
        actions = {"start": self.action_start, "pause": self.action_pause, "stop": self.action_cancel}
        actions[event.button.id or ""]()

    def action_leave_field(self) -> None:
        """Out of the line, so that keys are commands again."""
        self.query_one("#start").focus()

    def action_start(self) -> None:
        """Begin."""
        plan = self.plan
        if self._control is not None:
            return
        if plan.complaint():
            self.notify(plan.complaint(), severity="warning", markup=False)
            return
        self._control, self._started = Control(), time.monotonic()
        self._show_running(True)
        self.query_one("#outcome", Static).update("")
        control, image, notes = self._control, self.desk.image, self.desk.notes.as_json()
        self.run_worker(
            lambda: run_extraction(self.post_message, image, plan, notes, control), thread=True, group="extract"
        )
        self.desk.report_job("extract", "extracting")

    def action_pause(self) -> None:
        """Wait, or go on."""
        if self._control:
            self._control.pause()
            self.query_one("#pause", Button).label = "Go on  F6" if self._control.paused else "Pause  F6"
            self.desk.report_job("extract", "extraction paused" if self._control.paused else "extracting")

    def action_cancel(self) -> None:
        """Give up."""
        if self._control:
            self._control.stop()

    def action_copy_command(self) -> None:
        """The equal command line to the clipboard."""
        self.app.copy_to_clipboard(self.plan.command())
        self.notify("the command line is copied", timeout=2, markup=False)

    def on_unmount(self) -> None:
        """The thread must not outlive the screen."""
        self.action_cancel()

    def on_extracting(self, event: Extracting) -> None:
        """So far."""
        bar = self.query_one("#progress", ProgressBar)
        bar.update(total=max(1, event.total), progress=event.done)
        seconds = max(0.001, time.monotonic() - self._started)
        rate = event.done / seconds
        rest = (event.total - event.done) / rate if rate else 0.0
        self.query_one("#live", Static).update(
            line(
                (f"{size(event.done)} of {size(event.total)}", "bold"),
                f"   {size(int(rate))}/s   {_clock(rest)} to go",
            )
        )
        if self._control and not self._control.paused:
            self.desk.report_job("extract", f"extract {event.done * 100 // max(1, event.total)} %")

    def on_extracted(self, event: Extracted) -> None:
        """Over."""
        self._control = None
        self._show_running(False)
        self.desk.report_job("extract", "")
        outcome = self.query_one("#outcome", Static)
        if event.extraction is None:
            outcome.update(line(("✖ nothing was extracted  ", "bold"), event.reason))
        else:
            outcome.update(self._outcome(event.extraction, event.report))
        self.query_one("#live-pane").scroll_end(animate=False)

    @property
    def plan(self) -> ExtractionPlan:
        """What the form says."""
        return ExtractionPlan(
            self.desk.path,
            self._value("output"),
            tuple(each for each in HASH_NAMES if self.query_one(f"#hash-{each}", Checkbox).value),
            self._value("report"),
            self.query_one("#sparse", Checkbox).value,
            self.query_one("#force", Checkbox).value,
            {each: self._value(each) for each in CASE_FIELDS},
        )

    def _value(self, name: str) -> str:
        return self.query_one(f"#{name}", Input).value.strip()

    def _show_command(self) -> None:
        self.query_one("#command", Static).update(plain(self.plan.command()))

    def _show_running(self, running: bool) -> None:
        self.query_one("#progress").display = True
        self.query_one("#start", Button).disabled = running
        for name in ("#pause", "#stop"):
            self.query_one(name, Button).disabled = not running
        self.query_one("#pause" if running else "#start", Button).focus()

    def _references(self) -> Text:
        references = items(self.desk.facts["references"])
        parts = [line(("references", "bold"))] if references else []
        for reference in map(section, references):
            declared = untrusted(reference["declared"]) if reference["declared"] else plain("without a name")
            parts.append(
                line(f"{str(reference['kind']).replace('_', ' ')}  “", declared, "”  ", ("not followed", "bold"))
            )
        return lines(parts)

    def _outcome(self, extraction: Extraction, report: str) -> Text:
        ledger = extraction.ledger
        head = "✔ complete" if extraction.complete else "▲ complete, with ranges that were not had"
        parts = [
            line((head, "bold")),
            Text(),
            line(("file    ", "dim"), os.fspath(extraction.path), f"   {size(extraction.size)}"),
            line(("read    ", "dim"), f"{extraction.bytes_read:,} bytes"),
            line(("zero    ", "dim"), f"{extraction.bytes_zero:,} bytes by the image's word"),
            line(("missing ", "dim"), f"{ledger.bytes_missing:,} bytes, filled with zeros"),
        ]
        parts += [line((f"{name:<7} ", "dim"), value) for name, value in extraction.hashes.items()]
        if report:
            parts.append(line(("report  ", "dim"), report))
        unchanged = "unchanged ✔" if self.desk.image.evidence.unchanged() else "CHANGED WHILE IT WAS READ"
        parts.append(line(("source  ", "dim"), unchanged))
        parts += [
            line((f"  {entry.guest_offset:#x} +{entry.length:#x}  ", "dim"), entry.reason.code)
            for entry in ledger.ranges[:LISTED_RANGES]
        ]
        return lines(parts)


def _field(name: str, value: str, placeholder: str) -> HorizontalGroup:
    return HorizontalGroup(
        Label(name.replace("_", " "), classes="field-name"),
        Input(value, placeholder=placeholder, id=name, compact=True),
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
