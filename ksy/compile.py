"""Compile `qcow2.ksy` into `forensic/format/qcow2.py`, or check that this has been done."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

KSY = Path(__file__).resolve().parent
PARSER = KSY.parent / "forensic" / "format" / "qcow2.py"


def install_compiler() -> None:
    """Install the pinned compiler unless `node_modules` already has what the lock file names."""
    installed = KSY / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (KSY / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=KSY, check=True, stdout=sys.stderr)


def compiled() -> str:
    """Return the text of the parser as the compiler makes it from `qcow2.ksy`."""
    install_compiler()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["node", "compile.mjs", "python", "qcow2.ksy", folder], cwd=KSY, check=True)
        return (Path(folder) / PARSER.name).read_text(encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the committed parser differs")
    arguments = parser.parse_args()
    text = compiled()
    if not arguments.check:
        PARSER.write_text(text, encoding="utf-8")
        return 0
    if PARSER.read_text(encoding="utf-8") == text:
        return 0
    print("forensic/format/qcow2.py is not what ksy/qcow2.ksy compiles to; run python ksy/compile.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
