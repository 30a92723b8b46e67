"""The hashes of a disk while it is written, each in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial

from forensic.extraction.digests import Checkpoint, PieceHash, WholeHash, checkpoint_step, new_digest
from forensic.extraction.stretch import Stretch
from forensic.extraction.worker import Worker

PATIENCE_AT_THE_END = 0.3
"""Seconds that an extraction which was told to end still hashes what it has, so that less is lost."""


class Hashes:
    """Hashes of the whole disk, of its segments if it is split, and checkpoints of the leading hash."""

    def __init__(self, names: Sequence[str], size: int, segment_size: int | None = None) -> None:
        """Start the threads; `stop` must be called in the end. Raises `ValueError` for a name that is not known."""
        self.leading = leading(names)
        step = checkpoint_step(size)
        self._wholes = [WholeHash(name, step if name == self.leading else None) for name in names]
        self._of_segments: dict[str, list[str]] = {name: [] for name in names} if segment_size else {}
        self._pieces = [_segment_hash(name, segment_size or 0, found) for name, found in self._of_segments.items()]
        self._workers = ExitStack()
        self._queues: list[Worker[Stretch]] = []
        digests: list[WholeHash | PieceHash] = [*self._wholes, *self._pieces]
        for digest in digests:
            worker: Worker[Stretch] = Worker("hash thread", digest.take)
            digest.stopped = partial(getattr, worker, "stopping")
            self._workers.callback(worker.stop)
            self._queues.append(worker)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints reached so far; it only ever grows."""
        return next((digest.checkpoints for digest in self._wholes if digest.name == self.leading), [])

    def take(self, stretch: Stretch) -> None:
        """Pass a stretch on. Raises what ended a thread."""
        for queue in self._queues:
            queue.give(stretch)

    def finish(self) -> None:
        """Wait until everything is hashed. Raises what ended a thread."""
        for queue in self._queues:
            queue.finish()
        for digest in self._pieces:
            digest.finish()
        for name, found in self._of_segments.items():
            if not found:  # a disk of no bytes is one empty file
                found.append(new_digest(name).hexdigest())

    def catch_up(self) -> None:
        """Wait a little for what was given; the checkpoints are then those reached. Raises what ended a thread."""
        give_up = time.monotonic() + PATIENCE_AT_THE_END
        for queue in self._queues:
            queue.catch_up(max(0.0, give_up - time.monotonic()))

    def stop(self) -> None:
        """End the threads, finished or not."""
        self._workers.close()

    def hexdigests(self) -> dict[str, str]:
        """The hashes by name, in the order asked for; after `finish`."""
        return {digest.name: digest.hexdigest() for digest in self._wholes}

    def of_segments(self, count: int) -> list[dict[str, str]]:
        """The hashes of each of `count` segments; after `finish`. A disk that is not split is one segment."""
        if not self._of_segments:
            return [self.hexdigests()] * count
        return [
            {name: found[index] for name, found in self._of_segments.items() if index < len(found)}
            for index in range(count)
        ]


def leading(names: Sequence[str]) -> str | None:
    """The hash whose checkpoints are kept: SHA-256 if it is among them, or else the first."""
    return "sha256" if "sha256" in names else next(iter(names), None)


def _segment_hash(name: str, size: int, found: list[str]) -> PieceHash:
    return PieceHash(name, size, lambda digest, count: found.extend([digest.hex()] * count))
