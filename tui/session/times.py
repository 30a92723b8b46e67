"""The time as the session writes it: UTC, to the second."""

from __future__ import annotations

import datetime


def now() -> str:
    """The date and the time, as in `2026-03-01T09:44:21Z`."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clock(moment: str) -> str:
    """The time of day of such a moment, as in `09:44:21Z`."""
    return moment.partition("T")[2] or moment
