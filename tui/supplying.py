"""The commands by which a key and files are supplied, tried when they are given, and taken back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from rich.text import Text

from tui.actions import Explorer
from tui.facts import untrusted
from tui.messages import PlanChosen
from tui.screens.consent import consent
from tui.screens.prompts import Choice, Prompt, Question
from tui.session.supplies import WHAT, Supplies, Tried, backing_formats, try_supplies
from tui.text import line, plain

HINTS = {
    "key": "kept in memory only; it appears in no report",
    "key_file": "the path of a file that holds the passphrase",
    "backing": "the path of your copy of the file; the name in the image is only compared with it",
    "data_file": "the path of your copy of the file; the name in the image is only compared with it",
}

TAKE_BACK_PLAN = "-plan"

DECLARED = "declared"
"""In place of a format: as the image declares, or as the file looks."""


class Supplier(Explorer):
    """What was supplied serves the dump, the search, the contents and the extraction alike."""

    def needs(self) -> dict[str, Text]:
        """What the image needs beside itself, with what it says of it."""
        found: dict[str, Text] = {}
        for reference in self.desk.facts.references or ():
            found[reference.kind] = untrusted(reference.declared) if reference.declared else plain("unnamed")
        if self.desk.image.encrypted:
            found["key"] = plain("the data is encrypted")
        return found

    def action_supply(self) -> None:
        """List what was supplied and what can be; Enter takes one back, or asks for it."""
        supplies, needs = self.desk.supplies, self.needs()
        options = [
            (f"-{what} {number}", line((f"take back  {WHAT[what]:<14}", "bold"), words))
            for what, number, words in supplies.listed()
        ]
        if self.desk.plan_file:
            plan = plain(self.desk.plan_file)
            options.append((TAKE_BACK_PLAN, line((f"take back  {'recovery plan':<14}", "bold"), plan)))
        options += [
            (f"={number}", line((f"read as …   {WHAT['backing']:<14}", "bold"), path))
            for number, path in enumerate(supplies.backing)
        ]
        wanted = [what for what in WHAT if what in needs or (what == "key_file" and "key" in needs)]
        wanted += ["backing"] * (bool(supplies.backing) and "backing" not in needs)
        for what in wanted:
            replaces = what != "backing" and any(what == each for each, _, _ in supplies.listed())
            verb = "replace" if replaces else "add another" if what == "backing" and supplies.backing else "supply"
            declared = needs.get(what, Text())
            options.append((f"+{what}", line((f"{verb + ' …':<11}{WHAT[what]:<14}", "bold"), declared)))

        def chosen(id: str | None) -> None:
            if id == TAKE_BACK_PLAN:
                self.post_message(PlanChosen(None, ""))
            elif id and id[0] == "-":
                what, number = id[1:].split(" ")
                self.try_supplies(supplies.without(what, int(number)))
            elif id and id[0] == "=":
                self._choose_format(int(id[1:]))
            elif id:
                self.supply(id[1:])

        self.push_screen(
            Choice("Supplied for reading the disk", options, "this image needs nothing but itself"), chosen
        )

    def _choose_format(self, number: int) -> None:
        """Have it said what a backing file is read as."""

        def chosen(format_: str | None) -> None:
            if format_:
                self.try_supplies(self.desk.supplies.read_as(number, "" if format_ == DECLARED else format_))

        options = [(DECLARED, plain("as the image declares, or else as the file looks"))]
        options += [(each, plain(each)) for each in backing_formats()]
        self.push_screen(Choice("What the backing file is read as", options), chosen)

    def supply(self, what: str) -> None:
        """Ask whether, for what the image names, then which; what is given is tried at once."""

        def ask(yes: bool | None = True) -> None:
            if yes:
                title = WHAT[what].capitalize() if what.startswith("key") else f"Path of the {WHAT[what]}"
                self.push_screen(Prompt(title, HINTS[what], password=what == "key"), take)

        def take(given: str | None) -> None:
            if given:
                self.try_supplies(self.desk.supplies.with_one(what, given))

        if what.startswith("key"):
            ask()
        else:
            self.push_screen(consent(what, self.needs().get(what, plain("unnamed"))), ask)

    def try_supplies(self, supplies: Supplies) -> None:
        """Open the disk with these; they are taken when that succeeds, and else nothing changes."""
        self.desk.report_job("supplies", "trying what was supplied")
        work = partial(try_supplies, self.post_of_desk(), self.desk.image, supplies)
        self.run_worker(work, thread=True, group="supplies", exclusive=True)

    def on_tried(self, event: Tried) -> None:
        """They are taken, or it is said why not."""
        from tui import jobs

        desk = self.desk
        desk.report_job("supplies", "")
        if event.slow:
            again = replace(event.supplies, allow_slow_key=True)
            words = plain(event.reason.removesuffix("; --allow-slow-key tries it anyway"))
            question = Question("Derive the key nevertheless?", words, "Derive it")
            self.push_screen(question, lambda yes: self.try_supplies(again) if yes else None)
            return
        if event.reason:
            self.tell(f"not taken: {event.reason}", bad=True)
            return
        desk.take(event.supplies, event.disk)
        said = "; ".join(event.disk.caveats) if event.disk else ""
        self.tell(f"the disk is read with {len(event.supplies.listed())} supplied{f': {said}' if said else ''}")
        desk.learn("supplies")
        self.run_worker(
            partial(jobs.look, self.post_of_desk(), desk.disk_view), thread=True, group="look", exclusive=True
        )
