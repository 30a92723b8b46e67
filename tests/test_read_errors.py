"""A read error is not a verdict: what could not be read is said, nothing is made of it, and the rest goes on."""

import errno
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from forensic import evidence as evidence_module
from forensic.budget import Budget, Limits
from forensic.checking import check
from forensic.evidence import Evidence
from forensic.image import Qcow2Image, identify
from forensic.mapping.extents import State
from forensic.qcow2.bitmap_tables import BitmapTable, read_bitmap_tables
from forensic.qcow2.tables import read_refcount_table
from forensic.records.judgement import Verdict
from samples.kinds import Kind
from tests.commands import Finished, qcowscope
from tests.images import QCOW2, sample

BLOCK = 512
TRUE_ALL_THE_SAME = {"evidence-unreadable", "compressed-streams-not-decoded"}
"""Findings about what was not looked at, which say no more than that."""

Place = tuple[int, int]


class Medium:
    """Stands in for `os` in front of a medium on which some places, as (start, end), cannot be read."""

    bad: Sequence[Place] = ()

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)

    def preadv(self, descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        end = offset + sum(map(len, buffers))
        being_written = os.readlink(f"/proc/self/fd/{descriptor}").endswith(".partial")  # that lies on another medium
        if not being_written and any(offset < bad_end and bad_start < end for bad_start, bad_end in self.bad):
            raise OSError(errno.EIO, "Input/output error")
        return os.preadv(descriptor, buffers, offset)


@pytest.fixture
def medium(monkeypatch: pytest.MonkeyPatch) -> Medium:
    standing_in = Medium()
    monkeypatch.setattr(evidence_module, "os", standing_in)
    return standing_in


def places(path: Path) -> dict[str, Place]:
    """A block in each kind of structure of an image that a check reads, by the name of the kind."""
    with Evidence(path) as evidence:
        image = identify(evidence)
        assert isinstance(image, Qcow2Image)
        found = dict(_places(image))
        return {name: (offset, offset + 1) for name, offset in found.items()} | {"behind the header": (512, 1 << 62)}


def _places(image: Qcow2Image) -> Iterator[tuple[str, int]]:
    geometry, header = image.geometry, image.header
    yield "header", 0
    if geometry.cluster_size > BLOCK:
        yield "extensions", BLOCK
    yield "L1 table", geometry.l1_table_offset
    table = read_refcount_table(image.evidence, geometry)
    yield "refcount table", table.host_offset
    blocks = [offset for offset in table.block_offsets().tolist() if offset]
    yield "refcount block", blocks[0]
    yield "end of a refcount block", blocks[0] + geometry.cluster_size - 1
    for offset in image.l1.l2_offsets().tolist():
        if offset:
            yield "L2 table", offset
            yield "end of an L2 table", offset + geometry.cluster_size - 1
    if header.nb_snapshots:
        yield "snapshot table", header.snapshots_offset
        yield "L1 table of a snapshot", image.snapshots.snapshots[0].l1_table_offset
    if image.bitmaps:
        yield "bitmap directory", image.bitmaps.host_offset
        for bitmap in read_bitmap_tables(image, Budget(Limits())):
            assert isinstance(bitmap, BitmapTable)
            yield "bitmap table", bitmap.bitmap.table_offset
            yield from (("bitmap data", offset) for offset in bitmap.data_offsets().tolist() if offset)
    if image.luks:
        yield "LUKS header", image.luks.host_offset
    for extent in image.extents():
        if extent.state == State.COMPRESSED and extent.host_offset is not None:
            yield "compressed stream", extent.host_offset


CASES = [(kind, name) for kind in QCOW2 for name in places(sample(kind))]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda part: part if isinstance(part, str) else part.name)
def test_what_cannot_be_read_is_said_and_nothing_is_made_of_it(kind: Kind, name: str, medium: Medium) -> None:
    path = sample(kind)
    place = places(path)[name]
    with Evidence(path) as evidence:
        before = {finding.rule: finding.count for finding in check(identify(evidence), strict=True).findings}
    medium.bad = [place]
    with Evidence(path) as evidence:
        judgement = check(identify(evidence), strict=True)
        unread = [(one.host_offset, one.host_offset + one.length) for one in evidence.unread]
    found = {finding.rule: finding.count for finding in judgement.findings}
    assert judgement.verdict() == Verdict.UNDETERMINED
    assert all(start < place[1] and place[0] < end for start, end in unread)
    assert found["evidence-unreadable"] == len(unread) > 0
    assert {rule: count for rule, count in found.items() if count > before.get(rule, 0)}.keys() <= TRUE_ALL_THE_SAME


def commands(image: Path, folder: Path) -> dict[str, list[str]]:
    other = str(sample(next(kind for kind in QCOW2 if kind.name == "empty-512")))
    return {
        "info": ["info", str(image)],
        "info --json": ["info", "--json", str(image)],
        "check": ["check", str(image)],
        "check --json": ["check", "--json", str(image)],
        "map": ["map", str(image)],
        "map --json": ["map", "--json", str(image)],
        "owner": ["owner", "--at", "0", str(image)],
        "diff": ["diff", str(image), other],
        "extract": ["extract", str(image), "-o", str(folder / "out.raw"), "--force"],
    }


READ_BY = {
    "header": set(commands(Path("-"), Path("-"))),
    "L1 table": set(commands(Path("-"), Path("-"))),
    "L2 table": {"check", "check --json", "map", "map --json", "diff", "extract"},
    "refcount table": {"check", "check --json", "owner"},
    "refcount block": {"check", "check --json", "owner"},
}
"""Which commands read what."""


