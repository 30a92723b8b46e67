"""The volumes in a report: found by a few sectors, they are those that a reader of the whole disk finds."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec import UNSET

from forensic.disk import contents
from forensic.disk.contents import contents_of_disk, contents_of_image, read_of
from forensic.disk.few_sectors import CloserLook, FewSectors
from forensic.errors import Unsupported
from forensic.image import Qcow2Image, open_any, open_image
from forensic.records.image import GuestRecord
from forensic.volumes.listing import volumes_of
from samples import oracle
from samples.kinds import Kind
from tests.commands import QCOW2_KINDS, damaged, qcowscope, sound
from tests.filesystems import disks
from tests.filesystems.disks import MIB, PLAIN
from tests.volumes import lvm_disk

OPTIONS = {
    "plain": (),
    "512": ("-o", "cluster_size=512"),
    "deflate": ("-c",),
    "zstd": ("-c", "-o", "compression_type=zstd"),
    "extended": ("-o", "extended_l2=on"),
    "version 2": ("-o", "compat=0.10"),
}


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A raw disk with partitions, one of which holds a logical volume."""
    folder = tmp_path_factory.mktemp("contents")
    tree = disks.make_tree(folder / "tree", PLAIN)
    text = lvm_disk.group(lvm_disk.volume("root", lvm_disk.striped(0, 9, ("pv0", 1))))
    physical = lvm_disk.physical(text, extents=12)
    lvm_disk.put(physical, 1, disks.ext4(folder / "inner.raw", tree, 9 * MIB).read_bytes())
    (folder / "lvm.raw").write_bytes(physical)
    ext4 = disks.ext4(folder / "ext4.raw", tree, 24 * MIB, "-L", "root\x1b[2J")
    yield disks.gpt(folder / "disk.raw", ext4, folder / "lvm.raw", disks.ntfs(folder / "ntfs.raw", tree)).path


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_few_sectors_tell_what_the_whole_disk_tells(
    kind: str, disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle.run(["qemu-img", "convert", *OPTIONS[kind], "-O", "qcow2", str(disk), "image.qcow2"], tmp_path)
    with open_image(tmp_path / "image.qcow2") as image, image.disk() as opened:
        expected = contents_of_disk(opened)
        if kind != "extended":  # their subclusters are left to the reader of whole disks
            monkeypatch.setattr(contents, "_disk", None)
        found = contents_of_image(image)
        assert found == expected
        assert isinstance(found, GuestRecord)
        systems = [(one.volume.text, one.file_system) for one in found.volumes]
    assert systems == [("1", "ext4"), ("2", "LVM2 physical volume"), ("3", "NTFS"), ("vg/root", "ext4")]
    assert found.volumes[0].label is not None and found.volumes[0].label.text == "root\\x1b[2J"


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_sectors_are_read_as_by_the_reader_of_whole_disks(kind: Kind) -> None:
    with open_any(sound(kind.name)) as image:
        assert isinstance(image, Qcow2Image)
        with image.disk() as disk:
            slow, few = read_of(disk), FewSectors(image)
            for offset in range(0, min(disk.size, 1 << 22), 4096):
                try:
                    found = few.read(offset + 500, 1000)
                except (CloserLook, Unsupported):
                    continue
                expected = slow(offset + 500, 1000)
                if not image.encrypted and not image.geometry.external_data_file:
                    assert found == expected


def test_what_cannot_be_read_is_said_and_loads_nothing() -> None:
    for name, code in (
        ("luks-4k", "key_not_supplied"),
        ("data-file", "data_file_not_supplied"),
        ("overlay-raw", "backing_not_supplied"),
    ):
        document = qcowscope("info", "--json", sound(name)).json()
        result = document["result"]
        assert isinstance(result, dict)
        assert result["guest"] == {"volumes": [], "volume_count": 0, "missing": code}
        assert f"not known: {code.replace('_', ' ')}" in qcowscope("info", sound(name)).out
    assert "guest" not in qcowscope("info", "--json", sound("data-4k")).out


def test_a_damaged_table_is_left_to_the_reader_that_judges_it(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    with open_image(image) as opened:
        with pytest.raises(CloserLook):
            FewSectors(opened).read(0, 512)
        found = contents_of_image(opened)
    assert isinstance(found, GuestRecord) and found.missing == "entry_beyond_eof"


def test_no_more_tables_are_read_than_a_report_is_worth(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forensic.disk.few_sectors.MOST_TABLE_BYTES", 1 << 16)
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "large.qcow2", "4G"], disk.parent)
    with open_image(disk.parent / "large.qcow2") as image:
        few = FewSectors(image)
        assert few.read(0, 512) == bytes(512)
        with pytest.raises(CloserLook):
            few.read(2 << 30, 512)


def test_every_report_names_the_volumes(disk: Path, tmp_path: Path) -> None:
    oracle.run(["qemu-img", "convert", "-O", "qcow2", str(disk), "image.qcow2"], tmp_path)
    image = tmp_path / "image.qcow2"
    info = qcowscope("info", image).out
    assert "partitions    GPT" in info
    assert 'volume 1      ext4, label "root\\x1b[2J"; Linux data "part1", 24 MiB' in info
    assert "volume vg/root ext4; logical volume, 9 MiB" in info
    for form in ("html", "markdown", "json"):
        assert "vg/root" in qcowscope("check", image, "--format", form).out
    done = qcowscope("extract", image, "-o", tmp_path / "out.raw", "--report", f"json:{tmp_path / 'report.json'}")
    assert done.status == 0
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes())
    assert [one["volume"]["text"] for one in report["result"]["guest"]["volumes"]] == ["1", "2", "3", "vg/root"]


def test_an_extraction_names_the_volumes_of_the_disk_that_it_read(disk: Path, tmp_path: Path) -> None:
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(disk), "-F", "raw", "top.qcow2"], tmp_path)
    report = tmp_path / "report.json"
    done = qcowscope(
        "extract", tmp_path / "top.qcow2", "-o", tmp_path / "out.raw", "--backing", disk, "--report", f"json:{report}"
    )
    assert done.status == 0
    guest = msgspec.json.decode(report.read_bytes())["result"]["guest"]
    assert (guest["partition_scheme"], len(guest["volumes"])) == ("GPT", 4)


def test_an_empty_disk_has_nothing_to_say() -> None:
    with open_image(sound("empty-512")) as image:
        assert contents_of_image(image) is UNSET
        assert volumes_of(FewSectors(image).read, image.virtual_size).volumes == ()
