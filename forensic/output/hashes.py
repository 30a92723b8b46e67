"""Hash functions by name, and what is kept of a disk while it passes by: its hash, hashes of its parts."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Protocol

from msgspec import Struct

from forensic.output.chunk import Chunk, as_bytes, length_of, split_at_multiples, split_chunk
from forensic.output.worker_thread import Worker

HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake3")
"""The hash functions that can be asked for; `blake3` only where the package of that name is installed."""

MAX_CHECKPOINTS = 1 << 14
"""Most checkpoints of one disk."""

CHECKPOINT_UNIT = 1 << 20


class Digest(Protocol):
    """What the objects of hashlib and of the blake3 package have in common."""

    def update(self, data: memoryview, /) -> object:
        """Take more bytes."""

    def digest(self) -> bytes:
        """The hash of what was taken."""

    def hexdigest(self) -> str:
        """The same in hexadecimal."""


def usable_hashes() -> tuple[str, ...]:
    """Those of `HASHES` that can be computed here."""
    return HASHES if importlib.util.find_spec("blake3") else HASHES[:-1]


def new_digest(name: str) -> Digest:
    """A fresh hash object. Raises `ValueError` if there is none of that name."""
    if name not in usable_hashes():
        raise ValueError(f"unknown hash {name}; known are {', '.join(usable_hashes())}")
    if name == "blake3":
        blake3: Digest = importlib.import_module("blake3").blake3()
        return blake3
    return hashlib.new(name, usedforsecurity=False)


class HashingStopped(Exception):
    """The hash is no longer wanted."""


def never() -> bool:
    """Never stopped."""
    return False


def update(digest: Digest, chunk: Chunk, stopped: Callable[[], bool] = never) -> None:
    """Let a digest take a range; a hash cannot skip zeros. Raises `HashingStopped` as soon as it is `stopped`."""
    for part in as_bytes(chunk):
        if stopped():
            raise HashingStopped
        digest.update(part)


DIGESTS_AT_ONCE = 1 << 15


def update_repeatedly(digest: Digest, part: bytes, count: int, stopped: Callable[[], bool] = never) -> None:
    """Let a digest take the same bytes so many times. Raises `HashingStopped` as soon as it is `stopped`."""
    whole, rest = divmod(count, DIGESTS_AT_ONCE)
    many = memoryview(part * DIGESTS_AT_ONCE if whole else b"")
    for _ in range(whole):
        if stopped():
            raise HashingStopped
        digest.update(many)
    digest.update(memoryview(part * rest))


class Checkpoint(Struct, frozen=True):
    """The hash of the first `length` bytes of the disk; it tells where two disks begin to differ."""

    length: int
    digest: str


def checkpoint_step(disk_size: int) -> int:
    """Bytes between checkpoints: whole mebibytes, so that there are at most `MAX_CHECKPOINTS` of them."""
    return max(1, -(-disk_size // (MAX_CHECKPOINTS * CHECKPOINT_UNIT))) * CHECKPOINT_UNIT


class WholeHash:
    """The hash of everything, and a checkpoint after every `step` bytes."""

    def __init__(self, name: str, step: int | None = None) -> None:
        """`name` is one of `HASHES`; without `step` there are no checkpoints."""
        self.name = name
        self.checkpoints: list[Checkpoint] = []
        self.stopped: Callable[[], bool] = never
        self._digest = new_digest(name)
        self._step = step
        self._done = 0

    def take(self, chunk: Chunk) -> None:
        """Take what comes next."""
        if self._step is None:
            update(self._digest, chunk, self.stopped)
            return
        for part in split_at_multiples(chunk, self._done, self._step):
            update(self._digest, part, self.stopped)
            self._done += length_of(part)
            if self._done % self._step == 0:
                # All digests can tell what they have so far and go on.
                self.checkpoints.append(Checkpoint(self._done, self._digest.hexdigest()))

    def hexdigest(self) -> str:
        """The hash of what was taken."""
        return self._digest.hexdigest()


class PieceHash:
    """The hash of each piece of `size` bytes; the last one may be shorter.

    `emit` gets a digest and for how many pieces in a row it stands. Pieces of nothing but zeros that come as runs of
    zeros share one digest, computed once: they cost nothing.
    """

    def __init__(self, name: str, size: int, emit: Callable[[bytes, int], None]) -> None:
        """`name` is one of `HASHES`."""
        self.stopped: Callable[[], bool] = never
        self._name = name
        self._size = size
        self._emit = emit
        self._digest = new_digest(name)
        self._done = 0
        self._zeros = 0  # that the piece begins with and the digest has not taken yet
        self._of_zeros: bytes | None = None

    def take(self, chunk: Chunk) -> None:
        """Take what comes next."""
        while length_of(chunk):
            if isinstance(chunk, int) and self._done == self._zeros:
                count, self._done = divmod(self._done + chunk, self._size)
                self._zeros = self._done
                if count:
                    self._emit(self.of_zeros(), count)
                return
            part, chunk = split_chunk(chunk, self._size - self._done)
            self._take_zeros()
            update(self._digest, part, self.stopped)
            self._done += length_of(part)
            if self._done == self._size:
                self._end_piece()

    def finish(self) -> None:
        """End the last piece, if it is a short one."""
        if self._done:
            self._take_zeros()
            self._end_piece()

    def of_zeros(self) -> bytes:
        """The digest of a whole piece of zeros."""
        if self._of_zeros is None:
            digest = new_digest(self._name)
            update(digest, self._size, self.stopped)
            self._of_zeros = digest.digest()
        return self._of_zeros

    def _take_zeros(self) -> None:
        update(self._digest, self._zeros, self.stopped)
        self._zeros = 0

    def _end_piece(self) -> None:
        self._emit(self._digest.digest(), 1)
        self._digest = new_digest(self._name)
        self._done = 0


PATIENCE_AT_THE_END = 0.3
"""Seconds that an extraction which was told to end still hashes what it has, so that less is lost."""


class Hashes:
    """Hashes of the whole disk, of its segments if it is split, and checkpoints of the leading hash."""

    def __init__(self, names: Sequence[str], size: int, segment_size: int | None = None) -> None:
        """Start the threads; `stop` must be called in the end. Raises `ValueError` for a name that is not known."""
        self.leading = leading_hash(names)
        step = checkpoint_step(size)
        self._wholes = [WholeHash(name, step if name == self.leading else None) for name in names]
        self._of_segments: dict[str, list[str]] = {name: [] for name in names} if segment_size else {}
        self._pieces = [_segment_hash(name, segment_size or 0, found) for name, found in self._of_segments.items()]
        self._workers = ExitStack()
        self._queues: list[Worker[Chunk]] = []
        digests: list[WholeHash | PieceHash] = [*self._wholes, *self._pieces]
        for digest in digests:
            worker: Worker[Chunk] = Worker("hash thread", digest.take)
            digest.stopped = partial(getattr, worker, "stopping")
            self._workers.callback(worker.stop)
            self._queues.append(worker)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints reached so far; it only ever grows."""
        return next((digest.checkpoints for digest in self._wholes if digest.name == self.leading), [])

    def take(self, chunk: Chunk) -> None:
        """Pass a range on. Raises what ended a thread."""
        for queue in self._queues:
            queue.give(chunk)

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


def leading_hash(names: Sequence[str]) -> str | None:
    """The hash whose checkpoints are kept: SHA-256 if it is among them, or else the first."""
    return "sha256" if "sha256" in names else next(iter(names), None)


def _segment_hash(name: str, size: int, found: list[str]) -> PieceHash:
    return PieceHash(name, size, lambda digest, count: found.extend([digest.hex()] * count))
