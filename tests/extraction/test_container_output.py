"""An extraction into an E01 container: what is in it, what the report says, and what is refused."""

import json
import subprocess
from pathlib import Path

import pytest

from forensic.e01 import layout, reader
from samples import oracle
from samples.kinds import Kind
from tests.commands import damaged, qcowscope, sound
from tests.e01.reading import read
from tests.images import COMPLETE, sample, tiny
from tests.oracles import require
from tests.test_interop import file_system


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_the_container_holds_the_disk_that_a_raw_file_holds(kind: Kind, tmp_path: Path) -> None:
    assert qcowscope("extract", sample(kind), "-o", tmp_path / "disk.raw").status == 0
    done = qcowscope("extract", sample(kind), "-o", tmp_path / "disk.E01")
    assert done.status == 0
    raw = (tmp_path / "disk.raw").read_bytes()
    found = read([tmp_path / "disk.E01"])
    assert found.disk == raw.ljust(-(-len(raw) // 512) * 512, b"\0")
    assert f"md5 in the container  {found.md5}\n" in done.out
    assert found.errors == []


def test_what_was_not_read_is_in_the_container_as_in_the_ledger(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    report = tmp_path / "report.json"
    reports = ["--report", f"json:{report}", "--report", f"log:{tmp_path / 'log'}"]
    done = qcowscope("extract", image, "-o", tmp_path / "disk.E01", *reports)
    assert done.status == 5
    result = json.loads(report.read_text())
    unreadable = result["result"]["extraction"]["unreadable"]
    found = read([tmp_path / "disk.E01"])
    assert found.errors == [(one["virtual_offset"] // 512, one["length"] // 512) for one in unreadable] == [(0, 1)]
    assert result["result"]["extraction"]["container"] == {
        "format": "e01", "padding": 0, "hashes": {"md5": found.md5, "sha1": found.sha1},
    }  # fmt: skip
    (artifact,) = [one for one in result["run"]["artifacts"] if one["role"] == "e01"]
    assert artifact["size"] == (tmp_path / "disk.E01").stat().st_size
    assert found.md5 in (tmp_path / "log").read_text()
    verified = qcowscope("verify", tmp_path / "disk.E01", report)
    assert (verified.status, verified.out.splitlines()[-1]) == (0, f"{tmp_path / 'disk.E01'}: match")


@pytest.mark.parametrize("name", ["data-4k", "deflate-4k", "extended-16k"])
def test_a_container_is_read_back_and_compared_as_a_whole(name: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = qcowscope("extract", "--verify", sound(name), "-o", tmp_path / "disk.E01", "--report", f"json:{report}")
    assert (done.status, "(all of it)" in done.out) == (0, True)
    result = json.loads(report.read_text())["result"]
    disk = result["hashes"]["virtual_disk"]
    assert disk["verified_output"] == disk["acquired"] == result["extraction"]["hashes"]
    assert result["extraction"]["compared"]["method"] == "whole"


def test_what_was_not_read_passes_the_reading_back(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    assert qcowscope("extract", "--verify", image, "-o", tmp_path / "disk.E01").status == 5


@pytest.mark.parametrize("place", [0.1, 0.5, 0.97])
def test_a_container_that_reads_back_differently_is_not_called_complete(
    place: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(len(content) * place)] ^= 1
        path.write_bytes(content)

    monkeypatch.setattr("forensic.extraction.container_output.flush_to_disk", spoil)
    done = qcowscope("extract", "--verify", sound("deflate-4k"), "-o", tmp_path / "disk.E01")
    assert (done.status, "reads back differently from what was written to it" in done.err) == (6, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("function", "said"),
    [("digests", "the hashes in it are not those of the disk in it"), ("errors", "its list of read errors is not")],
)
def test_what_a_container_says_of_the_disk_is_read_back_as_well(
    function: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests, errors = layout.digests, layout.errors
    wrong = {"digests": lambda hashes: digests({**hashes, "sha1": "00" * 20}), "errors": lambda _: errors([(5, 1)])}
    monkeypatch.setattr(layout, function, wrong[function])
    image = damaged("l2-entry-outside-file", tmp_path)
    done = qcowscope("extract", "--verify", image, "-o", tmp_path / "disk.E01")
    assert (done.status, said in done.err) == (6, True)
    assert not (tmp_path / "disk.E01").exists()


def test_a_disk_that_is_read_differently_is_found_in_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflated = reader._inflated

    def other(stored: bytes, length: int) -> bytes | None:
        data = inflated(stored, length)
        return data if data is None or length > 1 << 20 else data[:4000] + b"x" + data[4001:]

    monkeypatch.setattr(reader, "_inflated", other)
    done = qcowscope("extract", "--verify", sound("deflate-4k"), "-o", tmp_path / "disk.E01")
    assert done.status == 6


def test_ranges_too_many_to_list_are_one_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.extraction.ledger.LISTED_RANGES", 1)
    cut = tmp_path / "cut.qcow2"
    entries = [1 << 63 | 1 << 20, 1 << 63 | 5 * 512, 1 << 63 | 1 << 21]
    cut.write_bytes(tiny(entries))
    assert qcowscope("extract", cut, "-o", tmp_path / "disk.E01").status == 5
    assert read([tmp_path / "disk.E01"]).errors == [(0, 32)]


def test_the_case_is_in_the_container(tmp_path: Path) -> None:
    words = ["--case-number", "17", "--examiner", "A. Example", "--notes", "seen\ttwice"]
    assert qcowscope("extract", sound("data-4k"), "-o", tmp_path / "case", "--format", "e01", *words).status == 0
    fields = read([tmp_path / "case.E01"]).texts["header2"].split("\n")[3].split("\t")
    assert fields[1:5] == ["17", "", "A. Example", "seen\\x09twice"]


def test_the_name_decides_unless_a_format_is_given(tmp_path: Path) -> None:
    image = sound("data-4k")
    qcowscope("extract", image, "-o", tmp_path / "a.e01")
    qcowscope("extract", image, "-o", tmp_path / "b.E01", "--format", "raw")
    qcowscope("extract", image, "-o", tmp_path / "c", "--format", "e01", "--level", "9")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.E01", "b.E01", "c.E01"]
    assert (tmp_path / "b.E01").read_bytes()[:4] != b"EVF\x09"


def test_nothing_is_written_over_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "x.E01").write_bytes(b"mine")
    (tmp_path / "y.E01").write_bytes(sound("data-4k").read_bytes())
    done = qcowscope("extract", sound("data-4k"), "-o", tmp_path / "x.E01")
    assert (done.status, "exists already" in done.err) == (1, True)
    done = qcowscope("extract", tmp_path / "y.E01", "-o", tmp_path / "y.E01", "--force")
    assert (done.status, "is an input" in done.err) == (1, True)
    assert qcowscope("extract", sound("data-4k"), "-o", tmp_path / "x.E01", "--force").status == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.E01", "y.E01"]


@pytest.mark.parametrize(("output", "written"), [("a.e01", "a.E01"), ("b.raw", "b.raw.E01"), ("c.E01", "c.E01")])
def test_the_name_that_is_printed_is_that_of_the_file(output: str, written: str, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    image = sound("data-4k")
    done = qcowscope("extract", image, "-o", tmp_path / output, "--format", "e01", "--report", f"json:{report}")
    assert done.out.partition(": ")[0] == str(tmp_path / written)
    assert (tmp_path / written).is_file()
    (artifact,) = [one for one in json.loads(report.read_text())["run"]["artifacts"] if one["role"] == "e01"]
    assert artifact["name"] == str(tmp_path / written)


def test_segments_of_another_container_are_not_left_beside_a_new_one(tmp_path: Path) -> None:
    for name in ("T.E02", "T.E03"):
        (tmp_path / name).write_bytes(b"earlier")
    command = ("extract", sound("data-4k"), "-o", tmp_path / "T.E01")
    refused = qcowscope(*command)
    assert (refused.status, f"{tmp_path}/T.E02: exists already" in refused.err) == (1, True)
    (tmp_path / "T.E07").write_bytes(b"a gap before it")
    refused = qcowscope(*command, "--force")
    assert (refused.status, f"{tmp_path}/T.E07: would be taken" in refused.err) == (1, True)
    assert not (tmp_path / "T.E01").exists()
    (tmp_path / "T.E07").unlink()
    assert qcowscope(*command, "--force").status == 0
    assert [path.name for path in tmp_path.iterdir()] == ["T.E01"]


def test_an_input_is_not_removed_for_its_name(tmp_path: Path) -> None:
    image = tmp_path / "T.E02"
    image.write_bytes(sound("data-4k").read_bytes())
    done = qcowscope("extract", image, "-o", tmp_path / "T.E01", "--force")
    assert (done.status, "is an input" in done.err, image.exists()) == (1, True, True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--resume"], "--resume does not go with an E01 container"),
        (["--keep-partial"], "--keep-partial does not go with"),
        (["--sidecars"], "--sidecars does not go with"),
        (["--split", "1000000"], "the smallest segment has 1,048,576 bytes"),
        (["--level", "10"], "is not a number from 0 to 9"),
    ],
)
def test_what_a_container_cannot_do_is_wrong_usage(options: list[str], said: str, tmp_path: Path) -> None:
    done = qcowscope("extract", sound("data-4k"), "-o", tmp_path / "x.E01", *options)
    assert (done.status, said in done.err) == (64, True)
    assert qcowscope("extract", sound("data-4k"), "-o", "-", "--format", "e01").status == 64
    assert list(tmp_path.iterdir()) == []


def require_sleuth_kit_with_containers(raw: Path) -> None:
    """That of Debian 13 crashes whoever wrote the container."""
    with raw.open("rb") as stream:
        acquire = ["ewfacquirestream", "-q", "-t", "theirs", "-f", "encase6"]
        subprocess.run(acquire, stdin=stream, cwd=raw.parent, capture_output=True, check=True)
    if subprocess.run(["img_stat", "theirs.E01"], cwd=raw.parent, capture_output=True, check=False).returncode < 0:
        pytest.skip("the Sleuth Kit that is installed crashes at a container that libewf wrote")


def test_sleuth_kit_reads_the_file_system_in_a_container(tmp_path: Path) -> None:
    require("fls", "ewfverify", "ewfacquirestream")
    raw = file_system(tmp_path)
    require_sleuth_kit_with_containers(raw)
    oracle.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", raw.name, "image.qcow2"], tmp_path)
    assert qcowscope("extract", tmp_path / "image.qcow2", "-o", tmp_path / "disk.E01").status == 0
    assert "SUCCESS" in oracle.run(["ewfverify", "disk.E01"], tmp_path)
    listed = oracle.run(["fls", "-r", "-p", "disk.E01"], tmp_path)
    assert listed == oracle.run(["fls", "-r", "-p", raw.name], tmp_path)
    assert "papers/notes.txt" in listed
