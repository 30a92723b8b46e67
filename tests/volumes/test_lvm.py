"""LVM2: what its tools would say of volumes that are made by hand, and text that lies."""

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from forensic.volumes.layout import Layout, Segment
from forensic.volumes.listing import Volumes, volumes_of
from forensic.volumes.lvm import MAX_TEXT, Lvm, read_lvm
from forensic.volumes.lvm_text import BadText, parse
from forensic.volumes.signatures import Read
from samples.bench import noise
from tests.oracles import require
from tests.volumes import lvm_disk
from tests.volumes.lvm_disk import EXTENT, group, physical, put, striped, volume

LINEAR = volume("root", striped(0, 4, ("pv0", 0)))


def reader(*contents: bytearray) -> Read:
    """A disk on which physical volumes lie one after the other."""
    together = b"".join(contents)
    return lambda offset, length: together[offset : offset + length]


def found_on(*contents: bytearray) -> Lvm:
    """The logical volumes of such a disk."""
    places, at = [], 0
    for content in contents:
        places.append((at, len(content)))
        at += len(content)
    return read_lvm(reader(*contents), places)


def content_of(layout: Layout, read: Read) -> bytes:
    """All bytes of a volume."""
    parts = []
    for piece in layout.pieces(0, layout.length):
        assert piece.guest_offset is not None
        part = read(piece.guest_offset, piece.length)
        assert isinstance(part, bytes)
        parts.append(part)
    return b"".join(parts)


def test_a_volume_of_two_segments_is_put_together() -> None:
    text = group(volume("root", striped(0, 2, ("pv0", 5)), striped(2, 1, ("pv0", 0))))
    disk = physical(text)
    data = noise(3 * EXTENT)
    put(disk, 5, data[: 2 * EXTENT])
    put(disk, 0, data[2 * EXTENT :])
    found = found_on(disk)
    (one,) = found.volumes
    assert (one.group.raw, one.name.raw, one.length, one.not_read) == (b"vg", b"root", 3 * EXTENT, "")
    assert one.layout is not None
    assert content_of(one.layout, reader(disk)) == data
    assert found.notes == ()


def test_stripes_on_two_physical_volumes_are_dealt_in_turn() -> None:
    text = group(volume("fast", striped(0, 4, ("pv0", 1), ("pv1", 3), size=128)), 2)
    first, second = physical(text, 0), physical(text, 1)
    data = noise(4 * EXTENT)
    stripes = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    put(first, 1, b"".join(stripes[::2]))
    put(second, 3, b"".join(stripes[1::2]))
    (one,) = found_on(first, second).volumes
    assert one.layout is not None
    assert content_of(one.layout, reader(first, second)) == data


def test_every_byte_of_a_striped_volume_is_found_again() -> None:
    layout = Layout(96, (Segment(0, 48, (1000, 2000, 3000), 4), Segment(48, 48, (500,), 48)))
    for offset in range(96):
        (piece,) = layout.pieces(offset, 1)
        assert piece.guest_offset is not None
        assert layout.offset_of(piece.guest_offset) == offset
    assert [layout.offset_of(place) for place in (999, 1016, 2016, 499, 548)] == [None] * 5


def test_what_is_between_segments_or_elsewhere_is_nowhere() -> None:
    layout = Layout(100, (Segment(10, 20, (None, 300), 10), Segment(50, 10, (800,), 10)))
    pieces = [(one.offset, one.length, one.guest_offset) for one in layout.pieces(0, 200)]
    assert pieces == [(0, 10, None), (10, 10, None), (20, 10, 300), (30, 20, None), (50, 10, 800), (60, 40, None)]


def test_a_physical_volume_that_is_not_there_leaves_a_gap() -> None:
    text = group(volume("root", striped(0, 1, ("pv0", 0)), striped(1, 1, ("pv1", 0))), 2)
    (one,) = found_on(physical(text, 0)).volumes
    assert one.layout is not None
    assert [segment.stripes for segment in one.layout.segments] == [(lvm_disk.DATA_START,), (None,)]


@pytest.mark.parametrize("kind", ["thin", "thin-pool", "mirror", "raid1", "cache", "writecache", "snapshot", "zero"])
def test_what_is_not_read_is_named(kind: str) -> None:
    text = group(LINEAR + volume("other", f'start_extent = 0\nextent_count = 2\ntype = "{kind}"'))
    root, other = found_on(physical(text)).volumes
    assert (root.not_read, other.length, other.layout) == ("", 2 * EXTENT, None)
    expected = "an LVM2 snapshot is not read" if kind == "snapshot" else f"segments of type {kind} are not read, only"
    assert other.not_read.startswith(expected)


