"""`python -m tests.bench`: build the images, measure, print tables, write them as Markdown and JSON."""

from __future__ import annotations

import argparse
import compileall
import shutil
import sys
import tempfile
from itertools import chain
from pathlib import Path
from subprocess import CalledProcessError

from tests.bench import readers, scaling
from tests.bench.at_scale import at_scale
from tests.bench.images import Images
from tests.bench.measuring import CommandFailed, Pair, best_of, in_turn
from tests.bench.output import same_files
from tests.bench.scenarios import QCOWSCOPE, Scenario, scenarios
from tests.bench.tables import Cell, Table, machine, write

PACKAGES = ("forensic", "tui")
UNITS = {"M": 1 << 20, "G": 1 << 30}


def main() -> int:
    """Measure everything, or what is named; 1 if an output differs or a command failed."""
    options = _options()
    if shutil.which("qemu-img") is None:
        print("bench: needs qemu-img", file=sys.stderr)
        return 1
    folder = options.folder or Path(tempfile.mkdtemp(prefix="qcowscope-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    images = Images(folder, options.size, keep=options.folder is not None)
    # What was installed has its bytecode beside it; a checkout may have none, and compile anew at every start.
    for package in PACKAGES:
        compileall.compile_dir(package, quiet=1)
    print(machine() + "\n", flush=True)
    try:
        tables, failed = _measure(images, options)
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    write(tables, options.size, options.markdown, options.json)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where images are built and kept (a temporary folder, removed)")
    parser.add_argument(
        "--size", type=_size, default="2G", help="guest data in an image (2G); less where work takes long"
    )
    parser.add_argument("--rounds", type=int, default=3, help="counted runs of each command")
    parser.add_argument("--only", action="append", help="measure only what has this in its name; repeatable")
    parser.add_argument("--peer-python", type=Path, help="a Python in which other readers of qcow2 are installed")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def _size(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def _measure(images: Images, options: argparse.Namespace) -> tuple[list[Table], bool]:
    tables = [_floor(images, options.rounds)]
    compared, failed = _compare(images, options)
    tables.append(compared)
    if options.peer_python and not options.only:
        tables.append(readers.measure(images.part(8), options.rounds, options.peer_python))
    tables.append(scaling.measure(images, options.rounds, options.only))
    return tables, failed


def _floor(images: Images, rounds: int) -> Table:
    """What no command of ours can be faster than."""
    note = (
        "No command can be faster than the interpreter and the libraries that it loads: where the peer needs less for "
        "the whole work than ours to start, a goal is out of reach."
    )
    table = Table("Floor", ("what", "s"), note)
    print(table.head(), flush=True)
    for what in ("pass", "import argparse, dataclasses", "import numpy"):
        fastest = best_of(2 * rounds, (sys.executable, "-c", what)).wall
        print(table.add(f"`python -c '{what}'`", round(fastest, 3)), flush=True)
    image = images.empty("64M")
    for command in ("info", "map", "check"):
        fastest = best_of(2 * rounds, (*QCOWSCOPE, command, str(image))).wall
        print(table.add(f"`qcowscope {command}` of an empty image", round(fastest, 3)), flush=True)
    return table


COLUMNS = ("work", "data GiB", "against", "goal", "ratio", "spread", "ours s", "peer s", "ours MiB", "peer MiB")


def _compare(images: Images, options: argparse.Namespace) -> tuple[Table, bool]:
    note = (
        f"Ratio of wall times, ours to the peer's: the median of {options.rounds} pairs of runs, A B A B. "
        "Outputs are compared. ✗ marks a goal that is not reached; the bare work is what two processes take that read, "
        "decode and write what a list tells them, and do nothing else."
    )
    table, failed = Table("Against QEMU", COLUMNS, note), False
    print("\n" + table.head(), flush=True)
    for name, make in chain(scenarios(images), at_scale(images)):
        if options.only and not any(word in name for word in options.only):
            continue
        try:
            scenario = make()
        except CalledProcessError as error:
            failed = True
            print(table.add(name, f"failed: no image: {error.stderr.strip()[-200:]}"), flush=True)
            continue
        try:
            row = _row(scenario, options.rounds)
        except CommandFailed as error:
            row, failed = (scenario.name, f"failed: {error}"), True
        finally:
            scenario.clean()
        print(table.add(*row), flush=True)
    return table, failed


def _row(scenario: Scenario, rounds: int) -> tuple[Cell, ...]:
    pair = in_turn(scenario.ours, scenario.peer, rounds, scenario.clean, lambda: _require_same_output(scenario))
    mark = "" if scenario.goal is None or pair.ratio <= scenario.goal else " ✗"
    return (
        scenario.name,
        scenario.data and round(scenario.data / (1 << 30), 2),
        f"`{scenario.against}`",
        None if scenario.goal is None else f"≤ {scenario.goal}",
        f"**{pair.ratio:.2f}**{mark}",
        f"{min(pair.ratios):.2f}–{max(pair.ratios):.2f}",
        *(round(min(sample.wall for sample in samples), 2) for samples in (pair.ours, pair.peer)),
        *_peaks(pair, scenario.memory_goal_mib),
    )


def _peaks(pair: Pair, goal_mib: int) -> tuple[str, str]:
    return f"{pair.ours_peak:.0f}" + ("" if pair.ours_peak <= goal_mib else " ✗"), f"{pair.peer_peak:.0f}"


def _require_same_output(scenario: Scenario) -> None:
    """Compare what both wrote. Raises `CommandFailed`."""
    if scenario.ours_output is None or scenario.peer_output is None:
        return
    if not same_files(scenario.ours_output, scenario.peer_output):
        raise CommandFailed("the outputs differ")


if __name__ == "__main__":
    sys.exit(main())
