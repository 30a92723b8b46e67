"""Make sound images and hold every way to read them against QEMU, for as long as one likes: `python -m tests.soak`."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.soak.images import Maker
from tests.soak.readings import differences


def main() -> int:
    """Run until the time is over; an image with a difference is kept, with the steps that made it."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="how long to go on (default: 600)")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000_000, help="where to begin")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where images are made")
    parser.add_argument("--keep", type=Path, default=Path("soak-output"), help="where images with a difference go")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    end, seed, bad = time.monotonic() + options.seconds, options.seed, 0
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            made = Maker(seed, Path(folder)).make()
            try:
                found = differences(made, seed)
            except Exception:  # noqa: BLE001 - a way to read that breaks is a difference, too
                found = [traceback.format_exc()]
            if found:
                bad += 1
                print(f"seed {seed}:", *found[:5], sep="\n  ", flush=True)
                shutil.copytree(folder, options.keep / str(seed), dirs_exist_ok=True)
                (options.keep / str(seed) / "steps").write_text("\n".join(made.steps + found))
        seed += 1
    print(f"{seed - options.seed:,} images from seed {options.seed} on, {bad} with a difference")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
