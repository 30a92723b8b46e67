"""Long runs of zeros take their time in hashing: progress counts them, and one can stop between them."""

import threading
import time
from pathlib import Path

import pytest

from forensic.errors import Interrupted
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image
from forensic.output.chunk import PART_BYTES, in_parts
from forensic.output.hashes import HashingStopped, PieceHash, WholeHash, new_digest
from tests.images import COPIED, header, opened, tiny

TIB = 1 << 40


def thin(folder: Path, size: int) -> Qcow2Image:
    head = header(cluster_bits=21, virtual_size=size, l1_size=max(1, size >> 39))
    return opened(folder, tiny([COPIED | 5 << 21], cluster_bits=21, file_clusters=6, head=head))


@pytest.mark.parametrize(
    "length", [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES, 3 * PART_BYTES + 5]
)
def test_a_run_of_zeros_comes_in_parts_that_add_up(length: int) -> None:
    parts = [part for part in in_parts(length) if isinstance(part, int)]
    assert sum(parts) == length
    assert max(parts) <= PART_BYTES


def test_bytes_are_not_cut() -> None:
    data = memoryview(bytes(10))
    assert list(in_parts(data)) == [data]


def test_progress_goes_with_the_hashing(tmp_path: Path) -> None:
    done: list[int] = []
    size = 6 * PART_BYTES
    with thin(tmp_path, size) as image:
        extraction = extract(image, tmp_path / "out.raw", progress=lambda now, total: done.append(now))
    steps = [after - before for before, after in zip([0, *done], done, strict=False)]
    assert (done[-1], max(steps) <= PART_BYTES) == (size, True)
    assert extraction.hashes["sha256"] == zeros_after_one_cluster(size)


def zeros_after_one_cluster(size: int) -> str:
    digest = new_digest("sha256")
    digest.update(memoryview(bytes([5]) * (2 << 20)))
    block = memoryview(bytes(1 << 20))
    for _ in range((size - (2 << 20)) >> 20):
        digest.update(block)
    return digest.hexdigest()


@pytest.mark.parametrize(
    "settings",
    [
        Settings(split=8 * TIB),
        Settings(split=8 * TIB, hashes=("md5", "sha1", "sha256", "sha512"), hash_window=TIB),
        Settings(split=8 * TIB, hashes=(), hash_window=4 * TIB),
    ],
    ids=["one hash", "many hashes", "long windows"],
)
def test_a_stop_is_heard_within_a_moment(settings: Settings, tmp_path: Path) -> None:
    stop = threading.Event()
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        stop.set()

    with thin(tmp_path, 100 * TIB) as image:
        timer = threading.Timer(0.5, ask)
        timer.start()
        with pytest.raises(Interrupted):
            extract(image, tmp_path / "out.raw", settings, cancelled=stop.is_set)
    assert time.monotonic() - asked[0] < 3
    assert [path.name for path in tmp_path.iterdir()] == ["image.qcow2"]


@pytest.mark.parametrize("digest", [WholeHash("sha256"), WholeHash("sha256", PART_BYTES), PieceHash("md5", TIB, print)])
def test_a_digest_that_is_stopped_takes_no_more(digest: WholeHash | PieceHash) -> None:
    digest.stopped = lambda: True
    with pytest.raises(HashingStopped):
        digest.take(2 * TIB)


@pytest.mark.parametrize("size", [1, 7, 512, 1000])
def test_pieces_of_zeros_have_the_digests_of_their_bytes_however_they_come(size: int) -> None:
    chunks: list[int | memoryview] = [
        3,
        memoryview(b"abc"),
        2000,
        memoryview(bytes(50)),
        1,
        memoryview(b"z"),
        700,
        9,
    ]
    content = b"".join(map(bytes, chunks))
    found: list[bytes] = []
    pieces = PieceHash("sha256", size, lambda digest, count: found.extend([digest] * count))
    for chunk in chunks:
        pieces.take(chunk)
    pieces.finish()
    expected = []
    for start in range(0, len(content), size):
        digest = new_digest("sha256")
        digest.update(memoryview(content[start : start + size]))
        expected.append(digest.digest())
    assert found == expected
