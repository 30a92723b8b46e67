"""Comparers in processes and in threads find the same, and what one process meets is known to the one that asked."""

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from forensic.errors import WorkerFailed
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction import comparers
from forensic.extraction.comparers import Comparer, InProcesses, InThreads, Range, start_comparers
from forensic.extraction.second_reading import Comparison, Difference, Method, Unread, sources_of
from forensic.image import Qcow2Image
from forensic.output.read_back import FileBytes
from forensic.second_reader import image_layer
from forensic.second_reader.answers import Answer
from tests.extraction import mixed
from tests.images import opened

MISSING = [(2560, 3072, "entry_beyond_eof"), (3584, 4096, "decompress_failed")]
PARTS: list[list[Range]] = [[(0, 700), (700, 1024)], [(1024, 2560)], [(2560, 4096)], [(4096, mixed.SIZE)]]

both = pytest.mark.parametrize("kind", [InProcesses, InThreads])


@pytest.fixture
def image(tmp_path: Path) -> Qcow2Image:
    return opened(tmp_path, mixed.image())


def compared(
    kind: type[InProcesses | InThreads],
    image: Qcow2Image,
    content: bytes,
    count: int = 2,
    parts: Sequence[Sequence[Range]] = PARTS,
) -> Comparison:
    path = Path(image.evidence.path).parent / "out.raw"
    path.write_bytes(content)
    disk, found = image.disk(), Comparison(Method.WHOLE)
    with FileBytes([path], 0) as output:
        comparer = Comparer(disk, sources_of(disk), output, Unread(MISSING, complete=True), Method.WHOLE)
        with kind(comparer, count) as members:
            for promise in [members.submit(part) for part in parts]:
                found.include(promise())
    return found


@both
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_the_same_agrees_and_what_differs_is_listed(
    kind: type[InProcesses | InThreads], count: int, image: Qcow2Image
) -> None:
    same = compared(kind, image, mixed.disk(), count)
    assert (same.bytes, same.places, same.differences) == (mixed.SIZE, 5, [])
    wrong = bytearray(mixed.disk())
    for place in (3, 1500, 3072, mixed.SIZE - 1):
        wrong[place] ^= 1
    differing = compared(kind, image, bytes(wrong), count)
    assert differing.differences == [Difference(place, 1, "bytes") for place in (3, 1500, 3072, mixed.SIZE - 1)]
    assert differing.bytes == mixed.SIZE - 4


@both
def test_an_error_of_ours_ends_the_comparison(
    kind: type[InProcesses | InThreads], image: Qcow2Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> Answer:
        raise LookupError("an error of ours")

    monkeypatch.setattr(image_layer, "decoded", decoded)
    with pytest.raises(WorkerFailed, match="the second reader ended: LookupError: an error of ours"):
        compared(kind, image, mixed.disk())


@both
def test_an_output_that_cannot_be_read_is_said_so(
    kind: type[InProcesses | InThreads], image: Qcow2Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(self: FileBytes, guest_offset: int, length: int) -> bytes:
        raise ReadFailed(guest_offset, length, "input/output error")

    monkeypatch.setattr(FileBytes, "read", read)
    with pytest.raises(ReadFailed) as raised:
        compared(kind, image, mixed.disk())
    assert (raised.value.host_offset, raised.value.reason) == (0, "input/output error")


@both
def test_a_bad_sector_that_the_second_reading_meets_is_remembered(
    kind: type[InProcesses | InThreads], image: Qcow2Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, bad = Evidence.read_into, 6 * mixed.CLUSTER

    def read_into(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if self is image.evidence and host_offset < bad + 512 and bad < host_offset + len(buffer):
            raise self._failed(bad, 512, "input/output error")
        real(self, host_offset, buffer)

    monkeypatch.setattr(Evidence, "read_into", read_into)
    found = compared(kind, image, mixed.disk())
    assert (found.bytes_not_judged, found.bytes, found.differences) == (512, mixed.SIZE - 512, [])
    assert bad in [one.host_offset for one in image.evidence.unread]


@pytest.mark.parametrize("smallest", [512, 1024, 1 << 16])
def test_of_ranges_at_which_a_process_crashes_the_smallest_part_is_not_judged(
    smallest: int, image: Qcow2Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> Answer:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)  # pytest would show where
        os.kill(os.getpid(), signal.SIGBUS)
        raise AssertionError

    monkeypatch.setattr(comparers, "SMALLEST_BYTES", smallest)
    monkeypatch.setattr(image_layer, "decoded", decoded)
    found = compared(InProcesses, image, mixed.disk())
    streams = {512: 1024, 1024: 1024, 1 << 16: 1536}[smallest]  # both lie in one part of `PARTS`
    assert (found.bytes_not_judged, found.bytes) == (streams, mixed.SIZE - streams)
    assert (found.differences, found.places) == ([], 5)


def test_a_process_that_has_threads_which_do_more_than_hash_is_not_forked(image: Qcow2Image) -> None:
    disk, end = image.disk(), threading.Event()
    comparer = Comparer(disk, sources_of(disk), FileBytes([], 0), Unread([], complete=True), Method.WHOLE)
    other = threading.Thread(target=end.wait, name="other")
    other.start()
    try:
        with start_comparers(comparer, 1) as members:
            assert isinstance(members, InThreads)
    finally:
        end.set()
        other.join()
