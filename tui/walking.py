"""The commands that go from one place of an image to another; they work on every screen."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial

from textual.message import Message
from textual.notifications import SeverityLevel

from forensic import ForensicError
from forensic.explore import Range, Space
from tui.commands import EVERYWHERE, commands_of
from tui.config import Preferences
from tui.desk import Desk
from tui.goto import GRAMMAR, CannotGo, place_of
from tui.screens.prompts import Prompt
from tui.searching import Outcome
from tui.terminal.drawing import DrawingApp
from tui.text import plain

ENDIANS = {"set endian le": True, "set endian be": False}
"""What may be typed instead of a place: in which order numbers are read, little-endian or not."""


class Walker(DrawingApp):
    """An application with commands for going from place to place."""

    desk: Desk
    settings: Preferences
    leaving = False
    """Whether the desk is about to be cleared for another one: nothing that a job found is for that one."""

    def post_of_desk(self) -> Callable[[Message], bool]:
        """By what a job posts messages; they come to nothing once the image is read in another way."""
        desk = self.desk

        def post(message: Message) -> bool:
            return self.desk is desk and not self.leaving and self.post_message(message)

        return post

    def go(self, place: Range, jump: bool = True) -> None:
        """Go to a place and look at its bytes, unless the map is open: there the map moves."""
        if self.current_mode not in ("structure", "map"):
            self.switch_mode("structure")
        self.desk.go(place, jump)

    def tell(self, words: str, bad: bool = False) -> None:
        """A short message; nothing in it is markup."""
        self.notify(plain(words).plain, severity="error" if bad else "information", markup=False)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a message in place of the one before, and keep it in the case log."""
        self.desk.log.add(message, bad=severity == "error")
        self.clear_notifications()
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def action_show(self, name: str) -> None:
        """One of the screens."""
        self.switch_mode(name)

    def action_go_to(self) -> None:
        """Ask for a place; the title of a command runs it instead."""
        commands = {command.title.lower(): command for command in commands_of(EVERYWHERE)}

        def complaint(text: str) -> str:
            word = text.strip().lower()
            if word in commands or word in ENDIANS:
                return ""
            try:
                place_of(text, self.desk)
            except (CannotGo, ForensicError) as error:
                return str(error)
            return ""

        async def go(text: str | None) -> None:
            word = (text or "").strip().lower()
            command = commands.get(word)
            if word in ENDIANS:
                self.desk.little_endian = ENDIANS[word]
                self.desk.learn("endian")
            elif command:
                await self.run_action(command.action)
            elif text:
                self.go(place_of(text, self.desk))

        self.push_screen(Prompt("Go to", GRAMMAR, check=complaint), go)

    def action_go_back(self) -> None:
        """Return."""
        if not self.desk.back():
            self.tell("already at the start of history")

    def action_go_forward(self) -> None:
        """Go forward again after a return."""
        if not self.desk.back(forward=True):
            self.tell("already at the end of history")

    def action_other_side(self) -> None:
        """From the file to the disk or the other way round."""
        other = self.desk.other_side()
        if other is None:
            self.tell("this byte has no known counterpart on the other side")
        else:
            self.go(other)

    def action_match(self, step: int) -> None:
        """The next or the previous match."""
        search = self.desk.search
        if search is None:
            self.tell("nothing was searched for yet: / searches")
        elif not self.desk.matches:
            self.tell("still searching" if search.outcome == Outcome.RUNNING else search.sentence)
        else:
            self._go_among_matches(step)

    def _go_among_matches(self, step: int) -> None:
        """The neighbour of the cursor among the matches; from the other space, the first."""
        here, matches = self.desk.place, self.desk.matches
        offsets = [place.offset for place in matches]
        index = bisect_right(offsets, here.offset) if step > 0 else bisect_left(offsets, here.offset) - 1
        if matches[0].space != here.space:
            index = 0
        elif not 0 <= index < len(matches):
            self.tell("that was the last one" if step > 0 else "that was the first one")
            return
        self.go(matches[index])

    def action_finding(self, step: int) -> None:
        """The next or the previous place of a finding, of all of its places."""
        here = self.desk.place
        places = self.desk.places_of_trouble(here.space)
        if not len(places):  # those of the other side
            space = Space.GUEST if here.space == Space.HOST else Space.HOST
            found, places = self.desk.places_of_trouble(space).next(-1), self.desk.places_of_trouble(space)
        else:
            space, found = here.space, places.next(here.offset, backwards=step < 0)
        if found is not None:
            self.go(Range(space, *found))
        elif len(places):
            self.tell("that was the last one" if step > 0 else "that was the first one")
        elif self.desk.judgement is None:
            self.tell("no finding has a location so far: the check is running")
        elif self.desk.findings:
            self.tell("no finding above “info” has a location; Enter in Findings goes to those of the others")
        else:
            self.tell("nothing was found")

    def action_run(self, step: int) -> None:
        """The next or the previous allocated run of the disk, in the file."""
        references = self.desk.references
        if references is None:
            self.tell("the index is not built yet")
            return
        host_offset = self.desk.host_offset()
        place = references.next_run(0 if host_offset is None else host_offset, backwards=step < 0)
        if place is None:
            self.tell("no further run")
        else:
            self.go(Range(Space.HOST, place, 1))

    def action_seek_orphans(self) -> None:
        """Look for orphans in the background, once."""
        from tui import map_jobs

        if self.desk.orphans is None:
            work = partial(map_jobs.seek_orphans, self.post_of_desk(), self.desk.region_index)
            self.run_worker(work, thread=True, group="orphans", exclusive=True)

    def action_orphan(self, step: int) -> None:
        """The next or the previous range of the file that nothing reads but that is in use or holds data."""
        if self.desk.image.format == "qcow1":
            self.tell("version 1 has no refcounts: unused clusters cannot be told from used ones")
            return
        orphans = self.desk.orphans
        if orphans is None:
            self.desk.wanted_orphan = step
            self.action_seek_orphans()
            return
        self.desk.wanted_orphan = 0
        host_offset = self.desk.host_offset()
        found = orphans.next(-1 if host_offset is None else host_offset, backwards=step < 0)
        if found is not None:
            self.go(Range(Space.HOST, *found))
        elif len(orphans.begins):
            self.tell("that was the last one" if step > 0 else "that was the first one")
        else:
            self.tell("no orphans" + ("" if orphans.complete else " in the part that was searched"))

    def action_cluster(self, step: int) -> None:
        """The start of a neighbouring cluster."""
        size = self.desk.region_index.cluster_size or 512
        place = self.desk.place
        number = place.offset // size + 1 if step > 0 else -(-place.offset // size) - 1
        self.desk.go(Range(place.space, max(0, number) * size, 1), jump=False)
