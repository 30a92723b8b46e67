"""`fs ls` and `fs cat` list and read what Sleuth Kit's own programs, the kernel, and the source tree have."""

import hashlib
import json
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from samples import oracle
from samples.bench import noise
from tests.commands import qcowscope, sound
from tests.filesystems import disks
from tests.filesystems.disks import PLAIN, GptDisk
from tests.filesystems.test_diff import mounted_exfat, mounted_ntfs
from tests.oracles import require
from tests.test_interop import NOTES, SOURCES, file_system

NTFS_ATTRIBUTES, NTFS_COMPRESSED = "system.ntfs_attrib_be", 0x800
KINDS = {1: "FAT32", 2: "ext4", 3: "NTFS", 4: "XFS"}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GptDisk, Path]]:
    """A disk with four file systems and a swap area, and the image of it."""
    folder = tmp_path_factory.mktemp("disk")
    tree = disks.make_tree(folder / "tree", PLAIN)
    swap = disks.empty(folder / "swap.raw", disks.MIB)
    with swap.open("r+b") as stream:
        stream.seek(4086)
        stream.write(b"SWAPSPACE2")
    made = disks.gpt(
        folder / "disk.raw",
        disks.fat(folder / "fat.raw", tree),
        disks.ext4(folder / "ext4.raw", tree),
        disks.ntfs(folder / "ntfs.raw", tree),
        disks.xfs(folder / "xfs.raw", tree),
        swap,
    )
    yield made, made.image("-c")
    for path in folder.glob("*.raw"):
        path.unlink()


def listed(image: Path, *options: str) -> list[str]:
    """The lines of `fs ls`."""
    done = qcowscope("fs", "ls", image, *options)
    assert (done.status, done.err) == (0, "")
    return done.out.splitlines()


def content(image: Path, *options: str) -> str:
    """The hash that `fs cat` prints."""
    done = qcowscope("fs", "cat", image, *options, "--hash", "sha256")
    assert (done.status, done.err) == (0, "")
    return done.out.split()[1]


