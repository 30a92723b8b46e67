"""Screen 2: the tree of structures, the bytes, and the inspector; move in one, and the others follow."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import Grid, Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget

from forensic import Qcow2Image
from forensic.explore import Inspection, Range, Space, Span, crumbs_to, host_range, spans_between, top_nodes
from tui import jobs
from tui.commands import STRUCTURE, bindings
from tui.desk import Desk
from tui.explaining import findings_at, guest_inspection, numbers_at, owners_at
from tui.messages import Owned
from tui.screens.minimaps import WithMinimaps
from tui.screens.reading import Reading
from tui.session.notes import LABELS
from tui.widgets.cluster_map import ClusterMap, Minimap
from tui.widgets.crumbs import Crumbs
from tui.widgets.hex_view import HexView
from tui.widgets.hits import Hits
from tui.widgets.inspector import Inspector
from tui.widgets.row_list import RowList
from tui.widgets.structure_tree import StructureTree

FEW_TABLES = 4096
"""L1 entries up to which all tables are read again for the owners of one cluster."""

REST_SECONDS = 0.25

VIEWS = ("host", "both", "guest")


class StructureScreen(WithMinimaps):
    """The tree, the bytes and the inspector."""

    NAME = "structure"
    BINDINGS: ClassVar[list[BindingType]] = bindings(STRUCTURE)
    AUTO_FOCUS = "#host"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._shown_view = "host"
        self._turned: tuple[Range | None, Range | None] = None, None  # the byte left for the other space, and that one
        self._rest: Timer | None = None

    def body(self) -> Iterable[Widget]:
        """Tree, bytes, inspector."""
        desk = self.desk
        cluster_size = desk.region_index.cluster_size or 512
        tree, inspector = StructureTree(id="tree"), Inspector(id="inspector")
        file_hex = HexView(
            desk.file_view, cluster_size, lambda start, end: spans_between(desk.region_index, start, end), id="host"
        )
        disk_hex = HexView(desk.disk_view, cluster_size, self._guest_spans, id="guest")
        tree.border_title, inspector.border_title = "structures", "inspector"
        file_hex.border_title, disk_hex.border_title = "file", "disk"
        file_pane = Horizontal(file_hex, Minimap(Space.HOST, id="host-minimap"), id="host-pane")
        disk_pane = Horizontal(disk_hex, Minimap(Space.GUEST, id="guest-minimap"), id="guest-pane")
        yield Grid(tree, Vertical(file_pane, disk_pane, id="bytes"), inspector, id="panes")
        yield Crumbs(id="crumbs")
        yield Hits(id="hits")

    def on_mount(self) -> None:
        """Grow the first level of the tree."""
        self.query_one(StructureTree).grow(top_nodes(self.desk.region_index))
        self._show_view(self._shown_view)
        self._mark_findings()
        self._draw_notes()
        self._show_hits()
        self.on_moved(self.desk.place)

    def on_moved(self, place: Range) -> None:
        """Move both dumps there and explain the byte."""
        desk = self.desk
        if self._shown_view not in (place.space.value, "both"):
            self._show_view("both")
        inspection = desk.inspection()
        other = desk.other_side()
        for here in (place, other):
            if here:
                self._hex(here.space).cursor = here.offset
                self.minimap(here.space).cursor = here.offset
        for view in self.query(HexView):
            view.selection = desk.selection
        host_offset = desk.host_offset()
        way = crumbs_to(desk.region_index, host_offset, desk.guest_offset())
        if self.query_one(Crumbs).show(way):  # within one cluster of data all of it stays
            places = [step.place.offset for step in way if step.place]
            self.query_one(StructureTree).reveal([*places, *([] if host_offset is None else [host_offset])])
        self._hex(Space.HOST).field = inspection.place if inspection else None
        jumped = place.length > 1 and place.space == Space.GUEST
        guest = guest_inspection(desk)
        self._hex(Space.GUEST).field = place if jumped else guest.place if guest else None
        self._explain_as(guest)
        self._show_titles()
        self.query_one(Hits).follow(place)
        self._ask_for_owners()

    def _explain(self) -> None:
        self._explain_as(guest_inspection(self.desk))

    def _explain_as(self, guest: Inspection | None) -> None:
        desk = self.desk
        findings = findings_at(desk, desk.host_offset())
        numbers = numbers_at(desk, self.desk.little_endian, guest)
        about = desk.inspection()
        self.query_one(Inspector).show(about, desk.guest_offset(), findings, owners_at(desk), numbers, guest)

    def _guest_spans(self, guest_start: int, guest_end: int) -> list[Span]:
        """The fields of the guest's own structures, as soon as these are known."""
        return self.desk.lens.spans_between(guest_start, guest_end) if self.desk.lens else []

    def _ask_for_owners(self) -> None:
        """Have the owners of this cluster looked up once the cursor rests, unless there are too many tables."""
        if self._rest:
            self._rest.stop()
        if (
            not owners_at(self.desk)
            and sum(len(table.entries) for table in self.desk.region_index.l1_tables) <= FEW_TABLES
        ):
            self._rest = self.set_timer(REST_SECONDS, self._look_up_owners)

    def _look_up_owners(self) -> None:
        host_offset, image = self.desk.host_offset(), self.desk.image
        if host_offset is not None and self.desk.region_index.geometry is not None and isinstance(image, Qcow2Image):
            work = partial(jobs.own, self.post_message, image, host_offset)
            self.run_worker(work, thread=True, group="owners", exclusive=True)

    def on_owned(self, event: Owned) -> None:
        """The owners of the cluster."""
        self.desk.ownership = event.ownership
        self._explain()

    def on_learned(self, what: str) -> None:
        """Findings colour bytes; the index lets the disk's dump follow."""
        if what == "findings":
            self._mark_findings()
            self._explain()
        elif what == "notes":
            self._draw_notes()
        elif what == "matches":
            self._show_hits()
        elif what == "supplies":
            self._hex(Space.GUEST).look_at(self.desk.disk_view)
            self._explain()
        elif what == "endian":
            self._explain()
            self._show_titles()
        elif what == "lens":
            self._hex(Space.GUEST).refresh()
            self._explain()
        elif what == "references":
            self.on_moved(self.desk.place)

    def on_hex_view_moved(self, event: HexView.Moved) -> None:
        """A step by hand."""
        self.desk.go(Range(event.view.view.space, event.offset, 1), jump=False)

    def on_cluster_map_moved(self, event: ClusterMap.Moved) -> None:
        """A click beside the bytes."""
        event.stop()
        self.desk.go(Range(event.map.space, event.offset, 1))

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Go to a place that a search found; the list keeps the focus, so that the next one is a key away."""
        self.desk.go(self.query_one(Hits).places[event.number])

    def action_hits(self) -> None:
        """Show the list of what was found, go into it, or hide it."""
        hits = self.query_one(Hits)
        if self.desk.search is None:
            self.notify("nothing was searched for yet: / searches", markup=False)
        elif hits.display and hits.has_focus:
            hits.display = False
            self._hex(self.desk.place.space).focus()
        else:
            hits.display = True
            hits.focus()
        self.set_class(hits.display, "-hits")

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
            self.notify("nothing here points to another place", markup=False)

    def on_hex_view_anchored(self, event: HexView.Anchored) -> None:
        """A selection is begun, or made."""
        self.desk.select_from(event.offset)

    def on_hex_view_given_up(self) -> None:
        """There is no selection any more."""
        self.desk.deselect()

    def on_crumbs_picked(self, event: Crumbs.Picked) -> None:
        """A step of the way to this byte was clicked."""
        self.desk.go(event.place)

    def action_up(self) -> None:
        """To the pointer that leads here."""
        place = self.query_one(Crumbs).before()
        if place is None:
            self.notify("nothing is known to point here", markup=False)
        else:
            self.desk.go(place)

    def on_structure_tree_chosen(self, event: StructureTree.Chosen) -> None:
        """Look at the bytes of a line of the tree."""
        self.desk.go(host_range(event.node.host_offset, event.node.length), jump=event.follow)
        if event.follow:
            if (inspection := self.desk.inspection()) and inspection.target:
                self.desk.go(inspection.target)
            self._hex(Space.HOST).focus()

    def on_inspector_copied(self, event: Inspector.Copied) -> None:
        """A value was clicked."""
        self.app.copy_to_clipboard(event.value)
        self.notify("copied", timeout=1, markup=False)

    def action_rotate(self, step: int) -> None:
        """File, both, disk; the cursor goes with what is shown, since all else is said of the byte under it."""
        self._show_view(VIEWS[(VIEWS.index(self._shown_view) + step) % len(VIEWS)])
        place = self.desk.place
        if self._shown_view not in (place.space.value, "both"):
            space = Space(self._shown_view)
            left, came_to = self._turned
            there = left if came_to == place else self.desk.other_side()
            self.desk.go(there or Range(space, self._hex(space).cursor, 1), jump=False)
            self._turned = place, self.desk.place

    def action_explain(self) -> None:
        """All that the inspector knows, in full width."""
        self.app.push_screen(Reading("Explained", self.query_one(Inspector).words.splitlines(), "Escape closes"))

    def on_hex_view_turned(self) -> None:
        """Numbers are read the other way round."""
        self.desk.little_endian = not self.desk.little_endian
        self.desk.learn("endian")

    def _hex(self, space: Space) -> HexView:
        return self.query_one("#host" if space == Space.HOST else "#guest", HexView)

    def _show_view(self, name: str) -> None:
        self._shown_view = name
        for space in ("host", "guest"):
            self.query_one(f"#{space}-pane").display = name in (space, "both")
        hidden = {"host": "guest", "guest": "host"}.get(name)
        if self.focused is None or self.focused.id == hidden:
            self.query_one("#guest" if name == "guest" else "#host", HexView).focus()

    def _show_titles(self) -> None:
        """The cluster of each cursor; a title is set only when it is another, since the whole dump is drawn with it."""
        size = self.desk.region_index.cluster_size
        order = "little-endian" if self.desk.little_endian else "big-endian"
        for space, name in ((Space.HOST, "file"), (Space.GUEST, "disk")):
            view = self._hex(space)
            number = view.cursor // size if size else 0
            title = f"{name} · cluster {number:,} at {number * size:#x}" if size else name
            if str(view.border_title) != title:
                view.border_title = title
            if str(view.border_subtitle) != order:
                view.border_subtitle = order

    def _mark_findings(self) -> None:
        for space in Space:
            self._hex(space).mark(self.desk.places_of_trouble(space))
            self.paint_minimap(space)

    def _draw_notes(self) -> None:
        notes = [
            (note.place, f"note-{note.label or 'plain'}") for note in self.desk.notes.notes if note.label in LABELS
        ]
        for space in Space:
            self._hex(space).annotate(notes)
            self.paint_minimap(space)

    def _show_hits(self) -> None:
        """What the search found so far: in the list, in the dumps and beside them."""
        desk = self.desk
        for space in Space:
            self._hex(space).light(desk.matches)
            self.paint_minimap(space)
        read = desk.view_of(desk.search.space).read if desk.search else desk.file_view.read
        self.query_one(Hits).show_hits(desk.search, desk.matches, desk.place, read, desk.sides_of)
        self.set_class(desk.search is not None, "-hits")
