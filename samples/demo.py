"""`make demo`: look at a sample, judge it, extract it, verify the result; then judge and extract a damaged one.

Each command is printed before it runs, and its exit status is compared with the one it must have.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

# A script's own folder, not the project's, is what Python looks for modules in.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from samples import recipes

SAMPLES = Path(__file__).resolve().parent
OUTPUT = Path("demo-output")
SOUND = SAMPLES / "sound" / "zstd-4k.qcow2"
DAMAGED = "l2-entry-outside-file"


def main(command: str) -> int:
    """Run the demonstration with the given `qcowscope`; 1 if any step did not end as it should."""
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    damaged = OUTPUT / f"{DAMAGED}.qcow2"
    recipes.apply(recipes.load(SAMPLES / "damaged" / f"{DAMAGED}.toml"), damaged)
    raw, report = OUTPUT / "disk.raw", OUTPUT / "disk.json"
    sound = Path("samples") / SOUND.relative_to(SAMPLES)
    steps: list[tuple[str, int, list[str | Path]]] = [
        ("What is it?", 0, ["info", sound]),
        ("Is it sound?", 0, ["check", sound]),
        ("Write the virtual disk out, with its hash and a report.", 0, _extract(sound, raw, report)),
        ("Is the raw file what the report says?", 0, ["verify", raw, report]),
        ("And an image whose tables point past its end?", 2, ["check", damaged]),
        ("What does that mean?", 0, ["explain", DAMAGED]),
        (
            "What is there is extracted; what is not is listed, and the exit status says so.",
            5,
            _extract(damaged, raw.with_name("damaged.raw"), report.with_name("damaged.json")),
        ),
    ]
    wrong = [text for text, expected, arguments in steps if _step(command, text, arguments) != expected]
    for text in wrong:
        print(f"\nThis step did not end as it should: {text}")
    print(f"\n{len(steps) - len(wrong)} of {len(steps)} steps ended as they should; the files are in {OUTPUT}/")
    return 1 if wrong else 0


def _extract(image: Path, raw: Path, report: Path) -> list[str | Path]:
    return ["extract", image, "-o", raw, "--report", f"json:{report}"]


def _step(command: str, text: str, arguments: list[str | Path]) -> int:
    print(f"\n# {text}\n$ qcowscope {shlex.join(map(str, arguments))}", flush=True)
    status = subprocess.run([command, *map(str, arguments)], check=False).returncode
    print(f"(exit status {status})", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
