"""Windows are held against a manifest in runs: what a sparse file claims costs nothing."""

import hashlib
import random
import time
from pathlib import Path

import pytest

from forensic.extraction.verification import LISTED_WINDOWS, WindowComparison
from forensic.output.chunk import Chunk
from forensic.output.hashes import HashingStopped, update_repeatedly
from forensic.output.piecewise import Manifest, Piecewise

WINDOW = 512
ZEROS = hashlib.sha256(bytes(WINDOW)).hexdigest()


def manifest(folder: Path, size: int, lines: list[tuple[int, int, str]]) -> Manifest:
    path = folder / "manifest"
    text = [f"# qcowscope-manifest/1 algorithm sha256 window {WINDOW} size {size}"]
    text += [f"{offset} {length} {digest}" for offset, length, digest in lines]
    path.write_text("\n".join([*text, "# end windows 1 digest_of_list 00", ""]), "ascii")
    return Manifest(path)


def ranges(
    compared: Manifest, chunks: list[Chunk], piecewise: Piecewise | None = None
) -> tuple[list[tuple[int, int]], int]:
    windows = WindowComparison(compared, piecewise)
    try:
        for chunk in chunks:
            windows.take(chunk)
        found = windows.finish()
        return found.ranges, found.not_listed
    finally:
        windows.stop()


@pytest.mark.parametrize("size", [1 << 46, (1 << 46) + 1])
def test_a_petabyte_of_holes_takes_no_time(size: int, tmp_path: Path) -> None:
    began = time.process_time()
    last = hashlib.sha256(bytes(1)).hexdigest()
    lines = [(0, 1 << 46, ZEROS)] + [(1 << 46, 1, last)] * (size % WINDOW)
    assert ranges(manifest(tmp_path, size, lines), [size]) == ([], 0)
    other = [(0, 1 << 46, "00" * 32)] + [(1 << 46, 1, last)] * (size % WINDOW)
    assert ranges(manifest(tmp_path, size, other), [size]) == ([(0, 1 << 46)], 0)
    assert time.process_time() - began < 2


def plainly(windows: list[bytes], expected: list[bytes]) -> list[tuple[int, int]]:
    """One window at a time."""
    found: list[tuple[int, int]] = []
    for number, (one, other) in enumerate(zip(windows, expected, strict=True)):
        if one != other:
            start = found.pop()[0] if found and found[-1][1] == number * WINDOW else number * WINDOW
            found.append((start, (number + 1) * WINDOW))
    return found


@pytest.mark.parametrize("seed", range(20))
def test_runs_give_what_windows_give_one_by_one(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    kinds = [bytes(WINDOW), b"a" * WINDOW]
    windows = [rng.choice(kinds[: rng.choice((1, 2))]) for _ in range(60)]
    expected = [rng.choice(kinds) if rng.random() < 0.2 else window for window in windows]
    lines: list[tuple[int, int, str]] = []
    for number, window in enumerate(expected):
        digest = hashlib.sha256(window).hexdigest()
        if lines and lines[-1][2] == digest and rng.random() < 0.9:
            lines[-1] = (lines[-1][0], lines[-1][1] + WINDOW, digest)
        else:
            lines.append((number * WINDOW, WINDOW, digest))
    chunks: list[Chunk] = [memoryview(window) if any(window) else WINDOW for window in windows]
    listed = hashlib.sha256(b"".join(hashlib.sha256(window).digest() for window in expected)).hexdigest()
    found = ranges(manifest(tmp_path, 60 * WINDOW, lines), chunks, Piecewise(WINDOW, 60, listed))
    assert found == (plainly(windows, expected), 0)


def test_windows_beyond_those_that_are_listed_are_counted(tmp_path: Path) -> None:
    wrong, count = "00" * 32, LISTED_WINDOWS + 3
    lines = [(2 * n * WINDOW, WINDOW, wrong) for n in range(count)]
    lines += [((2 * n + 1) * WINDOW, WINDOW, ZEROS) for n in range(count - 1)]
    lines = [*sorted(lines), ((2 * count - 1) * WINDOW, 5 * WINDOW, wrong)]
    found, more = ranges(manifest(tmp_path, (2 * count + 4) * WINDOW, lines), [(2 * count + 4) * WINDOW])
    assert (len(found), more) == (LISTED_WINDOWS, 2 + 6)


def test_a_long_run_of_digests_is_hashed_as_if_one_by_one_and_can_be_stopped() -> None:
    for count in (0, 1, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, 3 << 15):
        digest = hashlib.sha256()
        update_repeatedly(digest, b"x" * 32, count)
        assert digest.digest() == hashlib.sha256(b"x" * 32 * count).digest()
    asked = iter((False, False, True))
    with pytest.raises(HashingStopped):
        update_repeatedly(hashlib.sha256(), b"x" * 32, 1 << 60, lambda: next(asked))


@pytest.mark.parametrize("more", [1, 3, 100])
def test_windows_that_the_manifest_has_past_the_end_of_the_disk_differ(more: int, tmp_path: Path) -> None:
    """A manifest of two windows whose lines are shorter than a window, each of which counts as one."""
    lines = [(number, 1, ZEROS) for number in range(more)] + [(more, 2 * WINDOW - more, ZEROS)]
    assert ranges(manifest(tmp_path, 2 * WINDOW, lines), [2 * WINDOW]) == ([(2 * WINDOW, (2 + more) * WINDOW)], 0)
    assert LISTED_WINDOWS == 1000
