"""Each distinct compressed cluster decoded once, in several processes."""

from __future__ import annotations

import marshal
import os
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from msgspec import Struct, field

from forensic.accounting.stream_tails import is_leftover
from forensic.accounting.streams import Allowance, DecodedRange, StreamBatch, Streams, Tail
from forensic.disk.codecs import Codec
from forensic.disk.examination import Outcome, examine, fills_cluster, stream_end
from forensic.evidence import Evidence, ReadFailed
from forensic.excerpt import Excerpt
from forensic.processes.forked_process import Attempt
from forensic.processes.pool import Processes, Promise
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.entries import SECTOR_SIZE
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.intervals import pieces
from forensic.qcow2.table_reading import stored_clusters

WINDOW_BYTES = 4 << 20
"""Bytes of neighbouring streams that are read at once and decoded by one process."""

WINDOW_STREAMS = 1 << 14
"""Streams of one window at most: of a bomb as many begin there as it has bytes."""

GAP_BYTES = 64 << 10
"""Bytes between two streams that are rather read than skipped."""

BATCH_STREAMS = 1 << 16

MAX_WORKERS = 4

WINDOWS_AHEAD = 2
"""Windows that wait for each process; together with those at work they bound the memory."""

EFFORT_OF_ONE = 4096
"""What a stream costs at least, however small its cluster."""

SLOW_FACTOR = 4
"""How much more a stream costs that the fast codec does not take, so that others have to say what is wrong with it."""


class _StreamsReadTogether(Struct, frozen=True):
    """Streams `first` to `end` (not included), to be read together."""

    first: int
    end: int


class _Decoded(Struct):
    """What became of the streams of a window, what that has cost, and which host ranges could not be read, and why."""

    window: _StreamsReadTogether
    outcomes: list[int]
    surplus: list[int]
    tails: list[Tail]
    effort: int
    unread: list[tuple[int, int, str]] = field(default_factory=list)


def decode_streams(
    evidence: Evidence,
    geometry: Geometry,
    owner_names: tuple[str, ...],
    streams: Streams,
    allowance: Allowance,
    decoded: DecodedRange | None = None,
) -> Iterator[StreamBatch]:
    """Decode all streams and tell what became of each, batch after batch; those `decoded` before are not decoded again.

    Those that the allowance does not cover are NOT_DECODED; which ones depends on the file alone, not on the machine.
    """
    count = len(streams.host_offsets)
    # Where the file has a hole there are zeros, which no codec takes for a stream: nothing has to be read.
    has_codec = geometry.compression_type in list(Codec)
    there = stored_clusters(evidence, streams.host_offsets, 2 * geometry.cluster_size)
    rows = np.flatnonzero(there) if has_codec else np.zeros(0, dtype=np.int64)
    outcomes = np.where(there | (not has_codec), Outcome.NOT_DECODED, Outcome.FAILED).astype(np.uint8)
    surplus = np.zeros(count, dtype=np.int64)
    tails: list[Tail] = []
    done = 0
    stored, next_offsets = streams.selected(rows), streams.next_offsets()[rows]
    known_good = np.zeros(len(rows), dtype=np.bool_)
    if decoded:
        known_good = decoded.known_good(stored, next_offsets, owner_names, geometry.cluster_size, evidence.size)

    room = bytearray()  # each process has its own, as soon as it writes into it

    def work(window: _StreamsReadTogether) -> _Decoded:
        return _decode_window(evidence, geometry, stored, next_offsets, known_good, window, room)

    def batch(end: int) -> StreamBatch:
        part = slice(done, end)
        return StreamBatch(
            geometry,
            owner_names,
            streams.host_offsets[part],
            streams.stored_lengths[part],
            streams.guest_offsets[part],
            streams.owners[part],
            outcomes[part],
            surplus[part],
            tuple(Tail(tail.index - done, tail.host_offset, tail.data, tail.leftover) for tail in tails),
        )

    for now in _side_by_side(work, _windows(stored)):
        for unread in now.unread:
            evidence.note_unread(*unread)
        if not allowance.spend(now.effort):
            break
        chosen = rows[now.window.first : now.window.end]
        outcomes[chosen], surplus[chosen] = now.outcomes, now.surplus
        tails += [Tail(int(rows[tail.index]), tail.host_offset, tail.data, tail.leftover) for tail in now.tails]
        end = int(chosen[-1]) + 1
        if end - done >= BATCH_STREAMS:
            yield batch(end)
            done, tails = end, []
    if done < count:
        yield batch(count)


def _side_by_side(
    work: Callable[[_StreamsReadTogether], _Decoded], windows: Iterator[_StreamsReadTogether]
) -> Iterator[_Decoded]:
    """The results in the order of the windows; without other processes, if the system lets us have none."""
    first = next(windows, None)
    if first is None:
        return
    second = next(windows, None)
    workers = 1 if second is None else min(MAX_WORKERS, os.cpu_count() or 1)
    every = chain((first,), () if second is None else (second,), windows)
    try:
        pool = Processes("decoder", lambda message: _as_message(work(_asked_in(message))), _salvaged, workers)
    except OSError:
        yield from map(work, every)
        return
    with pool:
        waiting: deque[Promise] = deque()
        for window in every:
            waiting.append(pool.submit(marshal.dumps((window.first, window.end))))
            if len(waiting) > workers * (1 + WINDOWS_AHEAD):
                yield _from_message(waiting.popleft()())
        while waiting:
            yield _from_message(waiting.popleft()())


def _asked_in(message: bytes) -> _StreamsReadTogether:
    return _StreamsReadTogether(*marshal.loads(message))


