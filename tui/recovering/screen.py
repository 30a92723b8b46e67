"""Screen 7: what can be recovered, step by step; accepted or refused by hand, written as a plan, and read by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from forensic import ForensicError, OutputFailed
from forensic.explore import Step, Summary, image_by, recover_disks, save_plan, steps_of, sum_up_plan
from tui.commands import RECOVERY, bindings
from tui.desk import Desk
from tui.jobs import Teller
from tui.messages import PlanChosen
from tui.recovering import rows
from tui.recovering.choice import TARGETS, Proposal
from tui.screens.asking import Answered, AskingScreen
from tui.screens.prompts import Choice, Prompt
from tui.session.notes import user_name
from tui.text import plain, size
from tui.widgets.row_list import RowList

SEARCH = "recovery"


class RecoveryScreen(AskingScreen):
    """The steps, what is known of one of them, and what all that are accepted give."""

    NAME = "recovery"
    BINDINGS: ClassVar[list[BindingType]] = bindings(RECOVERY)
    AUTO_FOCUS = "#steps"

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._steps: list[Step] = []
        self._summary: Summary | None = None

    def body(self) -> Iterable[Widget]:
        """The steps beside the details of one, and what they amount to."""
        detail = VerticalScroll(Static("", markup=False, id="step"), id="step-pane")
        found = VerticalScroll(Static("", markup=False, id="found"), id="found-pane")
        sums = Vertical(Static("", markup=False, id="sums"), Static("", markup=False, id="said"), id="sums-pane")
        detail.border_title, found.border_title, sums.border_title = "step", "damage", "what the plan gives"
        yield Horizontal(RowList(id="steps"), Vertical(found, detail, sums, id="of-plan"), id="room")

    def on_mount(self) -> None:
        """What was found before, or what is to be done."""
        self.desk.worked.subscribe(self, self._on_progress)
        self._list()

    def on_learned(self, what: str) -> None:
        """Another theme."""
        if what == "theme":
            self._list()

    def on_resize(self) -> None:
        """Figures in full, or with units, as they fit."""
        self.call_after_refresh(self._show_sums)

    def on_row_list_highlighted(self, event: RowList.Highlighted) -> None:
        """Say what is known of another step."""
        self._describe()

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """Go to the table."""
        self.action_go()

    def action_run(self) -> None:
        """Search the file, in the background."""
        evidence, target = self.desk.image.evidence, self.desk.proposals.target

        def work(teller: Teller) -> list[Proposal]:
            def progress(done: int, total: int) -> None:
                if not teller.cancelled:
                    teller.say(f"{SEARCH} {done * 100 // max(1, total)} %")

            return [Proposal(each) for each in recover_disks(evidence, target, progress, lambda: teller.cancelled)]

        def then(event: Answered) -> None:
            if isinstance(event.answer, list):
                self.desk.proposals.found(event.answer)
                self.desk.log.add(f"recovery of the {TARGETS[target]}: {len(event.answer)} found")
                if len(event.answer) > 1:
                    self._choose_proposal()
            else:
                self.desk.proposals.failed(event.reason)
            self._list()

        self.desk.proposals.begin()
        self._list()
        self.ask(SEARCH, work, then)

    def action_stop(self) -> None:
        """Stop the search."""
        self.workers.cancel_group(self, f"{self.NAME} {SEARCH}")

    def action_target(self) -> None:
        """Choose the disk to search for."""
        options = [(target, plain(words)) for target, words in TARGETS.items()]

        def chosen(target: str | None) -> None:
            if target:
                self.desk.proposals.target = target
                self.action_run()

        self.app.push_screen(Choice("What to recover", options), chosen)

    def action_accept(self) -> None:
        """Refuse the step under the cursor, or accept it again."""
        proposal, step = self._proposal, self._step
        if proposal is None or step is None:
            return
        if not rows.refusable(proposal.plan, [step.name]):
            self.tell("the size of the disk cannot be refused: a plan has to have one")
            return
        proposal.turn(step.name)
        words = "refused" if step.name in proposal.refused else "accepted"
        self.desk.log.add(f"recovery: step {step.name} {words}: {step.decision.what}")
        list_ = self.query_one(RowList)
        list_.redraw(list_.cursor)
        self._describe()
        self._sum_up()

    def action_go(self) -> None:
        """To the table that the step is about."""
        step = self._step
        if step is None or not step.tables:
            self.tell("this step is about no table" if step else "nothing was searched for yet: r does")
            return
        self.show_bytes(step.tables[0][0])

    def action_write(self) -> None:
        """Ask for a path and write the plan there."""
        if self._proposal is None:
            self.tell("there is no plan yet: r searches")
            return
        self._ask_for_path(self._proposal, lambda: None)

    def action_apply(self) -> None:
        """Read the image by the plan; it is written first, so that what is seen can be repeated."""
        proposal = self._proposal
        if proposal is None:
            self.tell("there is no plan yet: r searches")
        elif self.desk.jobs.get("extract"):
            self.tell("an extraction is running: stop it first")
        elif proposal.written:
            self._apply(proposal)
        else:
            self._ask_for_path(proposal, lambda: self._apply(proposal))

    def action_take_back(self) -> None:
        """Read the image by its own tables."""
        if not self.desk.plan_file:
            self.tell("no plan is applied" if self.desk.headless else "the image is read by its own tables")
        elif self.desk.jobs.get("extract"):
            self.tell("an extraction is running: stop it first")
        else:
            self.post_message(PlanChosen(None, ""))

    @property
    def _proposal(self) -> Proposal | None:
        return self.desk.proposals.current

    @property
    def _step(self) -> Step | None:
        at = self.query_one(RowList).cursor
        return self._steps[at] if at < len(self._steps) else None

    def _choose_proposal(self) -> None:
        proposals = self.desk.proposals
        options = [(str(number), plain(each.recovered.name)) for number, each in enumerate(proposals.all)]

        def chosen(number: str | None) -> None:
            proposals.choose(int(number or 0))
            self._list()

        self.app.push_screen(Choice("Found", options), chosen)

    def _ask_for_path(self, proposal: Proposal, then: Callable[[], object]) -> None:
        """Write the plan where the examiner says, and go on."""
        evidence, supplies = self.desk.image.evidence, self.desk.supplies
        read = (*supplies.files, *([self.desk.plan_file] if self.desk.plan_file else []))

        def write(text: str | None) -> None:
            if not text:
                return
            path = Path(text).expanduser()
            try:
                save_plan(proposal.chosen_plan(user_name()), path, (evidence, *read))
            except OutputFailed as error:
                self.tell(str(error), bad=True)
                return
            proposal.written = str(path)
            left_out = f", without {', '.join(sorted(proposal.refused))}" if proposal.refused else ""
            self.tell(f"plan written to {path}{left_out}")
            then()

        hint = "a JSON file, for `--plan`; a file that is there already is not overwritten"
        proposed = str(Path(f"{self.desk.path.name}.plan.json"))
        self.app.push_screen(Prompt("Write the plan to", hint, proposed), write)

    def _apply(self, proposal: Proposal) -> None:
        try:
            image = image_by(proposal.chosen_plan(user_name()), self.desk.image.evidence, proposal.written)
        except ForensicError as error:
            self.tell(str(error), bad=True)
            return
        self.post_message(PlanChosen(image, proposal.written))

    def _on_progress(self, name: str) -> None:
        if name == SEARCH and self._proposal is None and self.is_current:
            self.desk.proposals.words = self.desk.jobs.get(SEARCH) or self.desk.proposals.words
            self._list()

    def _list(self) -> None:
        """The steps as they are now."""
        proposal, colours, list_ = self._proposal, self.app.theme_variables, self.query_one(RowList)
        own = "its header is lost" if self.desk.headless else "read by its own tables"
        read = f"read by {self.desk.plan_file}" if self.desk.plan_file else own
        if proposal is None:
            self._steps = []
            size_ = size(self.desk.image.evidence.size)
            words = self.desk.proposals.words or f"r searches the file for tables; all {size_} of it are read once"
            list_.show((), 0, lambda _: (), empty=plain(words).plain)
            list_.border_title = plain(f"recovery · {read}")
        else:
            self._steps = steps_of(proposal.plan)
            steps, refused = self._steps, proposal.refused

            def cells(at: int) -> list[Text]:
                return rows.step_cells(steps[at], steps[at].name in refused, colours)

            list_.show(rows.STEPS, len(steps), cells, list_.cursor, "the plan has no step")
            list_.border_title = plain(f"recovery of the {proposal.recovered.name} · {read}")
            self.query_one("#found", Static).update(rows.about_recovery(proposal.recovered, proposal.plan))
        self._describe()
        self._sum_up()

    def _describe(self) -> None:
        proposal, step, colours = self._proposal, self._step, self.app.theme_variables
        words = plain("")
        if proposal and step:
            fixed = not rows.refusable(proposal.plan, [step.name])
            words = rows.about_step(step, step.name in proposal.refused, fixed, colours)
        self.query_one("#step", Static).update(words)
        refused = len(proposal.refused) if proposal else 0
        written = f"written to {proposal.written}" if proposal and proposal.written else "not written"
        state = f"steps: {len(self._steps):,}, refused: {refused:,} · {written}" if proposal else ""
        self.query_one(RowList).border_subtitle = plain(state)

    def _show_sums(self) -> None:
        if self._summary:
            width = self.query_one("#sums-pane").scrollable_content_region.width
            self.query_one("#sums", Static).update(rows.sums_of(self._summary, self.app.theme_variables, width))

    def _sum_up(self) -> None:
        """Have it summed up what is left without the steps that were refused."""
        proposal, evidence = self._proposal, self.desk.image.evidence
        if proposal is None:
            return
        plan = proposal.chosen_plan("")

        def then(event: Answered) -> None:
            summary = event.answer
            if isinstance(summary, Summary):
                self._summary = summary
                self._show_sums()
                self.query_one("#said", Static).update(rows.sentences_of(summary))
            else:
                self.query_one("#said", Static).update(plain(event.reason))

        self.ask("sums", lambda _: sum_up_plan(plan, evidence), then)
