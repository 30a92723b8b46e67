"""The journal believes nothing but what agrees with it, and a damaged one never ends in a traceback."""

from pathlib import Path

import pytest

from forensic.errors import OutputFailed
from forensic.extraction.piece_reader import Missing
from forensic.extraction.resume import Journal, find_resumption
from forensic.mapping.extents import Reason
from forensic.output.hashes import Checkpoint, new_digest
from forensic.untrusted import Json

MIB = 1 << 20
ABOUT: dict[str, Json] = {"image": [1, 2], "hash": "sha256"}
FAULTS = [
    Missing(5, 10, Reason.IO_ERROR, 7, 0),
    Missing(MIB + 5, 512, Reason.DECOMPRESS_FAILED, 9, 512),
    Missing(2 * MIB + 1, 1, Reason.IO_ERROR),
]


def left_behind(folder: Path, content: bytes) -> tuple[Path, Path]:
    """A partial output of 3 MiB and its journal, with a checkpoint after every mebibyte and a fault before each."""
    output = folder / "out.raw"
    journal = Journal.begin(output, ABOUT)
    reached = []
    for end, fault in zip(range(MIB, len(content) + 1, MIB), FAULTS, strict=True):
        digest = new_digest("sha256")
        digest.update(memoryview(content)[:end])
        journal.faults([fault])
        reached.append(Checkpoint(end, digest.hexdigest()))
        journal.checkpoints(reached)
    journal.close(keep=True)
    (folder / "out.raw.partial").write_bytes(content + bytes(MIB))
    return output, folder / "out.raw.journal.partial"


CONTENT = b"".join(bytes([number]) * MIB for number in (1, 2, 3))


def done(output: Path) -> tuple[int, list[Missing]]:
    found = find_resumption(output, [output], ABOUT, None)
    return (found.done, list(found.faults())) if found else (0, [])


def test_what_agrees_is_kept_with_its_faults(tmp_path: Path) -> None:
    output, _ = left_behind(tmp_path, CONTENT)
    assert done(output) == (3 * MIB, FAULTS)


@pytest.mark.parametrize(("place", "kept"), [(0, 0), (MIB - 1, 0), (MIB, 1), (3 * MIB - 1, 2), (3 * MIB, 3)])
def test_what_does_not_agree_ends_what_is_kept(place: int, kept: int, tmp_path: Path) -> None:
    output, _ = left_behind(tmp_path, CONTENT)
    with (tmp_path / "out.raw.partial").open("r+b") as stream:
        stream.seek(place)
        stream.write(b"\xee")
    assert done(output) == (kept * MIB, FAULTS[:kept])


@pytest.mark.parametrize("size", [0, MIB // 2, MIB, 2 * MIB + 1])
def test_a_shorter_output_is_kept_as_far_as_it_goes(size: int, tmp_path: Path) -> None:
    output, _ = left_behind(tmp_path, CONTENT)
    with (tmp_path / "out.raw.partial").open("r+b") as stream:
        stream.truncate(size)
    assert done(output) == (size // MIB * MIB, FAULTS[: size // MIB])


def test_a_journal_cut_anywhere_gives_a_beginning_or_a_reason(tmp_path: Path) -> None:
    output, journal = left_behind(tmp_path, CONTENT)
    whole = journal.read_bytes()
    head = whole.index(b"\n") + 1
    for length in range(head, len(whole), 7):
        journal.write_bytes(whole[:length])
        kept, faults = done(output)
        assert kept == sum(b'"checkpoint"' in line for line in whole[:length].split(b"\n")[:-1]) * MIB
        assert faults == FAULTS[: kept // MIB]


@pytest.mark.parametrize(
    "line",
    [
        b"\0\0\0\0", b"[", b"5", b"null", b'{"checkpoint": ' + b"[" * 60_000, b"x" * 200_000,
    ],
)  # fmt: skip
def test_what_is_no_line_of_a_journal_ends_it(line: bytes, tmp_path: Path) -> None:
    output, journal = left_behind(tmp_path, CONTENT)
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join([*lines[:3], line, *lines[3:]]) + b"\n")
    assert done(output) == (MIB, FAULTS[:1])


@pytest.mark.parametrize(
    "line",
    [
        b'{"checkpoint": 5}', b'{"checkpoint": [-1, "x"]}', b'{"checkpoint": ["1", "x"]}', b'{"fault": [1, 2, "x"]}',
        b'{"fault": [1, 2, "nonsense", null, 0]}',
    ],
)  # fmt: skip
def test_a_line_that_means_nothing_is_an_error(line: bytes, tmp_path: Path) -> None:
    output, journal = left_behind(tmp_path, CONTENT)
    lines = journal.read_bytes().splitlines()
    journal.write_bytes(b"\n".join([lines[0], line, *lines[1:]]) + b"\n")
    with pytest.raises(OutputFailed, match="is damaged"):
        done(output)


@pytest.mark.parametrize("head", [b"", b"{}", b"garbage", b'{"schema": "qcowscope-journal/1", "image": [1, 3]}'])
def test_a_journal_of_something_else_is_refused(head: bytes, tmp_path: Path) -> None:
    output, journal = left_behind(tmp_path, CONTENT)
    journal.write_bytes(head + b"\n")
    with pytest.raises(OutputFailed, match="was started with a different"):
        done(output)


def test_it_goes_on_behind_the_last_checkpoint_that_holds(tmp_path: Path) -> None:
    output, path = left_behind(tmp_path, CONTENT)
    whole = path.read_bytes()
    with (tmp_path / "out.raw.partial").open("r+b") as stream:
        stream.seek(2 * MIB)
        stream.write(b"\xee")
    found = find_resumption(output, [output], ABOUT, None)
    assert found is not None
    journal = found.journal()
    journal.faults(FAULTS[2:])
    digest = new_digest("sha256")
    digest.update(memoryview(CONTENT))
    journal.checkpoints([Checkpoint(MIB, ""), Checkpoint(2 * MIB, ""), Checkpoint(3 * MIB, digest.hexdigest())])
    journal.close(keep=True)
    assert path.read_bytes() == whole
