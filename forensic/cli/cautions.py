"""What every command says on standard error about the files that it read: held by others, changed, unreadable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from forensic.cli.standard_streams import complain
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown


def cautions_about(evidences: Iterable[Evidence]) -> list[str]:
    """What has to be said of files, a sentence each."""
    return [f"{shown(evidence.path_as_given)} {note}" for evidence in _distinct(evidences) for note in evidence.notes()]


def is_reliable(evidences: Iterable[Evidence]) -> bool:
    """Whether files were read as a whole, and are now what they were before."""
    return all(evidence.unchanged() and not evidence.unread for evidence in evidences)


def cautioned(evidences: Iterable[Evidence], status: ExitStatus) -> ExitStatus:
    """Say what has to be said; the exit status, `NOT_COMPLETED` where the result is not reliable."""
    read = list(_distinct(evidences))
    for caution in cautions_about(read):
        complain(f"qcowscope: {caution}")
    return status if is_reliable(read) else ExitStatus.NOT_COMPLETED


def _distinct(evidences: Iterable[Evidence]) -> Iterator[Evidence]:
    yield from {id(evidence): evidence for evidence in evidences}.values()
