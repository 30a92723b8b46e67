"""What is measured: our command, the peer's, and the ratio that is the goal."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.images import Images
from tests.bench.measuring import Command

QCOWSCOPE = (sys.executable, "-m", "forensic.cli")


@dataclass(frozen=True)
class Scenario:
    """Two commands that do the same work.

    `ours_output` and `peer_output` are files that both must have written alike; None where the work writes none.
    `memory_goal_mib` is the most that ours may take.
    """

    name: str
    against: str
    goal: float
    ours: Command
    peer: Command
    ours_output: Path | None = None
    peer_output: Path | None = None
    memory_goal_mib: int = 100

    def clean(self) -> None:
        """Remove what the commands wrote."""
        for path in (self.ours_output, self.peer_output):
            if path is not None:
                path.unlink(missing_ok=True)


def scenarios(images: Images) -> Iterator[tuple[str, Callable[[], Scenario]]]:
    """Every scenario, by name; each builds its image when it is called."""
    extraction = Extractions(images)
    yield from extraction.plain()
    yield from extraction.hashed()
    yield from _checks(images)
    yield from _others(images)


class Extractions:
    """Scenarios that write a raw image."""

    def __init__(self, images: Images) -> None:
        """Outputs go beside the images."""
        self._images = images
        self._ours = images.folder / "ours.raw"
        self._peer = images.folder / "peer.raw"

    def plain(self) -> Iterator[tuple[str, Callable[[], Scenario]]]:
        """Without a hash, against qemu-img convert with its fastest options."""
        images = self._images
        zstd = ("-c", "-o", "compression_type=zstd")
        yield "zlib, no hash", lambda: self._against_convert("zlib, no hash", 0.5, images.converted("zlib", "-c"))
        yield "zstd, no hash", lambda: self._against_convert("zstd, no hash", 0.6, images.converted("zstd", *zstd))
        yield (
            "uncompressed, no hash",
            lambda: self._against_convert("uncompressed, no hash", 0.95, images.converted("plain")),
        )
        yield "fragmented, no hash", lambda: self._against_convert("fragmented, no hash", 0.9, images.fragmented())
        yield (
            "extended L2, no hash",
            lambda: self._against_convert(
                "extended L2, no hash", 1.0, images.converted("extended", "-o", "extended_l2=on")
            ),
        )
        yield (
            "4 KiB clusters, no hash",
            lambda: self._against_convert(
                "4 KiB clusters, no hash", 1.0, images.converted("4k", "-o", "cluster_size=4k")
            ),
        )
        yield (
            "512-byte clusters, no hash",
            lambda: self._against_convert(
                "512-byte clusters, no hash", 0.3, images.converted("512", "-o", "cluster_size=512"), options=()
            ),
        )
        yield "16 TiB sparse, no hash", self._sparse
        yield "LUKS, no hash", self._encrypted

    def hashed(self) -> Iterator[tuple[str, Callable[[], Scenario]]]:
        """With SHA-256, against qemu-img convert and then sha256sum."""
        images, zstd = self._images, ("-c", "-o", "compression_type=zstd")
        yield (
            "zlib, SHA-256",
            lambda: self._against_convert_and_hash("zlib, SHA-256", 0.6, images.converted("zlib", "-c")),
        )
        yield (
            "zstd, SHA-256",
            lambda: self._against_convert_and_hash("zstd, SHA-256", 0.6, images.converted("zstd", *zstd)),
        )
        yield (
            "uncompressed, SHA-256",
            lambda: self._against_convert_and_hash("uncompressed, SHA-256", 0.6, images.converted("plain")),
        )

    def _extract(self, image: Path, *options: str) -> Command:
        return (*QCOWSCOPE, "extract", str(image), "-o", str(self._ours), *options)

    def _against_convert(
        self, name: str, goal: float, image: Path, options: tuple[str, ...] = ("-W", "-m", "16")
    ) -> Scenario:
        peer = ("qemu-img", "convert", *options, "-f", "qcow2", "-O", "raw", str(image), str(self._peer))
        against = " ".join(("qemu-img convert", *options))
        return Scenario(name, against, goal, self._extract(image, "--hash", "none"), peer, self._ours, self._peer)

    def _against_convert_and_hash(self, name: str, goal: float, image: Path) -> Scenario:
        convert = shlex.join(["qemu-img", "convert", "-W", "-m", "16", "-O", "raw", str(image), str(self._peer)])
        peer = ("sh", "-c", f"{convert} && sha256sum {shlex.quote(str(self._peer))}")
        against = "qemu-img convert -W -m 16, then sha256sum"
        return Scenario(name, against, goal, self._extract(image), peer, self._ours, self._peer)

    def _sparse(self) -> Scenario:
        """As large as the file system lets a raw file be: ext4 ends at 16 TiB less one block."""
        size = "16T" if _can_be_as_large(self._images.folder, 16 << 40) else "8T"
        image = self._images.created(f"sparse-{size}", size)
        return self._against_convert(f"{size}iB sparse, no hash", 0.6, image, options=())

    def _encrypted(self) -> Scenario:
        key_file = self._images.folder / "key"
        image = self._images.encrypted(key_file)
        secret = ("--object", f"secret,id=key,file={key_file}")
        source = ("--image-opts", f"driver=qcow2,file.filename={image},encrypt.key-secret=key")
        peer = ("qemu-img", "convert", "-W", "-m", "16", *secret, *source, "-O", "raw", str(self._peer))
        ours = self._extract(image, "--hash", "none", "--key-file", str(key_file))
        return Scenario("LUKS, no hash", "qemu-img convert -W -m 16", 1.0, ours, peer, self._ours, self._peer)


def _checks(images: Images) -> Iterator[tuple[str, Callable[[], Scenario]]]:
    def against_check(name: str, goal: float, image: Path) -> Scenario:
        ours = (*QCOWSCOPE, "check", str(image))
        return Scenario(name, "qemu-img check", goal, ours, ("qemu-img", "check", str(image)), memory_goal_mib=150)

    metadata = ("-o", "preallocation=metadata")
    yield (
        "check, 1 TiB preallocated",
        lambda: against_check("check, 1 TiB preallocated", 0.6, images.created("preallocated-1t", "1T", *metadata)),
    )
    yield (
        "check, 512-byte clusters",
        lambda: against_check("check, 512-byte clusters", 0.15, images.converted("512", "-o", "cluster_size=512")),
    )
    yield (
        "check, 4 KiB clusters",
        lambda: against_check("check, 4 KiB clusters", 1.0, images.converted("4k", "-o", "cluster_size=4k")),
    )


def _others(images: Images) -> Iterator[tuple[str, Callable[[], Scenario]]]:
    def many() -> Scenario:
        paths = [str(path) for path in images.many(200)]
        peer = ("sh", "-c", 'for image; do qemu-img check -q "$image"; done', "sh", *paths)
        ours = (*QCOWSCOPE, "check", "--json", *paths)
        return Scenario("check of 200 small images", "200 × qemu-img check", 1.0, ours, peer, memory_goal_mib=150)

    def fragmented_map() -> Scenario:
        image = str(images.fragmented())
        peer = ("qemu-img", "map", "--output=json", image)
        return Scenario("map of a fragmented image", "qemu-img map", 1.0, (*QCOWSCOPE, "map", "--json", image), peer)

    yield "check of 200 small images", many
    yield "map of a fragmented image", fragmented_map


def _can_be_as_large(folder: Path, size: int) -> bool:
    probe = folder / "size-probe"
    try:
        with probe.open("wb") as file:
            file.truncate(size)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