def _as_message(decoded: _Decoded) -> bytes:
    tails = [(tail.index, tail.host_offset, tail.data, tail.leftover) for tail in decoded.tails]
    window = (decoded.window.first, decoded.window.end)
    return marshal.dumps((window, bytes(decoded.outcomes), decoded.surplus, tails, decoded.effort, decoded.unread))


def _from_message(message: bytes) -> _Decoded:
    window, outcomes, surplus, tails, effort, unread = marshal.loads(message)
    return _Decoded(
        _StreamsReadTogether(*window), list(outcomes), surplus, [Tail(*tail) for tail in tails], effort, unread
    )


def _salvaged(message: bytes, attempt: Attempt) -> bytes:
    """What became of the streams of a window at which a process crashed: those that do it are found by halving."""
    whole = _asked_in(message)
    together = _Decoded(whole, [], [], [], 0)

    def go_through(first: int, end: int) -> None:
        answer = attempt(marshal.dumps((first, end)))
        if answer is not None:
            part = _from_message(answer)
            together.outcomes.extend(part.outcomes)
            together.surplus.extend(part.surplus)
            together.tails.extend(part.tails)
            together.unread.extend(part.unread)
            together.effort += part.effort
        elif end - first == 1:
            together.outcomes.append(Outcome.DECODER_FAILED)
            together.surplus.append(0)
            together.effort += EFFORT_OF_ONE * SLOW_FACTOR
        else:
            middle = (first + end) // 2
            go_through(first, middle)
            go_through(middle, end)

    middle = (whole.first + whole.end) // 2
    if middle > whole.first:
        go_through(whole.first, middle)
    go_through(middle, whole.end)
    return _as_message(together)


def _windows(streams: Streams) -> Iterator[_StreamsReadTogether]:
    """Cut the streams where there is a gap, or where enough has been gathered."""
    starts, ends = streams.host_offsets, np.maximum.accumulate(streams.ends)
    if not len(starts):
        return
    for first, end in pieces(starts[1:] > ends[:-1] + np.uint64(GAP_BYTES)).tolist():
        while first < end:
            full = int(np.searchsorted(starts[first:end], starts[first] + np.uint64(WINDOW_BYTES))) + first
            full = min(full, first + WINDOW_STREAMS)
            yield _StreamsReadTogether(first, full)
            first = full


def _read_together(evidence: Evidence, start: int, end: int, room: bytearray) -> Excerpt | None:
    """The bytes of neighbouring streams, in a room that is used over and over; None if not all can be read."""
    length = min(end, evidence.size) - start
    if len(room) < length:
        room.extend(bytes(length - len(room)))
    place = memoryview(room)[:length]
    try:
        evidence.read_into(start, place)
    except ReadFailed:
        return None  # one by one, so that only those on a bad sector are lost
    return Excerpt(start, place, evidence.size)


def _decode_window(
    evidence: Evidence,
    geometry: Geometry,
    streams: Streams,
    next_offsets: U64,
    known_good: Bools,
    window: _StreamsReadTogether,
    room: bytearray,
) -> _Decoded:
    part = slice(window.first, window.end)
    starts, ends = streams.host_offsets[part], streams.ends[part]
    result = _Decoded(window, [], [], [], 0)
    wanted = ~known_good[part]
    together = None
    if wanted.any():
        together = _read_together(evidence, int(starts[wanted].min()), int(ends[wanted].max()), room)
    rows = zip(starts.tolist(), ends.tolist(), next_offsets[part].tolist(), wanted.tolist(), strict=True)
    for index, (start, end, following, has_to_be) in enumerate(rows):
        if not has_to_be:
            result.effort += max(geometry.cluster_size, end - start, EFFORT_OF_ONE)
            result.outcomes.append(Outcome.OK)
            result.surplus.append(0)
            continue
        try:
            stored = together.part(start, end - start) if together else evidence.read_at(start, end - start)
        except ReadFailed as failure:
            result.unread.append((failure.host_offset, failure.length, failure.reason))
            result.outcomes.append(Outcome.NOT_DECODED)
            result.surplus.append(0)
            continue
        outcome, surplus, tail = _judge(evidence, geometry, stored, start, end, following)
        effort = max(geometry.cluster_size, len(stored), EFFORT_OF_ONE)
        result.effort += effort if outcome == Outcome.OK else effort * SLOW_FACTOR
        result.outcomes.append(outcome)
        result.surplus.append(surplus)
        if tail is not None:
            begins, data = tail
            leftover = is_leftover(evidence, geometry, begins, data, end)
            result.tails.append(Tail(window.first + index, begins, data, leftover))
    return result


def _judge(
    evidence: Evidence, geometry: Geometry, stored: bytes, start: int, end: int, next_start: int
) -> tuple[Outcome, int, tuple[int, bytes] | None]:
    """Outcome, surplus sectors, and the place and bytes of what follows the stream in its last sectors."""
    codec, size = geometry.compression_type, geometry.cluster_size
    if next_start < end and fills_cluster(stored[: next_start - start], codec, size):
        # The next stream follows at once, as QEMU packs them: this one ends there or before.
        return Outcome.OK, _sectors(next_start, end), None
    if not fills_cluster(stored, codec, size):
        outcome = examine(stored, lambda: evidence.read_or_nothing(end, 2 * size), codec, size)
        if outcome != Outcome.OK:
            return outcome, 0, None
    length = stream_end(stored, codec, size)
    if length is None or next_start < end:
        return Outcome.OK, 0, None
    rest = stored[length:]
    tail = (start + length, rest.rstrip(b"\0")) if any(rest) else None
    return Outcome.OK, _sectors(start + length, end), tail


def _sectors(begins: int, ends: int) -> int:
    """Whole sectors between two host offsets."""
    return max(0, ends - -(-begins // SECTOR_SIZE) * SECTOR_SIZE) // SECTOR_SIZE
