"""The extraction: every byte accounted for, nothing that looks complete left by one that failed, going on after it."""

import hashlib
import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from msgspec import to_builtins

from forensic.disk.disk import Disk
from forensic.errors import Interrupted, OutputDiffers, OutputFailed, RangeNotRead, WorkerFailed
from forensic.evidence import Evidence, ReadFailed
from forensic.extraction import extract as extracting
from forensic.extraction import output_checks
from forensic.extraction.extract import Extractor, extract
from forensic.extraction.piece_reader import Filled
from forensic.extraction.pipeline import Done, FastDecodes, filled_steps
from forensic.extraction.range_lists import LedgerFile, MapFile, RangeWriter
from forensic.extraction.result import Extraction, Status
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image, open_image
from forensic.mapping.extents import Run
from forensic.output.chunk import Chunk
from forensic.output.hashes import PieceHash, WholeHash
from forensic.output.new_file import LineFile
from forensic.records.extraction import VirtualRangeRecord
from samples.kinds import KINDS, Kind
from tests.extraction import mixed
from tests.images import COMPLETE, COPIED, described, header, opened, sample, tiny

MIB = 1 << 20
LARGE_SIZE = 16 * MIB


def large(folder: Path) -> Qcow2Image:
    """An image of 16 MiB with data in every second of its first 8 MiB; every cluster of 64 KiB is different."""
    words = [COPIED | (5 + number) << 16 if number // 16 % 2 == 0 else 0 for number in range(128)]
    head = header(cluster_bits=16, virtual_size=LARGE_SIZE)
    return opened(folder, tiny(words, cluster_bits=16, file_clusters=5 + 128, head=head))


def large_disk() -> bytes:
    """The bytes of its disk."""
    clusters = (bytes([5 + number]) * (1 << 16) if number // 16 % 2 == 0 else bytes(1 << 16) for number in range(128))
    return b"".join(clusters) + bytes(8 * MIB)


def stopping_at(position: int) -> Callable[[], bool]:
    """A `cancelled` that says yes once it was asked often enough for `position` bytes in steps of a mebibyte."""
    asked = iter(range(LARGE_SIZE // MIB))
    return lambda: next(asked) * MIB >= position


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def states(extraction: Extraction) -> dict[str, int]:
    return extraction.ledger.bytes_by_state


def test_the_sums_of_the_ledger_are_those_of_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path, mixed.image()) as image:
        extraction = extract(image, tmp_path / "out.raw")
    assert (tmp_path / "out.raw").read_bytes() == mixed.disk()
    assert states(extraction) == mixed.BYTES_BY_STATE
    assert sum(mixed.BYTES_BY_STATE.values()) == mixed.SIZE
    assert extraction.ledger.bytes_by_reason == mixed.BYTES_BY_REASON
    assert extraction.status == Status.COMPLETE_WITH_UNREADABLE
    assert extraction.hashes == {"sha256": hashlib.sha256(mixed.disk()).hexdigest()}


def large_clusters(folder: Path) -> tuple[Path, bytes]:
    """An image with clusters of 2 MiB: data, a stream that decodes, nothing, a stream that breaks; and its disk."""
    cluster = 2 * MIB
    text = bytes(range(256)) * (cluster // 256)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = deflate.compress(text) + deflate.flush()
    bits = 70 - 21

    def descriptor(host_offset: int, length: int) -> int:
        return 1 << 62 | (host_offset + length - 1) // 512 - host_offset // 512 << bits | host_offset

    places = 6 * cluster + 7, 6 * cluster + 8 * 512 + len(stream)
    words = [COPIED | 5 * cluster, descriptor(places[0], len(stream)), 0, descriptor(places[1], len(stream))]
    head = header(cluster_bits=21, virtual_size=4 * cluster)
    content = bytearray(tiny(words, cluster_bits=21, file_clusters=7, head=head))
    for place, data in zip(places, (stream, b"\xff" * len(stream)), strict=True):
        content[place : place + len(data)] = data
    path = folder / "image.qcow2"
    path.write_bytes(content)
    return path, b"\5" * cluster + text + bytes(2 * cluster)


@pytest.mark.parametrize("hashes", [(), ("sha256",)])
def test_clusters_may_be_larger_than_a_piece(hashes: tuple[str, ...], tmp_path: Path) -> None:
    path, disk = large_clusters(tmp_path)
    with open_image(path) as image:
        extraction = extract(image, tmp_path / "out.raw", Settings(hashes=hashes))
    assert (tmp_path / "out.raw").read_bytes() == disk
    assert extraction.ledger.bytes_by_reason == {"decompress_failed": 2 * MIB}
    assert extraction.hashes == {name: hashlib.new(name, disk).hexdigest() for name in hashes}


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_sums_add_up_to_the_disk_and_bytes_are_those_of_qemu(kind: Kind, tmp_path: Path) -> None:
    with open_image(sample(kind)) as image:
        extraction = extract(image, tmp_path / "out.raw")
    assert sum(states(extraction).values()) == extraction.size == (tmp_path / "out.raw").stat().st_size
    assert extraction.hashes["sha256"] == described(kind)["raw_sha256"]
    assert extraction.status == Status.COMPLETE


@pytest.mark.parametrize("start", [0, 100, 512, 1000, 3100, 3600])
@pytest.mark.parametrize("length", [0, 1, 700, 2500])
def test_a_range_of_the_disk_can_be_extracted(start: int, length: int, tmp_path: Path) -> None:
    with opened(tmp_path, mixed.image()) as image:
        extraction = extract(image, tmp_path / "out.raw", Settings(guest_range=(start, length)))
    assert (tmp_path / "out.raw").read_bytes() == mixed.disk()[start : start + length]
    assert sum(states(extraction).values()) == length
    assert extraction.record().virtual_range == VirtualRangeRecord(offset=start, length=length)


def test_a_range_that_is_not_on_the_disk_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, mixed.image()) as image, pytest.raises(ValueError, match="is not within it"):
        extract(image, tmp_path / "out.raw", Settings(guest_range=(mixed.SIZE - 1, 2)))
    assert names(tmp_path) == {"image.qcow2"}


@pytest.mark.parametrize("segment", [512, 1000, 3 * MIB, LARGE_SIZE, 2 * LARGE_SIZE])
def test_a_split_disk_is_the_same_disk(segment: int, tmp_path: Path) -> None:
    image, disk = (large(tmp_path), large_disk()) if segment >= MIB else (opened(tmp_path, mixed.image()), mixed.disk())
    with image:
        extraction = extract(image, tmp_path / "out.raw", Settings(split=segment, hashes=("md5", "sha1")))
    written = [part.path.read_bytes() for part in extraction.segments]
    assert b"".join(written) == disk
    assert [len(part) for part in written[:-1]] == [segment] * (len(written) - 1)
    assert extraction.segment_hashes == [
        {"md5": hashlib.md5(part).hexdigest(), "sha1": hashlib.sha1(part).hexdigest()} for part in written
    ]
    assert extraction.hashes["md5"] == hashlib.md5(disk).hexdigest()


def test_holes_are_left_out_unless_zeros_are_asked_for(tmp_path: Path) -> None:
    with large(tmp_path) as image:
        extract(image, tmp_path / "sparse.raw")
        extract(image, tmp_path / "full.raw", Settings(sparse=False))
    sparse, full = tmp_path / "sparse.raw", tmp_path / "full.raw"
    assert sparse.read_bytes() == full.read_bytes() == large_disk()
    assert sparse.stat().st_blocks * 512 <= 4 * MIB + 64 * 1024
    assert full.stat().st_blocks * 512 >= LARGE_SIZE


class TestRanges:
    """The ledger and the map."""

    def lists(self, folder: Path, settings: Settings) -> tuple[list[dict[str, object]], list[str]]:
        with opened(folder, mixed.image()) as image:
            start, length = settings.guest_range or (0, mixed.SIZE)
            ledger = LedgerFile(folder / "ledger", {"target": "active"})
            ddrescue = MapFile(folder / "map", start, start + length)
            Extractor(image.disk(), folder / "out.raw", settings).run(writers=[ledger, ddrescue])
        lines = [json.loads(line) for line in (folder / "ledger").read_text("ascii").splitlines()]
        return lines, (folder / "map").read_text("ascii").splitlines()

    def test_the_ledger_has_every_range_between_header_and_trailer(self, tmp_path: Path) -> None:
        (head, *ranges, trailer), _ = self.lists(tmp_path, Settings())
        assert head == {"type": "header", "schema": "qcowscope-ledger/1", "target": "active"}
        assert ranges == [{"type": "range", **entry} for entry in mixed.RANGES]
        assert trailer == {
            "type": "trailer",
            "complete": True,
            "ranges": len(mixed.RANGES),
            "bytes_by_state": mixed.BYTES_BY_STATE,
            "bytes_by_reason": mixed.BYTES_BY_REASON,
        }

    def test_a_range_that_is_cut_says_where_its_bytes_begin(self, tmp_path: Path) -> None:
        (_, *ranges, _), _ = self.lists(tmp_path, Settings(guest_range=(100, 3100)))
        assert ranges[0] == {**ranges[0], "virtual_offset": 100, "length": 924, "host_offset": 2660}
        assert ranges[-1] == {**ranges[-1], "virtual_offset": 3072, "length": 128, "stored_length": 512}

    def test_a_cut_compressed_cluster_says_how_much_comes_before(self, tmp_path: Path) -> None:
        (_, only, _), _ = self.lists(tmp_path, Settings(guest_range=(3100, 10)))
        assert only == {**only, "virtual_offset": 3100, "length": 10, "host_offset": 5632, "skip": 28}

    def test_the_map_is_what_ddrescue_reads(self, tmp_path: Path) -> None:
        _, lines = self.lists(tmp_path, Settings())
        assert [line for line in lines if not line.startswith("#")] == [
            "0x0000000000004000     +               1",
            "0x00000000  0x00000A00  +",
            "0x00000A00  0x00000200  -",
            "0x00000C00  0x00000200  +",
            "0x00000E00  0x00000200  -",
            "0x00001000  0x00003000  +",
        ]

    def test_what_was_not_supplied_was_not_tried(self, tmp_path: Path) -> None:
        with open_image(sample(KINDS["luks-4k"])) as image:
            extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings())
            extractor.run(writers=[MapFile(tmp_path / "map", 0, extractor.extraction.size)])
        statuses = {line.split()[-1] for line in (tmp_path / "map").read_text("ascii").splitlines()[5:]}
        assert "?" in statuses
        assert "-" not in statuses
        assert extractor.extraction.ledger.bytes_by_reason.keys() == {"key_not_supplied"}

    def test_an_extraction_that_failed_leaves_lists_that_say_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _fail_writing_at(monkeypatch, 3 * MIB)
        with large(tmp_path) as image:
            writers: list[RangeWriter] = [LedgerFile(tmp_path / "ledger", {}), MapFile(tmp_path / "map", 0, LARGE_SIZE)]
            extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings())
            with pytest.raises(OutputFailed):
                extractor.run(writers=writers)
        assert extractor.extraction.status == Status.FAILED
        *_, trailer = (tmp_path / "ledger").read_text("ascii").splitlines()
        assert json.loads(trailer)["complete"] is False
        lines = (tmp_path / "map").read_text("ascii").splitlines()
        assert lines[3].split() == ["0x0000000000400000", "?", "1"]
        assert lines[5:] == ["0x00000000  0x00400000  +", "0x00400000  0x00C00000  ?"]
        assert names(tmp_path) == {"image.qcow2", "ledger", "map"}


def _fail_writing_at(monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    """Let the disk be full from a certain place of the output on."""
    real = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if offset + len(data) > position:
            raise OSError(28, "No space left on device")
        return real(descriptor, data, offset)

    monkeypatch.setattr("forensic.output.new_file.os.pwrite", pwrite)


class TestRefusals:
    """What is said before the first byte is written."""

    def refused(self, folder: Path, output: Path, settings: Settings, reason: str) -> None:
        before = names(folder)
        with (
            opened(
                folder,
                mixed.image(),
            ) as image,
            pytest.raises(OutputFailed, match=reason),
        ):
            extract(image, output, settings)
        assert names(folder) == before | {"image.qcow2"}

    @pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "partial"])
    def test_the_output_is_the_input(self, link: str, tmp_path: Path) -> None:
        image = tmp_path / "image.qcow2"
        image.write_bytes(mixed.image())
        before = image.stat().st_mtime_ns, image.read_bytes()
        output = image if link == "itself" else tmp_path / "out.raw"
        if link == "symbolic":
            output.symlink_to(image)
        elif link == "hard":
            output.hardlink_to(image)
        elif link == "partial":
            (tmp_path / "out.raw.partial").hardlink_to(image)
        with open_image(image) as opened_image, pytest.raises(OutputFailed, match="is an input"):
            extract(opened_image, output, Settings(force=True))
        assert (image.stat().st_mtime_ns, image.read_bytes()) == before

    def test_the_output_exists(self, tmp_path: Path) -> None:
        (tmp_path / "out.raw").write_bytes(b"precious")
        self.refused(tmp_path, tmp_path / "out.raw", Settings(), "exists already; --force overwrites it")
        assert (tmp_path / "out.raw").read_bytes() == b"precious"

    def test_a_segment_exists(self, tmp_path: Path) -> None:
        (tmp_path / "out.raw.003").write_bytes(b"precious")
        self.refused(tmp_path, tmp_path / "out.raw", Settings(split=4096), "out.raw.003: exists already")

    def test_a_partial_output_exists(self, tmp_path: Path) -> None:
        (tmp_path / "out.raw.partial").touch()
        self.refused(tmp_path, tmp_path / "out.raw", Settings(), "--resume continues it")

    def test_the_folder_does_not_exist(self, tmp_path: Path) -> None:
        self.refused(tmp_path, tmp_path / "nowhere" / "out.raw", Settings(), "no such directory")

    def test_the_output_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "out.raw").mkdir()
        self.refused(tmp_path, tmp_path / "out.raw", Settings(force=True), "is a directory")

    def test_the_output_is_a_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "out.raw")
        self.refused(tmp_path, tmp_path / "out.raw", Settings(force=True), "is not a regular file")

    def test_there_is_no_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.statvfs(tmp_path)
        small = os.statvfs_result((*real[:4], 1, *real[5:]))
        monkeypatch.setattr("forensic.output.raw_output.os.statvfs", lambda path: small)
        with large(tmp_path) as image, pytest.raises(OutputFailed, match="needs 4,194,304 bytes, but only"):
            extract(image, tmp_path / "out.raw")
        assert names(tmp_path) == {"image.qcow2"}

    def test_only_what_is_stored_needs_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.statvfs(tmp_path)
        enough = os.statvfs_result((*real[:4], 4 * MIB // real.f_frsize, *real[5:]))
        monkeypatch.setattr("forensic.output.raw_output.os.statvfs", lambda path: enough)
        with large(tmp_path) as image:
            assert extract(image, tmp_path / "out.raw").complete
            with pytest.raises(OutputFailed, match="needs 16,777,216 bytes"):
                extract(image, tmp_path / "full.raw", Settings(sparse=False))

    def test_the_disk_is_larger_than_a_file_can_be(self, tmp_path: Path) -> None:
        head = header(cluster_bits=16, virtual_size=(1 << 63) - 512)
        content = tiny([], cluster_bits=16, head=head)
        with opened(tmp_path, content) as image, pytest.raises(OutputFailed, match="more than a file can have here"):
            extract(image, tmp_path / "out.raw", Settings(hashes=()))
        assert names(tmp_path) == {"image.qcow2"}

    def test_a_range_cannot_be_read_and_every_range_has_to_be(self, tmp_path: Path) -> None:
        with opened(tmp_path, mixed.image()) as image, pytest.raises(RangeNotRead, match=r"0xa00.*entry_beyond_eof"):
            extract(image, tmp_path / "out.raw", Settings(strict=True))
        assert names(tmp_path) == {"image.qcow2"}


class TestFailures:
    """What is left of an extraction that stops on the way."""

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        _fail_writing_at(monkeypatch, 3 * MIB)
        with large(tmp_path) as image, pytest.raises(OutputFailed, match="no space left on device"):
            extract(image, tmp_path / "out.raw")
        assert names(tmp_path) == {"image.qcow2"}

    def test_a_full_disk_leaves_no_segment(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with large(tmp_path) as image:
            _fail_writing_at(monkeypatch, MIB - 1)
            with pytest.raises(OutputFailed, match="no space left on device"):
                extract(image, tmp_path / "out.raw", Settings(split=MIB))
        assert names(tmp_path) == {"image.qcow2"}

    def test_being_cancelled_leaves_nothing(self, tmp_path: Path) -> None:
        with large(tmp_path) as image, pytest.raises(Interrupted, match="guest offset 0x500000"):
            extract(image, tmp_path / "out.raw", cancelled=stopping_at(5 * MIB))
        assert names(tmp_path) == {"image.qcow2"}

    def test_a_partial_output_is_kept_if_that_is_asked_for(self, tmp_path: Path) -> None:
        with large(tmp_path) as image, pytest.raises(Interrupted):
            extract(image, tmp_path / "out.raw", Settings(keep_partial=True), cancelled=stopping_at(5 * MIB))
        assert names(tmp_path) == {"image.qcow2", "out.raw.partial", "out.raw.journal.partial"}

    def test_a_stream_that_cannot_be_decoded_stops_a_strict_extraction(self, tmp_path: Path) -> None:
        with opened(tmp_path, mixed.image()) as image, pytest.raises(RangeNotRead, match="decompress_failed"):
            extract(image, tmp_path / "out.raw", Settings(strict=True, guest_range=(3072, 4096)))
        assert names(tmp_path) == {"image.qcow2"}

    @pytest.mark.parametrize("taker", [WholeHash, PieceHash])
    def test_a_hash_thread_that_dies_hangs_nobody(
        self, taker: type[WholeHash] | type[PieceHash], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def dies(self: object, chunk: Chunk) -> None:
            raise MemoryError("injected")

        monkeypatch.setattr(taker, "take", dies)
        threads = threading.active_count()
        with large(tmp_path) as image, pytest.raises(WorkerFailed, match="MemoryError: injected"):
            extract(image, tmp_path / "out.raw", Settings(split=MIB, hash_window=4096))
        assert names(tmp_path) == {"image.qcow2"}
        assert threading.active_count() == threads

    def test_a_reader_that_fails_hangs_nobody(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def dies(*arguments: object) -> None:
            raise MemoryError("injected")

        monkeypatch.setattr("forensic.extraction.pipeline.fill", dies)
        with large(tmp_path) as image, pytest.raises(WorkerFailed, match="reader ended: MemoryError: injected"):
            extract(image, tmp_path / "out.raw")
        assert names(tmp_path) == {"image.qcow2"}

    def test_a_bad_sector_is_filled_and_listed_and_everything_around_it_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bad = (5 << 16) + 8192
        real = Evidence.read_into

        def read_into(self: Evidence, host_offset: int, buffer: memoryview) -> None:
            if host_offset <= bad < host_offset + len(buffer):
                raise ReadFailed(host_offset, len(buffer), "input/output error")
            real(self, host_offset, buffer)

        with large(tmp_path) as image:
            monkeypatch.setattr(Evidence, "read_into", read_into)
            extraction = extract(image, tmp_path / "out.raw")
            monkeypatch.undo()
        expected = bytearray(large_disk())
        expected[8192 : 8192 + 4096] = bytes(4096)
        assert (tmp_path / "out.raw").read_bytes() == bytes(expected)
        assert extraction.ledger.bytes_by_reason == {"io_error": 4096}
        assert sum(states(extraction).values()) == LARGE_SIZE
        assert to_builtins(extraction.record().unreadable) == [
            {
                "virtual_offset": 8192, "length": 4096, "reason_code": "io_error", "host_offset": bad,
                "filled_with": "00",
            }
        ]  # fmt: skip


class TestVerify:
    """Reading the output again before it gets its name."""

    def test_what_was_written_reads_back(self, tmp_path: Path) -> None:
        with large(tmp_path) as image:
            extraction = extract(image, tmp_path / "out.raw", Settings(verify=True, split=5 * MIB))
        assert extraction.verified_output == extraction.hashes
        assert {segment["verified"] for segment in _segments(extraction)} == {"match"}

    def test_what_cannot_be_read_back_is_not_called_different(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreadable(files: object) -> object:
            raise ReadFailed(0, 512, "input/output error")

        monkeypatch.setattr(output_checks, "read_in_a_row", unreadable)
        with large(tmp_path) as image:
            extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(verify=True))
            with pytest.raises(OutputFailed, match=r"cannot be read back: .*input/output error") as raised:
                extractor.run()
        assert raised.value.exit_status == 1
        assert not (tmp_path / "out.raw").exists()

    def test_what_reads_back_differently_gets_no_name(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def flush(partial: Path) -> None:
            with partial.open("r+b") as stream:
                stream.seek(3 * MIB)
                stream.write(b"x")

        monkeypatch.setattr(output_checks, "flush_to_disk", flush)
        with large(tmp_path) as image:
            extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(verify=True))
            with pytest.raises(OutputDiffers, match="reads back differently"):
                extractor.run()
        assert names(tmp_path) == {"image.qcow2"}
        assert extractor.extraction.status == Status.FAILED
        assert extractor.extraction.verified_output != extractor.extraction.hashes

    def test_without_it_nothing_is_claimed(self, tmp_path: Path) -> None:
        with large(tmp_path) as image:
            extraction = extract(image, tmp_path / "out.raw")
        assert extraction.verified_output is None
        assert [segment["verified"] for segment in _segments(extraction)] == ["not_done"]


def _segments(extraction: Extraction) -> Iterator[dict[str, object]]:
    yield from to_builtins(extraction.record().segments)


class TestResume:
    """Going on where an interrupted extraction ended."""

    def interrupt(self, folder: Path, at: int, settings: Settings) -> None:
        with large(folder) as image, pytest.raises(Interrupted):
            extract(image, folder / "out.raw", settings, cancelled=stopping_at(at))

    def resume(self, folder: Path, settings: Settings) -> Extraction:
        with open_image(folder / "image.qcow2") as image:
            return extract(image, folder / "out.raw", settings)

    @pytest.mark.parametrize("segment", [None, 3 * MIB, 1500 * 1024])
    @pytest.mark.parametrize("at", [0, 1 * MIB, 5 * MIB, 7 * MIB])
    def test_the_account_is_that_of_an_extraction_in_one_go(self, at: int, segment: int | None, tmp_path: Path) -> None:
        settings = Settings(resume=True, split=segment, hash_window=100_000, hashes=("sha256", "md5"))
        self.interrupt(tmp_path, at, settings)
        extraction = self.resume(tmp_path, settings)
        assert b"".join(part.path.read_bytes() for part in extraction.segments) == large_disk()
        with open_image(tmp_path / "image.qcow2") as image:
            whole = extract(image, tmp_path / "whole.raw", settings)
        assert extraction.record() == whole.record()
        assert extraction.hash_families(None) == whole.hash_families(None)
        assert not any("partial" in name for name in names(tmp_path))

    def test_what_is_there_is_not_read_from_the_image_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.interrupt(tmp_path, 5 * MIB, Settings(resume=True))
        begun: list[int] = []
        real = filled_steps

        def steps(
            disk: Disk,
            start: int,
            end: int,
            write: Callable[[Filled], None] | None,
            kept: bool,
            known: list[list[Run]] | None,
            fast: FastDecodes,
        ) -> AbstractContextManager[Iterator[Done]]:
            begun.append(start)
            return real(disk, start, end, write, kept, known, fast)

        monkeypatch.setattr(extracting, "filled_steps", steps)
        self.resume(tmp_path, Settings(resume=True))
        assert begun == [5 * MIB]

    def test_what_does_not_agree_with_the_journal_is_extracted_again(self, tmp_path: Path) -> None:
        self.interrupt(tmp_path, 6 * MIB, Settings(resume=True))
        with (tmp_path / "out.raw.partial").open("r+b") as stream:
            for place in (2 * MIB + 5, 5 * MIB, 7 * MIB, 12 * MIB):
                stream.seek(place)
                stream.write(b"garbage")
        self.resume(tmp_path, Settings(resume=True))
        assert (tmp_path / "out.raw").read_bytes() == large_disk()

    def test_a_journal_that_was_cut_is_believed_as_far_as_it_goes(self, tmp_path: Path) -> None:
        self.interrupt(tmp_path, 6 * MIB, Settings(resume=True))
        journal = tmp_path / "out.raw.journal.partial"
        journal.write_bytes(journal.read_bytes()[:-70] + b"\0\0\0")
        self.resume(tmp_path, Settings(resume=True))
        assert (tmp_path / "out.raw").read_bytes() == large_disk()

    def test_without_anything_there_it_begins(self, tmp_path: Path) -> None:
        with large(tmp_path):
            pass
        assert self.resume(tmp_path, Settings(resume=True)).complete

    def test_faults_before_the_interruption_stay_in_the_ledger(self, tmp_path: Path) -> None:
        words = [(1 << 62) | 6 << 16] + [COPIED | (5 + number) << 16 for number in range(1, 128)]
        head = header(cluster_bits=16, virtual_size=8 * MIB)
        content = bytearray(tiny(words, cluster_bits=16, file_clusters=5 + 128, head=head))
        content[6 << 16 : 7 << 16] = b"\xff" * (1 << 16)
        settings = Settings(resume=True)
        with opened(tmp_path, bytes(content)) as image, pytest.raises(Interrupted):
            extract(image, tmp_path / "out.raw", settings, cancelled=stopping_at(4 * MIB))
        extraction = self.resume(tmp_path, settings)
        with open_image(tmp_path / "image.qcow2") as image:
            whole = extract(image, tmp_path / "whole.raw")
        assert extraction.ledger.bytes_by_reason == {"decompress_failed": 1 << 16}
        assert extraction.record() == whole.record()
        assert (tmp_path / "out.raw").read_bytes() == (tmp_path / "whole.raw").read_bytes()

    @pytest.mark.parametrize(
        ("settings", "reason"),
        [
            (Settings(resume=True, split=MIB), None),
            (Settings(resume=True, guest_range=(0, 8 * MIB)), "a different range"),
            (Settings(resume=True, hashes=("md5",)), "a different hash"),
        ],
    )
    def test_other_options_are_refused(self, settings: Settings, reason: str | None, tmp_path: Path) -> None:
        self.interrupt(tmp_path, 5 * MIB, Settings(resume=True))
        if reason is None:  # other names: nothing of it is there, and nothing of the other is touched
            assert self.resume(tmp_path, settings).complete
            return
        with pytest.raises(OutputFailed, match=reason):
            self.resume(tmp_path, settings)
        assert "out.raw.partial" in names(tmp_path)

    def test_another_image_is_refused(self, tmp_path: Path) -> None:
        self.interrupt(tmp_path, 5 * MIB, Settings(resume=True))
        os.utime(tmp_path / "image.qcow2", ns=(1, 1))
        with pytest.raises(OutputFailed, match="a different image"):
            self.resume(tmp_path, Settings(resume=True))

    def test_a_partial_output_without_a_journal_is_refused(self, tmp_path: Path) -> None:
        self.interrupt(tmp_path, 5 * MIB, Settings(resume=True))
        (tmp_path / "out.raw.journal.partial").unlink()
        with pytest.raises(OutputFailed, match="there is no journal"):
            self.resume(tmp_path, Settings(resume=True))


def test_windows_are_hashed_and_listed(tmp_path: Path) -> None:
    with large(tmp_path) as image:
        extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(hashes=(), hash_window=3 * MIB))
        extractor.run(manifest=LineFile(tmp_path / "manifest"))
    disk = large_disk()
    digests = [hashlib.sha256(disk[start : start + 3 * MIB]) for start in range(0, LARGE_SIZE, 3 * MIB)]
    whole = hashlib.sha256(b"".join(digest.digest() for digest in digests)).hexdigest()
    lines = (tmp_path / "manifest").read_text("ascii").splitlines()
    assert lines == [
        "# qcowscope-manifest/1 algorithm sha256 window 3145728 size 16777216",
        f"0 3145728 {digests[0].hexdigest()}",
        f"3145728 3145728 {digests[1].hexdigest()}",
        f"6291456 3145728 {digests[2].hexdigest()}",
        f"9437184 6291456 {digests[3].hexdigest()}",
        f"15728640 1048576 {digests[5].hexdigest()}",
        f"# end windows 6 digest_of_list {whole}",
    ]
    piecewise = extractor.extraction.piecewise
    assert piecewise is not None
    assert (piecewise.window, piecewise.count, piecewise.digest_of_list) == (3 * MIB, 6, whole)


def test_sixteen_tebibytes_of_nothing_take_no_time_without_whole_hashes(tmp_path: Path) -> None:
    size = 8 << 40
    head = header(cluster_bits=16, virtual_size=size, l1_size=size >> 29, l1_offset=4 << 16)
    entries = [0] * (size >> 29)
    with opened(tmp_path, tiny([], cluster_bits=16, l1_entries=entries, head=head)) as image:
        extractor = Extractor(image.disk(), tmp_path / "out.raw", Settings(hashes=(), hash_window=MIB))
        extractor.run(manifest=LineFile(tmp_path / "manifest"))
    assert (tmp_path / "out.raw").stat().st_size == size
    assert len((tmp_path / "manifest").read_text("ascii").splitlines()) == 3
    assert extractor.extraction.piecewise is not None
    assert extractor.extraction.piecewise.count == size // MIB
