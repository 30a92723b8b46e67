"""Decoders in processes of their own give what those of this process give; one that crashes loses one cluster."""

import os
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import deflate
import pytest
import zstandard

from forensic import open_image
from forensic.disk.codecs import Codec, decode, decode_here, slow_decodes
from forensic.disk.decoders_apart import decoders_apart
from forensic.disk.opening import Supplied, open_disk
from forensic.disk.reader import RangeUnreadable
from forensic.errors import WorkerFailed
from samples.kinds import KINDS
from tests.images import sample

SIZE = 4096
VICTIM = b"this stream crashes the decoder"
OUTSIDE = b"somebody ends the decoder at this one"
OURS = b"an error of ours"
HERE = os.getpid()


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


def crash() -> None:
    signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest would show where
    os.abort()


CLUSTER = b"cluster " * (SIZE // 8)
STREAMS = [
    (deflated(CLUSTER), Codec.DEFLATE),
    (deflated(CLUSTER) + b"what follows", Codec.DEFLATE),
    (deflated(CLUSTER[:100]), Codec.DEFLATE),
    (deflated(CLUSTER + b"more"), Codec.DEFLATE),
    (b"\xff" * 64, Codec.DEFLATE),
    (zstandard.compress(CLUSTER), Codec.ZSTD),
    (zstandard.compress(CLUSTER[:1024]) + zstandard.compress(CLUSTER[1024:]), Codec.ZSTD),
    (zstandard.compress(CLUSTER)[:20], Codec.ZSTD),
    (b"", Codec.ZSTD),
    (deflated(CLUSTER), 7),
]


@pytest.fixture(autouse=True)
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams that end a decoder, or would end the tests if it were one of this process."""
    whole: Callable[[bytes, int], bytearray] = deflate.deflate_decompress

    def decompress(stored: bytes, size: int) -> bytearray:
        if stored in (VICTIM, OUTSIDE):
            assert os.getpid() != HERE
            if stored == OUTSIDE:
                os.kill(os.getpid(), signal.SIGKILL)
            crash()
        if stored == OURS:
            raise RuntimeError("an error of ours")
        return whole(stored, size)

    monkeypatch.setattr(deflate, "deflate_decompress", decompress)


@pytest.fixture
def apart() -> Iterator[None]:
    with decoders_apart():
        yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.parametrize("number", range(len(STREAMS)))
def test_they_give_what_one_in_this_process_gives(number: int, apart: None) -> None:
    before = slow_decodes()
    expected = decode_here(*STREAMS[number], SIZE)
    asked_slow, before = slow_decodes() - before, slow_decodes()
    found = decode(*STREAMS[number], SIZE)
    assert (found.data, found.fault, slow_decodes() - before) == (expected.data, expected.fault, asked_slow)


def test_a_stream_that_crashes_one_is_a_fault_and_the_next_is_decoded(apart: None) -> None:
    for _ in range(3):
        assert decode(VICTIM, Codec.DEFLATE, SIZE).fault == "decoder_failed"
        assert decode(*STREAMS[0], SIZE).data == CLUSTER


@pytest.mark.parametrize(("stored", "said"), [(OURS, "RuntimeError: an error of ours"), (OUTSIDE, "process is gone")])
def test_what_the_stream_is_not_to_blame_for_is_raised_and_the_next_is_decoded(
    stored: bytes, said: str, apart: None
) -> None:
    for _ in range(5):
        with pytest.raises(WorkerFailed, match=said):
            decode(stored, Codec.DEFLATE, SIZE)
        assert decode(*STREAMS[0], SIZE).data == CLUSTER


def test_threads_get_their_own_answers(apart: None) -> None:
    def cluster(number: int) -> bytes:
        return f"{number:08}".encode() * (SIZE // 8)

    def work(number: int) -> bool:
        found = decode(VICTIM if number % 5 == 0 else deflated(cluster(number)), Codec.DEFLATE, SIZE)
        return found.fault == "decoder_failed" if number % 5 == 0 else found.data == cluster(number)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(120)))


def test_a_fork_of_this_process_decodes_by_itself(apart: None) -> None:
    assert decode(*STREAMS[0], SIZE).data == CLUSTER
    process = os.fork()
    if not process:
        os._exit(0 if decode(deflated(b"own" + CLUSTER[3:]), Codec.DEFLATE, SIZE).data[:3] == b"own" else 1)
    assert os.waitpid(process, 0)[1] == 0
    assert decode(*STREAMS[5], SIZE).data == CLUSTER


def test_without_more_processes_this_one_decodes(apart: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(os, "fork", refuse)
    assert decode(*STREAMS[0], SIZE).data == CLUSTER


def test_after_the_context_this_process_decodes_again() -> None:
    with decoders_apart():
        pass
    with pytest.raises(RuntimeError, match="an error of ours"):
        decode(OURS, Codec.DEFLATE, SIZE)


def test_those_of_two_contexts_do_not_keep_each_other_alive() -> None:
    with decoders_apart():
        decode(*STREAMS[0], SIZE)
        with decoders_apart():
            decode(*STREAMS[0], SIZE)
            decode(VICTIM, Codec.DEFLATE, SIZE)  # started again, after the other
        after = threading.Thread(target=decode, args=(*STREAMS[0], SIZE), daemon=True)
        after.start()
        after.join(10)
        assert not after.is_alive()


@pytest.mark.parametrize("salvage", [False, True])
def test_a_cluster_that_crashes_a_decoder_is_neither_salvaged_nor_tried_again_by_its_neighbour(
    salvage: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_path = sample(KINDS["deflate-4k"])
    with open_image(image_path) as image:
        first, second, third = [one for one in image.extents() if one.stored_length][:3]
        victim = image.evidence.read_at(second.host_offset or 0, second.stored_length or 0)
        crashes = tmp_path / "crashes"
        whole: Callable[[bytes, int], bytearray] = deflate.deflate_decompress

        def decompress(stored: bytes, size: int) -> bytearray:
            if stored == victim:
                assert os.getpid() != HERE
                with crashes.open("ab") as stream:
                    stream.write(b"x")
                os.abort()
            return whole(stored, size)

        monkeypatch.setattr(deflate, "deflate_decompress", decompress)
        with decoders_apart(), open_disk(image, supplied=Supplied(salvage=salvage)) as disk:
            if salvage:
                monkeypatch.setattr(zlib, "decompressobj", None)
            reader, buffer = disk.reader(), bytearray(512)
            for _ in range(3):
                reader.read_at(first.guest_offset, memoryview(buffer))
                with pytest.raises(RangeUnreadable, match=f"{second.guest_offset:#x}.*decoder_failed"):
                    reader.read_at(second.guest_offset, memoryview(buffer))
                reader.read_at(third.guest_offset, memoryview(buffer))
    assert crashes.read_bytes() == b"x"
