"""Screen 1: what the image is, how bad it looks, what the disk holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from forensic import Judgement, Qcow2Image, Severity, Verdict
from forensic.explore import CheckStatus, Space
from tui.commands import OVERVIEW, bindings
from tui.facts import facts_of
from tui.looks import MARKS
from tui.messages import UsageFound
from tui.screens.asking import AskingScreen
from tui.session.times import clock
from tui.text import counted, line, lines, plain, size
from tui.widgets.row_list import RowList
from tui.widgets.space_bar import Share, SpaceBar
from tui.widgets.time_line import TimeLine

VERDICT_WORDS = {
    Verdict.CLEAN: "✔ CLEAN",
    Verdict.LEAKS: "○ LEAKS",
    Verdict.SUSPICIOUS: "▲ SUSPICIOUS",
    Verdict.CORRUPT: "✖ CORRUPT",
    Verdict.UNDETERMINED: "? UNDETERMINED",
}
WORST_SHOWN = 8


class OverviewScreen(AskingScreen):
    """The first screen."""

    NAME = "overview"
    BINDINGS: ClassVar[list[BindingType]] = bindings(OVERVIEW)
    AUTO_FOCUS = "#facts-pane"

    def body(self) -> Iterable[Widget]:
        """Facts beside the verdict, the disk below."""
        facts = VerticalScroll(Static(self._facts(), markup=False), id="facts-pane")
        verdict = VerticalScroll(
            *(Static("", markup=False, id=name) for name in ("worst", "checks")), id="verdict-pane"
        )
        disk = VerticalScroll(
            SpaceBar("disk", id="disk-bar"),
            SpaceBar("file", id="file-bar"),
            Static("", markup=False, id="unknown"),
            TimeLine(id="time-line"),
            Static("", markup=False, id="volumes"),
            id="disk-pane",
        )
        facts.border_title, verdict.border_title, disk.border_title = "image", "verdict", "contents"
        yield Static("", markup=False, id="verdict")
        yield Vertical(Horizontal(facts, verdict, id="of-image"), disk, id="overview")

    def on_mount(self) -> None:
        """Show what is known already."""
        self._show_verdict()
        self._show_volumes()
        for bar in self.query(SpaceBar):
            bar.display = self.desk.region_index.cluster_size is not None
        self._show_space()
        self._show_strips()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """List what differs between a state of the disk and the one before it."""
        self.action_compare()

    def action_compare(self) -> None:
        """The same of the state under the cursor; that is the active disk at first."""
        from tui.screens.differences import show_differences  # with all the rules, loaded after the first paint

        strips, number = self.desk.strips, self.query_one(TimeLine).cursor
        if not strips:
            self.tell("the image has no snapshot to compare with")
        elif number:
            show_differences(self, strips[number - 1].snapshot, strips[number].snapshot)
        else:
            self.tell("this is the first state: there is none before it to compare with")

    def on_learned(self, what: str) -> None:
        """Something more is known."""
        if what in ("findings", "hashes", "evidence", "theme"):
            self._show_verdict()
        elif what in ("contents", "supplies"):
            self._show_volumes()
        if what in ("strips", "theme"):
            self._show_strips()
        elif what == "space":
            self._show_space()

    def _show_space(self) -> None:
        for space, bar in ((Space.GUEST, "#disk-bar"), (Space.HOST, "#file-bar")):
            found_usage = self.desk.usages.get(space)
            if found_usage:
                self.query_one(bar, SpaceBar).show(
                    _shares(found_usage, self.desk.view_of(space).size), found_usage.usage.done
                )
        unknown = self.desk.region_index.not_looked_into if Space.HOST in self.desk.usages else 0
        words = f"▲ what only the last {unknown:,} snapshots use is among “not in use” here and on the maps; see check"
        self.query_one("#unknown", Static).update(plain(words if unknown else ""))
        self.query_one("#unknown").display = bool(unknown)

    def _show_strips(self) -> None:
        image, strips = self.desk.image, self.desk.strips
        snapshots = len(image.snapshots.snapshots) if strips and isinstance(image, Qcow2Image) else 0
        self.query_one(TimeLine).show_strips(strips, snapshots + 1)

    def _facts(self) -> Table:
        table = Table.grid(padding=(0, 2), expand=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        evidence = self.desk.image.evidence
        for label, words in facts_of(self.desk.facts, None if evidence.is_remote else evidence.disk_usage):
            table.add_row(plain(label), words)
        if writer := evidence.writer():
            table.add_row(plain("in use"), plain(f"another process holds the file and {writer}", "bold"))
        elif evidence.in_use():
            table.add_row(plain("in use"), plain("another process reads the file"))
        return table

    def _show_verdict(self) -> None:
        judgement = self.desk.judgement or Judgement(tuple(self.desk.findings), ())
        counts = Counter(finding.severity for finding in judgement.findings)
        summary = "  ".join(
            f"{counts[severity]} {severity.value}" for severity in reversed(Severity) if counts[severity]
        )
        more = "" if self.desk.judgement else " so far"
        head = lines([line(self._verdict(judgement), "   ", summary or f"no findings{more}"), plain(self._sentence())])
        table = Table.grid(padding=(0, 1))
        table.add_column(no_wrap=True)
        for finding in judgement.worst_first()[:WORST_SHOWN]:
            mark = f"{MARKS[finding.severity]} {finding.severity.value}"
            style = self._colour(f"severity-{finding.severity.value}")
            table.add_row(plain(mark, style), line(finding.title, _times(finding.count)))
        parts: list[Text] = []
        if len(judgement.findings) > WORST_SHOWN:
            parts.append(plain(f"  and {len(judgement.findings) - WORST_SHOWN} more: 4", "dim"))
        statuses = Counter(check.status for check in judgement.checks)
        checks = " · ".join(
            f"{statuses[status]} {status.value.replace('_', ' ')}" for status in CheckStatus if statuses[status]
        )
        parts += [Text(), line(("checks  ", "dim"), checks or "running …")]
        for name, content in (("#verdict", head), ("#worst", table), ("#checks", lines([*parts, *self._hash_lines()]))):
            self.query_one(name, Static).update(content)

    def _sentence(self) -> str:
        """What the verdict amounts to, for a reader who knows nothing of clusters."""
        judgement, image = self.desk.judgement, self.desk.image
        if self.desk.headless:
            return "This file has no qcow2 header: no disk can be read yet; 7 searches for what is left of it."
        if judgement is None:
            return "The image is being examined; nothing that it names was opened."
        supplied = len(self.desk.supplies.files)
        opened = f"{counted(supplied, 'file')} that you supplied" if supplied else "nothing that the image names"
        return verdict_sentence(judgement, image.virtual_size, f"{opened} {'were' if supplied > 1 else 'was'} opened")

    def _verdict(self, judgement: Judgement) -> Text:
        """The verdict; while the check goes on, what is certain already."""
        verdict = judgement.verdict()
        if self.desk.judgement:
            colour = self.app.theme_variables.get(f"verdict-{verdict.value}", "")
            return plain(f" {VERDICT_WORDS[verdict]} ", f"bold reverse {colour}".strip())
        if verdict in (Verdict.CORRUPT, Verdict.SUSPICIOUS):
            return line((VERDICT_WORDS[verdict], self._colour(f"verdict-{verdict.value}")), (" so far", "dim"))
        return plain("checking …", "dim")

    def _hash_lines(self) -> list[Text]:
        """Whether the file is what it was, and every hash that was made of it, each with its time."""
        state, hashes = self.desk.evidence, self.desk.hashes
        cautions = [line(("caution ", "dim"), (note, "bold")) for note in self.desk.image.evidence.notes()]
        bad = self._colour("severity-critical")
        if state.changes:
            parts = [line(("file    ", "dim"), ("✖ CHANGED SINCE IT WAS OPENED", bad))]
            parts += [plain(f"  {change}", bad) for change in state.changes]
        else:
            parts = [line(("file    ", "dim"), "unchanged ✔", ("  looked at every second", "dim"))]
        parts += cautions
        if not hashes:
            return [*parts, line(("sha256  ", "dim"), ("press H to compute it", "dim"))]
        for record in hashes:
            differs = record.value != hashes[0].value
            words = (
                "  DIFFERS FROM THE FIRST" if differs else "  the same as the first" if record is not hashes[0] else ""
            )
            head = line((f"{record.algorithm}  ", "dim"), (clock(record.at), "dim"), (words, bad if differs else "dim"))
            parts += [Text(), head, plain(record.value, bad if differs else "")]
            parts += [plain("  hashed after the file had changed", bad)] if record.changes else []
        return parts

    def _show_volumes(self) -> None:
        contents = self.desk.contents
        if contents is None:
            if self.desk.region_index.cluster_size is None:
                self.query_one("#volumes", Static).update(
                    plain("without a header that can be used there is no disk", "dim")
                )
            return
        if not contents.volumes:
            words = "no partition table or file system found by signature"
            if contents.missing:
                supply = "; S supplies it" if "supplied" in contents.missing else ""
                words = f"disk: {contents.missing.replace('_', ' ')}{supply}"
            self.query_one("#volumes", Static).update(plain(words, "dim"))
            return
        table = Table.grid(padding=(0, 2))
        scheme = f"{contents.scheme} partition table" if contents.scheme != "none" else "no partition table"
        table.add_row(plain(scheme, "bold"))
        for volume in contents.volumes:
            place = f"{volume.guest_offset:#x}"
            label = line("“", volume.label, "”") if volume.label.raw else plain("")
            table.add_row(
                plain(f"{volume.kind}"), plain(volume.name), plain(volume.file_system or "?", "bold"), label,
                plain(size(volume.length)), plain(place, "dim"),
            )  # fmt: skip
        self.query_one("#volumes", Static).update(table)

    def _colour(self, name: str) -> str:
        colour = self.app.theme_variables.get(name, "")
        return f"bold {colour}".strip()


def verdict_sentence(judgement: Judgement, disk_size: int, opened: str) -> str:
    """One sentence: what was found, how much of the disk it costs, and that nothing else was touched."""
    lost = judgement.measured.allocation.get("unreadable", 0) if judgement.measured else None
    serious = sum(finding.count for finding in judgement.findings if finding.severity >= Severity.MEDIUM)
    found = {
        Verdict.CLEAN: "No structure of this image contradicts another",
        Verdict.LEAKS: "Space in this file is taken and used by nothing; the disk itself is not affected",
        Verdict.SUSPICIOUS: f"This image can be read, but holds {counted(serious, 'thing')} no ordinary writer leaves",
        Verdict.CORRUPT: f"Structures of this image contradict one another in {counted(serious, 'place')}",
        Verdict.UNDETERMINED: "This image could not be examined to the end",
    }[judgement.verdict()]
    if lost is None:
        cost = "how much of the disk can be read is not known"
    elif lost:
        cost = (
            f"{lost:,} of the {disk_size:,} bytes of the disk ({lost * 100 / max(1, disk_size):.2g} %) cannot be read"
        )
    else:
        cost = "no byte of the disk is lost to damage"
    return f"{found}; {cost}; {opened}."


def _times(count: int) -> Text:
    return plain(f"  ×{count:,}", "dim") if count > 1 else plain("")


def _shares(found_usage: UsageFound, space_size: int) -> list[Share]:
    from tui.kinds import FILLS, FREE, STATES  # with the tables, loaded after the first paint

    sums = found_usage.usage.sums.sum(axis=1).tolist()
    if found_usage.space == Space.GUEST:
        return [Share(look.name, look.kind, look.glyph, sums[state]) for state, look in STATES.items()]
    shares = [Share(look.name, look.kind, look.glyph, sums[fill]) for fill, look in FILLS.items()]
    return [*shares, Share(FREE.name, FREE.kind, FREE.glyph, max(0, space_size - sum(sums)))]