@pytest.mark.parametrize(
    ("place", "command"), [(place, command) for place in READ_BY for command in sorted(READ_BY[place])]
)
def test_every_command_says_what_it_could_not_read_and_has_not_completed(
    place: str, command: str, tmp_path: Path, medium: Medium
) -> None:
    image = sample(next(kind for kind in QCOW2 if kind.name == "data-4k"))
    medium.bad = [places(image)[place]]
    done = qcowscope(*commands(image, tmp_path)[command])
    assert done.status == 1
    assert "cannot be read: input/output error" in done.err
    assert "the file is empty" not in done.err + done.out
    assert "version is 0" not in done.err + done.out


def test_data_that_cannot_be_read_is_listed_and_the_rest_extracted(tmp_path: Path, medium: Medium) -> None:
    image = sample(next(kind for kind in QCOW2 if kind.name == "data-4k"))
    with Evidence(image) as evidence:
        opened = identify(evidence)
        assert isinstance(opened, Qcow2Image)
        data = next(one for one in opened.extents() if one.state == State.DATA)
    assert data.host_offset is not None
    medium.bad = [(data.host_offset, data.host_offset + 1)]
    done = qcowscope("extract", image, "-o", tmp_path / "out.raw")
    assert (done.status, "filled with zeros: io_error" in done.err) == (5, True)


def test_a_report_that_cannot_be_read_is_no_bad_report(tmp_path: Path, medium: Medium) -> None:
    image = sample(next(kind for kind in QCOW2 if kind.name == "data-4k"))
    report = tmp_path / "out.json"
    assert qcowscope("extract", image, "-o", tmp_path / "out.raw", "--report", f"json:{report}").status == 0
    medium.bad = [(0, 1)]
    done = qcowscope("verify", tmp_path / "out.raw", report)
    assert (done.status, "input/output error" in done.err) == (1, True)


FORMATS = ("text", "json", "jsonl", "sarif", "html", "markdown")


def changed(how: str, image: Path) -> None:
    match how:
        case "grows":
            os.truncate(image, image.stat().st_size + 512)
        case "shrinks":
            os.truncate(image, image.stat().st_size - 512)
        case "vanishes":
            image.unlink()
        case "is replaced":
            other = image.with_suffix(".new")
            other.write_bytes(image.read_bytes())
            other.replace(image)


def copied(folder: Path) -> Path:
    image = folder / "image.qcow2"
    image.write_bytes(sample(next(kind for kind in QCOW2 if kind.name == "data-4k")).read_bytes())
    return image


def run_while(how: str, image: Path, medium: Medium, *arguments: str) -> Finished:
    """Run a command on an image to which something happens when it has been read from."""
    happened = False

    def preadv(descriptor: int, buffers: Sequence[memoryview], offset: int) -> int:
        nonlocal happened
        count = os.preadv(descriptor, buffers, offset)
        if not happened and os.readlink(f"/proc/self/fd/{descriptor}") == str(image):
            happened = True
            changed(how, image)
        return count

    medium.preadv = preadv  # type: ignore[method-assign]
    return qcowscope(*arguments)


@pytest.mark.parametrize("how", ["grows", "shrinks", "vanishes", "is replaced"])
@pytest.mark.parametrize("command", list(commands(Path("-"), Path("-"))))
def test_a_file_that_changes_while_it_is_read_is_not_is_reliable(
    how: str, command: str, tmp_path: Path, medium: Medium
) -> None:
    image = copied(tmp_path)
    done = run_while(how, image, medium, *commands(image, tmp_path)[command])
    assert (done.status, f"{image} changed while it was being read" in done.err) == (1, True)


@pytest.mark.parametrize("name", FORMATS)
def test_every_report_says_that_the_file_changed(name: str, tmp_path: Path, medium: Medium) -> None:
    image = copied(tmp_path)
    done = run_while("vanishes", image, medium, "check", "--format", name, str(image))
    assert done.status == 1
    assert "changed while it was being read" in done.out.replace("\\", "")


def test_a_raw_file_that_changes_is_not_said_to_match(tmp_path: Path, medium: Medium) -> None:
    image = copied(tmp_path)
    out, report = tmp_path / "out.raw", tmp_path / "out.json"
    assert qcowscope("extract", str(image), "-o", str(out), "--report", f"json:{report}").status == 0
    done = run_while("grows", out, medium, "verify", str(out), str(report))
    assert (done.status, "match" in done.out) == (1, False)
    assert "changed while it was being read" in done.err


def test_the_report_of_what_could_not_be_read_keeps_to_the_schema(tmp_path: Path, medium: Medium) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(qcowscope("schema").out)
    image = copied(tmp_path)
    medium.bad = [places(image)["L1 table"]]
    document = qcowscope("check", "--json", image).json()
    jsonschema.validate(document, schema)
    source = document["source"]
    assert isinstance(source, dict)
    assert source["unread"] == [{"host_offset": 0x3000, "length": 8, "reason": "input/output error"}]


@pytest.mark.parametrize("command", list(commands(Path("-"), Path("-"))))
def test_whichever_read_fails_once_it_is_said_and_nobody_calls_it_done(
    command: str, tmp_path: Path, medium: Medium
) -> None:
    image = copied(tmp_path)
    for failing in range(1, 100):
        count = 0

        def preadv(descriptor: int, buffers: Sequence[memoryview], offset: int, failing: int = failing) -> int:
            nonlocal count
            if os.readlink(f"/proc/self/fd/{descriptor}") == str(image):
                count += 1
                if count == failing:
                    raise OSError(errno.EIO, "Input/output error")
            return os.preadv(descriptor, buffers, offset)

        medium.preadv = preadv  # type: ignore[method-assign]
        done = qcowscope(*commands(image, tmp_path)[command])
        if count < failing:
            break
        assert done.status in (1, 5), (failing, done)
        assert "input/output error" in done.err or "io_error" in done.err
    assert 4 < failing < 99
