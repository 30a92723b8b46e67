"""Change one place of a module, run the tests that reach it, and see whether one fails; again and again.

Cosmic Ray finds the places and makes the changes. Ours are: a random sample that a seed repeats; the choice of the
tests that reach a line, the quickest first; a table of changes that are no change; and copies of the project in which
the tests run side by side.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.changes import Mutant, mutants
from tests.mutants.places import statement_lines
from tests.mutants.running import Measured, copied, measured, said_in, survives
from tests.mutants.tables import Equivalent, Module, equivalents, modules

ENOUGH = 0.9
"""The share of a module's changes, without those that are no change, of which a test has to fail."""

PRELOADED = ("numpy", "hypothesis.strategies", "msgspec", "cryptography", "zstandard", "deflate", "jsonschema")


def main() -> int:
    """Run what the command line asks for; 1 if too few are killed in any module."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--module", help="only modules whose path contains this")
    parser.add_argument("--line", metavar="TEXT", help="only mutants of lines or functions that contain this")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="mutants of each module; 0 is all")
    parser.add_argument("--seed", type=int, default=11, help="chooses the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only say how many there are")
    parser.add_argument(
        "--equivalent", action="store_true", help="try the changes that are said to be none instead: each must survive"
    )
    options = parser.parse_args()
    chosen = [module for module in modules() if (options.module or "") in module.path]
    known = equivalents()
    if options.list:
        for module in chosen:
            print(f"{len(list(mutants(module.source, module.tuned))):5} {module.path}")
        return 0
    for name in PRELOADED:
        __import__(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [copied(Path(folder) / str(number)) for number in range(options.workers)]
        # A list, so that one module's shortfall does not hide the next one's.
        enough = [run(module, known.get(module.path, []), trees, options) for module in chosen]
    return 0 if all(enough) else 1


def run(module: Module, known: Sequence[Equivalent], trees: list[Path], options: argparse.Namespace) -> bool:
    """Try a sample of the mutants of one module, say which survived, and whether enough did not."""
    begun = time.monotonic()
    every = list(mutants(module.source, module.tuned))
    wanted = [each for each in every if not options.line or options.line in each.before or options.line in each.where]
    reasons = {(each.where, each.before, each.after): each.reason for each in known}
    alike = [each for each in wanted if (each.where, each.before, each.after) in reasons]
    if options.equivalent:
        wanted = alike
    elif 0 < options.sample < len(wanted):
        wanted = random.Random(f"{options.seed} {module.path}").sample(wanted, options.sample)
    tried = sorted((each for each in wanted if options.equivalent or each not in alike), key=lambda mutant: mutant.line)
    left = len(wanted) - len(tried)
    tests = measured(trees[0], module.path, module.tests)
    if tests is None:
        print(f"{module.path}: a test fails without any change, or is not there", flush=True)
        print(said_in(trees[0]).read_text(encoding="utf-8", errors="replace")[-2000:], flush=True)
        return False
    survivors = tried_out(module, tried, tests, trees)
    killed = len(tried) - len(survivors)
    share = f"{100 * killed / max(1, len(tried)):.0f} %"
    print(
        f"{module.path}: {killed} of {len(tried)} killed ({share}), {left} more equivalent, of {len(every)} in all, "
        f"seed {options.seed}, {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    for mutant in tried if options.equivalent else survivors:
        if options.equivalent == (mutant not in survivors):
            print(json.dumps({key: getattr(mutant, key) for key in ("line", "where", "before", "after")}), flush=True)
    return killed == 0 if options.equivalent else killed >= ENOUGH * len(tried)


def tried_out(module: Module, tried: Iterable[Mutant], tests: list[Measured], trees: list[Path]) -> list[Mutant]:
    """Those of the mutants that no test notices."""
    source = module.source
    statements = statement_lines(source)
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def survivor(mutant: Mutant) -> Mutant | None:
        reaching = that_reach(tests, mutant, statements)
        patience = 15 + 3 * sum(test.seconds for test in reaching)
        tree = free.get()
        try:
            return mutant if survives(tree, module.path, mutant.text, reaching, patience) else None
        finally:
            (tree / module.path).write_text(source, encoding="utf-8")
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        return [mutant for mutant in pool.map(survivor, tried) if mutant]


def that_reach(tests: list[Measured], mutant: Mutant, statements: dict[int, frozenset[int]]) -> list[Measured]:
    """The tests that run the statement of a mutant; all where none was seen to, or where it runs as it is imported."""
    lines = statements.get(mutant.line, frozenset({mutant.line}))
    found = [test for test in tests if test.lines & lines] if mutant.where else []
    return found or tests


if __name__ == "__main__":
    sys.exit(main())
