"""What a search for lost tables proposed, and which of its steps the examiner refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what recovers is loaded when something is searched for
    from forensic.explore import Plan, Recovered

TARGETS = {
    "active": "active disk of this image",
    "deleted": "deleted snapshots",
    "older": "an older image beneath this one",
}
"""The disks that can be searched for."""


class Proposal:
    """One disk that can be read by a plan; `written` is the file that holds the plan as it is now, if there is one."""

    def __init__(self, recovered: Recovered) -> None:
        self.recovered = recovered
        self.refused: set[str] = set()
        self.written = ""

    @property
    def plan(self) -> Plan:
        """The plan as it was proposed."""
        return self.recovered.recovery.plan

    def turn(self, name: str) -> None:
        """Refuse a step, or accept it again."""
        self.refused ^= {name}
        self.written = ""

    def chosen_plan(self, examiner: str) -> Plan:
        """The plan without what was refused; `examiner` is who did that."""
        from forensic.explore import without_decisions

        return without_decisions(self.plan, self.refused, examiner)


class Proposals:
    """What was found in this session; it outlasts the screens, since these are made anew when a plan is applied."""

    def __init__(self) -> None:
        self.target = "active"
        self.all: list[Proposal] = []
        self.current: Proposal | None = None
        self.words = ""

    def begin(self) -> None:
        """A search has begun."""
        self.all, self.current, self.words = [], None, "searching …"

    def found(self, proposals: list[Proposal]) -> None:
        """The search is over; the first of what was found is looked at."""
        self.all = proposals
        self.current = proposals[0] if proposals else None
        self.words = "" if proposals else f"nothing was found: {TARGETS[self.target]}"

    def failed(self, reason: str) -> None:
        """The search is over without an answer."""
        self.words = reason

    def choose(self, number: int) -> None:
        """Look at another one of what was found."""
        self.current = self.all[number]
