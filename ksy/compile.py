"""Compile each `.ksy` into `forensic/format/`: the parser and the words of its fields; or check that this was done."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

KSY = Path(__file__).resolve().parent
FORMAT = KSY.parent / "forensic" / "format"
DESCRIPTIONS = ("qcow2", "guest/partitions", "guest/ext", "guest/ntfs", "guest/fat", "guest/xfs")


def install_compiler() -> None:
    """Install the pinned compiler unless `node_modules` already has what the lock file names."""
    installed = KSY / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (KSY / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=KSY, check=True, stdout=sys.stderr)


def compiled() -> dict[str, str]:
    """Return the files as they are made from the descriptions, by name."""
    install_compiler()
    made = {}
    for description in DESCRIPTIONS:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["node", "compile.mjs", "python", f"{description}.ksy", folder], cwd=KSY, check=True)
            for ending in (".py", ".words.json"):
                part = f"{description}{ending}"
                made[part] = (Path(folder) / Path(part).name).read_text(encoding="utf-8")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a committed file differs")
    arguments = parser.parse_args()
    status = 0
    for name, text in compiled().items():
        if not arguments.check:
            (FORMAT / name).write_text(text, encoding="utf-8")
        elif not (FORMAT / name).exists() or (FORMAT / name).read_text(encoding="utf-8") != text:
            print(f"forensic/format/{name} is not what its .ksy gives; run python ksy/compile.py", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
