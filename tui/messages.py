"""Messages from worker threads to the application."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from forensic import Finding, Judgement, Qcow2Image
    from forensic.explore import (
        ClusterCodes,
        Contents,
        Grid,
        GuestLens,
        Orphans,
        Ownership,
        Range,
        ReverseMap,
        Space,
        SpaceUsage,
        Strip,
    )
    from tui.looks import Cell
    from tui.searching import SearchState
    from tui.session.evidence_clock import EvidenceState, HashRecord


class JobProgress(Message):
    """How far a job is; an empty text says that it is over."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__()
        self.name = name
        self.text = text

    def can_replace(self, message: Message) -> bool:
        """A newer message of the same job replaces an older one."""
        return isinstance(message, JobProgress) and message.name == self.name


class JobFailed(Message):
    """A job could not do what was asked."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__()
        self.name = name
        self.reason = reason


class Noticed(Message):
    """The findings of a check that goes on, as they stand."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__()
        self.findings = findings

    def can_replace(self, message: Message) -> bool:
        """Newer findings include the older ones."""
        return isinstance(message, Noticed)


class Judged(Message):
    """The check is done."""

    def __init__(self, judgement: Judgement) -> None:
        super().__init__()
        self.judgement = judgement


class UsageFound(Message):
    """What fills a space, as far as it is known."""

    def __init__(self, space: Space, usage: SpaceUsage) -> None:
        super().__init__()
        self.space = space
        self.usage = usage

    def can_replace(self, message: Message) -> bool:
        """A newer summary of a space replaces an older one."""
        return isinstance(message, UsageFound) and message.space == self.space


class Mapped(UsageFound):
    """A summary for the map, so far, and what it is to be coloured by."""

    def __init__(self, space: Space, usage: SpaceUsage, colour: str) -> None:
        super().__init__(space, usage)
        self.colour = colour

    def can_replace(self, message: Message) -> bool:
        """A newer summary of a grid replaces an older one."""
        return isinstance(message, Mapped) and (message.space, message.colour) == (self.space, self.colour)


class Counted(Message):
    """A count of cluster codes that maps are coloured by, so far; None if there can be none."""

    def __init__(self, colour: str, cluster_codes: ClusterCodes | None) -> None:
        super().__init__()
        self.colour = colour
        self.cluster_codes = cluster_codes

    def can_replace(self, message: Message) -> bool:
        """A newer one includes the older one."""
        return isinstance(message, Counted) and message.colour == self.colour


class Orphaned(Message):
    """The orphans are known."""

    def __init__(self, orphans: Orphans) -> None:
        super().__init__()
        self.orphans = orphans


class Compared(Message):
    """The states of the disk, each compared with the one before, so far."""

    def __init__(self, strips: Sequence[Strip]) -> None:
        super().__init__()
        self.strips = strips

    def can_replace(self, message: Message) -> bool:
        """Newer ones include the older ones."""
        return isinstance(message, Compared)


class Heated(Message):
    """The cells of a map by entropy, so far, and the entropies in bits a byte; None for what cannot be read."""

    def __init__(self, space: Space, grid: Grid, cells: Sequence[Cell], values: Sequence[float | None]) -> None:
        super().__init__()
        self.values = values
        self.space = space
        self.grid = grid
        self.cells = cells


class LookedInside(Message):
    """Partitions and file systems of the disk."""

    def __init__(self, contents: Contents) -> None:
        super().__init__()
        self.contents = contents


class LensMade(Message):
    """The structures of partition tables and file systems can be told from other bytes of the disk."""

    def __init__(self, lens: GuestLens) -> None:
        super().__init__()
        self.lens = lens


class Indexed(Message):
    """The reverse map from the file to the disk is complete."""

    def __init__(self, references: ReverseMap) -> None:
        super().__init__()
        self.references = references


class Hashed(Message):
    """A hash of the image file."""

    def __init__(self, record: HashRecord) -> None:
        super().__init__()
        self.record = record


class Looked(Message):
    """How the evidence is at this moment."""

    def __init__(self, state: EvidenceState) -> None:
        super().__init__()
        self.state = state

    def can_replace(self, message: Message) -> bool:
        """Only the newest matters: what was seen stays in it."""
        return isinstance(message, Looked)


class Owned(Message):
    """What owns the cluster around a byte of the file."""

    def __init__(self, ownership: Ownership) -> None:
        super().__init__()
        self.ownership = ownership


class Found(Message):
    """Places that a search found since the last message."""

    def __init__(self, matches: list[Range], state: SearchState) -> None:
        super().__init__()
        self.matches = matches
        self.state = state


class PlanChosen(Message):
    """The image is to be read in this way from now on; without one, by its own tables."""

    def __init__(self, image: Qcow2Image | None, plan_file: str) -> None:
        super().__init__()
        self.image = image
        self.plan_file = plan_file
