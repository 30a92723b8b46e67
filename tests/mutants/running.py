"""Running tests in a copy of the project, in a process forked from one that has loaded what is slow to load."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import pytest

from tests.mutants.tables import ROOT

if TYPE_CHECKING:
    from _typeshed import TraceFunction

COPIED = ("forensic", "tui", "tests", "samples", "ksy", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")

MOST_LINES = 4096
"""Lines of a module."""


@dataclass(frozen=True)
class Measured:
    """What one test did in a run without a change: how long it took, and which lines of the module it reached."""

    name: str
    seconds: float
    lines: frozenset[int]


class Measuring:
    """A plugin that notes which lines of one file each test reaches, itself, in its fixtures or in forks of it.

    What other programs do that a test starts is not seen.
    """

    def __init__(self, path: Path, result: Path) -> None:
        """Note the lines of the file `path`; write them to `result`."""
        self._path, self._result = str(path), result
        self._lines = mmap.mmap(-1, MOST_LINES)  # shared with forks
        self._measured: list[tuple[str, float, list[int]]] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what this test reaches."""
        self._lines[:] = bytes(MOST_LINES)
        begun = time.monotonic()
        threading.settrace(self._called)
        sys.settrace(self._called)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)
            lines = [line for line, reached in enumerate(self._lines[:]) if reached]
            self._measured.append((item.nodeid, time.monotonic() - begun, lines))

    def pytest_sessionfinish(self) -> None:
        """Write it down."""
        self._result.write_text(json.dumps(self._measured), encoding="utf-8")

    def _called(self, frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        return self._reached if frame.f_code.co_filename == self._path else None

    def _reached(self, frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        if frame.f_lineno is not None and frame.f_lineno < MOST_LINES:
            self._lines[frame.f_lineno] = 1
        return self._reached


class Chosen:
    """A plugin that runs only these tests, in this order."""

    def __init__(self, names: list[str]) -> None:
        """Run the tests of these names."""
        self._places = {name: place for place, name in enumerate(names)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the others."""
        items[:] = sorted(
            (item for item in items if item.nodeid in self._places), key=lambda item: self._places[item.nodeid]
        )


def copied(tree: Path) -> Path:
    """A copy of the project in which a worker changes what it likes."""
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__"))
        elif source.exists():
            shutil.copy2(source, tree / name)
    return tree


def measured(tree: Path, module: str, tests: tuple[str, ...]) -> list[Measured] | None:
    """What each of the tests reaches of the module as it is, the quickest first; None if one fails."""
    result = tree.parent / (tree.name + "-measured.json")
    result.unlink(missing_ok=True)
    there = [each for each in tests if (tree / each).exists()]
    if there != list(tests) or not _passes(tree, there, Measuring(tree / module, result), 1200):
        return None
    entries = json.loads(result.read_text(encoding="utf-8"))
    return sorted((Measured(name, seconds, frozenset(lines)) for name, seconds, lines in entries), key=_seconds)


def said_in(tree: Path) -> Path:
    """Where the last run of tests in this copy left what it said."""
    return tree.parent / (tree.name + "-said.txt")


def _seconds(test: Measured) -> float:
    return test.seconds


def survives(tree: Path, module: str, text: str, tests: list[Measured], patience: float) -> bool:
    """Whether the tests pass with this text in the place of a module; one that never ends is no survivor."""
    (tree / module).write_text(text, encoding="utf-8")
    shutil.rmtree((tree / module).parent / "__pycache__", ignore_errors=True)  # it may be of the same second
    names = [test.name for test in tests]
    files = list(dict.fromkeys(name.partition("::")[0] for name in names))
    return _passes(tree, files, Chosen(names), patience)


def _passes(tree: Path, files: list[str], plugin: object, patience: float) -> bool:
    child = os.fork()
    if child == 0:
        _run_tests(tree, files, plugin)
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run_tests(tree: Path, files: list[str], plugin: object) -> None:
    """Run the tests of these files in a copy of the project; never returns."""
    status = 99
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell runs in the background ignores it
        os.chdir(tree)
        os.environ.update(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        sys.path[:] = [str(tree), *(each for each in sys.path if each not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "samples", "forensic", "tui")]:
            del sys.modules[name]
        said = os.open(said_in(tree), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        where = f"--basetemp={tree.parent / (tree.name + '-tmp')}"
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", where]
        status = int(pytest.main([*options, "--hypothesis-profile=mutants", *files], plugins=[plugin]))
    finally:
        os._exit(status)
