"""Images of version 1, and what can happen to them: the truth, and damage to header, L1 table and L2 tables."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

from forensic.errors import Unsupported
from forensic.image import open_any
from forensic.mapping.extents import State
from samples.oracle import ENVIRONMENT
from tests.recovery.figures import figures_of
from tests.recovery.images import MIB, TEXT, Made, filesystem, run

L1 = 48
TABLE_ENTRIES = 512


def make(folder: Path, content: str, size: int, seed: int, *options: str) -> Made:
    """A disk converted to version 1, in which QEMU takes clusters of 4 KiB."""
    return converted(filesystem(content, folder, size, random.Random(seed)), folder, *options)


def converted(raw: Path, folder: Path, *options: str) -> Made:
    """The same of a disk, raw or in another image."""
    image = folder / "image.qcow"
    # QEMU writes all compressed clusters, and ends with an error since it cannot truncate the file then.
    command = ["qemu-img", "convert", "-O", "qcow", *options, str(raw), str(image)]
    subprocess.run(command, capture_output=True, env=ENVIRONMENT, check=not options)
    truth = folder / "truth.raw"
    run("qemu-img", "convert", "-f", "qcow", "-O", "raw", image, truth)
    with open_any(image) as opened:
        data = [
            (one.guest_offset, one.host_offset, one.length, one.stored_length or 0)
            for one in opened.extents()
            if one.host_offset is not None and one.state in (State.DATA, State.COMPRESSED)
        ]
    content_now = bytearray(image.read_bytes())
    return Made(image, truth.read_bytes(), data, 1 << content_now[32], content_now)


def slots(made: Made) -> int:
    return -(-len(made.truth) // (made.cluster * TABLE_ENTRIES))


def l1_zero(made: Made, rng: random.Random) -> None:
    made.put(L1, bytes(8 * slots(made)))


def half_of_l1_zero(made: Made, rng: random.Random) -> None:
    for slot in rng.sample(range(slots(made)), slots(made) // 2):
        made.put(L1 + 8 * slot, bytes(8))


def l1_text(made: Made, rng: random.Random) -> None:
    third = slots(made) // 3
    made.put(L1 + 8 * third, TEXT[: 8 * third])


def parts_of_l2(body: Callable[[int], bytes]) -> Callable[[Made, random.Random], None]:
    """A few sectors of every table: its first, its last, or any between."""

    def damage(made: Made, rng: random.Random) -> None:
        for slot in range(slots(made)):
            if table := made.u64(L1 + 8 * slot):
                length = 512 * rng.randrange(1, 4)
                at = rng.choice([0, made.cluster - length, 512 * rng.randrange((made.cluster - length) // 512)])
                made.put(table + at, body(length))
                first = slot * TABLE_ENTRIES + at // 8
                made.unnamed.append((first * made.cluster, (first + length // 8) * made.cluster))

    return damage


DAMAGES: dict[str, Callable[[Made, random.Random], None]] = {
    "none": lambda made, rng: None,
    "header zero": lambda made, rng: made.put(0, bytes(48)),
    "header text": lambda made, rng: made.put(0, TEXT[:48]),
    "magic": lambda made, rng: made.put(0, bytes(4)),
    "cluster_bits impossible": lambda made, rng: made.put(32, b"\xff"),
    "size 0": lambda made, rng: made.put(24, bytes(8)),
    "L1 zero": l1_zero,
    "half of L1 zero": half_of_l1_zero,
    "L1 text": l1_text,
    "parts of L2 text": parts_of_l2(lambda length: TEXT[:length]),
    "parts of L2 ff": parts_of_l2(lambda length: b"\xff" * length),
    "parts of L2 zero": parts_of_l2(bytes),
}

KINDS = (("ext4", 64 * MIB, ()), ("noise", 32 * MIB, ()), ("ext4", 64 * MIB, ("-c",)))
"""Content, size, and how it is converted."""


def damaged_again(made: Made, damage: str, seed: int) -> Made:
    """The same image with a damage."""
    copy = Made(made.path, made.truth, made.data, made.cluster, bytearray(made.content))
    DAMAGES[damage](copy, random.Random(seed))
    copy.save()
    return copy


def wrong_after_damage(image: Path, folder: Path, seed: int) -> str:
    """What is wrong with the recovery of a disk that was converted and damaged by chance; nothing, most of all."""
    rng = random.Random(seed)
    made = converted(image, folder, *rng.choice([(), ("-c",)]))
    damage = rng.choice(list(DAMAGES))
    try:
        found = figures_of(damaged_again(made, damage, seed))
    except (Unsupported, IndexError, ValueError):  # an image without tables, or one that is left without bytes
        return ""
    return f"version 1, {damage}, seed {seed}: {found}" if found.wrong_certain else ""
