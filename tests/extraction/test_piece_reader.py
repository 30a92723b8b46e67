"""Filling a piece: the right bytes in whatever order the file has them, and nothing of what the buffer held before."""

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forensic.disk.disk import Disk
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction import joint_streams, piece_reader, pipeline, plan
from forensic.extraction.extract import extract
from forensic.extraction.piece_reader import LONG_BLANK, Missing, fill
from forensic.extraction.plan import Part, Piece
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image, open_image
from forensic.mapping.extents import Reason
from forensic.output.chunk import as_bytes, length_of
from tests.images import COPIED, header, opened, tiny

CLUSTER, SECTOR = 4096, 512
FIRST = 5 * CLUSTER
"""Where the streams of a made image begin."""

DIRT = 0xD1
"""What a buffer holds that was used before."""


def stored_block(data: bytes) -> bytes:
    """A deflate block that holds bytes as they are, and is not the last one."""
    return b"\0" + len(data).to_bytes(2, "little") + (len(data) ^ 0xFFFF).to_bytes(2, "little") + data


@cache
def stream_of(length: int, seed: int) -> tuple[bytes, bytes]:
    """A raw deflate stream of exactly `length` bytes, and the cluster that it gives: noise, and a long run."""
    noise = random.Random(seed).randbytes(CLUSTER)
    for count, empty in product(range(max(0, length - 50), length), range(4)):
        run = bytes([seed % 251]) * (CLUSTER - count)
        deflate = zlib.compressobj(wbits=-12)
        stream = stored_block(noise[:count]) + stored_block(b"") * empty + deflate.compress(run) + deflate.flush()
        if len(stream) == length:
            return stream, noise[:count] + run
    raise ValueError(f"no stream has {length} bytes")


LENGTHS = st.sampled_from([40, 255, 256, 257, 511, 512, 513, 700, 1023, 1024, 1025, 1500])


