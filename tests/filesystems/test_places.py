"""`fs where` and `fs owner`: from a file down to the image file, and back."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic import open_image
from samples import oracle
from samples.bench import noise
from tests.commands import Finished, qcowscope
from tests.filesystems import disks
from tests.filesystems.disks import MIB, PLAIN
from tests.oracles import require


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ext4 in a plain image with a snapshot, after which one file was changed in its middle."""
    folder = tmp_path_factory.mktemp("places")
    tree = disks.make_tree(folder / "tree", PLAIN | {"large.bin": noise(700_000)})
    raw = disks.ext4(folder / "ext4.raw", tree)
    made = disks.to_qcow2(raw)
    disks.snapshot(made, "before")
    place = raw.read_bytes().index(noise(700_000)[:4096])
    with raw.open("r+b") as stream:
        stream.seek(place + 300_000)
        stream.write(b"changed")
    disks.write_changes(raw, made)
    yield made


def places(image: Path, *options: str) -> list[dict[str, object]]:
    document = qcowscope("fs", "where", image, *options, "--json").json()
    listed = document["places"]
    assert isinstance(listed, list)
    return listed


def test_the_host_clusters_hold_the_bytes_of_the_file(image: Path) -> None:
    content = image.read_bytes()
    found = places(image, "large.bin", "--snapshot", "before")
    together = b"".join(content[int(str(one["host_offset"])) :][: int(str(one["length"]))] for one in found)
    assert together[:700_000] == noise(700_000)


