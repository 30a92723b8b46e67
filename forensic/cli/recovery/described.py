"""What can be recovered, in lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from forensic.numbers import counted
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from pathlib import Path

    from forensic.recovery.recover import Recovery
    from forensic.recovery.summary import Summary

SCHEMA = "qcowscope-recovery/1"
LISTED_DECISIONS = 20


def lines(image: str, output: Path | None, recovery: Recovery, summary: Summary, without_plan: int) -> Iterator[str]:
    """What is damaged, what the plan gives, and by which decisions; `without_plan`: bytes extract would read."""
    plan = recovery.plan
    word = recovery.word
    if summary.by_reason and not recovery.damage:
        word = "its tables are where they should be, but not all that they lead to can be read"
    yield f"{shown(image)}: {word}"
    for sentence in (*recovery.damage, *recovery.notes):
        yield f"  {sentence}"
    least = "at least " if summary.size_guessed else ""
    yield f"disk: {least}{plan.geometry.virtual_size:,} bytes in clusters of {1 << plan.geometry.cluster_bits:,}"
    yield f"{'':10}{'data':>20}{'zero':>20}{'not read':>20}"
    for name in ("certain", "inferred", "unknown"):
        data, zero, absent = summary.row(name)
        yield f"{name:10}{data:>20,}{zero:>20,}{absent:>20,}"
    for number, (name, decision) in enumerate(plan.decisions.items()):
        if number == LISTED_DECISIONS:
            yield f"and {counted(len(plan.decisions) - number, 'more decision')}; see the plan"
            break
        because = f": {decision.because[0]}" if decision.because else ""
        how = f"{decision.certainty.value} {decision.confidence:.2f}  {decision.method.value}"
        yield f"{name}  {how}  {decision.what}{because}"
    if plan.segments:
        count = len(plan.segments) + plan.segments_not_listed
        yield f"L2 tables that could not be placed, whose data is not part of the disk: {count:,}"
    if plan.streams:
        count = sum(len(one.lengths) for one in plan.streams) + plan.streams_not_listed
        yield f"compressed clusters that could not be placed, and are not part of the disk: {count:,}"
    yield from summary.sentences
    if without_plan > summary.bytes_read:
        yield f"without a plan, extract reads {without_plan - summary.bytes_read:,} bytes more"
    if summary.inferred:
        yield summary.sentence
    if output:
        yield f"plan: {shown(output)}"


def as_json(recovery: Recovery, summary: Summary) -> Json:
    """The same."""
    plan = recovery.plan
    return {
        "schema": SCHEMA,
        "damage": list(recovery.damage),
        "notes": list(recovery.notes),
        "virtual_size": plan.geometry.virtual_size,
        "cluster_size": 1 << plan.geometry.cluster_bits,
        "bytes": summary.as_json(),
        "decisions": {
            name: {
                "what": one.what,
                "class": one.certainty.value,
                "confidence": one.confidence,
                "method": one.method.value,
                "because": list(one.because),
            }
            for name, one in plan.decisions.items()
        },
        "unplaced_tables": len(plan.segments) + plan.segments_not_listed,
        "unplaced_streams": sum(len(one.lengths) for one in plan.streams) + plan.streams_not_listed,
    }
