"""What is said of a stream that is not one whole cluster, and where a good one ends."""

import zlib

import pytest
import zstandard

from forensic.disk.codecs import Codec
from forensic.disk.examination import Outcome, could_begin_stream, examine, fills_cluster, stream_end
from samples.bench import noise, prose

CLUSTER = 4096
TEXT, NOISE = prose(CLUSTER), noise(CLUSTER)
DEFLATE, ZSTD = Codec.DEFLATE, Codec.ZSTD


def deflated(data: bytes, window_bits: int = -12) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    return stream.compress(data) + stream.flush()


def zstd(data: bytes, checksum: bool = False, sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized).compress(data)


def outcome(stored: bytes, codec: Codec, following: bytes = b"") -> Outcome:
    return examine(stored, lambda: following, codec, CLUSTER)


def encoded(codec: Codec, data: bytes) -> bytes:
    return deflated(data) if codec == DEFLATE else zstd(data)


each_codec = pytest.mark.parametrize("codec", [DEFLATE, ZSTD], ids=["deflate", "zstd"])


@each_codec
@pytest.mark.parametrize("data", [TEXT, NOISE, bytes(CLUSTER)], ids=["text", "noise", "zeros"])
@pytest.mark.parametrize("after", [b"", bytes(100), b"\xff" * 100, b"\x28\xb5\x2f\xfd"])
def test_a_good_stream_is_good_whatever_follows_it(codec: Codec, data: bytes, after: bytes) -> None:
    stored = encoded(codec, data)
    assert fills_cluster(stored + after, codec, CLUSTER)
    assert outcome(stored + after, codec) == Outcome.OK
    assert stream_end(stored + after, codec, CLUSTER) == len(stored)


@each_codec
@pytest.mark.parametrize("length", [0, 1, 1000, CLUSTER - 1])
def test_a_stream_of_less_than_a_cluster_is_short(codec: Codec, length: int) -> None:
    stored = encoded(codec, TEXT[:length])
    assert not fills_cluster(stored, codec, CLUSTER)
    assert outcome(stored + bytes(200), codec) == Outcome.SHORT


@each_codec
@pytest.mark.parametrize("length", [CLUSTER + 1, 1 << 20])
def test_a_stream_of_more_than_a_cluster_is_too_long(codec: Codec, length: int) -> None:
    stored = encoded(codec, b"A" * length)
    assert not fills_cluster(stored, codec, CLUSTER)
    assert outcome(stored, codec) == Outcome.TOO_LONG


@each_codec
@pytest.mark.parametrize("missing", [1, 2, 500])
def test_a_stream_whose_rest_follows_is_cut(codec: Codec, missing: int) -> None:
    stored = encoded(codec, NOISE)
    kept, rest = stored[:-missing], stored[-missing:]
    assert outcome(kept, codec, rest + b"more") == Outcome.CUT
    assert outcome(kept, codec) == Outcome.SHORT
    assert outcome(kept, codec, bytes(CLUSTER)) in (Outcome.SHORT, Outcome.CUT)


@each_codec
@pytest.mark.parametrize("stored", [b"\xff" * 600, b"plain text, no stream at all" * 20])
def test_what_is_no_stream_cannot_be_decoded(codec: Codec, stored: bytes) -> None:
    assert outcome(stored, codec) == Outcome.FAILED


def test_a_stream_of_the_other_codec_is_told_from_damage() -> None:
    assert outcome(zstd(TEXT) + bytes(50), DEFLATE) == Outcome.WRONG_CODEC
    assert outcome(deflated(TEXT) + bytes(50), ZSTD) == Outcome.WRONG_CODEC
    assert outcome(zstd(TEXT[:100]), DEFLATE) == Outcome.FAILED


def test_a_zlib_header_is_told_from_damage() -> None:
    assert outcome(zlib.compress(TEXT), DEFLATE) == Outcome.ZLIB_HEADER
    assert outcome(zlib.compress(TEXT[:100]), DEFLATE) == Outcome.FAILED


def test_distances_beyond_the_window_of_qemu_are_accepted() -> None:
    size = 65536
    far = noise(20000) * 3 + bytes(5536)
    assert examine(deflated(far, -15), bytes, DEFLATE, size) == Outcome.OK


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("sized", [False, True])
@pytest.mark.parametrize("data", [TEXT, NOISE, b"A" * CLUSTER], ids=["text", "noise", "one byte"])
def test_every_form_of_a_zstd_frame_ends_where_it_ends(checksum: bool, sized: bool, data: bytes) -> None:
    stored = zstd(data, checksum, sized)
    assert stream_end(stored + b"tail", ZSTD, CLUSTER) == len(stored)
    assert stream_end(stored[:-1], ZSTD, CLUSTER) is None


def test_two_zstd_frames_may_make_one_cluster() -> None:
    assert outcome(zstd(TEXT[:1000]) + zstd(TEXT[1000:]), ZSTD) == Outcome.OK


def test_a_zstd_bomb_is_not_unpacked() -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200 << 20))
    assert outcome(bomb, ZSTD) == Outcome.TOO_LONG


@each_codec
def test_the_beginning_of_a_stream_is_told_from_text(codec: Codec) -> None:
    stored = encoded(codec, NOISE)
    assert could_begin_stream(stored[:300], codec)
    assert not could_begin_stream(b"hidden text behind a stream", codec)
