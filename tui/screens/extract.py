"""Screen 5: write the disk out, see how far it is, and what could not be read."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.widget import Widget
from textual.widgets import Button, Label, ProgressBar, Static

from forensic import Extraction
from forensic.explore import usable_hashes
from tui.commands import EXTRACT, bindings
from tui.desk import Desk
from tui.extract_job import OF_RANGE, WHOLE_DISK, Control, Doubtful, Extracted, Extracting, run_extraction
from tui.extraction_plan import ExtractionPlan, proposed_name
from tui.facts import untrusted
from tui.screens.base import ImageScreen
from tui.screens.prompts import Question
from tui.screens.reading import Reading
from tui.supplying import Supplier
from tui.text import line, lines, plain, size
from tui.widgets.extract_form import ACTIVE, ExtractForm
from tui.widgets.fate_strip import FateStrip

MIB = 1 << 20
LISTED_RANGES = 12
LISTED_SNAPSHOTS = 1000
LACKS = {
    "backing_not_supplied": "the backing file was not supplied",
    "data_file_not_supplied": "the data file was not supplied",
    "key_not_supplied": "the key was not supplied",
}
"""What codes say of what the examiner can supply."""

HASHES_SHOWN = ("sha256", "md5", "sha1", "sha512", "blake2b", "blake3")


class ExtractScreen(ImageScreen):
    """The form and the live side."""

    NAME = "extract"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(EXTRACT), Binding("escape", "leave_field", show=False)]
    AUTO_FOCUS = "#start"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._control: Control | None = None
        self._started = self._paused = 0.0
        self._report: list[str] = []
        self._under_way = ExtractionPlan(desk.path, "")

    def body(self) -> Iterable[Widget]:
        """What is wanted beside what happens."""
        evidence = self.desk.image.evidence
        first = ExtractionPlan(
            self.desk.path,
            proposed_name(self.desk.path),
            plan_file=self.desk.plan_file,
            image_offset=evidence.image_offset,
        )
        hashes = tuple(each for each in HASHES_SHOWN if each in usable_hashes())
        buttons = Horizontal(
            Button("Start  F5", id="start", variant="success"),
            Button("Pause  F6", id="pause", disabled=True),
            Button("Stop  F8", id="stop", disabled=True),
            Button("Report  F7", id="report", disabled=True),
            id="buttons",
        )
        live = VerticalScroll(
            buttons,
            ProgressBar(total=None, id="progress", show_eta=False),
            Static("", markup=False, id="live"),
            FateStrip(id="strip"),
            Label("equivalent command line · F9 copies", classes="label"),
            Static("", markup=False, id="command"),
            Static("", markup=False, id="outcome"),
            id="live-pane",
        )
        live.border_title = "live"
        yield Horizontal(ExtractForm(first, self._targets(), hashes, self._app.needs()), live, id="extract-panes")

    def on_mount(self) -> None:
        """Show the command line."""
        self.query_one("#progress").display = False
        self.query_one(ExtractForm).supply(self.desk.supplies)
        self._show_command()

    def on_extract_form_changed(self) -> None:
        """The command line says the same."""
        self._show_command()

    def on_extract_form_wanted(self, event: ExtractForm.Wanted) -> None:
        """Ask for it, or what is to become of what there is."""
        if any(what.startswith(event.what) for what, _, _ in self.desk.supplies.listed()):
            self._app.action_supply()
        else:
            self._app.supply(event.what)

    def on_learned(self, what: str) -> None:
        """Other supplies."""
        if what == "supplies":
            self.query_one(ExtractForm).supply(self.desk.supplies)

    @property
    def _app(self) -> Supplier:
        app = self.app
        if not isinstance(app, Supplier):
            raise TypeError("the screen belongs to the application")
        return app

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """The buttons above."""
        actions = {
            "start": self.action_start,
            "pause": self.action_pause,
            "stop": self.action_cancel,
            "report": self.action_report,
        }
        actions[event.button.id or ""]()

    def action_leave_field(self) -> None:
        """Out of the line, so that keys are commands again."""
        self.query_one("#start").focus()

    def action_start(self) -> None:
        """Begin."""
        self._start(self.plan)

    def on_doubtful(self, event: Doubtful) -> None:
        """Ask before a disk is written that is zeros for a good part."""
        self._over()
        share = f"{event.missing * 100 / max(1, event.total):.1f} %"
        lack = LACKS.get(event.reason, event.reason.replace("_", " "))
        words = lines(
            [
                line((share, "bold"), f" of the {event.whole} cannot be read and would be filled with zeros: {lack}."),
                Text(),
                plain(f"{event.missing:,} of {event.total:,} bytes. S supplies a key or files; nothing was written."),
            ]
        )
        plan = replace(self._under_way, confirmed=True)
        self.query_one("#outcome", Static).update(line(("▲ not started  ", "bold"), f"{share} would be zeros: {lack}"))
        question = Question("Write it nevertheless?", words, "Write it with zeros")
        self.app.push_screen(question, lambda yes: self._start(plan) if yes else None)

    def _start(self, plan: ExtractionPlan) -> None:
        if self._control is not None:
            return
        if plan.complaint():
            self.notify(plan.complaint(), severity="warning", markup=False)
            return
        self._control, self._started, self._under_way = Control(), time.monotonic(), plan
        self.desk.give_up = self._control.stop_and_wait
        self._show_running(True)
        for name in ("#outcome", "#live"):
            self.query_one(name, Static).update("")
        self.query_one("#progress", ProgressBar).update(total=100, progress=0)
        self.query_one("#strip", FateStrip).show([], 0)
        self.desk.log.add(f"extraction begun: {plan.command()}")
        control, image, said = self._control, self.desk.image, (self.desk.notes.as_json(), self.desk.log.as_json())
        self.run_worker(
            lambda: run_extraction(self.post_message, image, plan, *said, control), thread=True, group="extract"
        )
        self.desk.report_job("extract", "extracting")

    def action_pause(self) -> None:
        """Wait, or go on."""
        if self._control:
            self._control.pause()
            now = time.monotonic()
            if self._control.paused:
                self._paused = now
            else:  # a pause is no time in which anything could be written
                self._started += now - self._paused
            self.query_one("#pause", Button).label = "Resume  F6" if self._control.paused else "Pause  F6"
            self.desk.report_job("extract", "extraction paused" if self._control.paused else "extracting")

    def action_cancel(self) -> None:
        """Give up."""
        if self._control:
            self._control.stop()

    def action_copy_command(self) -> None:
        """The equal command line to the clipboard."""
        self.app.copy_to_clipboard(self.plan.command())
        self.notify("command line copied", timeout=2, markup=False)

    def on_unmount(self) -> None:
        """The thread must not outlive the screen."""
        self.action_cancel()

    def on_extracting(self, event: Extracting) -> None:
        """So far."""
        bar = self.query_one("#progress", ProgressBar)
        bar.update(total=max(1, event.total), progress=event.done)
        seconds = max(0.001, time.monotonic() - self._started)
        rate = event.done / seconds
        rest = (event.total - event.done) / max(1.0, rate)
        self.query_one("#live", Static).update(
            line(
                (f"{size(event.done)} of {size(event.total)}", "bold"),
                f"   {rate / MIB:,.1f} MiB/s   "
                + (f"{_clock(rest)} left" if rest else "all written; check and reports follow"),
            )
        )
        self.query_one("#strip", FateStrip).show(event.fates, event.cells)
        if self._control and not self._control.paused:
            self.desk.report_job("extract", f"extract {event.done * 100 // max(1, event.total)} %")

    def on_extracted(self, event: Extracted) -> None:
        """Over."""
        self._over()
        outcome = self.query_one("#outcome", Static)
        self.desk.log.add(f"extraction {event.reason or 'done'}", bad=event.extraction is None)
        if event.extraction is None:
            outcome.update(line(("✖ nothing was extracted  ", "bold"), event.reason))
        else:
            taken = _clock(time.monotonic() - self._started)
            words = line((size(event.extraction.size), "bold"), f" in {taken}, with reports")
            self.query_one("#live", Static).update(words)
            outcome.update(self._outcome(event.extraction, self._under_way.report_paths()))
        self.query_one("#live-pane").scroll_end(animate=False)
        self._report = event.report
        self.query_one("#report", Button).disabled = not self._report
        if self._report and self.is_current:
            self.action_report()

    def _over(self) -> None:
        self._control = self.desk.give_up = None
        self._show_running(False)
        self.desk.report_job("extract", "")

    def action_report(self) -> None:
        """Read the report of the last extraction."""
        if self._report:
            paths = " ".join(shlex.quote(str(path.absolute())) for _, path in self._under_way.report_paths())
            self.app.push_screen(Reading("Report", self._report, f"{paths}   y copies this, Escape closes", paths))

    @property
    def plan(self) -> ExtractionPlan:
        """What the form says."""
        return self.query_one(ExtractForm).plan

    def _show_command(self) -> None:
        self.query_one("#command", Static).update(plain(self.plan.command()))

    def _show_running(self, running: bool) -> None:
        self.query_one("#progress").display = True
        self.query_one("#start", Button).disabled = running
        for name in ("#pause", "#stop"):
            self.query_one(name, Button).disabled = not running
        self.query_one("#pause" if running else "#start", Button).focus()

    def _targets(self) -> list[tuple[Text, int]]:
        targets = [(line("active disk  ", (size(self.desk.image.virtual_size), "dim")), ACTIVE)]
        for snapshot in (self.desk.facts.snapshots or ())[:LISTED_SNAPSHOTS]:
            name = untrusted(snapshot.name)
            words = line(f"snapshot {snapshot.index}  “", name, "”  ", (snapshot.created_at, "dim"))
            targets.append((words, snapshot.index))
        return targets

    def _outcome(self, extraction: Extraction, reports: list[tuple[str, Path]]) -> Text:
        ledger = extraction.ledger
        head = "✔ complete" if extraction.complete else "▲ complete; some ranges could not be read"
        parts = [
            line((head, "bold")),
            Text(),
            line(("file    ", "dim"), os.fspath(extraction.path or "-"), f"   {size(extraction.size)}"),
            line(("read    ", "dim"), f"{ledger.bytes_read:,} bytes"),
            line(("zero    ", "dim"), f"{ledger.bytes_zero:,} bytes, recorded as zero"),
        ]
        missing = ledger.bytes_missing - ledger.bytes_not_wanted
        whole = OF_RANGE if self._under_way.typed.get("range") else WHOLE_DISK
        share = f"{missing * 100 / max(1, extraction.size):.2g} % of the {whole}, filled with zeros"
        parts.append(line(("missing ", "dim"), f"{missing:,} bytes" + (f", {share}" if missing else "")))
        parts += [line((f"{name:<7} ", "dim"), value) for name, value in extraction.hashes.items()]
        parts += [line((f"{name:<7} ", "dim"), str(path)) for name, path in reports]
        unchanged = "unchanged ✔" if self.desk.image.evidence.unchanged() else "CHANGED WHILE BEING READ"
        parts.append(line(("source  ", "dim"), unchanged))
        parts += [line(("caution ", "dim"), (note, "bold")) for note in self.desk.image.evidence.notes()]
        parts += [
            line((f"  {entry.guest_offset:#x} +{entry.length:#x}  ", "dim"), entry.reason.code)
            for entry in ledger.unreadable().ranges[:LISTED_RANGES]
        ]
        return lines(parts)


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
