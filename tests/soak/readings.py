"""Every way to read a disk, held against what QEMU reads; what comes back are sentences about differences."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

from forensic.checking import check
from forensic.disk.disk import Disk
from forensic.disk.opening import BackingFile, Supplied, open_disk
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image, identify, open_any, open_image
from forensic.qcow2.snapshots import Snapshot
from forensic.rebuilding.rebuild import rebuild
from forensic.records.judgement import Verdict
from samples.oracle import ENVIRONMENT
from tests.recovery.figures import wrong_after_damage
from tests.recovery.version_1 import images as version_1
from tests.soak.images import PASSPHRASE, Made

CLI = [sys.executable, "-m", "forensic.cli"]
ROOT = Path(__file__).resolve().parent.parent.parent
SMALL_PIECE = 4096
ODD_READS = 40

QEMU_DOES_IT = {"compressed-overlaps-data"}
"""Damage that QEMU 7.2 does itself now and then: it packs a stream behind one that was freed, over plain data."""


def differences(made: Made, seed: int) -> list[str]:
    """Everything in which a reading of ours is not QEMU's: verdict, map, and the bytes by every way."""
    found = _verdict(made)
    if made.path.exists() and _qemu(made, "check", "-q") in (0, 3):
        found += _readings(made, random.Random(seed)) + _recovered(made, seed)
    return found


def _readings(made: Made, rng: random.Random) -> list[str]:
    truth = _truth(made)
    if truth is None:
        return []
    found = _by_commands(made, truth) + _by_map(made, truth)
    with open_any(made.path) as image, open_disk(image, None, _supplied(made)) as disk:
        found += _by_api(disk, made, truth) + _by_reader(disk, truth, rng) + _rebuilt(disk, made, truth)
    with open_image(made.path) as image:
        snapshots = image.snapshots.snapshots if image.header.nb_snapshots else ()
        for snapshot in rng.sample(snapshots, min(2, len(snapshots))):
            found += _snapshot(made, image, snapshot)
    return found


def _rebuilt(disk: Disk, made: Made, truth: bytes) -> list[str]:
    """A new image of the disk is clean, and QEMU reads it as the old one."""
    new, raw = made.path.with_name("new.qcow2"), made.path.with_name("new.raw")
    rebuild(disk, new, Settings(force=True, in_use=True))
    for command in (
        ["check", "-q", "-f", "qcow2", str(new)],
        ["convert", "-f", "qcow2", "-O", "raw", str(new), str(raw)],
    ):
        done = subprocess.run(["qemu-img", *command], env=ENVIRONMENT, capture_output=True, check=False)
        if done.returncode:
            return [f"qemu-img {command[0]} of the rebuilt image: {done.stderr!r}"]
    return [] if raw.read_bytes().ljust(len(truth), b"\0") == truth else ["rebuild gives other bytes"]


def _recovered(made: Made, seed: int) -> list[str]:
    """After some damage, nothing that recovery calls certain is wrong."""
    if made.encrypted or made.backing:
        return []
    folder = made.path.parent
    found = [wrong_after_damage(made.path, folder, seed), version_1.wrong_after_damage(made.path, folder, seed)]
    return [f"recovery: {wrong}" for wrong in found if wrong]


def _supplied(made: Made) -> Supplied:
    passphrase = PASSPHRASE.encode() if made.encrypted else None
    return Supplied(tuple(BackingFile(path) for path in made.backing), passphrase=passphrase)


def _verdict(made: Made) -> list[str]:
    """A sound image is clean; QEMU's leaks are leaks."""
    with Evidence(made.path) as evidence:
        judgement = check(identify(evidence), strict=True)
    theirs = {0: Verdict.CLEAN, 3: Verdict.LEAKS}.get(_qemu(made, "check", "-q"))
    bad = {finding.rule for finding in judgement.findings if finding.severity.rank >= 2}
    if theirs is None or judgement.verdict() == theirs or (bad and bad <= QEMU_DOES_IT):
        return []
    return [f"check says {judgement.verdict()} where QEMU says {theirs}: {', '.join(sorted(bad))}"]


def _opened(made: Made) -> list[str]:
    if not made.encrypted:
        return [made.path.name]
    options = f"driver=qcow2,encrypt.key-secret=key,file.filename={made.path.name}"
    return ["--object", "secret,id=key,file=key", "--image-opts", options]


def _qemu(made: Made, *words: str) -> int:
    command = ["qemu-img", *words, *_opened(made)]
    return subprocess.run(command, cwd=made.path.parent, env=ENVIRONMENT, capture_output=True, check=False).returncode


def _truth(made: Made, *words: str) -> bytes | None:
    """The disk as QEMU reads it, or nothing where it refuses to."""
    raw = made.path.with_name("truth.raw")
    opened = _opened(made)
    command = ["qemu-img", "convert", *words, "-O", "raw", *opened, raw.name]
    done = subprocess.run(command, cwd=raw.parent, env=ENVIRONMENT, capture_output=True, check=False)
    return None if done.returncode else raw.read_bytes()


