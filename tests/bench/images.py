"""The images that are measured on, built by qemu-img; a second run finds those of the first."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import numpy as np

PIECE = 1 << 20
CLUSTER = 1 << 16


def tool(*command: str, text: str | None = None) -> None:
    """Run a tool, quietly. Raises `subprocess.CalledProcessError`."""
    subprocess.run(command, check=True, capture_output=True, input=text, text=True)


class Images:
    """Builds each image when it is first asked for; `size` is the guest data in bytes."""

    def __init__(self, folder: Path, size: int) -> None:
        """Images go to `folder`."""
        self.folder = folder
        self.size = size

    def base(self) -> Path:
        """A raw disk of twice the size: stretches of text-like data and of nothing by turns."""
        path = self.folder / f"base-{self.size}.raw"
        if not path.exists():
            random_source = np.random.default_rng(1)
            words = [bytes(random_source.integers(97, 123, length, dtype=np.uint8)) for length in range(2, 12)] * 400
            partial = path.with_suffix(".partial")
            with partial.open("wb") as file:
                for number in range(self.size // PIECE):
                    chosen = random_source.zipf(1.3, PIECE // 4) % len(words)
                    file.seek((number // 64 * 128 + number % 64) * PIECE)
                    file.write(b" ".join(words[index] for index in chosen.tolist())[:PIECE].ljust(PIECE, b"."))
                file.truncate(2 * self.size)
            partial.rename(path)
        return path

    def converted(self, name: str, *options: str) -> Path:
        """The base disk as a qcow2 image, made with these options of qemu-img convert."""
        path = self.folder / f"{name}-{self.size}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "convert", "-O", "qcow2", *options, str(self.base()), str(partial))
            partial.rename(path)
        return path

    def created(self, name: str, size: str, *options: str) -> Path:
        """An image into which nothing was written."""
        path = self.folder / f"{name}.qcow2"
        if not path.exists():
            tool("qemu-img", "create", "-f", "qcow2", *options, str(path), size)
        return path

    def fragmented(self) -> Path:
        """As many bytes as the base, cluster by cluster in random order."""
        path = self.folder / f"fragmented-{self.size}.qcow2"
        if not path.exists():
            partial = path.with_suffix(".partial")
            tool("qemu-img", "create", "-f", "qcow2", str(partial), str(2 * self.size))
            clusters = list(range(self.size // CLUSTER))
            random.Random(1).shuffle(clusters)
            lines = [f"write -q -P {1 + number % 255} {2 * number * CLUSTER} {CLUSTER}" for number in clusters]
            tool("qemu-io", "-t", "writeback", str(partial), text="\n".join(lines) + "\n")
            partial.rename(path)
        return path

    def encrypted(self, key_file: Path) -> Path:
        """The base disk under LUKS, with QEMU's default cipher."""
        path = self.folder / f"luks-{self.size}.qcow2"
        if not path.exists():
            key_file.write_text("bench")
            partial = path.with_suffix(".partial")
            secret = ("--object", f"secret,id=key,file={key_file}")
            options = "encrypt.format=luks,encrypt.key-secret=key,encrypt.iter-time=10"
            tool("qemu-img", "convert", *secret, "-O", "qcow2", "-o", options, str(self.base()), str(partial))
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
