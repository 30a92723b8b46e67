"""What the examiner makes of a finding: a note at its first place, kept and reported as every note is."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from forensic import Finding
from forensic.explore import TRIAGE, NotedBytes, Range, host_range, judgement_in
from tui.session.notes import Note, Notes

STATES = ("none", "seen", "explained", "rejected")
"""In the order in which a key steps through them; `none` is what no note says."""

TRIAGE_MARKS = {"none": " ", "seen": "◦", "explained": "✔", "rejected": "⊘"}


class Triaged(Struct, frozen=True):
    """How a finding is judged, why if that was said, and the note that says so."""

    state: str = "none"
    reason: str = ""
    note: Note | None = None


NOT_TRIAGED = Triaged()


class Triage:
    """How the findings of one image are judged; there is no other record of it than the notes."""

    def __init__(self, notes: Notes, held: Callable[[Range], NotedBytes]) -> None:
        """`held` reads the bytes of a place for the note about it."""
        self._notes, self._held = notes, held
        self._reasons: dict[str, str] = {}

    def all(self) -> dict[str, Triaged]:
        """By the code of the finding; of two notes about one finding the later counts."""
        found = {}
        for note in self._notes.notes:
            said = judgement_in(note.text, note.label)
            if said:
                found[said[0]] = Triaged(said[1].state, said[1].reason, note)
        return found

    def of(self, finding: Finding) -> Triaged:
        """How this finding is judged."""
        return self.all().get(finding.rule, NOT_TRIAGED)

    def step(self, finding: Finding) -> str:
        """The next state; a reason that was given stays with it. Gives the words; raises `OSError` if not kept."""
        now = self.of(finding)
        state = STATES[(STATES.index(now.state) + 1) % len(STATES)]
        return self._say(finding, now, state, now.reason or self._reasons.get(finding.rule, ""))

    def explain(self, finding: Finding, reason: str) -> str:
        """Give the reason; a finding that was at most seen is explained by it. Raises `OSError` if it is not kept."""
        now = self.of(finding)
        return self._say(finding, now, now.state if now.state == "rejected" else "explained", reason)

    def _say(self, finding: Finding, before: Triaged, state: str, reason: str) -> str:
        text = f"finding {finding.rule}: {state}" + (f": {reason}" if reason and state != "none" else "")
        if state == "none":
            if before.note:
                self._notes.remove(before.note)
        elif before.note:
            self._notes.change(before.note, text, TRIAGE)
        else:
            place = next((each for problem in finding.problems for each in problem.ranges), None)
            held = self._held(place) if place else NotedBytes(reason="the finding has no location in the file")
            self._notes.add(place or host_range(0, 0), text, held, TRIAGE)
        self._reasons[finding.rule] = reason
        return text
