"""The exit statuses of the command line, and what each means."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command ends with; `meaning` says it in words, for reports and the manual page."""

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> ExitStatus:
        """A member with its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    DONE = 0, "done; nothing found above low"
    NOT_COMPLETED = (
        1,
        "not completed: input or output failed, an internal error, or the evidence changed or could not be read as a "
        "whole",
    )
    CORRUPT = 2, "the image is corrupt"
    LEAKS = 3, "the image has leaked clusters, and nothing worse"
    SUSPICIOUS = 4, "the image is suspicious: hostile references, resource bombs, hidden data"
    RANGES_NOT_READ = 5, "some guest ranges could not be read"
    MISMATCH = 6, "verification does not match, or two readings of the disk differ"
    NOT_AN_IMAGE = 63, "not a qcow2 image"
    USAGE = 64, "wrong usage"
    INTERRUPTED = 130, "interrupted"
    BROKEN_PIPE = 141, "broken pipe"


PRIORITY = (
    ExitStatus.NOT_COMPLETED,
    ExitStatus.MISMATCH,
    ExitStatus.CORRUPT,
    ExitStatus.SUSPICIOUS,
    ExitStatus.RANGES_NOT_READ,
    ExitStatus.LEAKS,
    ExitStatus.NOT_AN_IMAGE,
)
"""Which status stands for several images: the first of these that any of them has."""


def status_of_all(statuses: Collection[int]) -> ExitStatus:
    """The status that stands for several."""
    return next((status for status in PRIORITY if status in statuses), ExitStatus.DONE)
