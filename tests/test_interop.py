"""Other people's libraries read the disk through our file object, without anything being extracted."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import pytsk3

from forensic import BackingFile, Disk, Supplied, open_any, open_disk
from forensic.disk.reader import DiskReader
from samples import oracle
from samples.bench import Bench
from samples.kinds import PASSPHRASE
from tests.oracles import require

NOTES = b"".join(b"line %d\n" % number for number in range(5000))


class ReaderImage(pytsk3.Img_Info):
    """What Sleuth Kit asks for: a size, and bytes from an offset."""

    def __init__(self, reader: DiskReader, size: int) -> None:
        """Read through `reader`."""
        self._reader, self._size = reader, size
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def close(self) -> None:
        """Nothing to close."""

    def read(self, offset: int, size: int) -> bytes:
        """Guest bytes."""
        self._reader.seek(offset)
        return self._reader.read(size) or b""

    def get_size(self) -> int:
        """Bytes of the disk."""
        return self._size


def file_system(folder: Path) -> Path:
    """A raw ext4 file system with a file, a folder and another file in it."""
    require("mke2fs", "qemu-img")
    tree = folder / "tree"
    (tree / "papers").mkdir(parents=True)
    (tree / "hello.txt").write_bytes(b"hello\n")
    (tree / "papers" / "notes.txt").write_bytes(NOTES)
    raw = folder / "fs.raw"
    with raw.open("wb") as stream:
        stream.truncate(8 << 20)
    oracle.run(["mke2fs", "-q", "-F", "-t", "ext4", "-d", str(tree), str(raw)], folder)
    return raw


def convert(raw: Path, name: str, target_format: str, *options: str) -> Path:
    oracle.run(["qemu-img", "convert", *options, "-f", "raw", "-O", target_format, raw.name, name], raw.parent)
    return raw.parent / name


def luks(raw: Path) -> tuple[Path, Supplied]:
    options = f"encrypt.format=luks,encrypt.key-secret={oracle.KEY},encrypt.iter-time=10"
    secret = ("--object", f"secret,id={oracle.KEY},data={PASSPHRASE}")
    bench = Bench(raw.parent, "luks", "luks.qcow2")  # it tries again when QEMU's clock is too coarse
    bench.run("qemu-img", "convert", *secret, "-o", options, "-f", "raw", "-O", "qcow2", raw.name, bench.image)
    return raw.parent / bench.image, Supplied(passphrase=PASSPHRASE.encode())


def overlay(raw: Path) -> tuple[Path, Supplied]:
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", raw.name, "-F", "raw", "top.qcow2"], raw.parent)
    return raw.parent / "top.qcow2", Supplied((BackingFile(raw),))


def data_file(raw: Path) -> tuple[Path, Supplied]:
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "ext.qcow2", "8M"], raw.parent)
    oracle.run(["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", raw.name, "ext.qcow2"], raw.parent)
    return raw.parent / "ext.qcow2", Supplied((), raw.parent / "data.raw")


SOURCES: dict[str, Callable[[Path], tuple[Path, Supplied]]] = {
    "plain": lambda raw: (convert(raw, "plain.qcow2", "qcow2"), Supplied()),
    "deflate": lambda raw: (convert(raw, "deflate.qcow2", "qcow2", "-c"), Supplied()),
    "zstd": lambda raw: (convert(raw, "zstd.qcow2", "qcow2", "-c", "-o", "compression_type=zstd"), Supplied()),
    "small-clusters": lambda raw: (convert(raw, "small.qcow2", "qcow2", "-o", "cluster_size=512"), Supplied()),
    "subclusters": lambda raw: (convert(raw, "ext-l2.qcow2", "qcow2", "-o", "extended_l2=on"), Supplied()),
    "version-1": lambda raw: (convert(raw, "old.qcow", "qcow"), Supplied()),
    "luks": luks,
    "overlay": overlay,
    "data-file": data_file,
}


def listed(disk: Disk) -> tuple[set[str], bytes]:
    """The names in the root folder, and the content of the notes."""
    system = pytsk3.FS_Info(ReaderImage(disk.reader(), disk.size))
    names = {entry.info.name.name.decode() for entry in system.open_dir(path="/")}
    notes = system.open("/papers/notes.txt")
    return names, notes.read_random(0, notes.info.meta.size)


@pytest.mark.parametrize("source", SOURCES)
def test_sleuth_kit_lists_a_file_system_inside_an_image(source: str, tmp_path: Path) -> None:
    image, supplied = SOURCES[source](file_system(tmp_path))
    with open_any(image) as opened, open_disk(opened, None, supplied) as disk:
        names, notes = listed(disk)
    assert {"hello.txt", "papers", "lost+found"} <= names
    assert notes == NOTES


def test_sleuth_kit_is_told_of_a_missing_range_instead_of_given_zeros(tmp_path: Path) -> None:
    image = convert(file_system(tmp_path), "plain.qcow2", "qcow2")
    cut = tmp_path / "cut.qcow2"
    shutil.copyfile(image, cut)
    with cut.open("r+b") as stream:
        stream.truncate(cut.stat().st_size // 3)
    unreadable = pytest.raises((OSError, RuntimeError), match="cannot be read: l2_unreadable")
    with open_any(cut) as opened, opened.disk() as disk, unreadable:
        listed(disk)
