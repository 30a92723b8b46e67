"""How time and memory grow: with the tables and the data, not with what a header claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.images import Images
from tests.bench.measuring import Sample, best_of
from tests.bench.scenarios import QCOWSCOPE
from tests.bench.tables import Table


@dataclass(frozen=True)
class Growth:
    """One thing that grows while everything else stays: its name, and an image for each of its sizes."""

    name: str
    sizes: tuple[str, ...]
    image: Callable[[str], Path]


def growths(images: Images) -> Iterator[Growth]:
    """What is varied."""
    yield Growth("virtual size, nothing allocated", ("64G", "1T", "16T"), images.empty)
    yield Growth("allocated clusters of 64 KiB", ("16G", "128G", "1T"), images.preallocated)
    yield Growth(
        "snapshots of 16 GiB in clusters of 64 KiB",
        ("0", "10", "100"),
        lambda count: images.preallocated("16G", snapshots=int(count)),
    )


def measure(images: Images, rounds: int) -> Table:
    """The table, printed row by row while it grows."""
    table = Table("Growth", ("what grows", "size", "check s", "qemu-img check s", "check MiB", "map s"))
    print(table.head(), flush=True)
    for growth in growths(images):
        for size in growth.sizes:
            image = str(growth.image(size))
            ours, peer = _check(image, rounds)
            mapped = best_of(rounds, (*QCOWSCOPE, "map", "--json", image))
            row = (round(ours.wall, 3), round(peer.wall, 3), round(ours.peak_mib, 1), round(mapped.wall, 3))
            print(table.add(growth.name, size, *row), flush=True)
    return table


def _check(image: str, rounds: int) -> tuple[Sample, Sample]:
    return best_of(rounds, (*QCOWSCOPE, "check", image)), best_of(rounds, ("qemu-img", "check", image))
