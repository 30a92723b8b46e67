"""Decoders in processes of their own, for a program that has threads and is to outlive each of them."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator
from contextlib import contextmanager
from queue import LifoQueue

from forensic.disk.codecs import Decoded, count_slow_decodes, decode_here, decoding_by, slow_decodes
from forensic.mapping.extents import Reason
from forensic.processes.forked_process import ForkedProcess, fall_silent

MAX_DECODERS = 4

_CRASHED = b""


@contextmanager
def decoders_apart() -> Iterator[None]:
    """Within the context `codecs.decode` crashes other processes than this one.

    A stream at which one crashes is `decoder_failed`. They are started when the first cluster is decoded.
    """
    decoders = _Decoders(min(MAX_DECODERS, len(os.sched_getaffinity(0))))
    try:
        with decoding_by(decoders.decode):
            yield
    finally:
        decoders.end()


class _Decoders:
    """Each decodes one cluster at a time, for whatever thread asks; the one that was used last is asked first."""

    def __init__(self, count: int) -> None:
        self._parent = os.getpid()
        self._free: LifoQueue[ForkedProcess | None] = LifoQueue()
        for _ in range(count):
            self._free.put(None)

    def decode(self, stored: bytes, compression_type: int, cluster_size: int) -> Decoded:
        """See `codecs.decode`. Raises `WorkerFailed` if a process ends by an error of ours, or by another's hand."""
        if os.getpid() != self._parent:  # a fork of ours is a process that may crash, and may not use our pipes
            return decode_here(stored, compression_type, cluster_size)
        decoder = self._free.get()
        try:
            if decoder is None:
                try:
                    decoder = ForkedProcess("decoder", _answer, lambda *_: _CRASHED)
                except OSError:  # the system lets us have no more processes
                    return decode_here(stored, compression_type, cluster_size)
            try:
                decoder.give(marshal.dumps((bytes(stored), int(compression_type), cluster_size)))
                answer = decoder.answer()
            except BaseException:
                _end(decoder)  # it may still answer, and nobody would know to what
                decoder = None
                raise
        finally:
            self._free.put(decoder)
        return _decoded(answer)

    def end(self) -> None:
        """End all that are not at work."""
        while not self._free.empty():
            if decoder := self._free.get():
                _end(decoder)


def _end(decoder: ForkedProcess) -> None:
    decoder.dismiss(at_once=True)
    decoder.wait()


def _answer(message: bytes) -> bytes:
    """What a process does: a cluster, the fault, and how often a slow codec was asked."""
    fall_silent()
    before = slow_decodes()
    found = decode_here(*marshal.loads(message))
    return marshal.dumps((bytes(found.data), found.fault, slow_decodes() - before))


def _decoded(answer: bytes) -> Decoded:
    if answer == _CRASHED:
        return Decoded(b"", Reason.DECODER_FAILED.code)
    data, fault, slow = marshal.loads(answer)
    if slow:
        count_slow_decodes(slow)
    return Decoded(data, fault)
