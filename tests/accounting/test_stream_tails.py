"""The rest of a former stream is told from text that somebody put behind one."""

import random
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from forensic.accounting.stream_tails import could_end_stream
from forensic.disk.codecs import Codec
from samples.bench import prose
from tests.accounting.test_streams import DATA, NOISE, TEXT, ZEROS, descriptor, image, only

LONGEST_TAIL = 511
WORDS = b"the quick brown fox jumps over the lazy dog "


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-12)
    return stream.compress(data) + stream.flush()


def frame(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


CODECS: dict[Codec, Callable[[bytes], bytes]] = {Codec.DEFLATE: deflated, Codec.ZSTD: frame}


def clusters() -> list[bytes]:
    """What guests hold: noise, few letters, words, each with zeros behind it."""
    rng = random.Random(11)
    found = [prose(4096)]
    for size in (512, 1024, 2048, 4096):
        for length in range(16, size, 97):
            letters = bytes(rng.choice(b"abcd") for _ in range(length))
            words = (b"%d: " % length + WORDS * 100)[:length]
            repeated = (WORDS[: 8 + length % 36] * 500)[:size]
            found += [one.ljust(size, b"\0") for one in (rng.randbytes(length), letters, words, repeated)]
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_any_last_bytes_of_a_stream_can_be_what_they_are(codec: Codec) -> None:
    streams = [CODECS[codec](cluster) for cluster in clusters()]
    mistaken = [
        stream[-length:]
        for stream in streams
        for length in range(1, min(len(stream), LONGEST_TAIL) + 1, 3)
        if not could_end_stream(stream[-length:].rstrip(b"\0"), codec)
    ]
    print(len(mistaken), sorted(mistaken, key=len)[:12])
    assert len(streams) > 200
    assert mistaken == []


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "text",
    [
        b"hidden",
        b"hidden text",
        b"name=value\n" * 20,
        b"\0\0\0after zeros",
        b"\1\2\3\4after a few bytes",
        "in sixteen bits".encode("utf-16-le"),
        "in sixteen bits".encode("utf-16-be"),
        "по-русски".encode(),
        "in zwölf Wörtern".encode(),
    ],
)
def test_text_is_no_end_of_a_stream(text: bytes, codec: Codec) -> None:
    assert not could_end_stream(text, codec)
    assert not could_end_stream(text.rstrip(b"\0"), codec)


@pytest.mark.parametrize(
    ("data", "deflate", "zstd"),
    [
        (b"hidde", True, True),  # one less than the shortest text
        (b"\x80" * 12 + b"elevenchars", True, True),
        (b"\x80" * 11 + b"elevenchars", False, False),
        (b"\x80" * 99 + b"fifteen letters", True, True),
        (b"\x80" * 99 + b"sixteen  letters", False, False),
        (b"sixteen  letters" + b"\x80" * 99, False, True),
        ((WORDS * 3)[:128] + b"\x80" * 99, False, True),
        ((WORDS * 3)[:129] + b"\x80" * 99, False, False),
        (b"abcd" * 20, True, True),
        (b"abcdefgh" * 16, True, True),
        (b"abcdefghi" * 14, False, False),
    ],
)
def test_how_much_text_there_may_be(data: bytes, deflate: bool, zstd: bool) -> None:
    assert (could_end_stream(data, Codec.DEFLATE), could_end_stream(data, Codec.ZSTD)) == (deflate, zstd)


@pytest.mark.parametrize("tail", [NOISE[-200:], TEXT[-7:]])
def test_only_bytes_within_one_sector_are_the_rest_of_a_stream(tail: bytes, tmp_path: Path) -> None:
    (found,) = only(image(tmp_path, [descriptor(DATA, len(ZEROS))], ZEROS + tail)).tails
    assert (found.data, found.leftover) == (tail, True)
    two_sectors = descriptor(DATA, 512 + len(ZEROS))
    over_the_end = ZEROS + bytes(512 - len(ZEROS) - 1) + tail
    (found,) = only(image(tmp_path, [two_sectors], over_the_end)).tails
    assert found.data.endswith(tail)
    assert not found.leftover
