"""The work bench on which one sample image is made: a folder, a name, and a record of the commands that were run."""

import random
import shlex
import struct
from dataclasses import dataclass, field
from pathlib import Path

from samples import oracle

# QEMU times its key derivation before it writes a LUKS header, and gives up when the clock did not tick meanwhile.
CLOCK_TOO_COARSE = "Unable to get accurate CPU usage"
ATTEMPTS = 50
SNAPSHOT_DATE = 1767225600  # 2026-01-01 00:00 UTC
SNAPSHOT_HEADER = struct.Struct(">QIHHIIQII")


@dataclass(frozen=True)
class Bench:
    """Where one image is made; every command runs inside `folder`, so that names stored in images stay relative."""

    folder: Path
    name: str
    image: str
    passphrase: str | None = None
    commands: list[str] = field(default_factory=list)

    def beside(self, suffix: str) -> str:
        """Return the name of another file that belongs to this image."""
        return f"{self.name}.{suffix}"

    def path(self, file_name: str) -> Path:
        """Return the full path of a file on the bench."""
        return self.folder / file_name

    def run(self, *command: str) -> None:
        """Run one tool and remember the command."""
        for attempt in range(ATTEMPTS):
            try:
                oracle.run(list(command), self.folder)
                break
            except oracle.ToolFailed as failure:
                if CLOCK_TOO_COARSE not in str(failure) or attempt == ATTEMPTS - 1:
                    raise
        self.commands.append(shlex.join(command))

    def create(self, size: int | None, options: str = "", image: str | None = None, *extra: str) -> None:
        """Make an empty qcow2 image; without a size it takes that of its backing file."""
        secret: tuple[str, ...] = ()
        if self.passphrase is not None and image is None:
            secret = ("--object", f"secret,id={oracle.KEY},data={self.passphrase}")
            options = f"{options},encrypt.key-secret={oracle.KEY}"
        chosen = ("-o", options) if options else ()
        sized = () if size is None else (str(size),)
        self.run("qemu-img", "create", "-q", "-f", "qcow2", *secret, *chosen, *extra, image or self.image, *sized)

    def io(self, *requests: str, image: str | None = None, image_format: str = "qcow2", options: str = "") -> None:
        """Write, zero or discard guest ranges in qemu-io's words; `options` are for opening an encrypted image."""
        opened = ["-f", image_format, image or self.image]
        if self.passphrase is not None and image is None:
            opened = oracle.opening(self.path(self.image), image_format, self.passphrase)
            opened = [*opened[:2], "--image-opts", ",".join([opened[-1], *([options] if options else [])])]
        words = [word for request in requests for word in ("-c", request)]
        self.run("qemu-io", "-d", "unmap", *words, *opened)

    def file(self, suffix: str, content: bytes) -> str:
        """Put a file of given content beside the image and return its name."""
        file_name = self.beside(suffix)
        self.path(file_name).write_bytes(content)
        return file_name

    def convert(self, source: str, options: str, target_format: str = "qcow2") -> None:
        """Make the image as a compressed copy of a raw file; one worker keeps the order of clusters the same."""
        chosen = ("-o", options) if options else ()
        self.run("qemu-img", "convert", "-c", "-m", "1", "-f", "raw", "-O", target_format, *chosen, source, self.image)

    def remove(self, file_name: str) -> None:
        """Take away a file that was only needed on the way."""
        self.path(file_name).unlink()

    def fix_snapshot_dates(self) -> None:
        """Replace the time of day in each snapshot by a constant, for a sample that can be made again byte for byte."""
        content = bytearray(self.path(self.image).read_bytes())
        count, offset = struct.unpack_from(">IQ", content, 60)
        for _ in range(count):
            _, _, id_length, name_length, _, _, _, _, extra_length = SNAPSHOT_HEADER.unpack_from(content, offset)
            struct.pack_into(">II", content, offset + 16, SNAPSHOT_DATE, 0)
            length = SNAPSHOT_HEADER.size + extra_length + id_length + name_length
            offset += (length + 7) // 8 * 8
        self.path(self.image).write_bytes(content)
        self.commands.append(f"set {count} snapshot dates to {SNAPSHOT_DATE}")


def noise(length: int, seed: int = 1) -> bytes:
    """Return bytes that no codec can make smaller, the same on every run."""
    return random.Random(seed).randbytes(length)


def prose(length: int) -> bytes:
    """Return text that every codec makes much smaller."""
    lines = b"".join(b"line %06d of the sample\n" % number for number in range(length // 25 + 1))
    return lines[:length]
