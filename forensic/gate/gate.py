"""The gate: the header first, and all tables only of what the header does not keep out already."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from forensic.budget import Limits
from forensic.checking import check
from forensic.errors import ForensicError
from forensic.evidence import Evidence, ReadFailed
from forensic.finding import Finding
from forensic.gate.decision import Decision, GateCheck, GateVerdict, NotRun, Reason, Stage
from forensic.gate.header_facts import HEADER_BYTES, against, against_sizes, too_long
from forensic.gate.policy import NamedPolicy, Policy
from forensic.gate.spool import OutOfTime, Spool
from forensic.image import identify
from forensic.qcow2.identify import ForeignFile
from forensic.records.judgement import CheckStatus
from forensic.report.model import Judgement
from forensic.untrusted import is_url, without_query

NO_LIMITS = Limits()
ENDLESS = 1 << 63
"""More bytes than any stream has."""

LIMIT_RULE = "limit-reached"
UNREADABLE_RULE = "evidence-unreadable"


def gate_file(path: str | os.PathLike[str], policy: NamedPolicy, limits: Limits = NO_LIMITS) -> Decision:
    """Decide about a file, or an object on a server by its URL, of which only the header is fetched if that decides.

    Raises `EvidenceUnreadable`.
    """
    started = time.monotonic()
    read = 0

    def go_on(done: int) -> None:
        nonlocal read
        read = done
        if limits.seconds is not None and time.monotonic() - started > limits.seconds:
            raise OutOfTime

    with _opened(os.fspath(path)) as evidence:
        decided = _by_header(evidence, policy, evidence.size)
        if decided:
            return decided
        try:
            sha256 = evidence.sha256(go_on) if evidence.is_remote else evidence.sha256()  # servers may trickle
        except OutOfTime:
            return _too_late(policy, limits, read)
        except ReadFailed as failure:
            unread = Reason(check=GateCheck.EVIDENCE, rule=UNREADABLE_RULE, observation=str(failure))
            return _decision(policy, GateVerdict.UNDECIDED, Stage.FULL, [unread], failure.host_offset)
        if limits.seconds is not None:
            limits = replace(limits, seconds=max(0.001, limits.seconds - (time.monotonic() - started)))
        return _by_tables(evidence, policy, limits, sha256)


def gate_stream(
    stream: int, name: str, policy: NamedPolicy, folder: str | None = None, limits: Limits = NO_LIMITS
) -> Decision:
    """Decide about what comes from a descriptor, which messages call `name`; see `Spool`.

    No byte is taken after the one that decided. Raises `EvidenceUnreadable` and `OutputFailed`.
    """
    most = policy.policy.limits.file_bytes
    with Spool(stream, name, folder, limits.seconds) as spool:
        try:
            spool.take_until(HEADER_BYTES)
            with spool.evidence() as evidence:
                decided = _by_header(evidence, policy, None)
            if decided:
                return decided
            spool.take_until(ENDLESS if most is None else most + 1)
        except OutOfTime:
            return _too_late(policy, limits, spool.size)
        if most is not None and spool.size > most:
            return _decision(policy, GateVerdict.REJECT, Stage.HEADER, [too_long(most)], spool.size)
        with spool.evidence() as evidence:
            # The size is known now, and the header as a whole.
            decided = _by_header(evidence, policy, spool.size)
            if decided:
                return replace(decided, sha256=spool.sha256(), bytes_read=spool.size)
            return _by_tables(evidence, policy, replace(limits, seconds=spool.seconds_left), spool.sha256())


def _opened(name: str) -> Evidence:
    if not is_url(name):
        return Evidence(name)
    from forensic.files.remote_files import open_remote

    place = without_query(name)
    return Evidence.of_opened(open_remote(name, 0), place, place)


def _too_late(policy: NamedPolicy, limits: Limits, bytes_read: int) -> Decision:
    seconds = f"the time limit of {limits.seconds:g} s was reached before all of the image was read"
    late = Reason(check=GateCheck.LIMIT, rule=LIMIT_RULE, observation=seconds)
    return _decision(policy, GateVerdict.REJECT, Stage.HEADER, [late], bytes_read)


def undecided(policy: NamedPolicy, failure: ForensicError) -> Decision:
    """The decision about what could not be opened or kept: no byte of it counts."""
    reason = Reason(check=GateCheck.EVIDENCE, rule=None, observation=str(failure))
    return _decision(policy, GateVerdict.UNDECIDED, Stage.HEADER, [reason], 0)


def _by_header(evidence: Evidence, policy: NamedPolicy, file_size: int | None) -> Decision | None:
    """What the header decides, perhaps with the size of the whole file in bytes; None if it lets the image pass."""
    image = identify(evidence)
    read = min(evidence.size, HEADER_BYTES)
    if isinstance(image, ForeignFile):
        reason = Reason(check=GateCheck.FORMAT, rule="not-qcow2", observation=image.description)
        verdict = GateVerdict.UNDECIDED if image.unreadable else GateVerdict.NOT_QCOW2
        return _decision(policy, verdict, Stage.HEADER, [reason], read)
    reasons = against(image, policy.policy)
    if file_size is not None:
        reasons += against_sizes(image.virtual_size, file_size, policy.policy.limits)
    return _decision(policy, GateVerdict.REJECT, Stage.HEADER, reasons, read) if reasons else None


def _by_tables(evidence: Evidence, policy: NamedPolicy, limits: Limits, sha256: str) -> Decision:
    """What the full check decides."""
    judgement = check(identify(evidence), limits=limits)
    reasons = list(_against_findings(judgement, policy.policy))
    verdict = GateVerdict.REJECT if reasons else GateVerdict.ACCEPT
    unsure = list(_unsure(evidence, judgement))
    if unsure and (not reasons or not evidence.unchanged()):
        verdict, reasons = GateVerdict.UNDECIDED, [*unsure, *reasons]
    decided = _decision(policy, verdict, Stage.FULL, reasons, evidence.size)
    not_run = [
        NotRun(rule=made.code, reason=made.reason) for made in judgement.checks if made.status == CheckStatus.NOT_RUN
    ]
    return replace(decided, sha256=sha256, not_run=not_run)


def _against_findings(judgement: Judgement, policy: Policy) -> Iterator[Reason]:
    """A reason for each finding that the policy does not let in, worst first."""
    for finding in judgement.worst_first():
        if kind := _counts_as(finding, policy):
            yield Reason(check=kind, rule=finding.rule, observation=finding.observation)
    if judgement.incomplete and not any(finding.rule == LIMIT_RULE for finding in judgement.findings):
        yield Reason(check=GateCheck.LIMIT, rule=LIMIT_RULE, observation="a limit was reached")


def _counts_as(finding: Finding, policy: Policy) -> GateCheck | None:
    if finding.rule == UNREADABLE_RULE:
        return None  # a fault of the medium is no fault of the image; nothing is decided because of it
    if finding.rule == LIMIT_RULE:
        return GateCheck.LIMIT
    if policy.reject.names(finding):
        return GateCheck.RULE
    return GateCheck.SEVERITY if policy.reject.weighs(finding) else None


def _unsure(evidence: Evidence, judgement: Judgement) -> Iterator[Reason]:
    """Why no verdict can be relied on."""
    for note in evidence.notes():
        yield Reason(check=GateCheck.EVIDENCE, rule=None, observation=f"the image {note}")
    for made in judgement.checks:
        if made.failed:
            yield Reason(check=GateCheck.INTERNAL, rule=made.code, observation=made.reason)


def _decision(
    policy: NamedPolicy, verdict: GateVerdict, stage: Stage, reasons: Sequence[Reason], bytes_read: int
) -> Decision:
    return Decision(
        verdict=verdict,
        stage=stage,
        reasons=reasons,
        policy=policy.name,
        policy_sha256=policy.sha256,
        sha256=None,
        bytes_read=bytes_read,
        not_run=[],
    )
