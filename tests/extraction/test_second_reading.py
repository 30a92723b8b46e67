"""A fault of the first reader is found by the second, before the output is called complete."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from forensic.disk.disk import Disk
from forensic.errors import OutputDiffers
from forensic.extraction.extract import Extractor
from forensic.extraction.output_comparison import compare_whole
from forensic.extraction.result import Status
from forensic.extraction.second_reading import Comparison, Difference, Method, Unread, differing
from forensic.extraction.settings import Settings
from forensic.extraction.spot_checks import PLACE_BYTES, Places, Thinned
from forensic.image import Qcow2Image
from forensic.mapping.extents import State
from forensic.output.read_back import FileBytes
from tests.commands import qcowscope
from tests.extraction import mixed
from tests.images import COPIED, header, opened, tiny, written

CLUSTER = 1 << 16


def wrong_from(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[int], bool]) -> None:
    """Let the first reader give wrong bytes for the parts at such host offsets."""
    real = Disk.read

    def read(
        self: Disk, depth: int, guest: int, host_offset: int, stored: int, skip: int, buffer: memoryview
    ) -> object:
        faults = real(self, depth, guest, host_offset, stored, skip, buffer)
        if wrong(host_offset):
            buffer[0] ^= 1
        return faults

    monkeypatch.setattr(Disk, "read", read)


def image_of(folder: Path, clusters: int = 32) -> Qcow2Image:
    words = [COPIED | (5 + (number * 7 + 3) % clusters) << 16 for number in range(clusters)]
    head = header(cluster_bits=16, virtual_size=clusters * CLUSTER)
    return opened(folder, tiny(words, cluster_bits=16, file_clusters=5 + clusters, head=head))


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("split", [None, 100_000])
def test_wrong_bytes_get_no_name(
    verify: bool, split: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong_from(monkeypatch, lambda _: True)
    with image_of(tmp_path) as image:
        extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(verify=verify, split=split))
        with pytest.raises(OutputDiffers, match="two independent readings differ") as raised:
            extractor.run()
    assert raised.value.exit_status == 6
    assert extractor.extraction.status == Status.FAILED
    assert {path.name for path in tmp_path.iterdir()} == {"image.qcow2"}
    compared = extractor.extraction.compared
    assert compared is not None
    assert compared.differences[0] == Difference(0, 1, "bytes")


def test_all_of_it_is_compared_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong_from(monkeypatch, lambda host_offset: host_offset == 12 << 16)
    with image_of(tmp_path) as image:
        extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(verify=True))
        with pytest.raises(OutputDiffers):
            extractor.run()
    compared = extractor.extraction.compared
    assert compared is not None
    guest = next(number for number in range(32) if 5 + (number * 7 + 3) % 32 == 12) * CLUSTER
    assert compared.differences == [Difference(guest, 1, "bytes")]
    assert compared.bytes == 32 * CLUSTER - 1


def test_what_one_reader_alone_cannot_read_is_a_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = mixed.image()
    with opened(tmp_path, content) as image:
        extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings())
        extractor.run()
        missing = Unread.of(extractor.extraction.ledger.unreadable())
        with FileBytes([tmp_path / "out.raw"], 0) as output:
            alike = compare_whole(image.disk(), output, 0, mixed.SIZE, missing)
            less = compare_whole(image.disk(), output, 0, mixed.SIZE, Unread([], complete=True))
            more = Unread([(0, 512, "decompress_failed"), (2560, 3072, "x"), (3584, 4096, "x")], complete=True)
            first = compare_whole(image.disk(), output, 0, mixed.SIZE, more)
    assert (alike.differences, alike.bytes) == ([], mixed.SIZE)
    assert less.differences == [
        Difference(2560, 512, "unreadable_second", "entry_beyond_eof"),
        Difference(3584, 512, "unreadable_second", "decompress_failed"),
    ]
    assert first.differences == [Difference(0, 512, "unreadable_first", "decompress_failed")]


@pytest.mark.parametrize(
    "options", [[], ["--verify"], ["--range", "512:4000"], ["--split", "1000"], ["--hash", "none"]]
)
def test_the_report_and_the_terminal_say_what_was_compared(options: list[str], tmp_path: Path) -> None:
    path, out, report = written(tmp_path, mixed.image()), tmp_path / "out.raw", tmp_path / "report.json"
    done = qcowscope("extract", path, "-o", out, "--report", f"json:{report}", *options)
    assert "two independent readings agree over " in done.out
    compared = json.loads(report.read_text())["result"]["extraction"]["compared"]
    assert compared["differences"] == []
    assert compared["bytes"] == (4000 if "--range" in options else mixed.SIZE) or compared["method"] == "places"
    assert compared["method"] == ("whole" if "--verify" in options else "places")


FORMATS = ("text", "markdown", "html", "log")


def reports_of(path: Path, folder: Path) -> tuple[int, str, dict[str, str]]:
    """Exit status, standard error, and the reports without markup of an extraction."""
    targets = [word for name in FORMATS for word in ("--report", f"{name}:{folder / name}")]
    done = qcowscope("extract", path, "-o", folder / "out.raw", "--verify", *targets)
    read = {name: (folder / name).read_text(encoding="utf-8").replace("\\", "") for name in FORMATS}
    return done.status, done.err, read


def test_each_format_says_that_two_readings_agree(tmp_path: Path) -> None:
    _, _, reports = reports_of(written(tmp_path, mixed.image()), tmp_path)
    sentence = f"Two independent readings agree over {mixed.SIZE:,} bytes (all of it)"
    assert [name for name in FORMATS if sentence not in reports[name]] == []


def test_each_format_says_where_two_readings_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong_from(monkeypatch, lambda _: True)
    with image_of(tmp_path):
        status, _, reports = reports_of(tmp_path / "image.qcow2", tmp_path)
    assert status == 6
    assert [name for name in FORMATS if "Two independent readings differ in" not in reports[name]] == []
    place = "1 bytes at guest offset 0x10000: bytes"
    assert [name for name in FORMATS if name != "log" and place not in reports[name]] == []
    assert "1 bytes at virtual offset 65,536" in reports["log"]


def test_readings_of_a_file_that_changes_meanwhile_may_differ_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(_: int) -> bool:
        with (tmp_path / "image.qcow2").open("r+b") as stream:
            stream.write(b"Q")
        return True

    wrong_from(monkeypatch, wrong)
    with image_of(tmp_path):
        status, err, reports = reports_of(tmp_path / "image.qcow2", tmp_path)
    assert status == 1
    assert "two independent readings differ" in err
    assert "image.qcow2 has changed in the meantime" in err
    assert "Exit status 1\n" in reports["log"]


def test_wrong_bytes_on_standard_output_are_found_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong_from(monkeypatch, lambda _: True)
    with image_of(tmp_path) as image:
        extractor = Extractor(image.disk(), None, Settings())
        with (tmp_path / "out").open("wb") as out:
            monkeypatch.setattr("forensic.extraction.extract.STANDARD_OUTPUT", out.fileno())
            with pytest.raises(OutputDiffers, match="two independent readings differ"):
                extractor.run()


def test_the_places_are_ends_kinds_packed_streams_and_a_spread() -> None:
    places = Places()
    runs = [(0, 1 << 20, 5 << 20, 0, int(State.DATA), 0, 0, 0), (1 << 20, 1 << 20, 0, 0, int(State.ZERO), 0, 0, 0)]
    streams = [
        ((2 << 20) + number * CLUSTER, CLUSTER, 9000 + 700 * (number ^ 1), 1000, int(State.COMPRESSED), 0, 0, 0)
        for number in range(100)
    ]
    places.see(runs)
    places.see(streams)
    end = (2 << 20) + 100 * CLUSTER
    chosen = places.chosen(0, end, 7)
    assert chosen == sorted(chosen)
    assert all(before[1] <= after[0] for before, after in pairwise(chosen))
    landmarks = (0, (1 << 20) - 1, 1 << 20, (2 << 20) - 1, 2 << 20, end - 1)
    assert all(any(start <= at < stop for start, stop in chosen) for at in landmarks)
    assert sum(1 for start, _ in chosen if start >= 2 << 20) > 60
    assert 20 < sum(1 for start, stop in chosen if stop <= 1 << 20 and stop - start <= PLACE_BYTES) < 100
    assert chosen != places.chosen(0, end, 8)


@pytest.mark.parametrize("at_once", [1, 3, 64, 10_000])
def test_thinning_keeps_some_from_everywhere(at_once: int) -> None:
    """The same ones, however many are seen together."""
    thinned, plain = Thinned(16), list(range(10_000))
    for first in range(0, 10_000, at_once):
        thinned.see([(number, 1, 0, 0, 0, 0, 0, 0) for number in range(first, min(10_000, first + at_once))])
    while len(plain) > 32:
        plain = plain[::2]
    assert thinned.kept == [(number, number + 1) for number in plain]
    assert 16 <= len(thinned.kept) <= 32
    assert thinned.kept[0] == (0, 1)
    assert thinned.kept[-1][0] > 9000


def test_where_two_differ() -> None:
    assert differing(b"abcdef", b"abXdYf") == (2, 5)
    assert differing(b"abc", b"abcd") == (3, 4)
    assert differing(b"abc", b"") == (0, 3)


@pytest.mark.parametrize(("places", "said"), [(1, "(1 place)"), (2, "(2 places)"), (1000, "(1,000 places)")])
def test_one_place_is_one(places: int, said: str) -> None:
    assert Comparison(Method.PLACES, bytes=1, places=places).sentence.endswith(said)
