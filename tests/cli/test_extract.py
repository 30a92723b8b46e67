"""`qcowscope extract` from outside: exit status, files left, signals, pipes, full disks."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forensic.evidence import Evidence, ReadFailed
from samples import oracle
from samples.kinds import KINDS, Kind
from tests.commands import qcowscope
from tests.extraction import mixed
from tests.images import COMPLETE, COPIED, SOUND, described, header, sample, tiny
from tests.oracles import require

ROOT = Path(__file__).resolve().parent.parent.parent
MIB = 1 << 20
SIZE = 16 * MIB
INCOMPLETE = 5


def large(folder: Path, crypt_method: int = 0) -> Path:
    """An image of 16 MiB whose first 8 MiB hold data, each cluster of 64 KiB with bytes of its own."""
    words = [COPIED | (5 + number) << 16 for number in range(128)]
    path = folder / "large.qcow2"
    head = header(cluster_bits=16, virtual_size=SIZE, crypt_method=crypt_method)
    path.write_bytes(tiny(words, cluster_bits=16, file_clusters=5 + 128, head=head))
    return path


def large_disk() -> bytes:
    return b"".join(bytes([5 + number]) * (1 << 16) for number in range(128)) + bytes(8 * MIB)


def damaged(folder: Path) -> Path:
    path = folder / "mixed.qcow2"
    path.write_bytes(mixed.image())
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "forensic.cli", *map(str, arguments)]


def stopped(at: int, signal_number: signal.Signals, *arguments: object) -> list[str]:
    """The command that gets a signal once so many bytes are done."""
    return [sys.executable, "-m", "tests.cli.stopped", str(at), str(int(signal_number)), *map(str, arguments)]


def run(arguments: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, timeout=120, check=False)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def report(path: Path) -> dict[str, dict[str, object]]:
    document: dict[str, dict[str, object]] = json.loads(path.read_text(encoding="utf-8"))
    return document


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.mark.usefixtures("witness")
@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_bytes_and_holes_are_those_of_qemu(kind: Kind, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    shutil.copyfile(sample(kind), image)
    ours, theirs = tmp_path / "ours.raw", tmp_path / "theirs.raw"
    assert qcowscope("extract", image, "-o", ours).status == 0
    oracle.convert_to_raw(image, theirs)
    assert ours.read_bytes() == theirs.read_bytes()
    assert ours.stat().st_blocks <= theirs.stat().st_blocks + 4 * 8


@pytest.fixture
def witness() -> None:
    require("qemu-img")


def test_a_disk_with_gaps_gives_five_and_a_report_of_every_gap(tmp_path: Path, out: Path) -> None:
    done = qcowscope("extract", damaged(tmp_path), "-o", out / "d.raw", "--report", f"json:{out / 'd.json'}")
    assert done.status == INCOMPLETE
    extraction = report(out / "d.json")["result"]["extraction"]
    assert isinstance(extraction, dict)
    assert extraction["status"] == "complete_with_unreadable"
    assert extraction["bytes_by_state"] == mixed.BYTES_BY_STATE
    assert extraction["fill"] == {"pattern_hex": "00", "reason_counts": mixed.BYTES_BY_REASON}
    assert "not read: 512 bytes, filled with zeros: decompress_failed" in done.err


def test_all_that_can_be_written_is_written(tmp_path: Path, out: Path) -> None:
    forms = ("json", "log", "html", "markdown", "ledger", "map", "manifest")
    targets = [word for form in forms for word in ("--report", f"{form}:{out / form}")]
    done = qcowscope(
        "extract", large(tmp_path), "-o", out / "d.raw", "--split", "3MiB", "--hash", "md5,sha256,blake2b",
        "--hash-window", "1M", "--sidecars", "--verify", *targets,
    )  # fmt: skip
    assert done.status == 0
    segments = {f"d.raw.00{index}" for index in range(1, 7)}
    assert names(out) == {*forms, *segments, "d.raw.md5", "d.raw.sha256", "d.raw.blake2b"}
    document = report(out / "json")
    container = {"sha256": hashlib.sha256((tmp_path / "large.qcow2").read_bytes()).hexdigest()}
    assert document["result"]["hashes"] == {
        "container": {"acquired": container, "verified_source": container},
        "virtual_disk": {
            "acquired": {name: hashlib.new(name, large_disk()).hexdigest() for name in ("md5", "sha256", "blake2b")},
            "verified_output": {
                name: hashlib.new(name, large_disk()).hexdigest() for name in ("md5", "sha256", "blake2b")
            },
        },
        "piecewise": {
            "algorithm": "sha256",
            "window": MIB,
            "windows": 16,
            "digest_of_list": hashlib.sha256(
                b"".join(hashlib.sha256(large_disk()[start : start + MIB]).digest() for start in range(0, SIZE, MIB))
            ).hexdigest(),
        },
    }
    sums = run(["sha256sum", "-c", "--strict", str(out / "d.raw.sha256")])
    assert sums.returncode == 1  # names are relative to the folder of the file
    sums = subprocess.run(["sha256sum", "-c", "--strict", "d.raw.sha256"], cwd=out, capture_output=True, check=False)
    assert sums.returncode == 0


def test_standard_output_gets_the_bytes_and_standard_error_the_rest(tmp_path: Path, out: Path) -> None:
    done = run(command("extract", large(tmp_path), "-o", "-", "--report", f"json:{out / 'd.json'}"))
    assert (done.returncode, done.stdout) == (0, large_disk())
    digest = hashlib.sha256(large_disk()).hexdigest()
    assert f"sha256  {digest}" in done.stderr.decode()
    assert report(out / "d.json")["run"]["exit_code"] == 0


def test_a_pipe_that_breaks_gives_141_and_its_reports(tmp_path: Path, out: Path) -> None:
    reader, writer = os.pipe()
    targets = ["--report", f"json:{out / 'd.json'}", "--report", f"map:{out / 'd.map'}"]
    process = subprocess.Popen(
        command("extract", large(tmp_path), "-o", "-", *targets), cwd=ROOT, stdout=writer, stderr=subprocess.PIPE
    )
    os.close(writer)
    assert len(os.read(reader, 1000)) == 1000
    os.close(reader)
    assert process.communicate(timeout=120)[1] == b""
    assert process.returncode == 141
    document = report(out / "d.json")
    extraction = document["result"]["extraction"]
    assert isinstance(extraction, dict)
    assert (extraction["status"], document["run"]["exit_code"]) == ("aborted", 141)
    assert (out / "d.map").read_text("ascii").splitlines()[-1].endswith("?")


def test_standard_output_that_is_the_evidence_is_refused(tmp_path: Path) -> None:
    image = large(tmp_path)
    before = image.read_bytes()
    with image.open("ab") as stream:
        done = subprocess.run(
            command("extract", image, "-o", "-"), cwd=ROOT, stdout=stream, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, image.read_bytes()) == (1, before)
    assert b"standard output is an input" in done.stderr


@pytest.mark.parametrize("range_text", ["1M:1M", "0x100:1000", "63s:2K", "-1M:", "0:0", "8388000:1000"])
def test_a_range_is_cut_out(range_text: str, tmp_path: Path, out: Path) -> None:
    expected = {
        "1M:1M": slice(MIB, 2 * MIB), "0x100:1000": slice(256, 1256), "63s:2K": slice(63 * 512, 63 * 512 + 2048),
        "-1M:": slice(SIZE - MIB, SIZE), "0:0": slice(0, 0), "8388000:1000": slice(8388000, 8389000),
    }  # fmt: skip
    assert qcowscope("extract", large(tmp_path), "-o", out / "d.raw", f"--range={range_text}").status == 0
    assert (out / "d.raw").read_bytes() == large_disk()[expected[range_text]]


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
class TestInterruption:
    """Ctrl-C, and being told to end."""

    def test_nothing_is_left(self, signal_number: signal.Signals, tmp_path: Path, out: Path) -> None:
        targets = ["--report", f"json:{out / 'd.json'}", "--report", f"ledger:{out / 'd.ledger'}", "--sidecars"]
        done = run(stopped(5 * MIB, signal_number, "extract", large(tmp_path), "-o", out / "d.raw", *targets))
        assert (done.returncode, done.stderr) == (130, b"qcowscope: interrupted\n")
        assert names(out) == set()

    def test_a_complete_output_stays_and_that_is_said(
        self, signal_number: signal.Signals, tmp_path: Path, out: Path
    ) -> None:
        image, report = large(tmp_path), out / "d.json"
        os.truncate(image, 2 * SIZE)  # only the file is so long: its bytes are counted when it is read again
        arguments = ("extract", image, "-o", out / "d.raw", "--verify", "--report", f"json:{report}")
        done = run(stopped(SIZE + MIB, signal_number, *arguments))
        assert done.returncode == 130
        assert b"d.raw is complete and stays, but not all of its reports were written" in done.stderr
        assert (out / "d.raw").read_bytes() == large_disk()
        assert names(out) == {"d.raw"}

    @pytest.mark.parametrize("option", ["--keep-partial", "--resume"])
    def test_what_there_is_can_be_kept(
        self, option: str, signal_number: signal.Signals, tmp_path: Path, out: Path
    ) -> None:
        image = large(tmp_path)
        done = run(stopped(5 * MIB, signal_number, "extract", image, "-o", out / "d.raw", option))
        assert done.returncode == 130
        assert names(out) == {"d.raw.partial", "d.raw.journal.partial"}
        assert qcowscope("extract", image, "-o", out / "d.raw", "--resume").status == 0
        assert (out / "d.raw").read_bytes() == large_disk()
        assert names(out) == {"d.raw"}


@pytest.mark.parametrize("split", [[], ["--split", "3MiB"]])
def test_an_extraction_that_was_killed_goes_on_and_says_the_same(split: list[str], tmp_path: Path, out: Path) -> None:
    image = large(tmp_path)
    arguments: list[object] = ["extract", image, "-o", out / "d.raw", "--report", f"ledger:{out / 'd.ledger'}", *split]
    done = run(stopped(6 * MIB, signal.SIGKILL, *arguments))
    assert done.returncode == -signal.SIGKILL
    assert "d.raw.journal.partial" in names(out)
    assert qcowscope(*map(str, arguments)).status == 1  # what is there is not touched without being told to
    resumed = qcowscope(*map(str, arguments), "--resume", "--report", f"json:{out / 'resumed.json'}")
    assert resumed.status == 0
    at_once = qcowscope("extract", image, "-o", out / "w.raw", *split, "--report", f"json:{out / 'whole.json'}")
    assert at_once.status == 0
    assert report(out / "resumed.json")["result_digest"] == report(out / "whole.json")["result_digest"]
    pieces = sorted(out.glob("d.raw*"))
    assert b"".join(path.read_bytes() for path in pieces) == large_disk()
    assert not any("partial" in name for name in names(out))
    assert json.loads((out / "d.ledger").read_text("ascii").splitlines()[-1])["complete"] is True


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB; only root can make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("making a file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class TestNoRoom:
    """Where the output does not fit."""

    def test_it_is_said_before_the_first_byte(self, small_disk: Path, tmp_path: Path) -> None:
        done = qcowscope("extract", large(tmp_path), "-o", small_disk / "d.raw")
        assert (done.status, names(small_disk)) == (1, set())
        assert "needs 8,388,608 bytes, but only 3,145,728 are free" in done.err

    def test_a_disk_that_fills_up_on_the_way_leaves_nothing(
        self, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("forensic.output.raw_output.free_space", lambda path: None)
        image = large(tmp_path)
        done = qcowscope("extract", image, "-o", small_disk / "d.raw", "--report", f"json:{tmp_path / 'd.json'}")
        assert (done.status, names(small_disk)) == (1, set())
        assert "no space left on device" in done.err
        extraction = report(tmp_path / "d.json")["result"]["extraction"]
        assert isinstance(extraction, dict)
        assert extraction["status"] == "failed"

    def test_what_stopped_it_is_said_though_the_report_cannot_be_written_either(
        self, small_disk: Path, tmp_path: Path, out: Path
    ) -> None:
        (small_disk / "full").write_bytes(bytes(3 * MIB))
        targets = ["--report", f"json:{small_disk / 'd.json'}", "--report", f"ledger:{small_disk / 'd.ledger'}"]
        done = qcowscope("extract", large(tmp_path), "-o", out / "d.raw", *targets)
        assert (done.status, names(small_disk), names(out)) == (1, {"full"}, set())
        assert done.err == f"qcowscope: {small_disk / 'd.ledger.partial'}: no space left on device\n"

    def test_a_limit_on_the_size_of_files_is_said_at_once(self, tmp_path: Path, out: Path) -> None:
        done = subprocess.run(
            command("extract", large(tmp_path), "-o", out / "d.raw"), cwd=ROOT, capture_output=True, check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SIZE - 1, SIZE - 1)),
        )  # fmt: skip
        assert (done.returncode, names(out)) == (1, set())
        assert b"16,777,216 bytes are more than a file can have here" in done.stderr

    def test_a_read_only_place_is_said_at_once(self, small_disk: Path, tmp_path: Path) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        done = qcowscope("extract", large(tmp_path), "-o", small_disk / "d.raw", "--range", "0:512")
        assert (done.status, names(small_disk)) == (1, set())
        assert "read-only file system" in done.err


@pytest.mark.parametrize(
    "place",
    [
        "{image}",
        "{out}/d.raw",
        "{out}/d.raw.partial",
        "{out}/d.raw.journal.partial",
        "{out}/missing/d",
        "{out}",
        "{out}/exists",
        "/dev/null",
    ],
)
@pytest.mark.parametrize("form", ["json", "ledger", "log"])
def test_a_report_in_a_bad_place_is_refused_before_anything_is_written(
    form: str, place: str, tmp_path: Path, out: Path
) -> None:
    image = large(tmp_path)
    (out / "exists").write_bytes(b"precious")
    before = image.read_bytes()
    target = place.format(image=image, out=out)
    done = qcowscope("extract", image, "-o", out / "d.raw", "--report", f"{form}:{target}")
    assert (done.status, names(out)) == (1, {"exists"})
    assert ((out / "exists").read_bytes(), image.read_bytes()) == (b"precious", before)


def test_a_report_whose_partial_name_leads_to_the_evidence_is_refused(tmp_path: Path, out: Path) -> None:
    image = large(tmp_path)
    before = image.read_bytes()
    (out / "d.json.partial").symlink_to(image)
    done = qcowscope("extract", image, "-o", out / "d.raw", "--report", f"json:{out / 'd.json'}", "--force")
    assert (done.status, image.read_bytes()) == (1, before)
    assert "is an input" in done.err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--hash", "crc32"], "unknown hash crc32"),
        (["--level", "1"], "--level is for an E01 container"),
        (["--split", "1"], "the smallest is 512 bytes"),
        (["--split", "many"], "is not a size"),
        (["--hash-window", "0"], "the smallest is 512 bytes"),
        (["--range", "5"], "is not a range"),
        (["--range", "0:17M"], "is not within the disk of 16,777,216 bytes"),
        (["--range", "17M:1"], "is not within the disk"),
        (["--hash", "none", "--resume"], "--resume needs a hash"),
        (["--hash", "none", "--verify"], "--verify needs a hash"),
        (["--hash", "none", "--sidecars"], "--sidecars needs a hash"),
        (["--report", "manifest:m"], "needs --hash-window"),
        (["--report", "vhd:m"], "expected FORMAT:PATH"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(arguments: list[str], reason: str, tmp_path: Path, out: Path) -> None:
    done = qcowscope("extract", large(tmp_path), "-o", out / "d.raw", *arguments)
    assert done.status == 64
    assert reason in done.err
    assert names(out) == set()


@pytest.mark.parametrize("option", ["--split=1M", "--resume", "--verify", "--sidecars", "--keep-partial"])
def test_what_standard_output_cannot_do_is_wrong_usage(option: str, tmp_path: Path) -> None:
    done = qcowscope("extract", large(tmp_path), "-o", "-", option)
    assert done.status == 64
    assert f"{option.partition('=')[0]} cannot be used with standard output" in done.err


def test_strict_stops_before_it_begins(tmp_path: Path, out: Path) -> None:
    done = qcowscope("extract", damaged(tmp_path), "-o", out / "d.raw", "--strict")
    assert (done.status, names(out)) == (1, set())
    assert "stopped at guest offset 0xa00: 512 bytes cannot be read (entry_beyond_eof)" in done.err


def test_evidence_that_changes_meanwhile_is_not_is_reliable(tmp_path: Path, out: Path) -> None:
    image = large(tmp_path)
    script = (
        "import os, sys, forensic.extraction.pipeline as steps\n"
        "real = steps.fill\n"
        "def fill(*arguments):\n"
        "    os.utime(sys.argv[2])\n"
        "    return real(*arguments)\n"
        "steps.fill = fill\n"
        "from forensic.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    arguments = ["extract", str(image), "-o", str(out / "d.raw"), "--report", f"log:{out / 'd.log'}"]
    done = run([sys.executable, "-c", script, *arguments])
    assert done.returncode == 1
    assert b"large.qcow2 changed while it was being read" in done.stderr
    assert "Unchanged                 : NO" in (out / "d.log").read_text("ascii")


def reading_differently(name: str, second: str | None) -> Callable[[Evidence, Callable[[int], None] | None], str]:
    """`Evidence.sha256` of a medium on which one file reads differently from the second time on, or not at all."""
    real, calls = Evidence.sha256, list[str]()

    def sha256(self: Evidence, progress: Callable[[int], None] | None = None) -> str:
        found = real(self, progress)
        if Path(self.path_as_given).name != name:
            return found
        calls.append(name)
        if len(calls) > 1 and second is None:
            raise ReadFailed(0, 512, "input/output error")
        return found if len(calls) == 1 or second is None else second

    return sha256


OVERLAY, BASE = "overlay-qcow2.qcow2", "overlay-qcow2.backing.qcow2"


@pytest.mark.parametrize("name", [OVERLAY, BASE])
@pytest.mark.parametrize(("second", "status"), [("ab" * 32, 6), (None, 1)])
def test_an_input_that_reads_differently_afterwards_is_said_and_shown(
    name: str, second: str | None, status: int, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = [word for form in ("json", "log", "html") for word in ("--report", f"{form}:{out / form}")]
    given = ["--backing", str(SOUND / BASE), "--verify", *targets]
    monkeypatch.setattr(Evidence, "sha256", reading_differently(name, second))
    done = qcowscope("extract", SOUND / OVERLAY, "-o", out / "d.raw", *given)
    assert done.status == report(out / "json")["run"]["exit_code"] == status
    log, page = (out / "log").read_text("ascii"), (out / "html").read_text("utf-8")
    if second is None:
        assert f"{name} could not be read again in full" in done.err
    else:
        assert f"{name} now reads differently than during the extraction" in done.err
        assert log.count("DOES NOT MATCH") == page.count("DOES NOT MATCH") == 1
        assert log.count(second) == page.count(second) == 1
        assert "WARNING: an input file changed during or after the extraction" in log


def test_every_file_that_was_read_is_read_again_and_shown_unchanged(out: Path) -> None:
    targets = [word for form in ("json", "log", "html") for word in ("--report", f"{form}:{out / form}")]
    given = ["--backing", str(SOUND / BASE), "--verify", *targets]
    assert qcowscope("extract", SOUND / OVERLAY, "-o", out / "d.raw", *given).status == 0
    document = report(out / "json")
    inputs = document["run"]["inputs"]
    assert isinstance(inputs, list)
    for entry, name in zip(inputs, (OVERLAY, BASE), strict=True):
        digest = hashlib.sha256((SOUND / name).read_bytes()).hexdigest()
        assert entry["verified_source"] == entry["hashes"] == {"sha256": digest}
        assert entry["integrity"]["unchanged"] is True
        assert entry["integrity"]["before"] == entry["integrity"]["after"]
    log = (out / "log").read_text("ascii")
    assert log.count(f"Supplied backing {SOUND / BASE}:") == 2  # among the hashes, and among the proofs
    assert log.count("ctime before") == log.count("Unchanged                 : yes") == 2
    assert "not reliable" not in log
    assert (out / "html").read_text("utf-8").count("read again") == 3


def test_a_key_that_was_not_there_before_cannot_join_in(tmp_path: Path, out: Path) -> None:
    kind = KINDS["luks-4k"]
    assert kind.passphrase is not None
    (tmp_path / "key").write_text(kind.passphrase, encoding="utf-8")
    arguments = ["extract", str(sample(kind)), "-o", str(out / "d.raw"), "--resume"]
    done = run(stopped(0, signal.SIGINT, *arguments))
    assert (done.returncode, names(out)) == (130, {"d.raw.partial", "d.raw.journal.partial"})
    refused = qcowscope(*arguments, "--key-file", tmp_path / "key")
    assert refused.status == 1
    assert "was started with a different supply of files and keys" in refused.err
    assert qcowscope(*arguments).status == INCOMPLETE


@pytest.mark.parametrize("split", [[], ["--split", "700KiB"]])
def test_another_passphrase_cannot_go_on_where_the_old_encryption_knows_no_wrong_one(
    split: list[str], tmp_path: Path, out: Path
) -> None:
    image = large(tmp_path, crypt_method=1)
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(name, encoding="utf-8")
    arguments: list[str | Path] = ["extract", image, "-o", out / "d.raw", *split, "--key-file"]
    assert qcowscope(*arguments, tmp_path / "right").status == 0
    whole = {name: (out / name).read_bytes() for name in names(out)}
    done = run(stopped(6 * MIB, signal.SIGKILL, *arguments, tmp_path / "right", "--force"))
    assert done.returncode == -signal.SIGKILL
    journal = (out / "d.raw.journal.partial").read_bytes()
    refused = qcowscope(*arguments, tmp_path / "wrong", "--resume", "--force")
    assert (refused.status, (out / "d.raw.journal.partial").read_bytes()) == (1, journal)
    assert "was started with a different passphrase; use --force instead of --resume to start over" in refused.err
    assert qcowscope(*arguments, tmp_path / "right", "--resume", "--force").status == 0
    assert {name: (out / name).read_bytes() for name in names(out)} == whole


def test_the_hash_that_qemu_gives_is_in_the_report(tmp_path: Path) -> None:
    kind = next(kind for kind in COMPLETE if kind.name == "deflate-4k")
    qcowscope("extract", sample(kind), "-o", tmp_path / "d.raw", "--report", f"json:{tmp_path / 'd.json'}")
    extraction = report(tmp_path / "d.json")["result"]["extraction"]
    assert isinstance(extraction, dict)
    assert extraction["hashes"] == {"sha256": described(kind)["raw_sha256"]}


def test_segments_of_an_earlier_output_are_not_left_beside_a_new_one(tmp_path: Path, out: Path) -> None:
    image = large(tmp_path)
    assert qcowscope("extract", image, "-o", out / "d.raw", "--split", "4MiB").status == 0
    (out / "d.raw.txt").touch()
    command = ("extract", image, "-o", out / "d.raw", "--split", "8MiB", "--range", "0:12MiB")
    (out / "d.raw.001").unlink()
    (out / "d.raw.002").unlink()
    refused = qcowscope(*command)
    assert (refused.status, f"{out}/d.raw.003: exists already (and all up to d.raw.004)" in refused.err) == (1, True)
    done = qcowscope(*command, "--force")
    assert (done.status, done.out.partition(": ")[0]) == (0, f"{out}/d.raw.001 to d.raw.002")
    assert sorted(path.name for path in out.iterdir()) == ["d.raw.001", "d.raw.002", "d.raw.txt"]
    assert b"".join((out / f"d.raw.00{number}").read_bytes() for number in (1, 2)) == large_disk()[: 12 * MIB]


@pytest.mark.parametrize("name", ["d.raw.004", "d.raw.0001", "d.raw.000"])
def test_a_file_that_only_looks_like_a_segment_is_neither_removed_nor_passed_over(
    name: str, tmp_path: Path, out: Path
) -> None:
    (out / name).write_bytes(b"mine")
    refused = qcowscope("extract", large(tmp_path), "-o", out / "d.raw", "--split", "8MiB", "--force")
    assert (refused.status, f"{out}/{name}: would be taken" in refused.err) == (1, True)
    assert [path.name for path in out.iterdir()] == [name]


def test_an_input_that_follows_the_new_segments_in_number_is_kept(tmp_path: Path, out: Path) -> None:
    image = large(tmp_path).rename(out / "d.raw.003")
    refused = qcowscope("extract", image, "-o", out / "d.raw", "--split", "8MiB", "--force")
    assert (refused.status, "is an input" in refused.err, image.exists()) == (1, True, True)
