"""`python -m tests.bench`: build the images, measure, print a table, write it as Markdown and JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from tests.bench.images import Images
from tests.bench.measuring import CommandFailed, Pair, in_turn, run
from tests.bench.scenarios import Scenario, scenarios

CHUNK = 1 << 20
UNITS = {"M": 1 << 20, "G": 1 << 30}


def main() -> int:
    """Measure everything, or what is named; 1 if an output differs or a command failed."""
    options = _options()
    if shutil.which("qemu-img") is None:
        print("bench: needs qemu-img", file=sys.stderr)
        return 1
    folder = options.folder or Path(tempfile.mkdtemp(prefix="qcowscope-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, object]] = []
    for name, make in scenarios(Images(folder, options.size)):
        if not options.only or any(word in name for word in options.only):
            rows.append(_measured(name, make(), options.rounds))
            print(_line(rows[-1]), flush=True)
    if options.folder is None:
        shutil.rmtree(folder)
    _write(rows, options)
    return 1 if any("failed" in row for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where images are built and kept (a temporary folder, removed)")
    parser.add_argument("--size", type=_size, default="512M", help="guest data in an image, such as 512M or 2G")
    parser.add_argument("--rounds", type=int, default=5, help="counted runs of each command")
    parser.add_argument("--only", action="append", help="measure only scenarios with this in their name; repeatable")
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    return parser.parse_args()


def _size(text: str) -> int:
    return int(text[:-1]) * UNITS[text[-1]]


def _measured(name: str, scenario: Scenario, rounds: int) -> dict[str, object]:
    row: dict[str, object] = {"work": name, "against": scenario.against, "goal": scenario.goal}
    try:
        if not _same_output(scenario):
            return row | {"failed": "the outputs differ"}
        return row | _figures(scenario, in_turn(scenario.ours, scenario.peer, rounds, scenario.clean))
    except CommandFailed as error:
        return row | {"failed": str(error)}
    finally:
        scenario.clean()


def _same_output(scenario: Scenario) -> bool:
    """Run both once and compare what they wrote."""
    if scenario.ours_output is None or scenario.peer_output is None:
        return True
    scenario.clean()
    for command in (scenario.ours, scenario.peer):
        run(command)
    with scenario.ours_output.open("rb") as ours, scenario.peer_output.open("rb") as peer:
        return _same_bytes(ours, peer) and _same_bytes(peer, ours)


def _same_bytes(one: BinaryIO, other: BinaryIO) -> bool:
    """Whether what `one` stores stands in `other` as well; holes are skipped, since they may be terabytes."""
    size = os.fstat(one.fileno()).st_size
    if size != os.fstat(other.fileno()).st_size:
        return False
    offset = 0
    while (offset := _next_data(one, offset)) < size:
        if os.pread(one.fileno(), CHUNK, offset) != os.pread(other.fileno(), CHUNK, offset):
            return False
        offset += CHUNK
    return True


def _next_data(file: BinaryIO, offset: int) -> int:
    try:
        return os.lseek(file.fileno(), offset, os.SEEK_DATA)
    except OSError:
        return os.fstat(file.fileno()).st_size


def _figures(scenario: Scenario, pair: Pair) -> dict[str, object]:
    ours, peer = min(sample.wall for sample in pair.ours), min(sample.wall for sample in pair.peer)
    peak = max(sample.peak_mib for sample in pair.ours)
    return {
        "ratio": round(pair.ratio, 3),
        "ratio_min": round(min(pair.ratios), 3),
        "ratio_max": round(max(pair.ratios), 3),
        "reached": pair.ratio <= scenario.goal,
        "ours_seconds_min": round(ours, 3),
        "peer_seconds_min": round(peer, 3),
        "ours_peak_mib": round(peak, 1),
        "peer_peak_mib": round(max(sample.peak_mib for sample in pair.peer), 1),
        "memory_goal_mib": scenario.memory_goal_mib,
        "memory_reached": peak <= scenario.memory_goal_mib,
        "rounds": len(pair.ours),
    }


COLUMNS = ("work", "against", "goal", "ratio", "spread", "ours s", "peer s", "ours MiB", "peer MiB")
HEADER = f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}"


def _line(row: dict[str, object]) -> str:
    if "failed" in row:
        return f"| {row['work']} | {row['against']} | ≤ {row['goal']} | failed: {row['failed']} | | | | | |"
    mark = "" if row["reached"] else " ✗"
    spread = f"{row['ratio_min']}–{row['ratio_max']}"
    return (
        f"| {row['work']} | {row['against']} | ≤ {row['goal']} | **{row['ratio']}**{mark} | {spread} "
        f"| {row['ours_seconds_min']} | {row['peer_seconds_min']} | {row['ours_peak_mib']} | {row['peer_peak_mib']} |"
    )


def _write(rows: list[dict[str, object]], options: argparse.Namespace) -> None:
    table = "\n".join([HEADER, *map(_line, rows)]) + "\n"
    machine = {"processor": platform.machine(), "kernel": platform.release(), "python": platform.python_version()}
    for path in filter(None, (options.markdown, options.json)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if options.markdown:
        options.markdown.write_text(table, encoding="utf-8")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "size": options.size, "rows": rows}, indent=2) + "\n")
    if not options.markdown and not options.json:
        print("\n" + table)


if __name__ == "__main__":
    sys.exit(main())