@pytest.mark.parametrize(("most", "status"), [(1, 1), (2, 0)])
def test_more_places_than_are_listed_are_said(
    most: int, status: int, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = places(image, "large.bin")
    monkeypatch.setattr("forensic.filesystems.places.MAX_PLACES", len(found) + most - 2)
    done = qcowscope("fs", "where", image, "large.bin", "--json")
    listed = done.json()["places"]
    assert isinstance(listed, list)
    assert (done.status, listed) == (status, found[: len(found) + most - 2])
    assert (f"large.bin: more than {len(found) - 1:,} places: the rest is not listed" in done.err) == (status == 1)


def test_the_runs_are_those_that_istat_lists(image: Path) -> None:
    require("istat")
    raw = image.parent / "ext4.raw"
    address = next(address for address, name in disks.fls(raw) if name == "large.bin")
    printed = oracle.run(["istat", str(raw), address], image.parent)
    blocks = [int(one) for one in re.findall(r"\b\d+\b", printed.split("Direct Blocks:")[1])]
    size = int(re.search(r"Block Size: (\d+)", oracle.run(["fsstat", str(raw)], image.parent))[1])  # type: ignore[index]
    ours = [
        int(str(one["volume_offset"])) + at
        for one in places(image, "large.bin")
        for at in range(0, int(str(one["length"])), size)
    ]
    assert [place // size for place in ours] == blocks


def test_what_was_written_since_a_snapshot_is_not_shared_with_it(image: Path) -> None:
    found = places(image, "large.bin")
    changed = [one for one in found if not one["shared_with"]]
    assert len(changed) == 1
    (one,) = changed
    start, length = int(str(one["file_offset"])), int(str(one["length"]))
    assert start <= 300_000 < start + length <= 300_000 + 131_072
    assert all(
        one["shared_with"] == [{"disk": "snapshot:0", "length": one["length"]}] for one in found if one != changed[0]
    )
    back = places(image, "large.bin", "--snapshot", "before")
    assert {json.dumps(one["shared_with"]) for one in back if one["shared_with"]} != set()
    assert {disk["disk"] for one in back for disk in one["shared_with"]} == {"active"}  # type: ignore[attr-defined]
    lines = qcowscope("fs", "where", image, "large.bin").out.splitlines()
    assert [line.endswith("shared with snapshot:0") for line in lines[1:]].count(False) == 1


def test_a_cluster_that_a_snapshot_has_elsewhere_on_its_disk_is_not_shared_by_its_place(
    image: Path, tmp_path: Path
) -> None:
    """Only an image that was made by hand has such clusters; `owner` says whose they are, wherever that is."""
    swapped = tmp_path / "swapped.qcow2"
    content = bytearray(image.read_bytes())
    found = [one for one in places(image, "large.bin") if one["shared_with"]]
    with open_image(image) as opened:
        bits, table = opened.geometry.cluster_bits, opened.geometry.l1_table_offset
    longest = max(found, key=lambda one: int(str(one["length"])))
    first_cluster = (int(str(longest["guest_offset"])) >> bits) + 1
    clusters = (first_cluster, first_cluster + 1)
    (l2,) = {int.from_bytes(content[table : table + 8], "big") & ((1 << 56) - 512)}
    first, second = (slice(l2 + 8 * number, l2 + 8 * number + 8) for number in clusters)
    content[first], content[second] = content[second], content[first]
    swapped.write_bytes(content)
    now = places(swapped, "large.bin")
    moved = [one for one in now if int(str(one["guest_offset"])) >> bits in clusters]
    assert [one["shared_with"] for one in moved] == [[]] * len(moved) != []
    others = [one for one in now if one["shared_with"]]
    assert sum(int(str(one["length"])) for one in others) < sum(int(str(one["length"])) for one in found)
    said = qcowscope("owner", swapped, "--at", str(moved[0]["host_offset"])).out
    assert "active" in said and "snapshot" in said


def test_compressed_clusters_are_named(tmp_path: Path) -> None:
    raw = disks.ext4(tmp_path / "ext4.raw", disks.make_tree(tmp_path / "tree", PLAIN))
    image = disks.to_qcow2(raw, "image.qcow2", "-c")
    found = places(image, "papers/notes.txt")
    assert {one["state"] for one in found} == {"compressed"}
    assert all(int(str(one["stored_length"])) > 0 for one in found)
    assert "bytes stored, from decoded byte" in qcowscope("fs", "where", image, "papers/notes.txt").out


def owner(image: Path, *options: str) -> Finished:
    done = qcowscope("fs", "owner", image, *options)
    assert (done.status, done.err) == (0, "")
    return done


def test_every_file_owns_its_bytes_from_the_guest_and_from_the_host(image: Path) -> None:
    for name in ("papers/notes.txt", "papers/random.bin", "large.bin"):
        for place in places(image, name):
            guest, host = int(str(place["guest_offset"])) + 700, int(str(place["host_offset"])) + 700
            expected = f"{guest:#x}: volume 0: {name} (inode "
            for done in (owner(image, "--at", hex(guest)), owner(image, "--host", str(host))):
                assert done.out.startswith(expected)
                assert done.out.rstrip().endswith(f"byte {int(str(place['file_offset'])) + 700:,}")


def test_what_no_file_claims_is_what_blkstat_says(image: Path) -> None:
    require("blkstat", "fsstat")
    raw = image.parent / "ext4.raw"
    size = int(re.search(r"Block Size: (\d+)", oracle.run(["fsstat", str(raw)], image.parent))[1])  # type: ignore[index]
    words = set()
    for block in (1, 2, 5, 20, 40, 3000, 9000, 9217, 16385, 20_000, 24_575):
        printed = subprocess.run(["blkstat", raw, str(block)], capture_output=True, text=True, check=True).stdout
        found = owner(image, "--at", str(block * size + 100), "--json").json()["found"]
        assert isinstance(found, list)
        if "path" in found[0]:
            continue
        words.add(found[0]["what"])
        if found[0]["what"] != "unknown":
            assert (found[0]["what"] == "metadata") == ("Not Allocated" not in printed)
    assert words >= {"free", "metadata"}


def test_slack_is_told_from_content(image: Path) -> None:
    (place,) = places(image, "hello.txt")
    out = owner(image, "--at", str(int(str(place["guest_offset"])) + 6)).out
    assert out.rstrip().endswith("slack, 0 bytes past the end")
    out = owner(image, "--at", str(int(str(place["guest_offset"])) + 5)).out
    assert out.rstrip().endswith("byte 5")


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_free_clusters_of_fat_are_told_from_its_own_areas(bits: int, tmp_path: Path) -> None:
    tree = disks.make_tree(tmp_path / "tree", {"hello.txt": b"hello\n"})
    raw = disks.fat(tmp_path / "fat.raw", tree, {12: 1, 16: 8, 32: 40}[bits] * MIB, bits)
    image = disks.to_qcow2(raw)
    (place,) = places(image, "hello.txt")
    start = int(str(place["guest_offset"]))
    assert "hello.txt" in owner(image, "--at", str(start)).out
    assert owner(image, "--at", str(start + 512)).out.endswith(": free\n")
    assert "$FAT1" in owner(image, "--at", "0x4400" if bits == 32 else "0x800").out or bits == 12
    assert "hello.txt" in owner(image, "--host", str(place["host_offset"])).out


def test_free_clusters_of_ntfs_are_found_by_its_bitmap(tmp_path: Path) -> None:
    raw = disks.ntfs(tmp_path / "ntfs.raw", disks.make_tree(tmp_path / "tree", {"big.bin": noise(100_000)}))
    image = disks.to_qcow2(raw)
    (place,) = places(image, "big.bin")[:1]
    assert "big.bin" in owner(image, "--at", str(place["guest_offset"])).out
    end = int(str(place["guest_offset"])) + 100_000 + 8192
    assert owner(image, "--at", str(end)).out.endswith(": free\n")
    mft = places(image, "$MFT")[0]
    assert "$MFT" in owner(image, "--at", str(mft["guest_offset"])).out


def test_what_is_outside_of_the_disk_and_of_all_volumes_is_said(image: Path, tmp_path: Path) -> None:
    assert owner(image, "--at", str(1 << 40)).out == f"{1 << 40:#x}: past the end of the disk\n"
    assert owner(image, "--host", "0").out == "0x0: not part of the disk (active); header cluster: header\n"
    volume = disks.ext4(tmp_path / "ext4.raw", disks.make_tree(tmp_path / "tree", PLAIN), 8 * MIB)
    swap = disks.empty(tmp_path / "swap.raw", MIB)
    other = disks.gpt(tmp_path / "disk.raw", volume, swap).image()
    assert owner(other, "--at", "0x4400").out == "0x4400: outside of all volumes\n"
    assert owner(other, "--at", str(9 * MIB)).out == f"{9 * MIB:#x}: volume 2: no file system that is known\n"
