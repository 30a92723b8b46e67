"""Change one place of a module, run the tests that belong to it, and see whether one fails; again and again.

Cosmic Ray finds the places and makes the changes. Two things are ours: a random sample that a seed repeats, and copies
of the project in which the tests run side by side, in processes forked from one that has loaded what is slow to load.
"""

import argparse
import ast
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).parent / "modules.toml"
COPIED = ("forensic", "tui", "tests", "samples", "ksy", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
PRELOADED = (
    "pytest",
    "numpy",
    "hypothesis.strategies",
    "msgspec",
    "cryptography",
    "zstandard",
    "deflate",
    "jsonschema",
)

BINARY = (
    "Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_FloorDiv", "LShift_RShift", "RShift_LShift",
    "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitOr",
)  # fmt: skip
COMPARISON = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{change}" for change in BINARY),
    *(f"core/ReplaceComparisonOperator_{change}" for change in COMPARISON),
    "core/ReplaceUnaryOperator_Delete_Not", "core/ReplaceUnaryOperator_Delete_USub",
    "core/ReplaceUnaryOperator_Delete_Invert", "core/AddNot", "core/NumberReplacer", "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd", "core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue", "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak", "core/ExceptionReplacer", "core/ZeroIterationForLoop",
)  # fmt: skip
"""One change for each operator that a line can hold: of ten ways to replace a plus, nine say nothing more."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the line it is in, before and after, and the whole text with it."""

    line: int
    before: str
    after: str
    text: str


def main() -> int:
    """Run what the command line asks for; 1 if fewer than 90 % are killed in any module."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--module", help="only modules whose path contains this")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="mutants of each module; 0 is all")
    parser.add_argument("--seed", type=int, default=11, help="chooses the sample")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="only say how many there are")
    options = parser.parse_args()
    table: dict[str, list[str]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    chosen = {module: tests for module, tests in table.items() if (options.module or "") in module}
    if options.list:
        for module in chosen:
            print(f"{len(list(mutants((ROOT / module).read_text(encoding='utf-8')))):5} {module}")
        return 0
    for name in PRELOADED:
        __import__(name)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        trees = [copied(Path(folder) / str(number)) for number in range(options.workers)]
        # A list, so that one module's shortfall does not hide the next one's.
        enough = [run(module, tests, trees, options.sample, options.seed) for module, tests in chosen.items()]
    return 0 if all(enough) else 1


def mutants(source: str) -> Iterator[Mutant]:
    """Every change of a module that means something: not those of annotations, and none twice."""
    seen = {meaning(source)}
    lines = source.splitlines()
    tree = get_ast(source)
    for name in OPERATORS:
        operator = get_operator(name)()
        count = sum(1 for node in ast_nodes(tree) for _ in operator.mutation_positions(node))
        for occurrence in range(count):
            text = mutate_code(source, operator, occurrence)
            if text is None or (found := meaning(text)) in seen:
                continue
            seen.add(found)
            changed = text.splitlines()
            line = next(number for number, pair in enumerate(zip(lines, changed, strict=False)) if pair[0] != pair[1])
            yield Mutant(line + 1, lines[line].strip(), changed[line].strip(), text)


def meaning(source: str) -> str:
    """The syntax tree without annotations, which are not evaluated here."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def copied(tree: Path) -> Path:
    """A copy of the project in which a worker changes what it likes."""
    tree.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("node_modules"))
        elif source.exists():
            shutil.copy2(source, tree / name)
    return tree


def run(module: str, tests: list[str], trees: list[Path], sample: int, seed: int) -> bool:
    """Try a sample of the mutants of one module, say which survived, and whether 90 % did not."""
    source = (ROOT / module).read_text(encoding="utf-8")
    every = list(mutants(source))
    chosen = every
    if 0 < sample < len(every):
        chosen = sorted(random.Random(f"{seed} {module}").sample(every, sample), key=lambda mutant: mutant.line)
    begun = time.monotonic()
    if not survives(trees[0], module, source, tests, 600):
        print(f"{module}: its tests fail without any change", flush=True)
        return False
    patience = 15 + 3 * (time.monotonic() - begun)
    free: SimpleQueue[Path] = SimpleQueue()
    for tree in trees:
        free.put(tree)

    def survivor(mutant: Mutant) -> Mutant | None:
        tree = free.get()
        try:
            return mutant if survives(tree, module, mutant.text, tests, patience) else None
        finally:
            (tree / module).write_text(source, encoding="utf-8")
            free.put(tree)

    with ThreadPoolExecutor(len(trees)) as pool:
        survivors = [mutant for mutant in pool.map(survivor, chosen) if mutant]
    killed = len(chosen) - len(survivors)
    share = f"{100 * killed / max(1, len(chosen)):.0f} %"
    print(f"{module}: {killed} of {len(chosen)} killed ({share}), of {len(every)} in all, seed {seed}", flush=True)
    for mutant in survivors:
        print(json.dumps({"line": mutant.line, "before": mutant.before, "after": mutant.after}), flush=True)
    return killed >= 0.9 * len(chosen)


def survives(tree: Path, module: str, text: str, tests: list[str], patience: float) -> bool:
    """Whether the tests pass with this text in the place of a module; one that never ends is no survivor."""
    (tree / module).write_text(text, encoding="utf-8")
    shutil.rmtree((tree / module).parent / "__pycache__", ignore_errors=True)  # it may be of the same second
    child = os.fork()
    if child == 0:
        run_tests(tree, tests)
    ends = time.monotonic() + patience
    while time.monotonic() < ends:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def run_tests(tree: Path, tests: list[str]) -> None:
    """Run the tests in a copy of the project; never returns."""
    status = 99
    try:
        os.setsid()
        os.chdir(tree)
        os.environ.update(PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1")
        sys.dont_write_bytecode = True
        sys.path[:] = [str(tree), *(each for each in sys.path if each not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "samples", "forensic", "tui")]:
            del sys.modules[name]
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        import pytest

        where = f"--basetemp={tree.parent / (tree.name + '-tmp')}"
        options = ["-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", where]
        status = int(
            pytest.main([*options, "--hypothesis-profile=mutants", *(each for each in tests if Path(each).exists())])
        )
    finally:
        os._exit(status)


if __name__ == "__main__":
    raise SystemExit(main())
