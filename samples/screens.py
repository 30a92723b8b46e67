"""The pictures of the README: `python -m samples.screens` makes an image worth looking at and photographs the screens.

Needs qemu-img and qemu-io; the image is made again each time from fixed numbers, and is not kept.
"""

import asyncio
import contextlib
import random
import struct
import tempfile
from pathlib import Path

from samples import oracle
from tui.screenshots import photograph

SCREENS = Path(__file__).resolve().parent / "screens"
MIB = 1 << 20
DISK = 2048 * MIB
CLUSTER = 1 << 16
SEED = 7


def guest_disk(raw: Path) -> None:
    """A boot sector with two partitions, and the superblocks of what is in them."""
    first, second = 1 * MIB, 1536 * MIB
    entries = [struct.pack("<4xB3xII", kind, start // 512, length // 512) for kind, start, length in (
        (0x83, first, second - first), (0x82, second, 256 * MIB))]  # fmt: skip
    with raw.open("wb") as stream:
        stream.truncate(DISK)
        for offset, data in (
            (446, b"".join(entries)),
            (510, b"\x55\xaa"),
            (first + 0x438, b"\x53\xef"),
            (first + 0x460, struct.pack("<I", 0x40)),
            (first + 0x478, b"evidence"),
            (second + 4086, b"SWAPSPACE2"),
        ):
            stream.seek(offset)
            stream.write(data)


def make(folder: Path) -> Path:
    """Compressed clusters from the conversion, then writes all over the disk, a snapshot, more writes, and damage."""
    raw, image = folder / "disk.raw", folder / "evidence-042.qcow2"
    guest_disk(raw)
    oracle.run(["qemu-img", "convert", "-c", "-O", "qcow2", raw.name, image.name], folder)
    dice = random.Random(SEED)
    _write_all(image, [_write(dice) for _ in range(240)])
    oracle.run(["qemu-img", "snapshot", "-c", "before the update", image.name], folder)
    _write_all(image, [_write(dice) for _ in range(60)])
    _damage(image)
    return image


def _write(dice: random.Random) -> str:
    offset = dice.randrange(0, 900) * 3 * CLUSTER // 2 // CLUSTER * CLUSTER + dice.choice((64, 700, 1400)) * MIB
    length = dice.randrange(1, 24) * CLUSTER
    kind = "-z" if dice.random() < 0.2 else f"-P {dice.randrange(1, 255)}"
    return f"write {kind} {offset} {length}"


def _write_all(image: Path, writes: list[str]) -> None:
    commands = [word for write in writes for word in ("-c", write)]
    oracle.run(["qemu-io", *commands, image.name], image.parent)


def _damage(image: Path) -> None:
    """Point one L2 entry past the end of the file, and set a reserved bit in another."""
    with image.open("r+b") as stream:
        stream.seek(40)
        (l1,) = struct.unpack(">Q", stream.read(8))
        stream.seek(l1)
        l2 = struct.unpack(">Q", stream.read(8))[0] & 0x00FF_FFFF_FFFF_FE00
        for index, value in ((4096, 1 << 63 | 1 << 40), (4100, 1 << 57)):
            stream.seek(l2 + 8 * index)
            stream.write(struct.pack(">Q", value))


def main() -> None:
    """Make the image and the pictures."""
    SCREENS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        asyncio.run(photograph(Path(make(Path(folder)).name), SCREENS))


if __name__ == "__main__":
    main()
