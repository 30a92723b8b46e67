"""The images that are measured on, built by qemu-img; a second run finds those of the first."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

CLUSTER = 1 << 16
TRIES = 50


def tool(*command: str, text: str | None = None) -> None:
    """Run a tool, quietly. Raises `subprocess.CalledProcessError`."""
    subprocess.run(command, check=True, capture_output=True, input=text, text=True)


class Images:
    """Builds each image when it is first asked for; `size` is the guest data in bytes."""

    def __init__(self, folder: Path, size: int, keep: bool) -> None:
        """Images go to `folder`; with `keep` they stay there for another run."""
        self.folder = folder
        self.size = size
        self._keep = keep

    def part(self, divisor: int) -> Images:
        """The same with so much less data, for work that takes long."""
        return Images(self.folder, self.size // divisor, self._keep)

    def discard(self, name: str) -> None:
        """An image that is not needed any more, so that all of them need not fit on the disk at once."""
        if not self._keep:
            self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}-{self.size}.qcow2"

    def base(self) -> Path:
        """A raw disk of twice the size: stretches of text-like data and of nothing by turns."""
        path = self.folder / f"base-{self.size}.raw"
        if not path.exists():
            # In a process of its own: what this one has in memory would be counted as the peak of all that it starts.
            tool(sys.executable, "-m", "tests.bench.base", str(path), str(self.size))
        return path

    def converted(self, name: str, *options: str) -> Path:
        """The base disk as a qcow2 image, made with these options of qemu-img convert."""
        path = self._path(name)
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "convert", "-O", "qcow2", *options, str(self.base()), str(partial))
            partial.rename(path)
        return path

    def converted_later(self, name: str, *options: str) -> Callable[[], Path]:
        """The same, when it is called."""
        return lambda: self.converted(name, *options)

    def empty(self, size: str) -> Path:
        """An image into which nothing was written."""
        return self._created(f"empty-{size}", size)

    def preallocated(self, size: str, cluster_size: str = "64k", snapshots: int = 0) -> Path:
        """An image in which every cluster has its place, and no cluster was written; its own size is mostly a hole."""
        name = f"preallocated-{size}-{cluster_size}" + (f"-{snapshots}-snapshots" if snapshots else "")
        options = f"preallocation=metadata,cluster_size={cluster_size}"
        return self._created(name, size, "-o", options, snapshots=snapshots)

    def smallest_clusters(self, size: str) -> Path:
        """As `preallocated`, in clusters of 512 bytes; qemu-img takes ten minutes and more to write 16 GiB of them."""
        path = self.folder / f"smallest-{size}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            # In a process of its own, since the memory of this one counts as that of those that it starts.
            tool(sys.executable, "-m", "tests.bench.preallocated", str(partial), str(in_bytes(size)))
            partial.rename(path)
        return path

    def strewn(self, size: str) -> Path:
        """An image of that size with 200 MiB of data, a mebibyte here and there."""
        path = self.folder / f"strewn-{size}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "create", "-f", "qcow2", str(partial), size)
            step = int(size.removesuffix("T")) * 1024 // 200
            lines = [f"write -q -P {1 + number} {number * step}G 1M" for number in range(200)]
            tool("qemu-io", "-t", "writeback", str(partial), text="\n".join(lines) + "\n")
            partial.rename(path)
        return path

    def _created(self, name: str, size: str, *options: str, snapshots: int = 0) -> Path:
        path = self.folder / f"{name}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "create", "-f", "qcow2", *options, str(partial), size)
            for number in range(snapshots):
                tool("qemu-img", "snapshot", "-c", f"s{number}", str(partial))
            partial.rename(path)
        return path

    def fragmented(self) -> Path:
        """As many bytes as the base, cluster by cluster in random order."""
        path = self._path("fragmented")
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "create", "-f", "qcow2", str(partial), str(2 * self.size))
            clusters = list(range(self.size // CLUSTER))
            random.Random(1).shuffle(clusters)
            lines = [f"write -q -P {1 + number % 255} {2 * number * CLUSTER} {CLUSTER}" for number in clusters]
            tool("qemu-io", "-t", "writeback", str(partial), text="\n".join(lines) + "\n")
            partial.rename(path)
        return path

    def compressed_out_of_order(self, size: str, clusters: int, cluster_size: int = CLUSTER) -> Path:
        """So many compressed clusters, spread evenly over a disk of that size and written in random order."""
        path = self.folder / f"compressed-{clusters}-{size}-{cluster_size}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "create", "-f", "qcow2", "-o", f"cluster_size={cluster_size}", str(partial), size)
            step = in_bytes(size) // clusters // cluster_size * cluster_size
            numbers = list(range(clusters))
            random.Random(1).shuffle(numbers)
            lines = [f"write -q -c -P {1 + number % 255} {number * step} {cluster_size}" for number in numbers]
            tool("qemu-io", "-t", "writeback", str(partial), text="\n".join(lines) + "\n")
            partial.rename(path)
        return path

    def encrypted(self, key_file: Path) -> Path:
        """The base disk under LUKS, with QEMU's default cipher."""
        path = self._path("luks")
        if not path.exists():
            key_file.write_text("bench")
            partial = path.with_suffix(".partial")
            secret = ("--object", f"secret,id=key,file={key_file}")
            options = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"
            command = ("qemu-img", "convert", *secret, "-O", "qcow2", "-o", options, str(self.base()), str(partial))
            for attempts_left in reversed(range(TRIES)):
                try:
                    tool(*command)
                    break
                except subprocess.CalledProcessError:  # "Unable to get accurate CPU usage": it measures itself first
                    if not attempts_left:
                        raise
            partial.rename(path)
        return path

    def many(self, count: int) -> list[Path]:
        """Small images with a little data in each."""
        folder = self.folder / f"many-{count}"
        if not folder.exists():
            partial = folder.with_name(folder.name + ".partial")
            partial.mkdir(exist_ok=True)
            for number in range(count):
                path = partial / f"{number:04}.qcow2"
                tool("qemu-img", "create", "-f", "qcow2", str(path), "64M")
                tool(
                    "qemu-io",
                    "-c",
                    f"write -P {1 + number % 255} {number}M 256k" if number < 60 else "write 0 64k",
                    str(path),
                )
            partial.rename(folder)
        return sorted(folder.iterdir())


def in_bytes(size: str) -> int:
    """What qemu-img understands by a size like 16G or 1T."""
    return int(size[:-1]) << {"G": 30, "T": 40}[size[-1]]


def names_of(images: list[Path], count: int) -> list[Path]:
    """So many names of these images, in a folder beside theirs."""
    folder = images[0].parent.with_name(f"many-{count}")
    folder.mkdir(exist_ok=True)
    names = [folder / f"{number:05}.qcow2" for number in range(count)]
    for number, name in enumerate(names):
        if not name.exists():
            name.hardlink_to(images[number % len(images)])
    return names