def _by_commands(made: Made, truth: bytes) -> list[str]:
    """`extract --verify`, which reads a second time by itself, then `diff` of the image and QEMU's raw file."""
    output, report = made.path.with_name("out.raw"), made.path.with_name("out.json")
    files = [word for path in made.backing for word in ("--backing", str(path))]
    key = ["--key-file", str(made.key_file)] if made.encrypted else []
    command = ["extract", str(made.path), "-o", str(output), "--force", "--verify", "--report", f"json:{report}"]
    status, said = _ours(*command, *files, *key)
    if status:
        return [f"extract --verify ends with {status}: {said}"]
    found = _compare("extract", output.read_bytes(), truth)
    compared = json.loads(report.read_text())["result"]["extraction"]["compared"]
    if compared["differences"] or compared["bytes"] < 1 <= len(truth):
        found.append(f"the second reader compared {compared}")
    if made.encrypted or made.backing:
        return found
    status, said = _ours("diff", str(made.path), str(made.path.with_name("truth.raw")))
    return found + ([f"diff ends with {status}: {said}"] if status else [])


def _ours(*words: str) -> tuple[int, str]:
    done = subprocess.run([*CLI, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr)[-400:]


def _by_map(made: Made, truth: bytes) -> list[str]:
    """The map covers the disk without a gap, calls zero what is zero, and places data where they are."""
    files = [word for path in made.backing for word in ("--backing", str(path))]
    done = subprocess.run([*CLI, "map", "--json", str(made.path), *files], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        return [f"map ends with {done.returncode}: {done.stderr.decode()[-300:]}"]
    levels = [path.read_bytes() for path in (made.path, *made.backing)]
    found, at = [], 0
    for extent in json.loads(done.stdout):
        start, length = extent["start"], extent["length"]
        if start != at:
            found.append(f"map: an extent begins at {start:#x}, expected {at:#x}")
        at = start + length
        bytes_here = truth[start:at]
        if extent["zero"] and any(bytes_here):
            found.append(f"map: {start:#x} is called zero, and is not")
        if "offset" in extent and extent["data"] and not made.encrypted:
            place = levels[extent["depth"]][extent["offset"] : extent["offset"] + length]
            found += _compare(f"map at {start:#x}", place, bytes_here)
    return found if at == len(truth) else [*found, f"map ends at {at:#x}, the disk at {len(truth):#x}"]


def _by_api(disk: Disk, made: Made, truth: bytes) -> list[str]:
    """Processes and threads, with pieces as small and buffers as few as there can be."""
    found = []
    for threads in (False, True):
        output = made.path.with_name("api.raw")
        with small_pieces(made.cluster_size), _threads_running() if threads else ExitStack():
            extract(disk, output, Settings(hashes=("sha256",) if threads else (), force=True))
        found += _compare(
            f"extract of small pieces, {'threads' if threads else 'processes'}", output.read_bytes(), truth
        )
    return found


@contextmanager
def small_pieces(cluster_size: int) -> Iterator[None]:
    """Pieces of 4 KiB, and so few buffers that each is used again and again."""
    largest = max(2 * SMALL_PIECE, cluster_size)
    with ExitStack() as patches:
        for name, value in {
            "plan.PIECE_BYTES": SMALL_PIECE,
            "plan.LARGEST_PIECE": largest,
            "pipeline.LARGEST_PIECE": largest,
            "pipeline.PIECES_OF_A_MEMBER": 1,
            "piece_reader.LONG_BLANK": 512,
        }.items():
            patches.enter_context(patch(f"forensic.extraction.{name}", value))
        yield


@contextmanager
def _threads_running() -> Iterator[None]:
    """Another thread, so that the readers are threads, too."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _by_reader(disk: Disk, truth: bytes, rng: random.Random) -> list[str]:
    """The seekable reader, at odd offsets and lengths."""
    reader, found = disk.reader(), list[str]()
    for _ in range(ODD_READS):
        start = rng.randrange(len(truth) + 1)
        length = rng.choice([1, 511, 513, rng.randrange(1, 300_000)])
        reader.seek(start)
        found += _compare(f"reader at {start:#x}", reader.read(length), truth[start : start + length])
    return found


def _snapshot(made: Made, image: Qcow2Image, snapshot: Snapshot) -> list[str]:
    truth = _truth(made, "-l", f"snapshot.id={snapshot.id.text}")
    if truth is None:
        return []
    output = made.path.with_name("snapshot.raw")
    with open_disk(image, snapshot, _supplied(made)) as disk, small_pieces(made.cluster_size):
        extract(disk, output, Settings(force=True))
    ours = output.read_bytes()
    # qemu-img convert takes the size of the active disk for that of every snapshot.
    common = min(len(ours), len(truth))
    return _compare(f"snapshot {snapshot.index}", ours[:common], truth[:common])


def _compare(what: str, ours: Sequence[int] | bytes, theirs: Sequence[int] | bytes) -> list[str]:
    if ours == theirs:
        return []
    at = next((i for i, (mine, other) in enumerate(zip(ours, theirs, strict=False)) if mine != other), -1)
    return [f"{what}: {len(ours):,} bytes instead of {len(theirs):,}, or different from {at:#x} on"]
