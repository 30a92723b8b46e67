"""The application: holds the image, starts the jobs, receives their messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import events
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.filter import LineFilter, NoColor
from textual.screen import Screen

from forensic import ForensicError, Qcow1Image, Qcow2Image
from forensic.explore import open_to_look_at
from tui.actions import readable
from tui.commands import EVERYWHERE, SCREEN_NAMES, bindings, commands_of
from tui.config import Preferences
from tui.desk import Desk
from tui.messages import (
    Compared,
    Found,
    Hashed,
    Indexed,
    JobFailed,
    JobProgress,
    Judged,
    LensMade,
    Looked,
    LookedInside,
    Noticed,
    Orphaned,
    PlanChosen,
    UsageFound,
)
from tui.screens import SCREENS
from tui.screens.base import ImageScreen
from tui.screens.prompts import Question, TypedInto
from tui.searching import Outcome
from tui.session.evidence_clock import EvidenceClock
from tui.session.kept_theme import keep_theme, kept_theme
from tui.session.notes import Notes, session_file
from tui.session.supplies import NOTHING
from tui.supplying import Supplier
from tui.terminal.presence import TerminalWatch
from tui.text import plain
from tui.theme import DARK, DEFAULT_THEME, QUIET_CURSOR, variables
from tui.widgets.chrome import TopBar

HASH_AT_ONCE = 1 << 30
"""Bytes of a file that is hashed without being asked to; larger ones wait for the key."""

BETWEEN = "between"
"""The mode while the screens are made anew."""

SECONDS_TO_GIVE_UP = 10.0
"""Seconds that an extraction has to remove what it began, when the terminal is gone."""


class QcowscopeApp(Supplier):
    """Walk through one image."""

    TITLE = "qcowscope"
    CSS_PATH = "tui.tcss"
    sixteen_colours = False
    BINDINGS: ClassVar[list[BindingType]] = bindings(EVERYWHERE)

    def __init__(
        self,
        image: Qcow2Image | Qcow1Image,
        settings: Preferences | None = None,
        notes: Notes | None = None,
        plan_file: str = "",
    ) -> None:
        """Open on the overview; nothing of the image but its header is read before the first paint.

        `plan_file` is the recovery plan by which the image is read.
        """
        super().__init__()
        self.settings = settings or Preferences()
        self.desk = Desk(self, image, notes or Notes(session_file(Path(image.evidence.path))), plan_file)
        self.clock = EvidenceClock(image.evidence, lambda state: self.post_message(Looked(state)))
        self.watch_terminal = TerminalWatch(0, self._leave_nothing)
        wanted = (self.settings.theme, kept_theme(self.desk.notes.file.parent), DEFAULT_THEME)
        self.theme = next(name for name in wanted if name in self.available_themes)
        for name, screen in SCREENS.items():
            self.add_mode(name, partial(screen, self.desk))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """The colours of kinds and severities, for stylesheets that are read before a theme is."""
        return DARK | {QUIET_CURSOR: DARK["hex-even"]}

    def get_css_variables(self) -> dict[str, str]:
        """Those of the theme, and ours, so that each can be read on its background."""
        given = super().get_css_variables()
        self.theme_variables = given | variables(self.current_theme, given, self.sixteen_colours)
        return self.theme_variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        """NO_COLOR means no colours, not even greys."""
        return [*super().get_line_filters(), NoColor()] if self.no_color else super().get_line_filters()

    def on_mount(self) -> None:
        """Show the overview, then begin to work."""
        self.set_keymap(dict(self.settings.keys))
        self.fit_colours("truecolor" if self.is_headless else self.console.color_system)
        self.switch_mode("overview")
        self.theme_changed_signal.subscribe(self, lambda _: self._keep_theme())
        for trouble in (*self.settings.troubles, self.desk.notes.trouble):
            if trouble:
                self.tell(trouble, bad=True)
        self.clock.start()
        if not self.is_headless:
            self.watch_terminal.start()
        self.call_after_refresh(self._begin)

    def fit_colours(self, system: str | None) -> None:
        """Draw for a terminal with so many colours, by the name that Rich gives them."""
        self.set_class(self.no_color or system in (None, "standard"), "-plain")
        if system == "standard":
            self.sixteen_colours = True
            self.refresh_css(animate=False)

    def _keep_theme(self) -> None:
        """Draw in the colours of another theme, in the next session as well."""
        self.desk.learn("theme")
        try:
            keep_theme(self.desk.notes.file.parent, self.theme)
        except OSError as error:
            self.tell(f"the theme is not kept: {error}", bad=True)

    def on_key(self, event: events.Key) -> None:
        """A key that was typed into the screen below before a prompt came up is for the prompt."""
        for below in self.screen_stack:
            if isinstance(below, ImageScreen) and event in below.on_their_way:
                below.on_their_way.remove(event)
                if isinstance(self.screen, TypedInto):
                    event.prevent_default()
                    self.screen.take(event)

    def on_unmount(self) -> None:
        """Nothing goes on after the end."""
        self.clock.stop()
        self.watch_terminal.stop()

    def _leave_nothing(self) -> None:
        """The terminal is gone: end what is being written; called in the thread that watches."""
        if self.desk.give_up:
            self.desk.give_up(SECONDS_TO_GIVE_UP)

    def _begin(self) -> None:
        from tui import jobs  # with all the rules; loaded after the first paint

        image, desk, post = self.desk.image, self.desk, self.post_of_desk()
        self.run_worker(
            lambda: jobs.examine(post, image, desk.region_index, desk.finding_places),
            thread=True,
            group="examine",
        )
        if image.evidence.size <= HASH_AT_ONCE and not desk.hashes:
            self.action_hash_file()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The palette: Textual's own commands and all of ours that work here."""
        yield from super().get_system_commands(screen)
        here = screen.NAME if isinstance(screen, ImageScreen) else ""
        for command in commands_of(here, EVERYWHERE, *SCREEN_NAMES):
            keys = readable(self.settings.keys.get(command.id, command.keys))
            of = "" if command.where in (here, EVERYWHERE) else f"{SCREEN_NAMES[command.where]}: "
            yield SystemCommand(f"{of}{command.title}  {keys}", command.help, partial(self._run_command, command.id))

    def on_top_bar_picked(self, event: TopBar.Picked) -> None:
        """A screen was clicked."""
        self.switch_mode(event.screen)

    async def on_top_bar_asked(self, event: TopBar.Asked) -> None:
        """Help or the menu was clicked."""
        await self.run_action(event.action)

    def on_job_progress(self, event: JobProgress) -> None:
        """Show it in the status line."""
        self.desk.report_job(event.name, event.text)

    def on_job_failed(self, event: JobFailed) -> None:
        """Show what could not be done."""
        self.tell(f"{event.name}: {event.reason}", bad=True)

    def on_noticed(self, event: Noticed) -> None:
        """The check has new findings."""
        if self.desk.judgement is None:
            self.desk.findings = event.findings
            self.desk.learn("findings")

    def on_judged(self, event: Judged) -> None:
        """The check is done."""
        self.desk.judgement = event.judgement
        self.desk.findings = event.judgement.findings
        self.desk.learn("findings")

    def on_looked_inside(self, event: LookedInside) -> None:
        """The partitions are known."""
        self.desk.contents = event.contents
        self.desk.learn("contents")

    def on_lens_made(self, event: LensMade) -> None:
        """Structures of the guest are known from now on."""
        self.desk.lens = event.lens
        self.desk.learn("lens")

    def on_usage_found(self, event: UsageFound) -> None:
        """How the space is divided, so far."""
        self.desk.usages[event.space] = event
        self.desk.learn("space")

    def on_indexed(self, event: Indexed) -> None:
        """The reverse map is complete."""
        self.desk.references = event.references
        self.desk.learn("references")

    def on_compared(self, event: Compared) -> None:
        """The states of the disk, as far as they are compared."""
        self.desk.strips = event.strips
        self.desk.learn("strips")

    def on_orphaned(self, event: Orphaned) -> None:
        """The orphans are known; go to the one that was asked for."""
        self.desk.orphans = event.orphans
        self.desk.learn("orphans")
        if self.desk.wanted_orphan:
            self.action_orphan(self.desk.wanted_orphan)

    def on_hashed(self, event: Hashed) -> None:
        """The file is hashed; what it was hashed to before stays beside it."""
        self.desk.hashes.append(event.record)
        self.desk.log.add(f"{event.record.algorithm} of the file: {event.record.value}", bad=bool(event.record.changes))
        self.desk.learn("hashes")

    def on_looked(self, event: Looked) -> None:
        """The evidence was looked at; a change is told once and shown from then on."""
        fresh = event.state.changes[len(self.desk.evidence.changes) :]
        self.desk.evidence = event.state
        self.desk.looked.publish(event.state)
        if fresh:
            self.tell(f"THE EVIDENCE CHANGED: {'; '.join(fresh)}", bad=True)
            self.desk.learn("evidence")

    def on_found(self, event: Found) -> None:
        """A search found matches, or ended; go to the first."""
        if self.desk.search is None or event.state.number != self.desk.search.number:
            return  # an older search that was stopped for this one
        first = not self.desk.matches and bool(event.matches)
        self.desk.matches = sorted([*self.desk.matches, *event.matches], key=lambda match: match.offset)
        self.desk.search = event.state
        if first:
            self.go(event.matches[0])
        if event.state.outcome != Outcome.RUNNING:
            self.tell(event.state.sentence, bad=event.state.outcome == Outcome.FAILED)
        self.desk.learn("matches")

    def on_plan_chosen(self, event: PlanChosen) -> None:
        """Read the image in another way; first what was under way comes to its end."""
        try:
            image = event.image or open_to_look_at(self.desk.image.evidence)
        except ForensicError as error:
            self.tell(f"the plan cannot be taken back: {error}", bad=True)
            return
        self.leaving = True
        self.workers.cancel_all()
        self.call_later(self._read_as, image, event.plan_file)  # after every message that has come already

    async def _read_as(self, image: Qcow2Image | Qcow1Image, plan_file: str) -> None:
        """Clear the desk, and show the screens anew."""
        supplies = self.desk.supplies
        self.add_mode(BETWEEN, lambda: Screen[None]())
        await self.switch_mode(BETWEEN)
        self.desk = self.desk.read_as(image, plan_file)
        for name, screen in SCREENS.items():
            await self.remove_mode(name)
            self.add_mode(name, partial(screen, self.desk))
        self.leaving = False
        await self.switch_mode("recovery")
        await self.remove_mode(BETWEEN)
        own = "no plan is applied: the header is lost" if self.desk.headless else "read by its own tables"
        self.tell(f"read by the plan {plan_file}" if plan_file else own)
        if supplies != NOTHING:
            self.try_supplies(supplies)
        self.call_after_refresh(self._begin)

    def action_leave(self) -> None:
        """Quit, after a question if an extraction is running."""
        if not self.desk.jobs.get("extract"):
            self.exit(0)
            return
        words = plain("An extraction is running. Quitting stops it, and no output that looks complete is left.")
        self.push_screen(Question("Leave?", words, "Leave"), lambda yes: self.exit(0) if yes else None)