@st.composite
def packed(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, int]], list[bytes]]:
    """A file of streams one after the other, the place of each, and its cluster; the last one ends the file."""
    content, places, clusters = bytearray(FIRST + draw(st.integers(0, SECTOR))), [], []
    for number in range(draw(st.integers(2, 9))):
        content += bytes(draw(st.sampled_from([0, 0, 0, 0, 0, 1, SECTOR, 3 * SECTOR])))
        stream, cluster = stream_of(draw(LENGTHS), number)
        begins, ends = len(content), len(content) + len(stream)
        more = draw(st.sampled_from([0, 0, 0, SECTOR, 3 * SECTOR]))  # a descriptor may count more sectors than it needs
        places.append((begins, -(-ends // SECTOR) * SECTOR - begins + more))
        clusters.append(cluster)
        content += stream
    return bytes(content), places, clusters


@contextmanager
def disk_of(folder: Path, content: bytes) -> Iterator[Disk]:
    """A disk of an image with 4 KiB clusters and this content from the first data cluster on."""
    head = header(cluster_bits=12, virtual_size=64 * CLUSTER)
    path = folder / "image.qcow2"
    path.write_bytes(tiny([], cluster_bits=12, file_clusters=5, head=head) + content[FIRST:])
    with open_image(path) as image:
        assert isinstance(image, Qcow2Image)
        yield image.disk()


def filled(disk: Disk, piece: Piece) -> tuple[bytes, bytes, tuple[Missing, ...]]:
    """What a piece gives in ranges, what it gives as one buffer, and the faults; the buffer was in use before."""
    buffer = memoryview(bytearray([DIRT]) * piece.length)
    found = fill(disk, piece, buffer)
    assert all(length_of(chunk) for chunk in found.chunks())
    chunks = b"".join(bytes(part) for chunk in found.chunks() for part in as_bytes(chunk))
    found.clear_blank()
    return chunks, bytes(buffer), found.faults


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(image=packed(), data=st.data())
def test_streams_are_found_wherever_they_lie(
    image: tuple[bytes, list[tuple[int, int]], list[bytes]], data: st.DataObject, tmp_path: Path
) -> None:
    """In any order, some twice, some in parts, with gaps between them and nothing of the buffer's past in those."""
    content, places, clusters = image
    numbers = data.draw(st.lists(st.integers(0, len(places) - 1), min_size=1, max_size=14))
    order = data.draw(st.permutations(list(range(len(places))))) + numbers
    parts: list[Part] = []
    expected = b""
    for number in order:
        skip = data.draw(st.sampled_from([0, 0, 0, SECTOR]))
        length = data.draw(st.sampled_from([CLUSTER - skip, CLUSTER - skip, 2 * SECTOR]))
        expected += bytes(data.draw(st.sampled_from([0, 0, SECTOR, LONG_BLANK])))
        host_offset, stored_length = places[number]
        parts.append((len(expected), length, host_offset, stored_length, 0, skip))
        expected += clusters[number][skip : skip + length]
    expected += bytes(data.draw(st.sampled_from([0, SECTOR, LONG_BLANK])))
    with disk_of(tmp_path, content) as disk:
        assert filled(disk, Piece(0, len(expected), parts)) == (expected, expected, ())


def test_streams_of_two_files_are_not_taken_for_neighbours(tmp_path: Path) -> None:
    """The overlay's stream ends where, in another file, that of its backing file begins."""
    files = [[stream_of(700, seed), stream_of(600, seed + 1)] for seed in (1, 3)]
    contents = [bytes(FIRST) + first + second for (first, _), (second, _) in files]
    (tmp_path / "below").mkdir()
    places = [(FIRST, 1024), (FIRST + 700, 836)]
    order = [(1, 1), (0, 0), (1, 0), (0, 1)]
    parts = [(at * CLUSTER, CLUSTER, *places[number], depth, 0) for at, (depth, number) in enumerate(order)]
    with disk_of(tmp_path, contents[0]) as disk, disk_of(tmp_path / "below", contents[1]) as below:
        both = Disk("active", disk.size, disk.layers + below.layers)
        chunks, _, faults = filled(both, Piece(0, 4 * CLUSTER, parts))
    assert (chunks, faults) == (b"".join(files[depth][number][1] for depth, number in order), ())


@pytest.mark.parametrize("length", [511, 512, 513, 700, 1024])
def test_streams_side_by_side_are_read_at_once(length: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, places, clusters = bytearray(FIRST), [], []
    for number in range(8):
        stream, cluster = stream_of(length, number)
        places.append((len(content), -(-(len(content) + length) // SECTOR) * SECTOR - len(content)))
        clusters.append(cluster)
        content += stream
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    parts = [(at * CLUSTER, CLUSTER, *places[number], 0, 0) for at, number in enumerate(order)]
    read: list[int] = []
    real = Evidence.read_into

    def read_into(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        read.append(host_offset)
        real(self, host_offset, buffer)

    with disk_of(tmp_path, bytes(content)) as disk:
        monkeypatch.setattr(Evidence, "read_into", read_into)
        chunks, _, faults = filled(disk, Piece(0, 8 * CLUSTER, parts))
    assert (chunks, faults) == (b"".join(clusters[number] for number in order), ())
    assert read == [FIRST]


@pytest.mark.parametrize("joint_bytes", [0, SECTOR, 2048, 4096, 1 << 20])
def test_what_is_too_much_to_be_read_at_once_is_read_all_the_same(
    joint_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joint_streams, "JOINT_BYTES", joint_bytes)
    longest = 0
    real = Disk.stored

    def stored(self: Disk, depth: int, host_offset: int, end: int) -> object:
        nonlocal longest
        longest += end - host_offset
        return real(self, depth, host_offset, end)

    monkeypatch.setattr(Disk, "stored", stored)
    streams = [stream_of(length, length) for length in (500, 900, 600, 1300, 512, 511)]
    content, parts = bytearray(FIRST), []
    for at, (stream, _) in enumerate(streams):
        begins, ends = len(content), len(content) + len(stream)
        parts.append((at * CLUSTER, CLUSTER, begins, -(-ends // SECTOR) * SECTOR - begins, 0, 0))
        content += stream
    with disk_of(tmp_path, bytes(content)) as disk:
        chunks, _, faults = filled(disk, Piece(0, 6 * CLUSTER, parts))
    assert (chunks, faults) == (b"".join(cluster for _, cluster in streams), ())
    assert longest <= joint_bytes


def test_a_stream_that_cannot_be_read_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    streams = [stream_of(700, number) for number in range(3)]
    content, parts = bytearray(FIRST), []
    for at, (stream, _) in enumerate(streams):
        begins, ends = len(content), len(content) + len(stream)
        parts.append((at * CLUSTER, CLUSTER, begins, -(-ends // SECTOR) * SECTOR - begins, 0, 0))
        content += stream
    bad = FIRST + 4 * SECTOR + 1  # in the last sector of the stream that lies last
    real = Evidence.read_into

    def read_into(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if host_offset <= bad < host_offset + len(buffer):
            raise ReadFailed(bad, 1, "input/output error")
        real(self, host_offset, buffer)

    with disk_of(tmp_path, bytes(content)) as disk:
        monkeypatch.setattr(Evidence, "read_into", read_into)
        chunks, _, faults = filled(disk, Piece(0, 3 * CLUSTER, parts))
    assert chunks == streams[0][1] + streams[1][1] + bytes(CLUSTER)
    assert faults == (Missing(2 * CLUSTER, CLUSTER, Reason.IO_ERROR, FIRST + 1400, 1160),)


@pytest.mark.parametrize("guest_offset", [0, 3 * CLUSTER])
@pytest.mark.parametrize("lead", [0, SECTOR])
@pytest.mark.parametrize("first_bad", [0, CLUSTER, 2 * CLUSTER])
def test_what_cannot_be_read_of_plain_data_is_named_where_it_lies_on_both_sides(
    first_bad: int, lead: int, guest_offset: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector takes the 4 KiB around it."""
    noise = random.Random(5).randbytes(3 * CLUSTER)
    bad = FIRST + first_bad + 700
    real = Evidence.read_into

    def read_into(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if host_offset <= bad < host_offset + len(buffer):
            raise ReadFailed(bad, 1, "input/output error")
        real(self, host_offset, buffer)

    with disk_of(tmp_path, bytes(FIRST) + noise) as disk:
        monkeypatch.setattr(Evidence, "read_into", read_into)
        piece = Piece(guest_offset, lead + len(noise), [(lead, len(noise), FIRST, 0, 0, 0)])
        chunks, whole, faults = filled(disk, piece)
    assert faults == (Missing(guest_offset + lead + first_bad, CLUSTER, Reason.IO_ERROR, FIRST + first_bad),)
    expected = bytes(lead) + noise[:first_bad] + bytes(CLUSTER) + noise[first_bad + CLUSTER :]
    assert chunks == whole == expected


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("together", [2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_as_many_neighbours_are_read_together_as_the_bytes_allow(
    groups: int, together: int, by: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many groups, and one more behind them for which nothing is left."""
    content, parts, ends = bytearray(FIRST), list[Part](), 0
    stream, cluster = stream_of(700, 1)
    for at in range((groups + 1) * together):
        content += bytes(3 * SECTOR + -len(content) % SECTOR if at and at % together == 0 else 0)
        begins, ends = len(content), -(-(len(content) + len(stream)) // SECTOR) * SECTOR
        parts.append((at * CLUSTER, CLUSTER, begins, ends - begins, 0, 0))
        content += stream
    span = parts[together - 1][2] + parts[together - 1][3] - FIRST
    monkeypatch.setattr(joint_streams, "JOINT_BYTES", groups * span + by)
    asked: list[int] = []
    real = Disk.stored

    def stored(self: Disk, depth: int, host_offset: int, end: int) -> object:
        asked.append(end - host_offset)
        return real(self, depth, host_offset, end)

    monkeypatch.setattr(Disk, "stored", stored)
    with disk_of(tmp_path, bytes(content)) as disk:
        chunks, _, faults = filled(disk, Piece(0, len(parts) * CLUSTER, parts))
    assert (chunks, faults) == (cluster * len(parts), ())
    assert sum(asked) <= groups * span + by
    assert (asked == [span] * groups) == (by >= 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_only_long_parts_without_anything_to_read_are_named_as_blank(by: int, tmp_path: Path) -> None:
    length = LONG_BLANK + by
    with disk_of(tmp_path, bytes(FIRST) + b"x" * CLUSTER) as disk:
        piece = Piece(0, 2 * length + CLUSTER, [(length, CLUSTER, FIRST, 0, 0, 0)])
        buffer = memoryview(bytearray([DIRT]) * piece.length)
        blank = fill(disk, piece, buffer).blank
    assert blank == (() if by < 0 else ((0, length), (length + CLUSTER, piece.length)))
    assert bytes(buffer[:length]) == (bytes(length) if by < 0 else bytes([DIRT]) * length)


@pytest.mark.parametrize("hashes", [(), ("sha256",)], ids=["written", "hashed"])
@pytest.mark.parametrize("long_blank", [SECTOR, LONG_BLANK])
@pytest.mark.parametrize("seed", range(3))
def test_a_buffer_that_is_used_again_gives_nothing_of_what_it_held(
    hashes: tuple[str, ...], long_blank: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pieces of 4 KiB in the fewest buffers that there can be; each holds noise before it holds a blank."""
    monkeypatch.setattr(plan, "PIECE_BYTES", 4096)
    monkeypatch.setattr(plan, "LARGEST_PIECE", 4096)
    monkeypatch.setattr(pipeline, "PIECES_OF_A_MEMBER", 1)
    monkeypatch.setattr(pipeline, "worker_count", lambda: 1)
    monkeypatch.setattr(piece_reader, "LONG_BLANK", long_blank)
    order = random.Random(seed)
    count = 63 * 16
    kinds = [order.choice(["data", "data", "blank", "zero"]) for _ in range(count)]
    kinds = [kind if number // 8 % 3 else "data" for number, kind in enumerate(kinds)]
    noise = order.randbytes(SECTOR * count)
    words = [
        COPIED | (5 + 16 + at) * SECTOR if kind == "data" else ["blank", "zero"].index(kind)
        for at, kind in enumerate(kinds)
    ]
    tables = [words[start : start + 64] for start in range(0, count, 64)]
    head = header(virtual_size=count * SECTOR, l1_size=16)
    content = bytearray(tiny([], head=head, file_clusters=5 + 16, l1_entries=[]))
    content[3 * SECTOR : 3 * SECTOR + 128] = b"".join(
        (COPIED | (5 + number) * SECTOR).to_bytes(8, "big") for number in range(16)
    )
    for number, table in enumerate(tables):
        raw = b"".join(word.to_bytes(8, "big") for word in table)
        content[(5 + number) * SECTOR : (5 + number) * SECTOR + len(raw)] = raw
    expected = b"".join(
        noise[at * SECTOR : (at + 1) * SECTOR] if kind == "data" else bytes(SECTOR) for at, kind in enumerate(kinds)
    )
    with opened(tmp_path, bytes(content) + noise) as image:
        extraction = extract(image, tmp_path / "out.raw", Settings(hashes=hashes, verify=bool(hashes)))
    assert (tmp_path / "out.raw").read_bytes() == expected
    assert extraction.complete


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_long_parts_that_nothing_is_read_for_stay_blank(by: int, tmp_path: Path) -> None:
    """Before, between and behind two clusters; whoever hashes them is told so, and short ones are zeros at once."""
    length = LONG_BLANK + by
    parts = [(length, SECTOR, FIRST, 0, 0, 0), (2 * length + SECTOR, SECTOR, FIRST, 0, 0, 0)]
    size = 3 * length + 2 * SECTOR
    with disk_of(tmp_path, bytes(FIRST) + b"x" * CLUSTER) as disk:
        buffer = memoryview(bytearray([DIRT]) * size)
        found = fill(disk, Piece(0, size, parts), buffer)
    places = [(0, length), (length + SECTOR, 2 * length + SECTOR), (2 * length + 2 * SECTOR, size)]
    assert found.blank == (tuple(places) if by >= 0 else ())
    kept = bytes(buffer)
    for start, end in places:
        assert kept[start:end] == (bytes([DIRT]) if by >= 0 else b"\0") * length
    assert [length_of(chunk) for chunk in found.chunks()] == (
        [length, SECTOR, length, SECTOR, length] if by >= 0 else [size]
    )


def test_what_is_missing_ends_behind_its_last_byte() -> None:
    one = Missing(1000, 24, Reason.IO_ERROR)
    assert (one.end, one.host_offset, one.stored_length) == (1024, None, 0)


@pytest.mark.parametrize("seed", range(60))
def test_streams_are_read_together_while_they_touch_and_there_is_room(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In file order; of two files none, with a gap between them none, and no more bytes in all than are allowed."""
    rng = random.Random(seed)
    room = rng.choice([1500, 4000, 10_000])
    monkeypatch.setattr(joint_streams, "JOINT_BYTES", room)
    found, at = set(), 0
    for _ in range(rng.randrange(16)):
        at += rng.choice([0, 100, 500, 512, 513, 700])
        found.add((rng.choice([0, 0, 0, 1]), at, rng.choice([400, 512, 1024, 3000])))
    streams = sorted(found)
    groups = list(joint_streams._groups(streams))
    expected: list[list[tuple[int, int, int]]] = []
    left = room
    while streams:
        group = [streams.pop(0)]
        depth, first, _ = group[0]
        while streams:
            reached = max(start + length for _, start, length in group)
            new_depth, start, length = streams[0]
            if new_depth != depth or start > reached or start + length > first + left:
                break
            group.append(streams.pop(0))
        if len(group) > 1:
            expected.append(group)
            left -= max(start + length for _, start, length in group) - first
    assert groups == expected


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_stream_of_several_parts_is_read_by_itself(times: int) -> None:
    part = (0, 512, 5000, 600, 0, 0)
    other, plain = (512, 512, 6000, 700, 1, 0), (1024, 512, 7000, 0, 0, 0)
    wanted = joint_streams._wanted_once([other, *[part] * times, plain])
    assert wanted == ([(0, 5000, 600)] if times == 1 else []) + [(1, 6000, 700)]
