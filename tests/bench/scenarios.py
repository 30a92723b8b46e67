"""What is measured: our command, the peer's, and the ratio that is the goal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tests.bench import floors
from tests.bench.images import Images
from tests.bench.measuring import Command

QCOWSCOPE = (sys.executable, "-m", "forensic.cli")
FASTEST = ("-W", "-m", "16")
"""The options with which qemu-img convert is fastest: out of order, sixteen requests at a time."""

BARE = "the bare work"
"""Of what has this in its name not we are measured, but what stands against us."""

SHARED_MEMORY = Path("/dev/shm")
"""Where a raw file may be longer than ext4 allows, and waits for no disk that is still busy with the one before."""


@dataclass(frozen=True)
class Scenario:
    """Two commands that do the same work.

    `goal` is the ratio of our time to the peer's that is wanted, None where there is none. `ours_output` and
    `peer_output` are files that both must have written alike; None where the work writes none. `data` is what the guest
    wrote to the disk, in bytes. `memory_goal_mib` is the most that ours may take.
    """

    name: str
    against: str
    goal: float | None
    ours: Command
    peer: Command
    ours_output: Path | None = None
    peer_output: Path | None = None
    data: int | None = None
    memory_goal_mib: int = 100

    def clean(self) -> None:
        """Remove what the commands wrote."""
        for path in (self.ours_output, self.peer_output):
            if path is not None:
                path.unlink(missing_ok=True)


Named = tuple[str, Callable[[], Scenario]]
"""The name of a scenario, and the function that builds its image."""


def scenarios(images: Images) -> Iterator[Named]:
    """Every scenario; those that share an image follow one another, and it is discarded when they are done."""
    yield from _compressed(images)
    yield from _uncompressed(images)
    yield from _hashed(images.part(4))
    yield from _small_clusters(images)
    yield from _smallest_clusters(images.part(2))
    yield "16 TiB sparse", lambda: _sparse(images)
    yield "LUKS", lambda: _encrypted(images)
    images.discard("luks")
    yield from _served(images)
    yield from _metadata_alone(images)


def _compressed(images: Images) -> Iterator[Named]:
    for kind, goal, options in (("zlib", 0.5, ()), ("zstd", 0.6, ("-o", "compression_type=zstd"))):
        image = images.converted_later(kind, "-c", *options)
        yield kind, partial(_with_image, image, partial(against_convert, images, kind, goal))
        if kind == "zstd":
            yield f"{kind}, {BARE}", partial(_with_image, image, partial(_bare_work, images, kind))
        images.discard(kind)


def _hashed(images: Images) -> Iterator[Named]:
    for kind, options in (("zlib", ("-c",)), ("zstd", ("-c", "-o", "compression_type=zstd")), ("plain", ())):
        name = f"{'uncompressed' if kind == 'plain' else kind}, SHA-256"
        image = images.converted_later(kind, *options)
        yield name, partial(_with_image, image, partial(_against_convert_and_hash, images, name))
        verified = name.replace("SHA-256", "verified")
        yield verified, partial(_with_image, image, partial(_against_convert_and_compare, images, verified))
        images.discard(kind)


def _uncompressed(images: Images) -> Iterator[Named]:
    yield "uncompressed", lambda: against_convert(images, "uncompressed", 0.95, images.converted("plain"))
    yield "scan for tables", lambda: _scan("scan for tables", images.converted("plain"), images.size)
    yield f"uncompressed, {BARE}", lambda: _bare_work(images, "uncompressed", images.converted("plain"))
    images.discard("plain")
    yield "fragmented", lambda: against_convert(images, "fragmented", 0.9, images.fragmented())
    yield "map of a fragmented image", lambda: _map("map of a fragmented image", images.fragmented(), images.size)
    images.discard("fragmented")
    extended = images.converted_later("extended", "-o", "extended_l2=on")
    yield "extended L2", lambda: against_convert(images, "extended L2", 1.0, extended())
    images.discard("extended")


def _served(images: Images) -> Iterator[Named]:
    """The disk over NBD to a client that keeps nothing, and as E01; programs that are not there are left out."""
    kinds = (("plain", 1.5, ()), ("zlib", 1.2, ("-c",)), ("zstd", 1.2, ("-c", "-o", "compression_type=zstd")))
    for kind, goal, options in kinds:
        image = images.converted_later(kind, *options)
        if shutil.which("nbdcopy") and shutil.which("qemu-nbd"):
            yield f"NBD, {kind}", partial(_with_image, image, partial(_nbd, f"NBD, {kind}", goal, images.size))
        if kind == "plain" and shutil.which("ewfacquirestream"):
            yield "E01", partial(_with_image, image, partial(_e01, images))
        images.discard(kind)


def _nbd(name: str, goal: float, data: int, image: Path) -> Scenario:
    """All of the disk to nbdcopy; starting the server is part of it."""
    ours = (*QCOWSCOPE, "nbd", str(image), "--run", 'nbdcopy "$uri" null:')
    peer = ("nbdcopy", "--", "[", "qemu-nbd", "-r", "-f", "qcow2", str(image), "]", "null:")
    return Scenario(name, "qemu-nbd -r", goal, ours, peer, data=data)


def _e01(images: Images, image: Path) -> Scenario:
    """A container with MD5 and SHA-1; the peer gets the disk from a pipe of ours, and cannot know what is missing."""
    folder = outputs_folder(images)
    ours, peer = (folder / f"qcowscope-bench-{os.getpid()}-{name}" for name in ("ours", "peer"))
    extract = shlex.join(_extract(image, ours.with_suffix(".E01"), "--hash", "none"))
    piped = shlex.join(_extract(image, Path("-"), "--hash", "none"))
    case = "-C 1 -D d -E 1 -e e -N n -m fixed -M physical -q -f encase6 -c fast -d sha1 -S 1EiB"
    alone = ("sh", "-c", f"{extract} && rm {ours}.E01")
    stream = ("sh", "-c", f"{piped} | ewfacquirestream {case} -t {peer} && rm {peer}.E01")
    return Scenario("E01", "a pipe into ewfacquirestream", None, alone, stream, data=images.size)


def _small_clusters(images: Images) -> Iterator[Named]:
    small = images.converted_later("4k", "-o", "cluster_size=4k")
    yield "4 KiB clusters", lambda: against_convert(images, "4 KiB clusters", 1.0, small())
    yield "check, 4 KiB clusters", lambda: _check("check, 4 KiB clusters", 1.0, small(), images.size)
    images.discard("4k")


def _smallest_clusters(images: Images) -> Iterator[Named]:
    smallest = images.converted_later("512", "-o", "cluster_size=512")
    yield "512-byte clusters", lambda: against_convert(images, "512-byte clusters", 0.3, smallest(), ())
    yield "check, 512-byte clusters", lambda: _check("check, 512-byte clusters", 0.15, smallest(), images.size)
    images.discard("512")


def _metadata_alone(images: Images) -> Iterator[Named]:
    large = "check, 1 TiB preallocated"
    yield large, lambda: _check(large, 0.6, images.preallocated("1T"))
    small = "check, 64 GiB preallocated, 4 KiB clusters"
    yield small, lambda: _check(small, 1.0, images.preallocated("64G", "4k"))
    yield "check of 200 small images", lambda: _many(images)


def _with_image(image: Callable[[], Path], make: Callable[[Path], Scenario]) -> Scenario:
    return make(image())


def _extract(image: Path, output: Path, *options: str) -> Command:
    return (*QCOWSCOPE, "extract", str(image), "-o", str(output), *options)


def against_convert(
    images: Images,
    name: str,
    goal: float,
    image: Path,
    options: tuple[str, ...] = FASTEST,
    folder: Path | None = None,
) -> Scenario:
    """Without a hash, against qemu-img convert."""
    ours, peer = _outputs(folder or outputs_folder(images))
    convert = ("qemu-img", "convert", *options, "-f", "qcow2", "-O", "raw", str(image), str(peer))
    against = " ".join(("qemu-img convert", *options))
    return Scenario(name, against, goal, _extract(image, ours, "--hash", "none"), convert, ours, peer, images.size)


def _bare_work(images: Images, kind: str, image: Path) -> Scenario:
    """What the least program would take in our place; see `floors`."""
    as_ours = against_convert(images, f"{kind}, {BARE}", 0.0, image)
    ranges = floors.list_ranges(image, images.folder / f"{kind}.ranges")
    command = (sys.executable, "-m", "tests.bench.floors", str(image), str(ranges), str(as_ours.ours_output))
    return replace(as_ours, goal=None, ours=command)


def _against_convert_and_hash(images: Images, name: str, image: Path) -> Scenario:
    """With SHA-256, against qemu-img convert and then sha256sum."""
    ours, peer = _outputs(outputs_folder(images))
    convert = shlex.join(["qemu-img", "convert", *FASTEST, "-O", "raw", str(image), str(peer)])
    command = ("sh", "-c", f"{convert} && sha256sum {shlex.quote(str(peer))}")
    against = f"qemu-img convert {' '.join(FASTEST)}, then sha256sum"
    return Scenario(name, against, 0.6, _extract(image, ours), command, ours, peer, images.size)


def _against_convert_and_compare(images: Images, name: str, image: Path) -> Scenario:
    """With a second reading of all of it, against qemu-img convert and then qemu-img compare."""
    ours, peer = _outputs(outputs_folder(images))
    convert = shlex.join(["qemu-img", "convert", *FASTEST, "-O", "raw", str(image), str(peer)])
    compare = shlex.join(["qemu-img", "compare", "-f", "qcow2", "-F", "raw", str(image), str(peer)])
    command = ("sh", "-c", f"{convert} && {compare}")
    against = f"qemu-img convert {' '.join(FASTEST)}, then qemu-img compare"
    return Scenario(name, against, None, _extract(image, ours, "--verify"), command, ours, peer, images.size)


def outputs_folder(images: Images) -> Path:
    """Memory, if it has room for both outputs twice."""
    try:
        status = os.statvfs(SHARED_MEMORY)
    except OSError:
        return images.folder
    return SHARED_MEMORY if status.f_bavail * status.f_frsize > 4 * images.size else images.folder


def _outputs(folder: Path) -> tuple[Path, Path]:
    return folder / f"qcowscope-bench-{os.getpid()}-ours.raw", folder / f"qcowscope-bench-{os.getpid()}-peer.raw"


def _sparse(images: Images) -> Scenario:
    """Where the file system lets a raw file be as long as that: ext4 ends at 16 TiB less one block."""
    folders = [folder for folder in (images.folder, SHARED_MEMORY) if _can_be_as_large(folder, 16 << 40)]
    size, folder = ("16T", folders[0]) if folders else ("8T", images.folder)
    name = f"{size.removesuffix('T')} TiB sparse, 200 MiB of data"
    return replace(against_convert(images, name, 0.6, images.strewn(size), (), folder), data=200 << 20)


def _encrypted(images: Images) -> Scenario:
    key_file = images.folder / "key"
    image = images.encrypted(key_file)
    ours, peer = _outputs(outputs_folder(images))
    secret = ("--object", f"secret,id=key,file={key_file}")
    source = ("--image-opts", f"driver=qcow2,file.filename={image},encrypt.key-secret=key")
    convert = ("qemu-img", "convert", *FASTEST, *secret, *source, "-O", "raw", str(peer))
    extract = _extract(image, ours, "--hash", "none", "--key-file", str(key_file))
    against = f"qemu-img convert {' '.join(FASTEST)}"
    return Scenario("LUKS", against, 1.0, extract, convert, ours, peer, images.size)


def _check(name: str, goal: float, image: Path, data: int | None = None) -> Scenario:
    ours, peer = (*QCOWSCOPE, "check", str(image)), ("qemu-img", "check", str(image))
    return Scenario(name, "qemu-img check", goal, ours, peer, data=data, memory_goal_mib=150)


def _scan(name: str, image: Path, data: int) -> Scenario:
    """All of a damaged image looked through for tables, and planned; against the reading alone."""
    ours, peer = (*QCOWSCOPE, "recover", str(image)), ("cat", str(image))
    return Scenario(name, "cat", 1.5, ours, peer, data=data, memory_goal_mib=150)


def _many(images: Images) -> Scenario:
    paths = [str(path) for path in images.many(200)]
    peer = ("sh", "-c", 'for image; do qemu-img check -q "$image"; done', "sh", *paths)
    ours = (*QCOWSCOPE, "check", "--json", *paths)
    return Scenario("check of 200 small images", "200 × qemu-img check", 1.0, ours, peer, memory_goal_mib=150)


def _map(name: str, image: Path, data: int) -> Scenario:
    peer = ("qemu-img", "map", "--output=json", str(image))
    ours = (*QCOWSCOPE, "map", "--json", str(image))
    return Scenario(name, "qemu-img map --output=json", 1.0, ours, peer, data=data)


def _can_be_as_large(folder: Path, size: int) -> bool:
    probe = folder / "qcowscope-bench-size-probe"
    try:
        with probe.open("wb") as file:
            file.truncate(size)
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True
