"""Screen 2: the tree of structures, the bytes, and the inspector; move in one, and the others follow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Grid, Vertical
from textual.timer import Timer
from textual.widget import Widget

from forensic import Range, Space, host, outline, spans_between
from tui import jobs
from tui.commands import STRUCTURE, bindings
from tui.desk import Desk
from tui.messages import Owned
from tui.screens.base import ImageScreen
from tui.widgets.hex_view import HexView
from tui.widgets.inspector import Inspector
from tui.widgets.structure_tree import StructureTree

FEW_TABLES = 4096
"""L1 entries up to which all tables are read again for the claims on one cluster."""

REST_SECONDS = 0.25

VIEWS = ("host", "both", "guest")


class StructureScreen(ImageScreen):
    """The place to read bytes."""

    NAME = "structure"
    BINDINGS: ClassVar[list[BindingType]] = bindings(STRUCTURE)
    AUTO_FOCUS = "#host"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._shown_view = "host"
        self._rest: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Tree, bytes, inspector."""
        desk = self.desk
        cluster_size = desk.atlas.geometry.cluster_size if desk.atlas.geometry else 512
        tree, inspector = StructureTree(id="tree"), Inspector(id="inspector")
        file_hex = HexView(
            desk.file_view, cluster_size, lambda start, end: spans_between(desk.atlas, start, end), id="host"
        )
        disk_hex = HexView(desk.disk_view, cluster_size, id="guest")
        tree.border_title, inspector.border_title = "structures", "inspector"
        file_hex.border_title, disk_hex.border_title = "file", "disk"
        yield Grid(tree, Vertical(file_hex, disk_hex, id="bytes"), inspector, id="panes")

    def on_mount(self) -> None:
        """Grow the first level of the tree."""
        super().on_mount()
        self.query_one(StructureTree).grow(outline(self.desk.atlas))
        self._show_view(self._shown_view)
        self._mark_findings()
        self.on_moved(self.desk.place)

    def on_moved(self, place: Range) -> None:
        """Move both dumps there and explain the byte."""
        desk = self.desk
        if place.space == Space.GUEST and self._shown_view == "host":
            self._show_view("both")
        inspection = desk.inspection()
        other = desk.other_side()
        for here in (place, other):
            if here:
                view = self._hex(here.space)
                view.set_reactive(HexView.cursor, here.offset)
                view.watch_cursor()
        host_offset = desk.host_offset()
        if host_offset is not None:
            self.query_one(StructureTree).reveal(host_offset)
        self._hex(Space.HOST).field = inspection.place if inspection else None
        jumped = place.length > 1 and place.space == Space.GUEST
        self._hex(Space.GUEST).field = place if jumped else None
        self._explain()
        self._show_titles()
        self._ask_for_owners()

    def _explain(self) -> None:
        desk = self.desk
        findings = self._findings_at(desk.host_offset())
        self.query_one(Inspector).show(desk.inspection(), desk.guest_offset(), findings, desk.claims())

    def _ask_for_owners(self) -> None:
        """Have the claims on this cluster looked up once the cursor rests, unless there are too many tables."""
        if self._rest:
            self._rest.stop()
        if not self.desk.claims() and sum(len(table.entries) for table in self.desk.atlas.l1_tables) <= FEW_TABLES:
            self._rest = self.set_timer(REST_SECONDS, self._look_up_owners)

    def _look_up_owners(self) -> None:
        host_offset = self.desk.host_offset()
        if host_offset is not None and self.desk.atlas.geometry is not None:
            work = partial(jobs.own, self.post_message, self.desk.image, host_offset)
            self.run_worker(work, thread=True, group="owners", exclusive=True)

    def on_owned(self, event: Owned) -> None:
        """The claims on the cluster."""
        self.desk.ownership = event.ownership
        self._explain()

    def on_learned(self, what: str) -> None:
        """Findings colour bytes; the index lets the disk's dump follow."""
        if what == "findings":
            self._mark_findings()
            self._explain()
        elif what == "references":
            self.on_moved(self.desk.place)

    def on_hex_view_moved(self, event: HexView.Moved) -> None:
        """A step by hand."""
        self.desk.go(Range(event.view.view.space, event.offset, 1), jump=False)

    def on_hex_view_followed(self, event: HexView.Followed) -> None:
        """Go where the field points; from guest data that is its mapping."""
        inspection = self.desk.inspection()
        target = inspection.target if inspection else None
        if target is not None and event.view.view.space == Space.HOST:
            if target.offset < self.desk.file_view.size:
                self.desk.go(target)
            else:
                self.notify(f"{target.offset:#x} is outside the file", severity="warning", markup=False)
        elif (other := self.desk.other_side()) is not None:
            self.desk.go(other)
        else:
            self.notify("nothing here points anywhere", markup=False)

    def on_hex_view_selected(self, event: HexView.Selected) -> None:
        """Remember the selection for copying, notes and export."""
        self.desk.selection = event.selection
        for view in self.query(HexView):
            view.selection = event.selection

    def on_structure_tree_chosen(self, event: StructureTree.Chosen) -> None:
        """Look at the bytes of a line of the tree."""
        self.desk.go(host(event.node.host_offset, event.node.length), jump=event.follow)
        if event.follow:
            inspection = self.desk.inspection()
            if inspection and inspection.target:
                self.desk.go(inspection.target)
            self._hex(Space.HOST).focus()

    def on_inspector_copied(self, event: Inspector.Copied) -> None:
        """A value was clicked."""
        self.app.copy_to_clipboard(event.value)
        self.notify("copied", timeout=1, markup=False)

    def action_rotate(self) -> None:
        """File, both, disk."""
        self._show_view(VIEWS[(VIEWS.index(self._shown_view) + 1) % len(VIEWS)])

    def _hex(self, space: Space) -> HexView:
        return self.query_one("#host" if space == Space.HOST else "#guest", HexView)

    def _show_view(self, name: str) -> None:
        self._shown_view = name
        for space in ("host", "guest"):
            self.query_one(f"#{space}", HexView).display = name in (space, "both")
        if self.focused is None or not self.focused.display:
            self.query_one("#guest" if name == "guest" else "#host", HexView).focus()

    def _show_titles(self) -> None:
        geometry = self.desk.atlas.geometry
        for space, name in ((Space.HOST, "file"), (Space.GUEST, "disk")):
            view = self._hex(space)
            cluster = f" · cluster {view.cursor // geometry.cluster_size:,}" if geometry else ""
            view.border_title = f"{name} · {view.cursor:#x}{cluster}"
        self._hex(Space.HOST).border_subtitle = "big-endian"

    def _mark_findings(self) -> None:
        places = self.desk.places_of_trouble()
        for space in Space:
            view = self._hex(space)
            view.marks = tuple(place for place in places if place.space == space)
            view.refresh()

    def _findings_at(self, host_offset: int | None) -> list[str]:
        if host_offset is None:
            return []
        return [
            f"{finding.severity.value} {finding.rule}: {problem.observation}"
            for finding in self.desk.trouble()
            for problem in finding.problems
            if any(_holds(place, host_offset) for place in problem.ranges)
        ][:4]


def _holds(place: Range, host_offset: int) -> bool:
    return place.space == Space.HOST and place.offset <= host_offset < place.offset + place.length
