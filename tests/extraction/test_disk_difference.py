"""Two disks compared by mapping and bytes give what comparing their raw images gives."""

from collections.abc import Callable
from pathlib import Path

import pytest

from forensic.disk.disk import Disk
from forensic.disk.opening import BackingFile, Supplied, find_snapshot, open_disk
from forensic.extraction.disk_difference import Difference, Relation, differences
from forensic.image import open_any, open_image
from samples import oracle
from samples.kinds import KINDS, PASSPHRASE, Kind
from tests.images import COMPLETE, SOUND, sample
from tests.oracles import require


def unlike_sectors(mine: bytes, others: bytes) -> list[tuple[int, int]]:
    """The ranges of whole sectors in which two raw disks differ, one sector after the other."""
    found: list[tuple[int, int]] = []
    end = min(len(mine), len(others))
    for start in range(0, end, 512):
        stop = min(start + 512, end)
        if mine[start:stop] != others[start:stop]:
            if found and sum(found[-1]) == start:
                found[-1] = (found[-1][0], stop - found[-1][0])
            else:
                found.append((start, stop - start))
    return found


def listed(first: Disk, second: Disk) -> list[tuple[int, int]]:
    return [(one.guest_offset, one.length) for one in differences(first, second) if one.relation == Relation.DIFFERS]


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_any_two_samples_differ_where_their_bytes_do(kind: Kind) -> None:
    for other in ("deflate-4k", "zstd-512", "snapshots-512", "extended-16k"):
        with open_image(sample(kind)) as image, open_image(sample(KINDS[other])) as another:
            first, second = image.disk(), another.disk()
            assert listed(first, second) == unlike_sectors(first.reader().read(), second.reader().read())


@pytest.mark.parametrize("name", ["snapshots-512", "snapshots-v2-512", "snapshot-deleted-512", "snapshot-empty-512"])
def test_snapshots_differ_where_their_bytes_do_and_nothing_equal_is_read(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_image(sample(KINDS[name])) as image:
        disks = [image.disk(), *(open_disk(image, snapshot) for snapshot in image.snapshots.snapshots)]
        raw = [disk.reader().read() for disk in disks]
        found = {(i, j): listed(a, b) for i, a in enumerate(disks) for j, b in enumerate(disks)}
        assert found == {
            (i, j): unlike_sectors(mine, others) for i, mine in enumerate(raw) for j, others in enumerate(raw)
        }
        monkeypatch.setattr(Disk, "read", refuse_to_read)
        assert [list(differences(disk, disk)) for disk in disks] == [[] for _ in disks]


def refuse_to_read(*arguments: object) -> None:
    raise AssertionError("equal by mapping, and read all the same")


def test_a_longer_disk_has_a_part_of_its_own() -> None:
    with open_image(SOUND / "grown.qcow2") as image, open_image(SOUND / "data-512.qcow2") as other:
        longer, shorter = image.disk(), other.disk()
        assert list(differences(longer, shorter))[-1] == Difference(16384, 114688, Relation.ONLY_IN_FIRST)
        assert list(differences(shorter, longer))[-1] == Difference(16384, 114688, Relation.ONLY_IN_SECOND)


def test_an_overlay_differs_from_its_base_in_what_was_written_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    base = SOUND / "overlay-qcow2.backing.qcow2"
    with open_image(SOUND / "overlay-qcow2.qcow2") as image, open_image(base) as other:
        with open_disk(image, None, Supplied((BackingFile(base),))) as overlay:
            assert listed(overlay, other.disk()) == [(1024, 512), (2048, 512), (3072, 512)]
        found = list(differences(image.disk(), other.disk()))
        assert {one.reasons for one in found if one.relation == Relation.NOT_COMPARED} == {("backing_not_supplied",)}
        assert [one.guest_offset for one in found if one.relation == Relation.DIFFERS] == [1024, 2048, 3072]
        monkeypatch.setattr(Disk, "read", refuse_to_read)
        assert list(differences(image.disk(), image.disk())) == []


def test_what_cannot_be_read_is_not_called_equal() -> None:
    with open_image(SOUND / "luks-4k.qcow2") as image, open_image(SOUND / "aes-4k.qcow2") as other:
        found = list(differences(image.disk(), other.disk()))
        assert {(one.relation, one.reasons) for one in found} == {(Relation.NOT_COMPARED, ("key_not_supplied",))}
        key = Supplied(passphrase=PASSPHRASE.encode())
        with open_disk(image, None, key) as first, open_disk(other, None, key) as second:
            assert list(differences(first, second)) == []


def test_a_disk_that_ends_inside_a_sector_is_compared_to_its_end() -> None:
    with open_any(SOUND / "odd-size-4k.qcow2") as image, open_any(SOUND / "data-4k.qcow2") as other:
        mine, others = image.reader().read(), other.reader().read()
        assert listed(image.disk(), other.disk()) == unlike_sectors(mine, others)


def test_a_snapshot_of_a_large_disk_is_compared_without_reading_what_did_not_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("qemu-img", "qemu-io")
    run: Callable[..., str] = oracle.run
    run(["qemu-img", "create", "-q", "-f", "qcow2", "large.qcow2", "1T"], tmp_path)
    run(["qemu-io", "-c", "write -P 0x41 0 8M", "-c", "write -P 0x42 700G 1M", "large.qcow2"], tmp_path)
    run(["qemu-img", "snapshot", "-c", "before", "large.qcow2"], tmp_path)
    run(["qemu-io", "-c", "write -P 0x43 700G 64k", "-c", "write -P 0x41 1M 64k", "large.qcow2"], tmp_path)
    with open_image(tmp_path / "large.qcow2") as image, open_disk(image, find_snapshot(image, "before")) as before:
        read: list[int] = []
        reading = Disk.read

        def counted(
            disk: Disk,
            depth: int,
            guest_offset: int,
            host_offset: int,
            stored_length: int,
            skip: int,
            buffer: memoryview,
        ) -> object:
            if disk is before:
                read.append(len(buffer))
            return reading(disk, depth, guest_offset, host_offset, stored_length, skip, buffer)

        monkeypatch.setattr(Disk, "read", counted)
        assert listed(before, image.disk()) == [(700 << 30, 65536)]
        assert sum(read) == 2 * 65536
