"""Sound images as a real writer leaves them, driven by a seed: everything that qemu-img and qemu-io do, in any order.

What the samples lack is disorder: streams that do not lie in guest order, clusters that were written, freed and taken
again, tables that a snapshot shares with the disk. Here QEMU's own tools make it.
"""

from __future__ import annotations

import random
import subprocess
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from samples.oracle import ENVIRONMENT

PASSPHRASE = "soak"
CLUSTER_SIZES = (512, 512, 1024, 4096, 4096, 4096, 8192, 65536, 65536, 2 << 20)
SECTOR = 512
TRIES = 5


@dataclass
class Made:
    """An image, and the steps that made it, as they would be typed."""

    path: Path
    cluster_size: int
    encrypted: bool
    backing: list[Path] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)

    @property
    def key_file(self) -> Path:
        """The file with the passphrase of an encrypted image."""
        return self.path.with_name("key")


class Maker:
    """Makes one image in a folder of its own; what QEMU refuses to do is left out."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._rng = random.Random(seed)
        self._folder = folder
        self._count = 0
        self._snapshots: list[str] = []
        self._bitmaps: list[str] = []

    def make(self) -> Made:
        """Choose a shape, write to it in many ways, and give the image with its backing files, nearest first."""
        rng = self._rng
        cluster = rng.choice(CLUSTER_SIZES)
        self._clusters = rng.randrange(6, 200 if cluster < 65536 else 24 if cluster < 2 << 20 else 7)
        self._size = self._clusters * cluster - (rng.choice([0, 0, SECTOR, cluster // 2 // SECTOR * SECTOR]))
        encrypted = rng.random() < 0.06
        self.made = Made(self._folder / "disk.qcow2", cluster, encrypted)
        self.made.key_file.write_text(PASSPHRASE)
        self._options = self._shape(cluster, encrypted)
        self._create("disk.qcow2", str(self._size), *self._secret())
        for _ in range(rng.randrange(2, 9)):
            self._step()
        if not encrypted and rng.random() < 0.3:
            self._overlay()
        return self.made

    def _shape(self, cluster: int, encrypted: bool) -> str:
        rng = self._rng
        options = [f"cluster_size={cluster}"]
        if encrypted:
            options += ["encrypt.format=luks", "encrypt.key-secret=key", "encrypt.iter-time=10"]
        if rng.random() < 0.12 and not encrypted:
            return ",".join([*options, "compat=0.10"])
        if rng.random() < 0.45:
            options.append("compression_type=zstd")
        if cluster >= 16384 and rng.random() < 0.5:
            options.append("extended_l2=on")
        if rng.random() < 0.4:
            options.append(f"refcount_bits={rng.choice([8, 16, 32, 64])}")
        if rng.random() < 0.2:
            options.append("lazy_refcounts=on")
        return ",".join(options)

    def _step(self) -> None:
        rng = self._rng
        steps = [self._write] * 8 + [self._snapshot] * 2 + [self._bitmap, self._resize]
        if not self.made.encrypted:
            steps += [self._convert] * 2 + [self._commit]
        rng.choice(steps)()

    def _write(self) -> None:
        """Some requests of one process, which packs the streams of its compressed writes one after the other."""
        commands = [command for _ in range(self._rng.randrange(1, 25)) for command in ("-c", self._request())]
        self._qemu_io(*commands)

    def _request(self) -> str:
        rng, cluster = self._rng, self.made.cluster_size
        number, pattern = rng.randrange(self._clusters), rng.randrange(256)
        whole = f"{number * cluster} {min(cluster, self._size - number * cluster)}"
        start = rng.randrange(self._size // SECTOR)
        some = f"{start * SECTOR} {rng.randint(1, min(self._size // SECTOR - start, 3 * cluster // SECTOR)) * SECTOR}"
        return rng.choice(
            [
                f"write -c -s {self._content(cluster)} {whole}",
                f"write -c -s {self._content(cluster)} {whole}",
                f"write -c -P {pattern} {whole}",
                f"write -s {self._content(cluster)} {whole}",
                f"write -P {pattern} {some}",
                f"write -z {some}",
                f"write -z -u {whole}",
                f"discard {whole}",
                f"discard {some}",
            ]
        )

    def _content(self, cluster: int) -> str:
        """A file with a cluster whose stream ends near the end of a sector, or that does not compress at all."""
        rng = self._rng
        self._count += 1
        path = self._folder / f"content-{self._count % 40}"
        wanted = rng.choice([1, 2, 3, 5, 8]) * SECTOR + rng.choice([-2, -1, 0, 1, 2, rng.randrange(-200, 200)])
        noise = rng.randbytes(min(cluster, max(1, wanted - 16)))
        while len(noise) < cluster and len(_deflated(noise, cluster)) < wanted:
            noise += rng.randbytes(1)
        if rng.random() < 0.1:
            noise = rng.randbytes(cluster)
        path.write_bytes(noise[:cluster].ljust(cluster, bytes([rng.randrange(256)])))
        return path.name

    def _snapshot(self) -> None:
        rng = self._rng
        kind = rng.choice(["-c", "-c", "-a", "-d"])
        name = (
            f"s{self._count}.{len(self.made.steps)}"
            if kind == "-c" or not self._snapshots
            else rng.choice(self._snapshots)
        )
        if self._qemu_img("snapshot", *self._opened_as(kind, name)):
            if kind == "-d":
                self._snapshots.remove(name)
            elif name not in self._snapshots:
                self._snapshots.append(name)

    def _bitmap(self) -> None:
        rng = self._rng
        if self._bitmaps and rng.random() < 0.5:
            name = rng.choice(self._bitmaps)
            action = rng.choice(["--clear", "--disable", "--enable", "--remove"])
        else:
            name, action = f"b{len(self.made.steps)}", "--add"
        if self.made.encrypted or not self._qemu_img("bitmap", action, "disk.qcow2", name):
            return
        if action == "--add":
            self._bitmaps.append(name)
        elif action == "--remove":
            self._bitmaps.remove(name)

    def _resize(self) -> None:
        rng, cluster = self._rng, self.made.cluster_size
        clusters = max(2, self._clusters + rng.randrange(-10, 30))
        if not self.made.encrypted and self._qemu_img(
            "resize", "-q", "--shrink", "disk.qcow2", str(clusters * cluster)
        ):
            self._clusters, self._size = clusters, clusters * cluster

    def _convert(self) -> None:
        """A copy whose clusters are written by many hands at once, in the order in which they come."""
        how = self._rng.choice([["-c", "-W", "-m", "16"], ["-c"], ["-W", "-m", "8"], []])
        if self._qemu_img("convert", *how, "-O", "qcow2", "-o", self._options, "disk.qcow2", "copy.qcow2"):
            (self._folder / "copy.qcow2").replace(self.made.path)
            self._snapshots, self._bitmaps = [], []

    def _commit(self) -> None:
        """Writes that go through an overlay into the image."""
        if self._qemu_img("create", "-q", "-f", "qcow2", "-b", "disk.qcow2", "-F", "qcow2", "over.qcow2"):
            commands = [
                command for _ in range(6) for command in ("-c", f"write -P {self._rng.randrange(256)} {self._place()}")
            ]
            self._qemu_io(*commands, image="over.qcow2")
            self._qemu_img("commit", "-q", "over.qcow2")
        (self._folder / "over.qcow2").unlink(missing_ok=True)

    def _overlay(self) -> None:
        """The image becomes the backing file of another one, which is written to, and maybe rebased."""
        base = self._folder / "base.qcow2"
        self.made.path.replace(base)
        self._create("disk.qcow2", "", "-b", "base.qcow2", "-F", "qcow2")
        self.made.backing = [base]
        self._snapshots, self._bitmaps = [], []
        for _ in range(self._rng.randrange(1, 4)):
            self._rng.choice([self._write, self._write, self._snapshot])()
        if self._rng.random() < 0.2 and self._qemu_img("rebase", "-b", "", "disk.qcow2"):
            self.made.backing = []

    def _place(self) -> str:
        start = self._rng.randrange(self._size // SECTOR)
        return f"{start * SECTOR} {self._rng.randint(1, min(64, self._size // SECTOR - start)) * SECTOR}"

    def _secret(self) -> list[str]:
        return ["--object", "secret,id=key,file=key"] if self.made.encrypted else []

    def _opened_as(self, *words: str) -> list[str]:
        """Words of a command that opens the image, with its passphrase if it has one."""
        if not self.made.encrypted:
            return [*words, "disk.qcow2"]
        options = "driver=qcow2,encrypt.key-secret=key,file.filename=disk.qcow2"
        return [*self._secret(), "--image-opts", *words, options]

    def _create(self, name: str, size: str = "", *words: str) -> None:
        """Make an image; under load QEMU fails now and then to measure how long LUKS takes, and tries again."""
        options = ["-q", "-f", "qcow2", "-o", self._options, *words]
        for _ in range(TRIES):
            if self._qemu_img("create", *options, name, *([size] if size else [])) and (self._folder / name).exists():
                return
        raise RuntimeError(f"QEMU does not do this: {self.made.steps[-1]}")

    def _qemu_img(self, *words: str) -> bool:
        return self._run(["qemu-img", *words])

    def _qemu_io(self, *words: str, image: str = "disk.qcow2") -> bool:
        opened = self._opened_as(*words) if image == "disk.qcow2" else [*words, image]
        return self._run(["qemu-io", *([] if self.made.encrypted else ["-f", "qcow2"]), *opened])

    def _run(self, command: list[str]) -> bool:
        """Whether it was done; QEMU refuses some things, such as shrinking a disk that has snapshots."""
        self.made.steps.append(" ".join(command))
        done = subprocess.run(command, cwd=self._folder, env=ENVIRONMENT, capture_output=True, timeout=600, check=False)
        return done.returncode == 0


def _deflated(noise: bytes, cluster: int) -> bytes:
    stream = zlib.compressobj(zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, -12)
    return stream.compress(noise.ljust(cluster, b"\0")) + stream.flush()