def test_the_volumes_are_listed_with_what_is_not_read(disk: tuple[GptDisk, Path]) -> None:
    document = qcowscope("fs", "ls", disk[1], "--json").json()
    volumes = document["volumes"]
    assert isinstance(volumes, list)
    found = [(one["volume"], one["start"], one["file_system"], one["read"]) for one in volumes]
    names = [*KINDS.values(), "Linux swap"]
    assert found == [
        (str(number), start * 512, name, number < 5)
        for number, (start, name) in enumerate(zip(disk[0].starts, names, strict=True), 1)
    ]
    assert volumes[4]["reason"] == "Linux swap is not read; `qcowscope nbd` serves the disk to what reads it"
    lines = listed(disk[1])
    assert [line.split()[0] for line in lines] == ["volume", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_fls_lists_the_same_paths_at_the_same_addresses(number: int, disk: tuple[GptDisk, Path]) -> None:
    raw, start = disk[0].path, disk[0].starts[number - 1]
    witness = disks.fls(raw, start)
    assert sorted(listed(disk[1], "-r", "--volume", str(number))) == sorted(name for _, name in witness)
    document = qcowscope("fs", "ls", disk[1], "-r", "--volume", str(number), "--json").json()
    entries = document["entries"]
    assert isinstance(entries, list)
    assert sorted((one["inode"], one["path"]["text"]) for one in entries) == sorted(witness)
    assert (document["faults"], document["failure"]) == ([], None)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_icat_gives_the_same_content(number: int, disk: tuple[GptDisk, Path]) -> None:
    raw, start = disk[0].path, disk[0].starts[number - 1]
    for address, name in disks.fls(raw, start):
        if os.path.basename(name) in {os.path.basename(one) for one in PLAIN} or name in ("$MFT", "$UpCase"):
            expected = hashlib.sha256(disks.icat(raw, start, address)).hexdigest()
            assert content(disk[1], "--volume", str(number), "--inode", address) == expected
            assert content(disk[1], "--volume", str(number), name) == expected


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_every_file_has_the_bytes_that_were_put_in(number: int, disk: tuple[GptDisk, Path]) -> None:
    for name, expected in PLAIN.items():
        path = {3: os.path.basename(name), 4: name.replace(" ", "_")}.get(number, name)
        assert content(disk[1], "--volume", str(number), path) == hashlib.sha256(expected).hexdigest()


def test_the_kernel_finds_the_same_files_on_xfs(disk: tuple[GptDisk, Path], tmp_path: Path) -> None:
    require("mount")
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    offset = disk[0].starts[3] * 512
    options = f"loop,ro,norecovery,offset={offset},sizelimit={300 * disks.MIB}"
    done = subprocess.run(["mount", "-o", options, disk[0].path, mounted], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a loop mount is not possible here: {done.stderr.strip()}")
    try:
        found = sorted(str(path.relative_to(mounted)) for path in mounted.rglob("*"))
        modes = {str(path.relative_to(mounted)): path.lstat() for path in mounted.rglob("*")}
    finally:
        subprocess.run(["umount", mounted], check=True)
    document = qcowscope("fs", "ls", disk[1], "-r", "--volume", "4", "--json").json()
    entries = document["entries"]
    assert isinstance(entries, list)
    assert sorted(one["path"]["text"] for one in entries) == found
    for one in entries:
        status = modes[one["path"]["text"]]
        expected = (str(status.st_ino), f"{status.st_mode & 0o7777:04o}", status.st_uid, status.st_gid)
        assert (one["inode"], one["mode"], one["uid"], one["gid"]) == expected


def test_a_folder_is_listed_alone_and_with_what_is_below(disk: tuple[GptDisk, Path]) -> None:
    assert sorted(listed(disk[1], "--volume", "2", "papers")) == ["papers/notes.txt", "papers/old", "papers/random.bin"]
    below = ["papers/notes.txt", "papers/old", "papers/old/letter.txt", "papers/random.bin"]
    assert sorted(listed(disk[1], "--volume", "2", "/papers/", "-r")) == below
    assert listed(disk[1], "--volume", "2", "hello.txt") == ["hello.txt"]
    long = listed(disk[1], "--volume", "2", "hello.txt", "-l")
    assert long[0].startswith("-rw-r--r--") and long[0].endswith("Z  hello.txt")


def test_what_is_not_there_is_said(disk: tuple[GptDisk, Path]) -> None:
    for command in (["ls"], ["cat"]):
        for path in ("nothing", "hello.txt/inner"):
            done = qcowscope("fs", *command, disk[1], "--volume", "2", path)
            assert (done.status, done.out) == (1, "")
            assert done.err == f"qcowscope: volume 2: there is no {path}\n"
    done = qcowscope("fs", "cat", disk[1], "--volume", "2", "--inode", "99999999", "-o", disk[1].parent / "out")
    assert (done.status, done.err) == (1, "qcowscope: volume 2: there is no inode 99999999\n")
    assert not (disk[1].parent / "out").exists()


def test_a_volume_has_to_be_chosen_among_several(disk: tuple[GptDisk, Path]) -> None:
    done = qcowscope("fs", "ls", disk[1], "-r")
    assert (done.status, done.err) == (64, "qcowscope fs: choose a volume with --volume: 1, 2, 3, 4\n")
    done = qcowscope("fs", "ls", disk[1], "--volume", "5")
    assert done.status == 64
    assert "volume 5 cannot be read: Linux swap is not read" in done.err
    done = qcowscope("fs", "cat", disk[1], "--volume", "9", "x")
    assert (done.status, done.err) == (64, "qcowscope fs: there is no volume 9; there are: 1, 2, 3, 4, 5\n")


def test_a_file_is_written_and_nothing_is_overwritten(disk: tuple[GptDisk, Path], tmp_path: Path) -> None:
    out = tmp_path / "notes.txt"
    arguments = ["fs", "cat", str(disk[1]), "--volume", "2", "papers/notes.txt", "-o"]
    assert qcowscope(*arguments, out).status == 0
    assert out.read_bytes() == PLAIN["papers/notes.txt"]
    done = qcowscope(*arguments, out)
    assert (done.status, "exists already; --force overwrites it" in done.err) == (1, True)
    assert qcowscope(*arguments, out, "--force", "--hash", "md5,sha256").out.splitlines() == [
        f"{name}  {hashlib.new(name, PLAIN['papers/notes.txt']).hexdigest()}  papers/notes.txt"
        for name in ("md5", "sha256")
    ]


def test_evidence_is_no_output(disk: tuple[GptDisk, Path], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"secret")
    before = disk[1].read_bytes()
    link = tmp_path / "link"
    link.symlink_to(disk[1])
    for path in (disk[1], link, key):
        options = ["--volume", "2", "hello.txt", "--force", "--key-file", str(key), "-o", str(path)]
        done = qcowscope("fs", "cat", disk[1], *options)
        assert (done.status, "evidence is never written to" in done.err) == (1, True)
    assert (disk[1].read_bytes(), key.read_bytes()) == (before, b"secret")


def test_a_folder_has_no_content(disk: tuple[GptDisk, Path]) -> None:
    done = qcowscope("fs", "cat", disk[1], "--volume", "2", "papers")
    assert (done.status, done.err) == (64, "qcowscope fs cat: papers is a directory\n")


def test_streams_of_ntfs_are_files_of_their_own(tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", {"hello.txt": b"hello\n"})
    raw = disks.ntfs(tmp_path / "ntfs.raw", tree)
    (tmp_path / "hidden").write_bytes(b"hidden\n" * 2000)
    oracle.run(["ntfscp", "-q", "-f", "-N", "note", str(raw), "hidden", "hello.txt"], tmp_path)
    image = disks.to_qcow2(raw)
    names = [name for _, name in disks.fls(raw)]
    assert "hello.txt:note" in names
    assert sorted(listed(image, "-r")) == sorted(names)
    assert content(image, "hello.txt:note") == hashlib.sha256(b"hidden\n" * 2000).hexdigest()
    assert content(image, "hello.txt") == hashlib.sha256(b"hello\n").hexdigest()


@pytest.mark.parametrize("bits", [12, 16])
def test_the_smaller_fats_are_read(bits: int, tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", PLAIN)
    raw = disks.fat(tmp_path / "fat.raw", tree, {12: 1, 16: 8}[bits] * disks.MIB, bits)
    assert sorted(listed(disks.to_qcow2(raw), "-r")) == sorted(name for _, name in disks.fls(raw))


def test_deleted_entries_are_listed_as_fls_lists_them(tmp_path: Path) -> None:
    require("mdel")
    tree = disks.make_tree(tmp_path / "tree", PLAIN)
    raw = disks.fat(tmp_path / "fat.raw", tree)
    oracle.run(["mdel", "-i", raw.name, "::papers/notes.txt"], tmp_path)
    image = disks.to_qcow2(raw)
    witness = oracle.run(["fls", "-r", "-p", "-d", raw.name], tmp_path).splitlines()
    assert listed(image, "-r", "--deleted") == [line.split("\t")[1] for line in witness] != []
    assert "papers/notes.txt" not in listed(image, "-r")


def test_a_snapshot_has_the_files_it_had(tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", PLAIN)
    raw = disks.ext4(tmp_path / "ext4.raw", tree)
    image = disks.to_qcow2(raw)
    disks.snapshot(image, "before")
    oracle.run(["debugfs", "-w", "-R", "rm hello.txt", raw.name], tmp_path)
    disks.write_changes(raw, image)
    assert "hello.txt" not in listed(image, "-r")
    assert "hello.txt" in listed(image, "-r", "--snapshot", "before")
    assert content(image, "hello.txt", "--snapshot", "before") == hashlib.sha256(b"hello\n").hexdigest()


def test_without_the_extra_the_command_says_how_to_install_it(
    disk: tuple[GptDisk, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forensic.filesystems.systems.find_spec", lambda name: None)
    done = qcowscope("fs", "ls", disk[1], "--volume", "2", "-r")
    expected = "qcowscope: reading file systems needs pytsk3: pip install 'qcowscope[fs]'\n"
    assert (done.status, done.out, done.err) == (64, "", expected)
    assert qcowscope("fs", "ls", disk[1]).status == 0  # volumes need no library
    assert qcowscope("fs", "ls", disk[1], "--volume", "4", "-r").status == 0  # nor does XFS


def test_the_json_of_a_listing_is_one_document(disk: tuple[GptDisk, Path]) -> None:
    done = qcowscope("fs", "ls", disk[1], "--volume", "2", "papers", "--json")
    document = json.loads(done.out)
    assert document["schema"] == "qcowscope-fs-ls/1"
    by_name = {one["path"]["text"]: one for one in document["entries"]}
    notes = by_name["papers/notes.txt"]
    assert (notes["kind"], notes["size"], notes["deleted"]) == ("file", 150_000, False)
    assert bytes.fromhex(notes["path"]["hex"]) == b"papers/notes.txt"


def test_exfat_is_read(tmp_path: Path) -> None:
    require("mkfs.exfat")
    raw = disks.empty(tmp_path / "exfat.raw", 8 * disks.MIB)
    oracle.run(["mkfs.exfat", str(raw)], tmp_path)
    image = disks.to_qcow2(raw)
    assert "exFAT" in qcowscope("fs", "ls", image).out
    assert sorted(listed(image, "-r")) == sorted(name for _, name in disks.fls(raw)) != []


def test_the_files_of_exfat_are_those_that_were_written(tmp_path: Path) -> None:
    require("mkfs.exfat")
    raw = disks.empty(tmp_path / "exfat.raw", 8 * disks.MIB)
    oracle.run(["mkfs.exfat", str(raw)], tmp_path)
    files = PLAIN | {"Grüße 日本.txt": b"names are UTF-16 there\n", "many/" + "long name " * 20: b"long\n"}
    files |= {"zeros.bin": bytes(70_000)}
    with mounted_exfat(raw) as root:
        disks.make_tree(root, files | {"gone.txt": b"deleted\n"})
        (root / "gone.txt").unlink()
    image = disks.to_qcow2(raw)
    names = listed(image, "-r")
    assert sorted(names) == sorted(name for _, name in disks.fls(raw) if "gone.txt" not in name)
    assert {name for name in names if "$" not in name} == {*files, "papers", "papers/old", "many"}
    for name, data in files.items():
        assert content(image, name) == hashlib.sha256(data).hexdigest()
    deleted = [line.split("\t")[1] for line in oracle.run(["fls", "-r", "-p", "-d", str(raw)], tmp_path).splitlines()]
    assert sorted(listed(image, "-r", "--deleted")) == sorted(deleted)


def test_compressed_files_of_ntfs_are_decoded(tmp_path: Path) -> None:
    raw = disks.ntfs(tmp_path / "ntfs.raw", tmp_path / "nothing")
    files = {
        "letters.txt": b"Dear Sir, Dear Madam\n" * 20_000,
        "noise.bin": noise(200_001),
        "both.bin": noise(70_000) + bytes(300_000) + b"end" * 40_000,
        "short.txt": b"in the record\n",
    }
    with mounted_ntfs(raw, "compression") as root:
        folder = root / "packed"
        folder.mkdir()
        attributes = struct.unpack(">I", os.getxattr(folder, NTFS_ATTRIBUTES))[0]
        os.setxattr(folder, NTFS_ATTRIBUTES, struct.pack(">I", attributes | NTFS_COMPRESSED))
        disks.make_tree(folder, files)
    image = disks.to_qcow2(raw)
    for name, data in files.items():
        assert content(image, f"packed/{name}") == hashlib.sha256(data).hexdigest()
    found = qcowscope("fs", "where", image, "packed/letters.txt", "--json").json()["places"]
    assert isinstance(found, list)
    stored = sum(one["length"] for one in found)
    assert 0 < stored < len(files["letters.txt"]) // 4

    disks.snapshot(image, "before")
    with mounted_ntfs(raw, "compression") as root, (root / "packed/letters.txt").open("r+b") as stream:
        stream.seek(200_000)
        stream.write(b"changed")
    disks.write_changes(raw, image)
    done = qcowscope("fs", "diff", image, "--snapshot", "before", "--content-only")
    (line,) = done.out.splitlines()
    assert (done.status, line.split(", ")[0], "packed/letters.txt" in line) == (0, "content", True)


@pytest.mark.parametrize("source", SOURCES)
def test_files_are_read_through_every_kind_of_image(source: str, tmp_path: Path) -> None:
    image, supplied = SOURCES[source](file_system(tmp_path))
    options: list[str] = []
    for backing in supplied.backing:
        options += ["--backing", str(backing.path)]
    if supplied.data_file is not None:
        options += ["--data-file", str(supplied.data_file)]
    if supplied.passphrase is not None:
        key = tmp_path / "key"
        key.write_bytes(supplied.passphrase)
        options += ["--key-file", str(key)]
    assert {"hello.txt", "papers", "papers/notes.txt"} <= {*listed_with(image, "-r", *options)}
    done = qcowscope("fs", "cat", image, "papers/notes.txt", *options, "--hash", "sha256")
    assert done.out.split()[1] == hashlib.sha256(NOTES).hexdigest()
    if options:
        for more in ([], ["-r"]):
            done = qcowscope("fs", "ls", image, *more)
            assert done.status == 5
            assert "the beginning of the disk cannot be read: " in done.err and "not_supplied" in done.err


def listed_with(image: Path, *options: str) -> list[str]:
    """The lines of `fs ls`, whatever is noted about supplied files."""
    done = qcowscope("fs", "ls", image, *options)
    assert done.status == 0
    return done.out.splitlines()


def test_a_deleted_name_whose_inode_another_file_has_is_not_taken_for_that_file(tmp_path: Path) -> None:
    require("debugfs")
    tree = disks.make_tree(tmp_path / "tree", {"gone.txt": b"what was deleted", "folder/kept.txt": b"kept"})
    raw = disks.ext4(tmp_path / "ext4.raw", tree)
    (tmp_path / "new").write_bytes(b"another file")
    for request in ("rm gone.txt", f"write {tmp_path / 'new'} folder/new.txt"):
        oracle.run(["debugfs", "-w", "-R", request, raw.name], tmp_path)
    witness = oracle.run(["fls", "-d", raw.name], tmp_path)
    assert "(realloc):\tgone.txt" in witness  # the very case
    image = disks.to_qcow2(raw)
    finished = qcowscope("fs", "cat", image, "gone.txt", "--deleted", "-o", tmp_path / "out")
    assert "gone.txt: its inode belongs to another file now" in finished.err
    (line,) = listed(image, "-r", "--deleted", "-l")
    assert line.endswith("gone.txt (its inode belongs to another file now)")
    assert "|/gone.txt (deleted-realloc)|" in qcowscope("fs", "timeline", image, "--deleted").out
    assert "another file now" in qcowscope("fs", "timeline", image, "--deleted", "--format", "dfxml").out
    (entry,) = json.loads(qcowscope("fs", "ls", image, "-r", "--deleted", "--json").out)["entries"]
    assert entry["reallocated"] is True


@pytest.mark.parametrize("target", ["short", "long/" * 30])
def test_the_content_of_a_link_is_where_it_leads(target: str, tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", {"file": b"x"})
    (tree / "link").symlink_to(target)
    image = disks.to_qcow2(disks.ext4(tmp_path / "ext4.raw", tree))
    assert content(image, "link") == hashlib.sha256(target.encode()).hexdigest()


def test_a_disk_without_files_is_no_wrong_usage() -> None:
    done = qcowscope("fs", "ls", sound("data-512"), "-r")
    assert (done.status, done.out) == (1, "")
    assert "the disk has no volume that can be read" in done.err
    done = qcowscope("fs", "diff", sound("data-512"), sound("data-4k"))
    assert (done.status, done.out) == (1, "")
    assert "can be read" in done.err
