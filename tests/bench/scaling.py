"""How time and memory grow: with the tables and the data, not with what a header claims."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import log
from pathlib import Path

from tests.bench.images import Images, names_of
from tests.bench.measuring import Command, Sample, best_of, peak_of_all
from tests.bench.scenarios import QCOWSCOPE, SHARED_MEMORY
from tests.bench.tables import Table


@dataclass(frozen=True)
class Growth:
    """One thing that grows while everything else stays: its name, and an image for each of its sizes."""

    name: str
    sizes: tuple[str, ...]
    image: Callable[[str], Path]
    """The path of an image, or of a folder of images."""


LARGE = ("8T", "16T")
"""Images that a file system with an end at 16 TiB cannot hold; they are built in memory, where they take little."""


def growths(images: Images) -> Iterator[Growth]:
    """What is varied."""
    yield Growth("virtual size, nothing allocated", ("64G", "1T", "16T", "64T"), images.empty)
    yield Growth("allocated clusters of 64 KiB", ("16G", "128G", "1T", *LARGE), partial(preallocated, images))
    yield Growth(
        "allocated clusters of 512 bytes",
        ("4G", "16G", "64G"),
        images.smallest_clusters,
    )
    yield Growth(
        "compressed clusters of 4 KiB out of order",
        tuple(str(1 << power) for power in (14, 17, 20)),
        lambda count: images.compressed_out_of_order("16G", int(count), cluster_size=4096),
    )
    yield Growth(
        "snapshots of 16 GiB in clusters of 64 KiB",
        ("0", "10", "100", "1000"),
        lambda count: images.preallocated("16G", snapshots=int(count)),
    )
    yield Growth("small images in one call", ("100", "1000", "10000"), lambda count: _folder_of(images, int(count)))


def preallocated(images: Images, size: str) -> Path:
    """An image of that size; one of the large in a folder of its own, which is for the caller to remove."""
    if size not in LARGE:
        return images.preallocated(size)
    folder = Path(tempfile.mkdtemp(prefix="qcowscope-bench-", dir=SHARED_MEMORY))
    return Images(folder, images.size, keep=False).preallocated(size)


def _folder_of(images: Images, count: int) -> Path:
    """A folder in which two hundred images have so many names."""
    return names_of(images.many(200), count)[0].parent


def measure(images: Images, rounds: int, only: Sequence[str] | None = None) -> Table:
    """The table, printed row by row while it grows; of all that grows, or of what has one of these words in its name.

    The exponent is that of the processor time of our check since the row before: 1 is linear.
    """
    columns = ("what grows", "size", "check s", "its CPU s", "exponent", "qemu-img check s", "its CPU s", "check MiB")
    table = Table("Growth", (*columns, "map s"))
    print(table.head(), flush=True)
    for growth in growths(images):
        if only and not any(word in growth.name for word in only):
            continue
        before: tuple[float, float] | None = None
        for size in growth.sizes:
            image = growth.image(size)
            try:
                ours, peer, peak = _check(image, rounds)
                mapped = None if image.is_dir() else best_of(rounds, (*QCOWSCOPE, "map", "--json", str(image))).wall
            finally:
                if image.parent != images.folder:  # one that was built in memory
                    shutil.rmtree(image.parent)
            grown = _number(size), ours.cpu
            exponent = _exponent(before, grown) if before and before[0] else None
            before = grown
            row = (ours.wall, ours.cpu, exponent, peer.wall, peer.cpu, peak, mapped)
            print(table.add(growth.name, size, *(None if cell is None else round(cell, 3) for cell in row)), flush=True)
    return table


def _number(size: str) -> int:
    """A size as it is written in a row, in whatever unit."""
    powers = {"G": 30, "T": 40}
    return int(size[:-1]) << powers[size[-1]] if size[-1] in powers else int(size)


def _exponent(before: tuple[float, float], grown: tuple[float, float]) -> float:
    """The power of the size with which the time grew from one (size, time) to the next."""
    return log(grown[1] / before[1]) / log(grown[0] / before[0])


def _check(path: Path, rounds: int) -> tuple[Sample, Sample, float]:
    """Our check, that of QEMU, and the memory in MiB that ours takes."""
    ours: Command = (*QCOWSCOPE, "check", str(path))
    peer: Command = ("qemu-img", "check", str(path))
    if path.is_dir():
        peer = ("sh", "-c", 'for image in "$1"/*; do qemu-img check -q "$image"; done', "sh", str(path))
    return best_of(rounds, ours), best_of(rounds, peer), peak_of_all(ours)
