"""What a plan gives: guest bytes by how sure they are, by state and by method."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

from forensic.disk.disk import Disk
from forensic.disk.planned import UNKNOWN, sentence_on_size
from forensic.mapping.extents import Reason, State
from forensic.recovery.certainty import Certainty
from forensic.untrusted import Json

READ = (State.DATA, State.COMPRESSED)


class Summary(Struct):
    """Guest bytes by certainty and state, and by method."""

    by_state: Counter[tuple[str, State]] = field(default_factory=Counter)
    by_method: Counter[str] = field(default_factory=Counter)
    by_reason: Counter[Reason] = field(default_factory=Counter)
    size_certain: bool = True
    size_guessed: bool = False

    def row(self, certainty: str) -> tuple[int, int, int]:
        """Of one class the bytes of data, of zeros, and those that are not read."""
        data = sum(count for (word, state), count in self.by_state.items() if word == certainty and state in READ)
        absent = self.by_state[certainty, State.ABSENT]
        whole = sum(count for (word, _), count in self.by_state.items() if word == certainty)
        return data, whole - data - absent, absent

    @property
    def inferred(self) -> int:
        """Bytes that were placed by inference."""
        return sum(self.row(Certainty.INFERRED))

    @property
    def complete(self) -> bool:
        """Whether all is certain."""
        return self.size_certain and all(word == Certainty.CERTAIN for word, _ in self.by_state)

    @property
    def bytes_read(self) -> int:
        """Bytes of data, however sure."""
        return sum(count for (_, state), count in self.by_state.items() if state in READ)

    @property
    def sentences(self) -> list[str]:
        """What else has to be said: what is not read and why, what was not decoded, and of the size."""
        found = [f"not read: {length:,} bytes: {reason.code}" for reason, length in sorted(self.by_reason.items())]
        streams = sum(count for (_, state), count in self.by_state.items() if state == State.COMPRESSED)
        if streams:
            found.append(f"compressed clusters were not decoded, and may be broken: {streams:,} bytes")
        if not self.size_certain:
            alone = all(word == Certainty.CERTAIN for word, _ in self.by_state)
            found.append(sentence_on_size(self.size_guessed, alone))
        return [one for one in found if one]

    @property
    def sentence(self) -> str:
        """What has to be said wherever inferred bytes are given."""
        return f"{self.inferred:,} bytes are placed by inference; the image does not say that they belong there"

    def as_json(self) -> Json:
        """The sums."""
        classes: dict[str, Json] = {}
        for certainty in Certainty:
            data, zero, absent = self.row(certainty.value)
            classes[certainty.value] = {"data": data, "zero": zero, "not_read": absent}
        return {"by_certainty": classes, "by_method": dict(sorted(self.by_method.items()))}


def sum_up(disk: Disk) -> Summary:
    """Go through the tables of a disk that is read by a plan."""
    found = Summary()
    planned = getattr(disk.layers[0], "planned", None)
    if planned is None:
        return found
    found.size_certain, found.size_guessed = planned.size_certain, planned.size_guessed
    for runs in disk.readable_runs():
        for guest_offset, length, _, _, state, reason, _, _ in runs:
            if state == State.ABSENT:
                found.by_reason[Reason(reason)] += length
                found.by_state[UNKNOWN, State.ABSENT] += length
                continue
            for start, end, judged in planned.parts(guest_offset, guest_offset + length):
                found.by_state[judged.certainty, State(state)] += end - start
                found.by_method[judged.method] += end - start
    return found
