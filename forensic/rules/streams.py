"""Rules about compressed streams: what decoding each of them shows, and what follows their ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from forensic.accounting.streams import StreamBatch, Tail
from forensic.disk.codecs import Codec
from forensic.disk.examination import Outcome
from forensic.finding import Confidence, FindingClass, Problem, Problems, Severity, guest_range, host_range
from forensic.numbers import counted
from forensic.rules.registry import rule
from forensic.untrusted import Json

SHOWN_BYTES = 64


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_stream_broken(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster cannot be decoded.

    Why: its bytes are lost; no checksum covers what a broken stream gives before it breaks.
    Spec: Compressed Clusters Descriptor; Header, byte 104
    QEMU: check reports nothing, since it never decodes; reading the cluster fails.
    Next: look at the stream's first bytes; something else may have been written over it. One that crashes the decoder
    is worth a closer look, in an isolated environment.
    """
    broken = (batch.outcomes == Outcome.FAILED) | (batch.outcomes == Outcome.DECODER_FAILED)
    return _at(batch, np.flatnonzero(broken).tolist(), lambda index: _BROKEN[Outcome(int(batch.outcomes[index]))])


_BROKEN = {
    Outcome.FAILED: "cannot be decoded",
    Outcome.DECODER_FAILED: "crashes the decoder (decoder_failed)",
}


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_stream_short(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster decodes to less than a cluster.

    Why: the rest of the cluster is lost.
    Spec: Compressed Clusters Descriptor
    QEMU: check reports nothing; reading the cluster fails.
    Next: any inflater recovers these bytes; the extraction leaves the range absent.
    """
    return _with_outcome(batch, Outcome.SHORT, "ends before the cluster is full")


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_stream_cut(batch: StreamBatch) -> Iterable[Problem]:
    """The sector count of a compressed cluster is too small for its stream.

    Why: read as far as the entry says, the cluster is incomplete; read further, it is whole.
    Spec: Compressed Clusters Descriptor, number of additional sectors
    QEMU: check reports nothing; reading the cluster fails.
    Next: correct the count on a copy and extract that.
    """
    return _with_outcome(batch, Outcome.CUT, "continues past its last sector")


@rule(StreamBatch, Severity.HIGH, FindingClass.RESOURCE)
def compressed_stream_too_long(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster decodes to more than a cluster.

    Why: a reader without a limit fills its memory or its disk; nothing that QEMU writes is like this.
    Spec: Compressed Clusters Descriptor
    QEMU: check reports nothing; reading takes the first cluster and goes on.
    Next: the extraction takes the first cluster; what follows is on no disk.
    """
    if batch.geometry.compression_type == Codec.ZSTD:
        return ()
    return _with_outcome(batch, Outcome.TOO_LONG, "does not end when the cluster is full")


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_frame_too_long(batch: StreamBatch) -> Iterable[Problem]:
    """A zstd frame decodes to more than a cluster.

    Why: a reader without a limit fills its memory or its disk; nothing that QEMU writes is like this.
    Spec: Compressed Clusters Descriptor
    QEMU: check reports nothing; reading the cluster fails, unlike that of a deflate stream.
    Next: the extraction takes the first cluster; what follows is on no disk.
    """
    if batch.geometry.compression_type != Codec.ZSTD:
        return ()
    return _with_outcome(batch, Outcome.TOO_LONG, "does not end when the cluster is full")


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_stream_wrong_codec(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster uses a different codec from the one in the header.

    Why: the cluster cannot be read with the image as it is, but its bytes are not lost.
    Spec: Header, byte 104
    QEMU: check reports nothing; reading the cluster fails.
    Next: correct the compression type on a copy and extract that.
    """
    return _with_outcome(batch, Outcome.WRONG_CODEC, "can be decoded, but only with the other codec")


@rule(StreamBatch, Severity.HIGH, FindingClass.CORRUPTION)
def compressed_stream_zlib_header(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster has a zlib header around its deflate stream.

    Why: the format requires a raw stream; consistent with a writer that does not follow it.
    Spec: Header, byte 104
    QEMU: check reports nothing; reading the cluster fails.
    Next: any zlib inflater decodes the cluster.
    """
    return _with_outcome(batch, Outcome.ZLIB_HEADER, "has a zlib header")


@rule(StreamBatch, Severity.LOW, FindingClass.ANOMALY)
def compressed_stream_surplus_sectors(batch: StreamBatch) -> Iterable[Problem]:
    """A compressed cluster claims sectors that its stream does not reach.

    Why: the sectors count as used by it, so they can hide data that no other tool shows.
    Spec: Compressed Clusters Descriptor, number of additional sectors
    QEMU: reports nothing.
    Next: examine the bytes; those that are not zero have a code of their own.
    """
    hits = np.flatnonzero(batch.surplus_sectors)
    return _at(
        batch,
        hits.tolist(),
        lambda index: f"ends {counted(int(batch.surplus_sectors[index]), 'sector')} short of its claim",
    )


@rule(StreamBatch, Severity.MEDIUM, FindingClass.HIDDEN_DATA, Confidence.LIKELY)
def compressed_stream_tail(batch: StreamBatch) -> Iterable[Problem]:
    """Bytes after the end of a compressed stream, in sectors that no other stream claims, are not zero.

    Why: no reader looks at them. Only streams that are not directly followed by another are judged: QEMU leaves no
    space between two that it packs together. Within the last sector of a stream only text counts: anything else can be
    the rest of a former stream. Text can be the rest of plain data, where the cluster held that before.
    Spec: Compressed Clusters Descriptor
    QEMU: reports nothing.
    Next: examine the bytes.
    """
    return _tails(batch, [tail for tail in batch.tails if not tail.leftover])


@rule(StreamBatch, Severity.INFO, FindingClass.INFO, Confidence.LIKELY)
def compressed_stream_leftover(batch: StreamBatch) -> Iterable[Problem]:
    """After the end of a compressed stream lies what the cluster held before.

    Why: when the guest writes to a compressed cluster its stream stays in the file, and a freed cluster that is used
    again keeps what it held. The bytes are consistent with either: they decode, go on past the last sector, or are no
    text and so few that they can be the rest of a former stream.
    Spec: Compressed Clusters Descriptor
    QEMU: leaves them there in ordinary work.
    Next: decode what follows; it is an earlier state of some guest cluster.
    """
    return _tails(batch, [tail for tail in batch.tails if tail.leftover])


@rule(StreamBatch, Severity.MEDIUM, FindingClass.RESOURCE)
def compressed_streams_not_decoded(batch: StreamBatch) -> Iterable[Problem]:
    """Some compressed clusters were not decoded.

    Why: the codec is unknown, they lie on a bad sector, or there are more than a file of this size can plausibly hold:
    streams that overlap can be made to ask for any amount of work. Whether they are sound is unknown.
    Spec: Compressed Clusters Descriptor
    QEMU: check never decodes a stream.
    Next: extract the ranges in question; the extraction has no such limit.
    """
    return _with_outcome(batch, Outcome.NOT_DECODED, "was not decoded")


def _with_outcome(batch: StreamBatch, outcome: Outcome, what: str) -> Problems:
    return _at(batch, np.flatnonzero(batch.outcomes == outcome).tolist(), lambda _: what)


def _at(batch: StreamBatch, hits: list[int], say: Callable[[int], str]) -> Problems:
    def described() -> Iterator[Problem]:
        for index in hits:
            yield _problem(batch, index, say(index), {})

    return Problems(len(hits), described)


def _tails(batch: StreamBatch, tails: list[Tail]) -> Problems:
    def described() -> Iterator[Problem]:
        for tail in tails:
            shown = tail.data[:SHOWN_BYTES].hex()
            what = (
                f"is followed by {counted(len(tail.data), 'byte')} at {tail.host_offset:#x}: {tail.data[:16].hex(' ')}"
            )
            problem = _problem(batch, tail.index, what, {"hex": shown})
            places = (host_range(tail.host_offset, len(tail.data)), *problem.ranges[1:])
            yield Problem(problem.observation, places, problem.path, problem.values)

    return Problems(len(tails), described)


def _problem(batch: StreamBatch, index: int, what: str, values: dict[str, Json]) -> Problem:
    """One sentence about a stream, its place in the file and that of its cluster on the disk."""
    geometry = batch.geometry
    begins, guest_offset = int(batch.host_offsets[index]), int(batch.guest_offsets[index])
    cluster = guest_offset >> geometry.cluster_bits
    path = (
        f"{batch.owner_names[int(batch.owners[index])]} L1[{cluster // geometry.l2_entry_count}]"
        f".L2[{cluster % geometry.l2_entry_count}]"
    )
    return Problem(
        f"{path} (guest offset {guest_offset:#x}): the stream at host offset {begins:#x} {what}",
        (host_range(begins, int(batch.stored_lengths[index])), guest_range(guest_offset, geometry.cluster_size)),
        path,
        values,
    )
