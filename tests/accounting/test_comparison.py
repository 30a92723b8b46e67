"""References against refcounts: every width, shared tables, windows, snapshots, and whose a byte is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from forensic import open_image
from forensic.accounting import comparison
from forensic.accounting.owners import Owner
from forensic.accounting.ownership import ownership
from forensic.checking import check
from forensic.evidence import Evidence, ReadFailed
from forensic.image import Qcow2Image, identify
from forensic.qcow2 import bitmap_tables
from forensic.report.model import Judgement
from samples import oracle, recipes
from samples.kinds import Kind
from tests.images import L2, QCOW2, SOUND, ReadOneByOne, header, sample, tiny, written
from tests.oracles import require

WIDTHS = (1, 2, 4, 8, 16, 32, 64)


def judged(path: Path) -> Judgement:
    with Evidence(path) as evidence:
        return check(identify(evidence), strict=True)


def codes(path: Path) -> set[str]:
    return {finding.rule for finding in judged(path).findings}


def with_refcount(folder: Path, width: int, cluster: int, value: int) -> Path:
    """The sample of a width with one refcount replaced."""
    content = bytearray((SOUND / f"refcount-{width}.qcow2").read_bytes())
    block = recipes.find_places(bytes(content))["refcount_block"]
    if width < 8:
        at, shift = block + cluster * width // 8, cluster * width % 8
        content[at] = content[at] & ~(((1 << width) - 1) << shift) | value << shift
    else:
        size = width // 8
        content[block + cluster * size : block + (cluster + 1) * size] = value.to_bytes(size, "big")
    path = folder / "image.qcow2"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_a_refcount_of_every_width_that_is_too_low_is_found(tmp_path: Path, width: int) -> None:
    require("qemu-img")
    path = with_refcount(tmp_path, width, 5, 0)
    assert codes(path) == {"refcount-too-low", "l2-copied-bit"}
    assert oracle.check_word(path) == "corrupt"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_refcount_of_every_width_that_is_too_high_is_found(tmp_path: Path, width: int) -> None:
    require("qemu-img")
    clusters = (SOUND / f"refcount-{width}.qcow2").stat().st_size // 512
    path = with_refcount(tmp_path, width, clusters, (1 << width) - 1)
    with path.open("ab") as stream:
        stream.truncate(512 * (clusters + 1))
    assert codes(path) == {"refcount-too-high"}
    assert oracle.check_word(path) == "leaks"


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_small_windows_give_the_same_answer(kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / kind.image
    content = bytearray(sample(kind).read_bytes())
    content += bytes(-len(content) % 512) + b"\1" * 512
    path.write_bytes(content)
    whole = judged(path)
    monkeypatch.setattr(comparison.UsageCounter, "_window_clusters", lambda self: max(1, self.stored.per_block))
    assert judged(path) == whole


@pytest.mark.parametrize("count", [1, 7, 8, 9, 20])
def test_entries_that_share_a_cluster_are_found_in_any_snapshot(tmp_path: Path, count: int) -> None:
    require("qemu-img", "qemu-io")
    image = tmp_path / "image.qcow2"
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", image.name, "16384"], tmp_path)
    for number in range(count):
        write = ["qemu-io", "-f", "qcow2", "-c", f"write -P {number + 1} {number * 512} 1024", image.name]
        oracle.run(write, tmp_path)
        oracle.run(["qemu-img", "snapshot", "-c", f"s{number}", image.name], tmp_path)
    assert "data-cluster-shared" not in codes(image)
    content = bytearray(image.read_bytes())
    with open_image(image) as opened:
        last = opened.snapshots.snapshots[-1]
    l2 = int.from_bytes(content[last.l1_table_offset : last.l1_table_offset + 8], "big") & 0xFFFFFFFFFFFE00
    content[l2 + 8 * 30 : l2 + 8 * 31] = content[l2 : l2 + 8]
    image.write_bytes(content)
    assert "data-cluster-shared" in codes(image)


def test_every_owner_of_a_byte_is_named() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        found = {place: ownership(image, place) for place in (0, 0x400, 0x805, 0xA00, 0x1E00, 0x1FFFFF)}
    assert [owned.owner for owned in found[0].owners] == [Owner.HEADER]
    assert [owned.owner for owned in found[0x400].owners] == [Owner.REFCOUNT_BLOCK]
    assert [(owned.owner, owned.path) for owned in found[0x805].owners] == [(Owner.L2_TABLE, "snapshot 0 L1[0]")]
    assert [(owned.path, owned.guest_offset) for owned in found[0xA00].owners] == [
        ("active L1[0].L2[0]", 0),
        ("snapshot 0 L1[0].L2[0]", 0),
        ("snapshot 1 L1[0].L2[0]", 0),
    ]
    assert (found[0xA00].stored, found[0xA00].counted) == (3, 3)
    assert [owned.owner for owned in found[0x1E00].owners] == [Owner.SNAPSHOT_TABLE]
    assert (found[0x1FFFFF].owners, found[0x1FFFFF].stored, found[0x1FFFFF].counted) == ((), 0, 0)


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_stored_and_counted_refcounts_of_a_sound_image_agree_cluster_by_cluster(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        size = image.geometry.cluster_size
        step = size * max(1, image.evidence.size // size // 40)
        found = [ownership(image, place) for place in range(0, image.evidence.size, step)]
    assert [each.counted for each in found] == [each.stored for each in found]
    assert all((each.counted > 0) == bool(each.owners) for each in found)


def test_a_table_shared_by_two_l1_entries_counts_its_clusters_twice(tmp_path: Path) -> None:
    path = recipes.apply(recipes.load(recipes.HERE / "damaged" / "l2-table-shared.toml"), tmp_path / "image.qcow2")
    with open_image(path) as image:
        found = ownership(image, 0xA00)
    assert (found.stored, found.counted, len(found.owners)) == (2, 2, 1)


DIRECTORY = "the bitmap directory could not be read to its end"
SNAPSHOTS = "the snapshot table could not be read to its end"
REFCOUNTS = "the refcount table could not be read to its end"
LUKS = "the LUKS header is not where or as long as it can be"
ACTIVE, FIRST = (f"the L1 table of {owner} could not be read to its end" for owner in ("active", "snapshot 0"))
BROKEN = {
    "bitmap-directory-entries--more": DIRECTORY,
    "bitmap-directory-place--outside-file": DIRECTORY,
    "bitmap-directory-place--size": DIRECTORY,
    "bitmaps-extension-fields--count": DIRECTORY,
    "bitmaps-extension-fields--too-many": DIRECTORY,
    "bitmap-table-place--cap": "the table of bitmap 0 could not be read to its end",
    "bitmap-table-place--unaligned": "the table of bitmap 0 could not be read to its end",
    "encryption-header-too-short": LUKS,
    "encryption-header-unaligned": LUKS,
    "l1-entry-outside-file": "an L2 table of active could not be read",
    "l1-entry-unaligned": "an L2 table of active could not be read",
    "l1-table-outside-file": ACTIVE,
    "l1-table-overwritten": "the L1 table of active is overwritten",
    "l1-table-unaligned": ACTIVE,
    "limit-reached": "the limit of 67,108,864 L1 table entries was reached before the L1 table of snapshot 15",
    "l2-table-overwritten": "an L2 table of active is overwritten",
    "refcount-table-outside-file": REFCOUNTS,
    "refcount-table-unaligned": REFCOUNTS,
    "snapshot-l1-outside-file": FIRST,
    "snapshot-l1-unaligned": FIRST,
    "snapshot-table-outside-file": SNAPSHOTS,
    "snapshot-table-unaligned": SNAPSHOTS,
}
"""Recipes after which nobody can say what is in use, and why."""


def assert_leaks_are_left_unjudged(path: Path, reason: str) -> None:
    """What nothing refers to may be in use by what could not be read: neither a leak nor a remain."""
    status = {made.code: (made.status.value, made.reason) for made in judged(path).checks}
    for code in ("refcount-too-high", "residue-in-free-clusters"):
        assert status[code] == ("not_run", f"{reason}, so what is in use is not fully known"), code


@pytest.mark.parametrize("name", BROKEN)
def test_broken_tables_leave_leaks_unjudged(name: str, tmp_path: Path) -> None:
    path = recipes.apply(recipes.load(recipes.HERE / "damaged" / f"{name}.toml"), tmp_path / "image.qcow2")
    assert_leaks_are_left_unjudged(path, BROKEN[name])
    with open_image(path) as image:
        assert isinstance(image, Qcow2Image)
        lost = ownership(image, 0).lost
    assert lost == BROKEN[name].replace(
        "an L2 table of active is overwritten", "not all L2 tables of active could be read"
    )


@pytest.mark.parametrize("cluster_bits", [9, 12])
@pytest.mark.parametrize("kept", [8, 100, 511])
def test_a_table_that_the_file_end_cuts_leaves_leaks_unjudged(kept: int, cluster_bits: int, tmp_path: Path) -> None:
    whole = tiny([], head=header(cluster_bits=cluster_bits), cluster_bits=cluster_bits)
    path = written(tmp_path, whole[: (L2 << cluster_bits) + kept])
    reason = "an L2 table of active could not be read to its end"
    assert_leaks_are_left_unjudged(path, reason)
    with open_image(path) as image:
        assert isinstance(image, Qcow2Image)
        assert ownership(image, 0).lost == "not all L2 tables of active could be read"


def test_a_table_on_a_bad_sector_leaves_leaks_unjudged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_into = Evidence.read_into

    def failing(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if host_offset <= L2 * 512 + 100 < host_offset + len(buffer):
            raise ReadFailed(L2 * 512 + 100, 1, "input/output error")
        read_into(self, host_offset, buffer)

    path = written(tmp_path, tiny([]))
    monkeypatch.setattr(Evidence, "read_into", failing)
    monkeypatch.setattr(Evidence, "read_each", ReadOneByOne.read_each)
    assert_leaks_are_left_unjudged(path, "an L2 table of active could not be read to its end")


def test_bitmap_tables_beyond_the_limit_leave_leaks_unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitmap_tables, "MAX_TABLES_COST", bitmap_tables.TABLE_COST + 8)
    with open_image(SOUND / "bitmaps-512.qcow2") as image:
        assert isinstance(image, Qcow2Image)
        assert ownership(image, 0).lost == "not all bitmap tables were read"
        checks = {made.code: made for made in check(image, strict=True).checks}
    assert checks["refcount-too-high"].status.value == "not_run"


def test_the_original_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    shutil.copyfile(SOUND / "snapshots-512.qcow2", path)
    before = path.read_bytes()
    judged(path)
    assert path.read_bytes() == before
