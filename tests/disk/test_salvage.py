"""What a broken stream gives before it breaks: only when it is asked for, and never counted as read."""

import random
import zlib
from pathlib import Path

import pytest
import zstandard

from forensic.disk.codecs import Codec, salvaged
from forensic.disk.opening import Supplied, open_disk
from forensic.extraction.extract import extract
from forensic.image import open_any
from tests.images import COMPRESSED, header, tiny, written

SIZE = 1 << 16
NUMBERS = random.Random(11)
CONTENT = b"".join(b"doc line %016x\n" % NUMBERS.getrandbits(64) for _ in range(SIZE // 26 + 1))[:SIZE]


def packed(codec: Codec) -> bytes:
    if codec == Codec.ZSTD:
        return zstandard.ZstdCompressor().compress(CONTENT)
    stream = zlib.compressobj(6, zlib.DEFLATED, -12)
    return stream.compress(CONTENT) + stream.flush()


@pytest.mark.parametrize("cut", [1, 511, 512, 513, 5000, 20_000])
def test_a_cut_deflate_stream_gives_a_prefix(cut: int) -> None:
    whole = packed(Codec.DEFLATE)
    found = salvaged(whole[:cut], Codec.DEFLATE, SIZE)
    assert CONTENT.startswith(found)
    assert len(found) >= len(zlib.decompressobj(-15).decompress(whole[:cut]))


@pytest.mark.parametrize("at", [600, 5000, 20_000])
def test_a_deflate_stream_broken_in_the_middle_gives_what_comes_before(at: int) -> None:
    whole = bytearray(packed(Codec.DEFLATE))
    whole[at : at + 64] = b"\xff" * 64
    found = salvaged(bytes(whole), Codec.DEFLATE, SIZE)
    sound = zlib.decompressobj(-15).decompress(bytes(whole[:at]))
    assert found[: len(sound)] == sound
    assert len(found) <= SIZE


def test_zstd_gives_whole_blocks_and_an_unknown_codec_nothing() -> None:
    whole = packed(Codec.ZSTD)
    assert CONTENT.startswith(salvaged(whole[:-10], Codec.ZSTD, SIZE))
    assert salvaged(whole, Codec.ZSTD, SIZE) == CONTENT
    assert salvaged(whole, 7, SIZE) == b""


def cut_image(folder: Path) -> Path:
    """One compressed cluster of 64 KiB whose stream runs out of the file."""
    stream = packed(Codec.DEFLATE)
    entry = COMPRESSED | (len(stream) // 512) << 54 | 5 << 16
    content = tiny([entry], cluster_bits=16, head=header(cluster_bits=16, virtual_size=SIZE), file_clusters=6)
    return written(folder, content[: 5 << 16] + stream[: len(stream) // 2])


@pytest.mark.parametrize("salvage", [False, True])
def test_an_extraction_gives_it_on_request_and_still_counts_it_as_not_read(tmp_path: Path, salvage: bool) -> None:
    with open_any(cut_image(tmp_path)) as image, open_disk(image, None, Supplied(salvage=salvage)) as disk:
        done = extract(disk, tmp_path / "disk.raw")
        raw = (tmp_path / "disk.raw").read_bytes()
        there = len(raw.rstrip(b"\0"))
        assert raw == CONTENT[:there] + bytes(SIZE - there)
        assert (there > SIZE // 3) is salvage
        assert disk.reader(fill_missing=True).read() == raw
        with pytest.raises(OSError, match="cannot be read"):
            disk.reader().read()
    assert (done.ledger.bytes_read, done.ledger.bytes_missing) == (0, SIZE)
    expected = {"decompress_short": SIZE - there} | ({"salvaged": there} if salvage else {})
    assert done.ledger.bytes_by_reason == expected
    assert done.status.value == "complete_with_unreadable"