def test_the_store_of_a_snapshot_is_no_volume_to_read_and_hidden_ones_are_not_listed() -> None:
    link = 'start_extent = 0\nextent_count = 2\ntype = "snapshot"\norigin = "root"\ncow_store = "before"'
    text = group(
        LINEAR
        + volume("before", striped(0, 1, ("pv0", 9)))
        + volume("snapshot0", link, status='"READ"')
        + volume("lvol0_pmspare", striped(0, 1, ("pv0", 20)), status='"READ"')
    )
    found = [(one.name.raw, one.not_read) for one in found_on(physical(text)).volumes]
    assert found == [(b"root", ""), (b"before", "an LVM2 snapshot is not read")]


def test_text_goes_on_at_the_beginning_of_its_area() -> None:
    text = group(LINEAR)
    (one,) = found_on(physical(text, at=lvm_disk.AREA_SIZE - 512)).volumes
    assert one.name.raw == b"root"


def test_the_newest_of_two_texts_counts() -> None:
    old = group(volume("old", striped(0, 1, ("pv0", 0))), 2, seqno=3)
    new = group(volume("new", striped(0, 1, ("pv0", 0))), 2, seqno=4)
    for texts in ((old, new), (new, old)):
        found = found_on(physical(texts[0], 0), physical(texts[1], 1))
        assert [one.name.raw for one in found.volumes] == [b"new"]


def test_a_checksum_that_does_not_fit_is_said() -> None:
    found = found_on(physical(group(LINEAR), crc=1))
    assert [one.name.raw for one in found.volumes] == [b"root"]
    assert found.notes == ("physical volume at guest offset 0x0: the checksum of its metadata does not fit",)


@pytest.mark.parametrize(
    "segment",
    [
        striped(0, 0, ("pv0", 0)),
        striped(0, 3, ("pv0", 0), ("pv0", 5), size=128),  # not as many extents on each
        striped(0, 2, ("pv0", 0), ("pv0", 5)),  # stripes without a size
        striped(0, 2, *(("pv0", 0) for _ in range(129)), size=8),
        'start_extent = 0\nextent_count = 2\ntype = "striped"\nstripes = ["pv0"]',
        'start_extent = 0\nextent_count = 2\ntype = "striped"\nstripes = ["pv0", "0"]',
        'start_extent = 0\nextent_count = 2\ntype = "striped"\nstripes = 5',
        'start_extent = 0\nextent_count = 99999999999999999999999\ntype = "striped"\nstripes = ["pv0", 0]',
    ],
)
def test_segments_that_make_no_sense_are_not_read(segment: str) -> None:
    (one,) = found_on(physical(group(volume("root", segment)))).volumes
    assert (one.layout, one.not_read) == (None, "its segments contradict one another or make no sense")


def test_segments_that_overlap_are_not_read() -> None:
    text = group(volume("root", striped(0, 2, ("pv0", 0)), striped(1, 2, ("pv0", 9))))
    assert found_on(physical(text)).volumes[0].layout is None


def test_a_segment_past_the_end_of_its_physical_volume_is_nowhere() -> None:
    (one,) = found_on(physical(group(volume("root", striped(0, 2, ("pv0", 63)))))).volumes
    assert one.layout is not None
    assert one.layout.segments[0].stripes == (None,)


def test_text_of_a_hundred_mebibytes_is_not_read() -> None:
    disk = physical(group(LINEAR))
    disk[lvm_disk.AREA_START + 32 : lvm_disk.AREA_START + 40] = (200 << 20).to_bytes(8, "little")
    disk[lvm_disk.AREA_START + 48 : lvm_disk.AREA_START + 56] = (100 << 20).to_bytes(8, "little")
    found = found_on(disk)
    assert found.volumes == ()
    expected = f"its metadata has {100 << 20:,} bytes, more than the {MAX_TEXT:,} that are read"
    assert found.notes == (f"physical volume at guest offset 0x0: {expected}",)


def test_text_of_the_largest_size_takes_a_moment() -> None:
    text = b"vg {\nlogical_volumes {\n" + b"a = 1\n" * ((MAX_TEXT - 100) // 6) + b"}\n}\n"
    begun = time.process_time()
    parse(text)
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "text",
    [b"vg {", b"vg = ", b"vg", b"= 5", b"a = [1, [2]]", b'a = "open', b"a = }", b"a { ; }", b"{" * 50, b"a {" * 50]
)  # fmt: skip
def test_text_against_its_grammar_is_refused(text: bytes) -> None:
    with pytest.raises(BadText):
        parse(text)


