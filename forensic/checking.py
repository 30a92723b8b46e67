"""The loop: structures × rules → findings, and what was looked at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import islice

from msgspec import Struct, field

from forensic.accounting.discrepancies import ClusterUsage, LeakedClusters, RefcountsBeyondFile
from forensic.accounting.streams import DecodedRange, StreamBatch
from forensic.budget import Limits, Unexamined
from forensic.finding import Explanation, Finding, Problem, Problems, Range, Severity
from forensic.image import Identified, Qcow1Image, Qcow2Image
from forensic.measured import Measured
from forensic.qcow2.geometry import Unusable
from forensic.qcow2.identify import ForeignFile
from forensic.records.judgement import CheckStatus
from forensic.report.model import Check, Judgement
from forensic.residue.search import FreeResidue, Residue
from forensic.residue.unreferenced import Unreferenced
from forensic.rules import Rule, all_rules
from forensic.rules.registry import STRUCTURES
from forensic.unread import UnreadRanges
from forensic.walk import structures

LISTED_PROBLEMS = 64
"""Problems of one rule that are worded; the others are counted."""

Progress = Callable[[str], None]
Found = Callable[[Finding], None]
Placed = Callable[[str, tuple[Range, ...]], bool]
"""Takes a rule's code and where one of its problems lies; False once no more of that rule's are wanted."""


class _Tally(Struct):
    """What one rule has found so far."""

    looked_at: int = 0
    count: int = 0
    problems: list[Problem] = field(default_factory=list)
    placing: bool = True
    failure: str | None = None


def check(
    image: Identified,
    progress: Progress | None = None,
    strict: bool = False,
    with_streams: bool = True,
    limits: Limits | None = None,
    found: Found | None = None,
    placed: Placed | None = None,
    seen: Callable[[object], None] | None = None,
    with_free: bool = True,
    decoded: DecodedRange | None = None,
) -> Judgement:
    """Examine every structure of an image with every rule that concerns it.

    A rule that fails itself is reported as not run; with `strict` its exception is raised instead (for tests).
    Compressed streams are decoded unless `with_streams` is False, and what nothing refers to is searched unless
    `with_free` is; the rules about them are then not run.
    `progress` is called with the name of each kind of structure as it is reached; `found` with the finding of a rule as
    it stands whenever a structure has given it more problems, and `placed` with the places of every problem, of which
    a finding lists only the first. What an extraction has `decoded` is not decoded again. What `limits` leave out is
    said by a finding, and the verdict is then undetermined unless what was seen is corrupt. `seen` is given every
    structure, so that what else is to be told of them needs no walk of its own.
    """
    rules = all_rules()
    tallies = {rule.code: _Tally() for rule in rules}
    rules_about: dict[type[object], list[Rule]] = defaultdict(list)
    for rule in rules:
        for kind in (rule.examines, *rule.also):
            rules_about[kind].append(rule)
    unexamined: list[Unexamined] = []
    measured: Measured | None = None

    def judge(structure: object) -> None:
        for rule in rules_about[type(structure)]:
            more = _examine(rule, structure, tallies[rule.code], strict, placed)
            if more and found:
                found(_finding(rule, tallies[rule.code]))

    for structure in structures(image, with_streams, limits, with_free, decoded):
        if isinstance(structure, Measured):
            measured = structure
            continue
        if progress:
            name = type(structure).__name__
            progress(STRUCTURES.get(name, name))
        if seen:
            seen(structure)
        if isinstance(structure, Unexamined):
            unexamined.append(structure)
        judge(structure)
    if image.evidence.unread or not isinstance(image, ForeignFile):
        judge(UnreadRanges(image.evidence.unread, image.evidence.unread_not_listed))
    findings = tuple(_finding(rule, tallies[rule.code]) for rule in rules if tallies[rule.code].count)
    gap, results = _gap(image), _results_of(image)
    if not with_streams:
        unexamined.append(Unexamined(StreamBatch, "decoding of compressed streams was turned off"))
    left_out = {part.structure: part.reason for part in reversed(unexamined)}
    checks = tuple(_check(rule, tallies[rule.code], left_out.get(rule.examines), gap, results) for rule in rules)
    stopped = any(part.limit for part in unexamined)
    undetermined = isinstance(image, ForeignFile) or bool(image.evidence.unread)
    return Judgement(findings, checks, undetermined, stopped, measured)


def _examine(rule: Rule, structure: object, tally: _Tally, strict: bool, placed: Placed | None = None) -> bool:
    """Let a rule look at a structure; whether it had more to say."""
    tally.looked_at += 1
    before = tally.count
    room = LISTED_PROBLEMS - len(tally.problems)
    try:
        problems = rule.check(structure)
        counted = isinstance(problems, Problems)
        placing = placed is not None and tally.placing
        for problem in problems if placing or not counted else islice(problems, room):
            if len(tally.problems) < LISTED_PROBLEMS:
                tally.problems.append(problem)
            elif counted and not tally.placing:
                break
            if placed and tally.placing:
                tally.placing = placed(rule.code, problem.ranges)
            tally.count += not counted
        tally.count += problems.count if isinstance(problems, Problems) else 0
    except Exception as error:
        if strict:
            raise
        tally.failure = f"internal error: {type(error).__name__}: {error}"
    return tally.count > before


def _finding(rule: Rule, tally: _Tally) -> Finding:
    return Finding(
        rule.code,
        rule.title,
        rule.severity,
        rule.finding_class,
        rule.confidence,
        rule.spec,
        tally.count,
        tuple(tally.problems),
        Explanation(rule.sections["Why"], rule.sections["QEMU"], rule.sections["Next"]),
    )


def _gap(image: Identified) -> str | None:
    """Why what comes after the header was not looked at, if it was not."""
    if isinstance(image, ForeignFile):
        return f"not a qcow2 image: {image.description}"
    if isinstance(image, Qcow1Image):
        return image.header.unusable
    geometry = image.header_cluster.geometry
    return geometry.reason if isinstance(geometry, Unusable) else None


def _results_of(image: Identified) -> tuple[type[object], ...]:
    """What the walk over an image makes only where it met something, so that without it all is in order."""
    if isinstance(image, Qcow2Image):
        return (Unexamined, ClusterUsage, LeakedClusters, RefcountsBeyondFile, Residue, FreeResidue, Unreferenced)
    return (Unexamined,)


def _check(
    rule: Rule, tally: _Tally, left_out: str | None, gap: str | None, results: tuple[type[object], ...]
) -> Check:
    if tally.failure:
        return Check(rule.code, rule.title, CheckStatus.NOT_RUN, tally.failure, tally.count, failed=True)
    if tally.count:
        # A fact that is worth knowing is no failure.
        status, reason = CheckStatus.PASS if rule.severity == Severity.INFO else CheckStatus.FAIL, ""
    elif left_out:
        status, reason = CheckStatus.NOT_RUN, left_out
    elif tally.looked_at:
        status, reason = CheckStatus.PASS, ""
    elif gap:
        status, reason = CheckStatus.NOT_RUN, gap
    elif rule.examines in results:
        status, reason = CheckStatus.PASS, ""  # what it is about is made only where there is something to say
    else:
        status, reason = CheckStatus.NOT_APPLICABLE, f"there is no {rule.structure} to examine"
    return Check(rule.code, rule.title, status, reason, tally.count)
