"""What the screens share: the image, the current place, what is known so far, and signals of changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.signal import Signal

from forensic import Judgement, Severity, describe
from forensic.explore import HeadlessImage, Range, Space, guest_range, host_range
from tui.jumps import Jumps
from tui.messages import UsageFound
from tui.recovering.choice import Proposals
from tui.searching import SearchState
from tui.session.case_log import CaseLog
from tui.session.evidence_clock import EvidenceState, HashRecord
from tui.session.notes import Notes
from tui.session.supplies import Supplies
from tui.session.times import now

if TYPE_CHECKING:  # tables are loaded when one is looked at, after the first paint
    from forensic import Disk, Extent, Finding, Qcow1Image, Qcow2Image
    from forensic.explore import (
        ClusterCodes,
        Contents,
        DiskView,
        FileView,
        FindingPlaces,
        GuestLens,
        Inspection,
        Orphans,
        Ownership,
        Places,
        Qcow1RegionIndex,
        RegionIndex,
        ResultRecord,
        ReverseMap,
        Strip,
        View,
    )


class Desk:
    """State and signals; widgets are told of changes and ask here for what they draw."""

    def __init__(self, owner: DOMNode, image: Qcow2Image | Qcow1Image, notes: Notes, plan_file: str = "") -> None:
        """Nothing after the header is read yet; `plan_file` is the recovery plan by which the image is read."""
        self._owner = owner
        self.image = image
        self.plan_file = plan_file
        self.facts: ResultRecord = describe(image.foreign if isinstance(image, HeadlessImage) else image)
        self.notes = notes
        self.log = CaseLog(notes.file.with_suffix(".log"), self._where)
        self.jumps = Jumps(host_range(0, 1))
        self.judgement: Judgement | None = None
        self.findings: Sequence[Finding] = ()
        self.contents: Contents | None = None
        self.lens: GuestLens | None = None
        self.references: ReverseMap | None = None
        self.orphans: Orphans | None = None
        self.strips: Sequence[Strip] = ()
        self.wanted_orphan = 0
        self.cluster_codes: dict[str, ClusterCodes] = {}
        self.evidence = EvidenceState(now())
        self.hashes: list[HashRecord] = []
        self.ownership: Ownership | None = None
        self.usages: dict[Space, UsageFound] = {}
        self.little_endian = False
        self.selection: Range | None = None
        self.anchor: int | None = None
        self._located: tuple[int, int | None] = (-1, None)
        self.search: SearchState | None = None
        self.searched_for: list[str] = []
        self.matches: list[Range] = []
        self.supplies = Supplies()
        self.disks: list[Disk | None] = []
        self._places: dict[Space, Places] = {}
        self.jobs: dict[str, str] = {}
        self.give_up: Callable[[float], None] | None = None
        self.proposals = Proposals()
        self.moved: Signal[Range] = Signal(owner, "moved")
        self.learned: Signal[str] = Signal(owner, "learned")
        self.worked: Signal[str] = Signal(owner, "worked")
        self.looked: Signal[EvidenceState] = Signal(owner, "looked")

    def read_as(self, image: Qcow2Image | Qcow1Image, plan_file: str) -> Desk:
        """A desk for the same file read in another way; what was done and seen of the file itself stays."""
        desk = Desk(self._owner, image, self.notes, plan_file)
        desk.log, desk.hashes, desk.evidence, desk.proposals = self.log, self.hashes, self.evidence, self.proposals
        desk.searched_for = self.searched_for
        desk.log.place = desk._where
        return desk

    @property
    def headless(self) -> str:
        """What the file begins with where a header should be; empty for an image that has one."""
        return self.image.foreign.description if isinstance(self.image, HeadlessImage) else ""

    def _where(self) -> str:
        return f"{self.place.space.value} {self.place.offset:#x}"

    @cached_property
    def region_index(self) -> RegionIndex | Qcow1RegionIndex:
        """What lies where in the file."""
        from forensic import Qcow1Image
        from forensic.explore import Qcow1RegionIndex, RegionIndex

        return Qcow1RegionIndex(self.image) if isinstance(self.image, Qcow1Image) else RegionIndex(self.image)

    @cached_property
    def finding_places(self) -> FindingPlaces:
        """Where every problem lies, as far as the check has come."""
        from forensic.explore import FindingPlaces

        return FindingPlaces()

    @cached_property
    def file_view(self) -> FileView:
        """The bytes of the file."""
        from forensic.explore import FileView

        return FileView(self.image.evidence)

    @cached_property
    def disk_view(self) -> DiskView:
        """The bytes of the disk, read with what was supplied."""
        from forensic.explore import DiskView

        return DiskView(self.image, self.disks[-1] if self.disks else None)

    def take(self, supplies: Supplies, disk: Disk | None) -> None:
        """Read the disk with these from now on; a disk of before stays open, since a search may still read it."""
        self.supplies = supplies
        self.disks.append(disk)
        self.__dict__.pop("disk_view", None)
        self.contents = self.lens = None

    @property
    def path(self) -> Path:
        """The image as it was named."""
        return Path(self.image.evidence.path_as_given)

    @property
    def place(self) -> Range:
        """Where the examiner is."""
        return self.jumps.here

    def view_of(self, space: Space) -> View:
        """The bytes of a space."""
        return self.file_view if space == Space.HOST else self.disk_view

    def go(self, place: Range, jump: bool = True) -> None:
        """Move there, within the space; a jump can be undone, a step cannot.

        A selection that is being made grows up to there, one that was made is given up.
        """
        view = self.view_of(place.space)
        offset = max(0, min(place.offset, view.size - 1))
        bounded = Range(place.space, offset, max(1, min(place.length, view.size - offset)))
        if jump:
            self.jumps.jump(bounded)
        else:
            self.jumps.step(bounded)
        self._select_up_to(bounded)
        self.moved.publish(bounded)

    def back(self, forward: bool = False) -> bool:
        """Return to where the last jump began, or go there again; False if there is nowhere to go."""
        place = self.jumps.forward() if forward else self.jumps.back()
        if place is not None:
            self._select_up_to(place)
            self.moved.publish(place)
        return place is not None

    def select_from(self, anchor: int | None) -> None:
        """Begin a selection at a byte of the cursor's space, which then follows the cursor; None keeps it as it is."""
        self.anchor = anchor
        if anchor is not None:
            self._select_up_to(self.place)
        self.moved.publish(self.place)

    def deselect(self) -> bool:
        """Give the selection up; False if there is none."""
        had, self.selection, self.anchor = self.selection is not None, None, None
        if had:
            self.moved.publish(self.place)
        return had

    def _select_up_to(self, place: Range) -> None:
        space = self.selection.space if self.selection else place.space
        if self.anchor is None or space != place.space:
            self.anchor = self.selection = None
            return
        start, end = min(self.anchor, place.offset), max(self.anchor, place.offset) + 1
        self.selection = Range(space, start, end - start)

    def inspection(self) -> Inspection | None:
        """What holds the byte at the cursor; None while the cursor is on a part of the disk that is not in the file."""
        from forensic.explore import inspect

        host_offset = self.host_offset()
        return None if host_offset is None else inspect(self.region_index, host_offset, self.references)

    def host_offset(self) -> int | None:
        """Where the byte at the cursor lies in the file; None if nowhere."""
        if self.place.space == Space.HOST:
            return self.place.offset
        if self._located[0] != self.place.offset:  # asked for many times at every step
            self._located = (self.place.offset, self._host_offset_of(self.place.offset))
        return self._located[1]

    def _host_offset_of(self, guest_offset: int) -> int | None:
        extent = self.extent_at(guest_offset)
        if extent is None or extent.host_offset is None:
            return None
        return extent.host_offset + (0 if extent.stored_length else guest_offset - extent.guest_offset)

    def guest_offset(self) -> int | None:
        """The guest offset of the byte at the cursor; None if it is not of the disk or not known yet."""
        if self.place.space == Space.GUEST:
            return self.place.offset
        return self.references.guest_offset_of(self.place.offset) if self.references else None

    def extent_at(self, guest_offset: int) -> Extent | None:
        """The extent that holds a guest offset, cut to one cluster; None where the disk has no mapping."""
        size = self.region_index.cluster_size
        if size is None or not 0 <= guest_offset < self.image.virtual_size:
            return None
        start = guest_offset // size * size
        for extent in self.image.extents(start, start + size):
            if extent.guest_offset <= guest_offset < extent.guest_offset + extent.length:
                return extent
        return None

    def other_side(self) -> Range | None:
        """The same byte in the other space."""
        if self.place.space == Space.HOST:
            offset = self.guest_offset()
            return None if offset is None else guest_range(offset, 1)
        offset = self.host_offset()
        return None if offset is None else host_range(offset, 1)

    def sides_of(self, place: Range) -> tuple[str, str]:
        """Of any place the same byte in the other space, and what holds it; in words."""
        from forensic.explore import inspect

        host_offset, other = place.offset if place.space == Space.HOST else self._host_offset_of(place.offset), None
        if place.space == Space.HOST and self.references:
            other = self.references.guest_offset_of(place.offset)
        found = other if place.space == Space.HOST else host_offset
        inspection = None if host_offset is None else inspect(self.region_index, host_offset)
        return "" if found is None else f"{found:#x}", inspection.path if inspection else ""

    def searched(self) -> str:
        """How the last search stands, and which of its places the cursor is at, in few words."""
        return self.search.words(self.matches, self.place) if self.search else ""

    def trouble(self) -> list[Finding]:
        """What was found so far and is more than a fact worth knowing, worst first."""
        more_than_facts = (each for each in self.findings if each.severity > Severity.INFO)
        return sorted(more_than_facts, key=lambda each: -each.severity.rank)

    def places_of_trouble(self, space: Space) -> Places:
        """Where all of that is, every place of every rule."""
        if space not in self._places:
            from forensic.explore import joined

            self._places[space] = joined(self.finding_places.of(each.rule, space) for each in self.trouble())
        return self._places[space]

    def learn(self, what: str) -> None:
        """Announce that something is known now: `findings`, `contents`, `references`, `hashes`, `space` …"""
        if what == "findings":
            self._places.clear()
        self.learned.publish(what)

    def report_job(self, name: str, progress: str) -> None:
        """Show how far a job is; empty when it is over."""
        if progress:
            self.jobs[name] = progress
        else:
            self.jobs.pop(name, None)
        self.worked.publish(name)
