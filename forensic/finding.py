"""What is said about an image: severities, classes, problems that a rule yields and findings that a report holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import islice
from typing import Annotated, Self

import msgspec
from msgspec import Meta, Struct, field

from forensic.untrusted import Json


class _Ordered(StrEnum):
    """Words that are ordered as their class lists them, least first, and not by the alphabet.

    A plain string is compared as the member it names, and raises `ValueError` if it names none.
    """

    rank: int
    """0 for the first."""

    def __new__(cls, value: str) -> Self:
        """A member that knows how many come before it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.rank = len(cls.__members__)
        return member

    def __lt__(self, other: str) -> bool:
        return self.rank < self._rank_of(other)

    def __le__(self, other: str) -> bool:
        return self.rank <= self._rank_of(other)

    def __gt__(self, other: str) -> bool:
        return self.rank > self._rank_of(other)

    def __ge__(self, other: str) -> bool:
        return self.rank >= self._rank_of(other)

    def _rank_of(self, other: str) -> int:
        return type(self)(other).rank


class Severity(_Ordered):
    """How much a finding matters, least first: `Severity.HIGH > Severity.MEDIUM`."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class FindingClass(StrEnum):
    """What kind of thing a finding is; the verdict and the exit status follow from it."""

    CORRUPTION = "corruption"
    LEAK = "leak"
    REFERENCE = "reference"
    SPEC_VIOLATION = "spec_violation"
    HIDDEN_DATA = "hidden_data"
    RECOVERY = "recovery"
    ANOMALY = "anomaly"
    RESOURCE = "resource"
    POLICY = "policy"
    INFO = "info"


class Confidence(_Ordered):
    """How sure the interpretation of an observation is, least first; the observation itself is always certain."""

    POSSIBLE = "possible"
    LIKELY = "likely"
    CERTAIN = "certain"


class Space(StrEnum):
    """Which address space an offset counts in."""

    HOST = "host"
    GUEST = "guest"


class Range(Struct, frozen=True, forbid_unknown_fields=True):
    """`length` bytes from `offset`, in the image file (host) or on the virtual disk (guest); as reports hold it."""

    space: Space
    offset: Annotated[int, Meta(ge=0)]
    length: Annotated[int, Meta(ge=0)]


def host_range(offset: int, length: int) -> Range:
    """A range of the image file."""
    return Range(Space.HOST, offset, length)


def guest_range(offset: int, length: int) -> Range:
    """A range of the virtual disk."""
    return Range(Space.GUEST, offset, length)


class Problem(Struct, frozen=True):
    """One place where a rule does not hold.

    `observation` is one sentence with place, observed and expected; `path` names the structure (`L1[3].L2[17]`).
    """

    observation: str
    ranges: tuple[Range, ...] = ()
    path: str = ""
    values: Mapping[str, Json] = field(default_factory=dict)


class Problems(Struct, frozen=True):
    """Many problems of one kind, counted in full and worded only when the first few are asked for."""

    count: int
    described: Callable[[], Iterable[Problem]]

    def __iter__(self) -> Iterator[Problem]:
        return islice(iter(self.described()), self.count)


class Explanation(Struct, frozen=True):
    """What the documentation of a rule says: what a finding may mean, what QEMU does with it, what to do next."""

    interpretation: str = ""
    qemu: str = ""
    next_step: str = ""


class Finding(Struct, frozen=True):
    """All problems one rule found in one image: how many there are, and the first of them in words."""

    rule: str
    title: str
    severity: Severity
    finding_class: FindingClass
    confidence: Confidence
    spec: str
    count: int
    problems: tuple[Problem, ...]
    explanation: Explanation = Explanation()

    @property
    def observation(self) -> str:
        """The first problem's sentence, and how many more there are."""
        if not self.problems:
            return self.title
        more = self.count - 1
        return self.problems[0].observation + (f" (and {more:,} more)" if more else "")

    @property
    def structure_path(self) -> str:
        """The structure of the first problem."""
        return self.problems[0].path if self.problems else ""

    @property
    def places(self) -> list[Range]:
        """Where the listed problems are."""
        return [place for problem in self.problems for place in problem.ranges]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the rule's code and the first place: the same in every run and after a change of wording."""
        import hashlib  # slow to load, and not needed to print text about a sound image

        first = self.problems[0].ranges if self.problems else ()
        places = [[place.space.value, place.offset, place.length] for place in first]
        text = msgspec.json.encode([self.rule, self.structure_path, places])
        return hashlib.sha256(text).hexdigest()

    @property
    def id(self) -> str:
        """A short name to cite, from the fingerprint."""
        return f"QF-{self.fingerprint[:8].upper()}"
