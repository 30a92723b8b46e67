"""Other Python readers of qcow2, against ours: the whole disk read once and hashed, nothing written.

They are measured in a Python of their own, in which they are installed; one that is missing there is skipped.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.bench.images import Images
from tests.bench.measuring import CommandFailed, in_turn
from tests.bench.scenarios import QCOWSCOPE
from tests.bench.tables import Table

_READ = """
import hashlib, sys
{opening}
digest, left = hashlib.sha256(), size
while left > 0 and (data := stream.read(min(1 << 20, left))):
    digest.update(data)
    left -= len(data)
print(digest.hexdigest())
"""

READERS = {
    "dissect.hypervisor": _READ.format(
        opening="from dissect.hypervisor.disk.qcow2 import QCow2\n"
        "stream = QCow2(open(sys.argv[1], 'rb')).open()\nsize = stream.size"
    ),
    "libqcow-python": _READ.format(
        opening="import pyqcow\nstream = pyqcow.file()\nstream.open(sys.argv[1])\nsize = stream.get_media_size()"
    ),
}
MODULES = {"dissect.hypervisor": "dissect.hypervisor", "libqcow-python": "pyqcow"}


def measure(images: Images, rounds: int, python: Path) -> Table:
    """The table, printed row by row while it grows."""
    columns = ("image", "against", "ratio", "spread", "ours s", "peer s", "its bytes are right")
    note = "`qcowscope extract -o - --hash sha256` into nothing, against a loop that reads and hashes."
    table = Table("Other Python readers", columns, note)
    print(table.head(), flush=True)
    for kind, options in (("plain", ()), ("zlib", ("-c",))):
        image = images.converted(kind, *options)
        for row in _rows(kind, image, _sha256(images.base()), rounds, python):
            print(table.add(*row), flush=True)
        images.discard(kind)
    return table


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rows(kind: str, image: Path, truth: str, rounds: int, python: Path) -> Iterator[tuple[str | float, ...]]:
    for name, program in READERS.items():
        if subprocess.run((str(python), "-c", f"import {MODULES[name]}"), capture_output=True, check=False).returncode:
            yield kind, f"{name}: not installed, not measured", *[""] * 5
            continue
        peer = (str(python), "-c", program, str(image))
        ours = (*QCOWSCOPE, "extract", str(image), "-o", "-")
        found = subprocess.run(peer, capture_output=True, text=True, check=False)
        try:
            pair = in_turn(ours, peer, rounds, lambda: None)
        except CommandFailed as error:
            yield kind, f"{name}: {error}", *[""] * 5
            continue
        spread = f"{min(pair.ratios):.2f}–{max(pair.ratios):.2f}"
        seconds = (round(min(run.wall for run in runs), 2) for runs in (pair.ours, pair.peer))
        right = "yes" if found.stdout.strip() == truth else "**no**"
        yield kind, name, round(pair.ratio, 2), spread, *seconds, right
