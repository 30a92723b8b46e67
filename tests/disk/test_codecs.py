"""One compressed cluster in, one cluster out, whatever the bytes claim."""

import struct
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from forensic.disk.codecs import Codec, Decoded, decode
from samples.bench import noise, prose

CLUSTER = 65536
PLAIN = {
    "prose": prose(CLUSTER),
    "noise": noise(CLUSTER),
    "zeros": bytes(CLUSTER),
    "far": noise(20000) * 3 + bytes(5536),
}


def deflated(data: bytes, window_bits: int = -15) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    return stream.compress(data) + stream.flush()


def zstd(data: bytes, declare_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=declare_size, write_checksum=True).compress(data)


def zstd_streamed(data: bytes) -> bytes:
    """As QEMU writes it: the frame does not say how long its content is."""
    return zstd(data, declare_size=False)


ENCODERS: dict[str, tuple[Callable[[bytes], bytes], Codec]] = {
    "deflate": (deflated, Codec.DEFLATE),
    "deflate-4k-window": (lambda data: deflated(data, -12), Codec.DEFLATE),
    "zstd": (zstd, Codec.ZSTD),
    "zstd-streamed": (zstd_streamed, Codec.ZSTD),
}
each_encoder = pytest.mark.parametrize("encoder", ENCODERS)


def decoded(encoder: str, data: bytes, after: bytes = b"", size: int = CLUSTER) -> Decoded:
    encode, codec = ENCODERS[encoder]
    return decode(encode(data) + after, codec, size)


@each_encoder
@pytest.mark.parametrize("content", PLAIN)
def test_a_whole_cluster_comes_back(encoder: str, content: str) -> None:
    assert decoded(encoder, PLAIN[content]) == Decoded(PLAIN[content])


@each_encoder
@pytest.mark.parametrize("after", [b"\0" * 300, b"\xff" * 300, noise(300), zstd(b"x" * 99), deflated(b"x" * 99)])
def test_bytes_behind_the_stream_do_not_matter(encoder: str, after: bytes) -> None:
    assert decoded(encoder, PLAIN["prose"], after) == Decoded(PLAIN["prose"])


@each_encoder
def test_a_stream_that_gives_too_little_is_short_and_keeps_what_it_gave(encoder: str) -> None:
    assert decoded(encoder, b"a" * 100, size=512) == Decoded(b"a" * 100, "decompress_short")
    assert decoded(encoder, b"", size=512) == Decoded(b"", "decompress_short")


@each_encoder
def test_a_stream_that_gives_more_is_cut_at_the_cluster(encoder: str) -> None:
    assert decoded(encoder, PLAIN["prose"], size=512) == Decoded(PLAIN["prose"][:512])


@each_encoder
def test_a_bomb_gives_one_cluster(encoder: str) -> None:
    assert decoded(encoder, bytes(64 << 20), size=4096) == Decoded(bytes(4096))


@pytest.mark.parametrize("claimed", [513, 1 << 32, 1 << 40, 1 << 50, (1 << 63) - 1, (1 << 64) - 3])
def test_a_frame_that_claims_to_be_large_costs_no_memory(claimed: int) -> None:
    frame = b"\x28\xb5\x2f\xfd\xe0" + struct.pack("<Q", claimed) + b"\x01\x00\x00"
    assert decode(frame, Codec.ZSTD, 512).data == b""
    assert decode(frame, Codec.ZSTD, 512).fault is not None


def test_a_frame_that_asks_for_a_huge_window_is_refused() -> None:
    frame = b"\x28\xb5\x2f\xfd\x00" + bytes([0xA0]) + b"\x01\x00\x00"  # window of 2^30 bytes
    assert decode(frame, Codec.ZSTD, 512) == Decoded(b"", "decompress_failed")


@each_encoder
def test_a_stream_cut_short_is_no_whole_cluster(encoder: str) -> None:
    encode, codec = ENCODERS[encoder]
    stream = encode(PLAIN["noise"])
    found = decode(stream[: len(stream) // 2], codec, CLUSTER)
    assert found.fault in ("decompress_short", "decompress_failed")
    assert PLAIN["noise"].startswith(found.data)


def test_distances_beyond_the_window_of_qemu_are_followed() -> None:
    far = noise(20000) + noise(20000) + bytes(25536)
    stream = deflated(far)
    with pytest.raises(zlib.error):
        zlib.decompress(stream, -12)
    assert decode(stream, Codec.DEFLATE, CLUSTER) == Decoded(far)


def test_a_zlib_header_is_not_raw_deflate() -> None:
    assert decode(zlib.compress(PLAIN["prose"]), Codec.DEFLATE, CLUSTER).fault == "decompress_failed"


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("stored", [b"", b"\xff" * 512, b"\x07" * 512])
def test_garbage_is_never_a_cluster(codec: Codec, stored: bytes) -> None:
    found = decode(stored, codec, 512)
    assert (found.data, found.fault) in [(b"", "decompress_failed"), (b"", "decompress_short")]


def test_a_cluster_of_several_zstd_frames_is_put_together() -> None:
    data = PLAIN["prose"]
    frames = zstd(data[:1000]) + zstd_streamed(data[1000:50000]) + zstd(data[50000:])
    assert decode(frames + b"\0" * 100, Codec.ZSTD, CLUSTER) == Decoded(data)


def test_frames_that_do_not_fill_the_cluster_keep_what_they_gave() -> None:
    data = PLAIN["prose"]
    found = decode(zstd(data[:1000]) + zstd(data[1000:3000]), Codec.ZSTD, CLUSTER)
    assert found == Decoded(data[:3000], "decompress_short")


def test_a_wrong_checksum_is_a_failure() -> None:
    stream = bytearray(zstd(PLAIN["prose"]))
    stream[-1] ^= 1
    assert decode(bytes(stream), Codec.ZSTD, CLUSTER).fault == "decompress_failed"


@pytest.mark.parametrize("compression_type", [2, 255])
def test_an_unknown_type_is_not_guessed(compression_type: int) -> None:
    assert decode(zstd(b"a" * 512), compression_type, 512) == Decoded(b"", "compression_unknown")


@given(st.binary(max_size=400), st.sampled_from(Codec), st.sampled_from([512, 4096]))
def test_random_bytes_never_raise_nor_give_more_than_a_cluster(stored: bytes, codec: Codec, size: int) -> None:
    found = decode(stored, codec, size)
    assert len(found.data) <= size
    assert (found.fault is None) == (len(found.data) == size)


@given(
    encoder=st.sampled_from(sorted(ENCODERS)),
    position=st.integers(0, 10_000),
    bit=st.integers(0, 7),
)
def test_a_flipped_bit_never_raises_nor_gives_more_than_a_cluster(encoder: str, position: int, bit: int) -> None:
    encode, codec = ENCODERS[encoder]
    stream = bytearray(encode(prose(4096)))
    stream[position % len(stream)] ^= 1 << bit
    found = decode(bytes(stream), codec, 4096)
    assert (found.fault is None) == (len(found.data) == 4096)


@given(st.binary(min_size=512, max_size=512), st.sampled_from(sorted(ENCODERS)), st.binary(max_size=64))
def test_what_was_compressed_comes_back(data: bytes, encoder: str, after: bytes) -> None:
    assert decoded(encoder, data, after, 512) == Decoded(data)
