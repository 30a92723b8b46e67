"""The table of kinds × damages, for as many seeds as one likes: `python -m tests.recovery --seeds 20`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.recovery.figures import figures_of
from tests.recovery.images import DAMAGES, KINDS, damaged_again, make
from tests.recovery.version_1 import images as version_1


def main() -> int:
    """Print shares, certain / inferred, of the bytes that are still in the file; 1 if a certain byte is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.recovery", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="images of each kind (default: 1)")
    parser.add_argument("--seed", type=int, default=1, help="where to begin (default: 1)")
    parser.add_argument("--kind", default="", help="only kinds whose name has this")
    parser.add_argument("--damage", default="", help="only damages whose name has this")
    options = parser.parse_args()
    wrong = 0
    for seed in range(options.seed, options.seed + options.seeds):
        for kind in KINDS:
            if options.kind not in kind.name:
                continue
            with tempfile.TemporaryDirectory() as folder:
                made = make(kind, Path(folder), seed)
                print(f"seed {seed}, {kind.name}", flush=True)
                for damage in DAMAGES:
                    if options.damage in damage:
                        found = figures_of(damaged_again(made, damage, seed))
                        wrong += found.wrong_certain
                        print(f"  {damage:24} {found}", flush=True)
        if not options.kind or options.kind in "version 1":
            wrong += _version_1(seed, options.damage)
    return 1 if wrong else 0


def _version_1(seed: int, wanted: str) -> int:
    """The same of images of version 1, which have damages of their own."""
    wrong = 0
    for content, size, how in version_1.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            made = version_1.make(Path(folder), content, size, seed, *how)
            print(f"seed {seed}, version 1, {' '.join([content, *how])}", flush=True)
            for damage in version_1.DAMAGES:
                if wanted in damage:
                    found = figures_of(version_1.damaged_again(made, damage, seed))
                    wrong += found.wrong_certain
                    print(f"  {damage:24} {found}", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