def test_text_is_read_as_it_is_written() -> None:
    text = rb"a { b = 5 # six" + b'\n c = "x \\" y\\\\" d = [ "e", 7, ] f = -2 g = 1.5 } h = []'
    assert parse(text) == {b"a": {b"b": 5, b"c": b'x " y\\', b"d": [b"e", 7], b"f": -2, b"g": 1}, b"h": []}


def test_damage_ends_in_notes_and_never_in_an_error() -> None:
    chance = random.Random(5)
    disk = physical(group(LINEAR + volume("fast", striped(0, 4, ("pv0", 1), ("pv0", 9), size=128))), extents=20)
    for _ in range(300):
        damaged = bytearray(disk)
        for _ in range(chance.randint(1, 12)):
            start = chance.choice((512, lvm_disk.AREA_START, lvm_disk.AREA_START + 512))
            damaged[start + chance.randrange(900)] = chance.randrange(256)
        listed = volumes_of(reader(damaged), len(damaged))
        for one in listed.volumes:
            assert one.length >= 0
            pieces = [piece for piece in one.layout.pieces(0, 1 << 16) if piece.guest_offset is not None]
            assert all(piece.guest_offset >= 0 for piece in pieces if piece.guest_offset is not None)


def test_the_listing_names_them_by_group_and_name() -> None:
    disk = physical(group(LINEAR))
    put(disk, 0, bytes(1024 + 56) + b"\x53\xef")
    listed = volumes_of(reader(disk), len(disk))
    assert names(listed) == [("0", "LVM2 physical volume", ""), ("vg/root", "ext2", "tsk")]


def names(listed: Volumes) -> list[tuple[str, str, str]]:
    return [(one.name.text, one.file_system, one.library) for one in listed.volumes]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A file and the loop device on it."""
    require("losetup", "pvcreate", "vgcreate", "vgcfgrestore")
    path = tmp_path / "pv.raw"
    with path.open("wb") as stream:
        stream.truncate(66 << 20)
    with ExitStack() as stack:
        done = subprocess.run(["losetup", "-f", "--show", path], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"there is no loop device here: {done.stderr.strip()}")
        device = done.stdout.strip()
        stack.callback(subprocess.run, ["losetup", "-d", device], check=False)
        yield path, device


def lvm(device: str, *command: str) -> str:
    """Run one of LVM2's tools on one device alone."""
    config = f'devices {{ filter = ["a|{device}|", "r|.*|"] use_devicesfile = 0 }} backup {{ backup = 0 archive = 0 }}'
    done = subprocess.run(
        [command[0], "--config", config, *command[1:]], capture_output=True, text=True, check=False,
        env={"DM_DISABLE_UDEV": "1", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"{command[0]} cannot run here: {done.stderr.strip()}")
    return done.stdout


def test_what_the_tools_of_lvm2_wrote_is_read(loop: tuple[Path, str], tmp_path: Path) -> None:
    path, device = loop
    lvm(device, "pvcreate", "-ff", "-y", device)
    lvm(device, "vgcreate", "-s", "1m", "real", device)
    saved = tmp_path / "saved"
    lvm(device, "vgcfgbackup", "-f", str(saved), "real")
    text = saved.read_text(encoding="utf-8")
    segments = volume("root", striped(0, 2, ("pv0", 7)), striped(2, 3, ("pv0", 1)))
    block = f"\tlogical_volumes {{\n{segments}}}\n"
    at = (
        text.rindex("}", 0, text.index("contents ="))
        if text.index("contents =") > text.index("real {")
        else text.rindex("}")
    )
    saved.write_text(f"{text[:at]}{block}{text[at:]}", encoding="utf-8")
    lvm(device, "vgcfgrestore", "-f", str(saved), "--force", "real")
    shutil.copyfile(path, tmp_path / "copy")
    disk = bytearray((tmp_path / "copy").read_bytes())
    found = found_on(disk)
    (one,) = found.volumes
    assert (one.group.raw, one.name.raw, one.length, found.notes) == (b"real", b"root", 5 * EXTENT, ())
    reported = lvm(device, "lvs", "--noheadings", "--units", "b", "-o", "lv_name,lv_size,seg_pe_ranges", "real")
    assert "root" in reported and str(5 * EXTENT) in reported
    assert one.layout is not None
    assert [segment.stripes for segment in one.layout.segments] == [((1 + 7) * EXTENT,), ((1 + 1) * EXTENT,)]
