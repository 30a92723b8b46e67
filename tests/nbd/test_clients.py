"""Other people's programs read the disk over NBD: libnbd's, QEMU's, and through nbdfuse Sleuth Kit's."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from samples import oracle
from samples.kinds import Kind
from tests.images import COMPLETE, SOUND, described, sample
from tests.nbd.client import COMMAND, Running, running
from tests.oracles import require
from tests.test_interop import file_system
from tests.transcripts import ROOT


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def served(image: Path, command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """What a command with `$uri` gives."""
    return subprocess.run(
        [*COMMAND, str(image), *options, "--run", command],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def uri(server: Running, name: str = "") -> str:
    return f"nbd+unix:///{name}?socket={server.path}"


@pytest.fixture
def disk(tmp_path: Path) -> tuple[Path, Path]:
    """A raw file system, and the image made of it."""
    raw = file_system(tmp_path)
    image = tmp_path / "image.qcow2"
    oracle.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw.name, image.name], tmp_path)
    return raw, image


@pytest.fixture
def cut(disk: tuple[Path, Path]) -> Path:
    """An image of which the end is missing."""
    path = disk[1].with_name("cut.qcow2")
    shutil.copyfile(disk[1], path)
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size * 3 // 4)
    return path


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_nbdcopy_gives_the_disk_that_qemu_gives(kind: Kind, tmp_path: Path) -> None:
    require("nbdcopy", "sha256sum")
    done = served(sample(kind), f'nbdcopy "$uri" {tmp_path}/disk.raw && sha256sum < {tmp_path}/disk.raw')
    assert done.returncode == 0
    assert done.stdout.split()[0] == described(kind)["raw_sha256"]


def test_nbdinfo_lists_the_snapshots_and_totals_what_is_there(tmp_path: Path) -> None:
    require("nbdinfo")
    with running(SOUND / "snapshots-512.qcow2", tmp_path) as server:
        listed = json.loads(run("nbdinfo", "--list", "--json", uri(server)).stdout)
        totals = run("nbdinfo", "--map=qcowscope:fate", "--totals", uri(server)).stdout
    exports = {one["export-name"]: one for one in listed["exports"]}
    assert list(exports) == ["active", "snapshot:0", "snapshot:1"]
    assert exports["snapshot:1"]["description"] == 'snapshot 1: id "2", name "second"'
    assert all(one["is_read_only"] and one["can_multi_conn"] for one in exports.values())
    assert [line.split()[::2] for line in totals.splitlines()] == [["13824", "0"], ["2560", "1"]]


def test_nbdcopy_gives_a_snapshot(tmp_path: Path) -> None:
    require("nbdcopy", "qemu-img")
    image = SOUND / "snapshots-512.qcow2"
    with running(image, tmp_path) as server:
        done = run("nbdcopy", uri(server, "snapshot:0"), str(tmp_path / "disk.raw"))
    oracle.run(["qemu-img", "convert", "-l", "1", "-O", "raw", str(image), "expected.raw"], tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "disk.raw").read_bytes() == (tmp_path / "expected.raw").read_bytes()
    done = served(image, f'nbdcopy "$uri" - | cmp - {tmp_path}/expected.raw', "--snapshot", "first")
    assert (done.returncode, done.stdout) == (0, "")


def test_qemu_img_compares_maps_and_converts(disk: tuple[Path, Path], tmp_path: Path) -> None:
    require("qemu-img")
    raw, image = disk
    with running(image, tmp_path) as server:
        assert run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", uri(server), str(image)).returncode == 0
        mapped = json.loads(run("qemu-img", "map", "--output=json", "-f", "raw", uri(server)).stdout)
        for kind in ("vmdk", "vhdx", "vdi", "qcow2"):
            out = str(tmp_path / f"out.{kind}")
            assert run("qemu-img", "convert", "-f", "raw", "-O", kind, uri(server), out).returncode == 0
            assert run("qemu-img", "compare", "-F", "raw", out, str(raw)).returncode == 0
    ours = json.loads(served(image, 'true; exec 3>&1; nbdinfo --json --map "$uri" >&3').stdout)
    holes = [(one["start"], one["length"]) for one in mapped if one["zero"]]
    assert holes == [(one["offset"], one["length"]) for one in ours if one["type"] == 3]


def test_qemu_img_reads_over_tcp(disk: tuple[Path, Path]) -> None:
    require("qemu-img")
    done = served(disk[1], f'qemu-img compare -f raw -F raw "$uri" {disk[0]} && echo $port', "--listen", "127.0.0.1:0")
    assert done.returncode == 0
    assert int(done.stdout.split()[-1]) > 1023


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ('nbdcopy "$uri" null:', 1),
        ('qemu-img convert -f raw -O raw "$uri" {folder}/out.raw', 1),
        ('qemu-img compare -f raw -F raw "$uri" {folder}/fs.raw', 4),
        ('nbdcopy "$uri" null: || true', 5),
        ('nbdinfo "$uri" > /dev/null', 0),
    ],
)
def test_no_tool_takes_what_is_missing_for_zeros(command: str, status: int, cut: Path) -> None:
    require("nbdcopy", "qemu-img")
    done = served(cut, command.format(folder=cut.parent))
    assert done.returncode == status
    assert (" answered with EIO, the first: guest offset 0x" in done.stderr) is (status != 0)


def test_zeros_for_what_is_missing_are_given_only_when_asked_for(cut: Path, tmp_path: Path) -> None:
    require("nbdcopy")
    done = served(cut, f'nbdcopy "$uri" {tmp_path}/disk.raw', "--missing", "zeros")
    assert done.returncode == 0
    extracted = subprocess.run(
        [*COMMAND[:-1], "extract", str(cut), "-o", str(tmp_path / "expected.raw")],
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert extracted.returncode == 5
    assert (tmp_path / "disk.raw").read_bytes() == (tmp_path / "expected.raw").read_bytes()


def test_sleuth_kit_reads_through_nbdfuse(disk: tuple[Path, Path], tmp_path: Path) -> None:
    require("nbdfuse", "fls", "icat", "fusermount3")
    if not Path("/dev/fuse").exists():
        pytest.skip("needs /dev/fuse")
    script = """
    touch $D/nbd.raw; nbdfuse -r $D/nbd.raw "$uri" &
    for _ in $(seq 100); do [ -s $D/nbd.raw ] && break; sleep 0.05; done
    [ -s $D/nbd.raw ] || exit 77
    fls -r -p $D/nbd.raw; fls -r -p $D/fs.raw > $D/expected; cmp $D/nbd.raw $D/fs.raw; status=$?
    fusermount3 -u $D/nbd.raw; wait; exit $status
    """
    done = served(disk[1], f"D={tmp_path}; {script}")
    if done.returncode == 77:
        pytest.skip("FUSE cannot be used here")
    assert (done.returncode, done.stdout) == (0, (tmp_path / "expected").read_text())
    assert "papers/notes.txt" in done.stdout


def test_the_command_decides_the_exit_status(disk: tuple[Path, Path]) -> None:
    for command, status in (("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("no-such-command-at-all", 127)):
        assert served(disk[1], command).returncode == status


def test_the_command_has_the_signals_and_the_streams_that_others_have(disk: tuple[Path, Path]) -> None:
    done = served(disk[1], 'yes | head -1; test -S "$unixsocket" && echo "$uri"')
    first, second = done.stdout.splitlines()
    assert (done.returncode, first, done.stderr) == (0, "y", "")
    assert second.startswith("nbd+unix:///?socket=/")
