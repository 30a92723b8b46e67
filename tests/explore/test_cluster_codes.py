"""Refcounts and referring disks of every cluster, against what ownership says of each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forensic import open_image
from forensic.explore import cluster_codes, ownership, stored_refcount
from forensic.explore.cluster_codes import (
    KINDS,
    ClusterCodes,
    Count,
    Tenant,
    count_refcounts,
    find_tenants,
    snapshot_of,
    sum_up_file,
    sum_up_guest,
)
from forensic.explore.regions import RegionIndex
from forensic.explore.space_usage import Grid
from tests.images import SOUND, opened, tiny

SNAPSHOTS = SOUND / "snapshots-512.qcow2"
WITH_REFCOUNTS = ("snapshots-512", "refcount-1", "refcount-64", "extended-16k", "deflate-512", "data-file")


def last(steps: object) -> ClusterCodes:
    assert hasattr(steps, "__iter__")
    *_, final = steps
    assert isinstance(final, ClusterCodes)
    assert final.done == 1.0
    return final


def roughly(count: int | None) -> Count:
    if count is None:
        return Count.ZERO  # no block: all its refcounts are zero
    return (Count.ZERO, Count.ONE, Count.TWO, *[Count.FEW] * 5, Count.MANY)[min(count, 8)]


@pytest.mark.parametrize("name", WITH_REFCOUNTS)
def test_every_cluster_has_the_refcount_that_is_stored(name: str) -> None:
    with open_image(SOUND / f"{name}.qcow2") as image:
        region_index = RegionIndex(image)
        taken = last(count_refcounts(region_index))
        expected = [
            roughly(stored_refcount(region_index, number * taken.cluster_size)) for number in range(len(taken.codes))
        ]
    assert taken.codes.tolist() == expected


def test_tenants_are_the_disks_that_claim_a_cluster() -> None:
    with open_image(SNAPSHOTS) as image:
        region_index = RegionIndex(image)
        taken = last(find_tenants(region_index))
        seen = set()
        for number, code in enumerate(taken.codes.tolist()):
            owners = ownership(image, number * taken.cluster_size).owners
            paths = [owned.path for owned in owners]
            disks = {path.partition(" L1[")[0] if path.startswith("snapshot") else "active" for path in paths}
            seen.add(code)
            if code == Tenant.NOBODY:
                assert not owners
            elif code == Tenant.ACTIVE:
                assert disks == {"active"}
            elif code == Tenant.SHARED:
                assert "active" in disks and len(disks) > 1
            elif code >= Tenant.SNAPSHOT:
                assert disks == {snapshot_of(code, region_index.l1_tables).removesuffix(" alone")}
        assert {Tenant.METADATA, Tenant.ACTIVE, Tenant.SHARED} <= seen
        assert any(code >= Tenant.SNAPSHOT for code in seen)


def test_many_snapshots_share_the_last_code() -> None:
    first, second = cluster_codes._next_codes(1), cluster_codes._next_codes(2)
    assert second[first[Tenant.NOBODY]] == Tenant.SEVERAL
    assert first[cluster_codes._next_codes(0)[Tenant.NOBODY]] == Tenant.SHARED
    assert cluster_codes._next_codes(20)[Tenant.NOBODY] == cluster_codes._next_codes(200)[Tenant.NOBODY] == KINDS - 1


def test_sums_add_up_in_both_spaces() -> None:
    with open_image(SNAPSHOTS) as image:
        region_index = RegionIndex(image)
        taken = last(count_refcounts(region_index))
        clusters, size = len(taken.codes), taken.cluster_size
        for cells in (1, 3, clusters):
            usage = sum_up_file(taken, Grid(0, -(-clusters // cells) * size, cells))
            assert usage.sums.sum() == clusters * size
            assert usage.sums.sum(axis=1).tolist() == [
                int(np.count_nonzero(taken.codes == kind)) * size for kind in range(KINDS)
            ]
        window = sum_up_file(taken, Grid(2 * size, size, 3))
        assert window.sums.argmax(axis=0).tolist() == taken.codes[2:5].tolist()
        *_, disk = sum_up_guest(region_index, taken, Grid(0, size, image.virtual_size // size))
        mapped = [extent for extent in image.extents() if extent.host_offset is not None]
        assert disk.sums.sum() == sum(extent.length for extent in mapped)
        for extent in mapped:
            assert extent.host_offset is not None
            code = taken.codes[extent.host_offset // size]
            assert disk.sums[code, extent.guest_offset // size] == size


def test_entries_that_lead_out_of_the_file_are_left_out(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([1 << 63 | 1 << 40, 1 << 63 | 5 * 512])) as image:
        region_index = RegionIndex(image)
        taken = last(find_tenants(region_index))
        assert taken.codes[5] == Tenant.ACTIVE
        *_, disk = sum_up_guest(region_index, taken, Grid(0, 512, 4))
        assert disk.sums[Tenant.ACTIVE].tolist() == [0, 512, 0, 0]


def test_a_file_of_too_many_clusters_has_no_census(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_codes, "MAX_TAKEN", 3)
    with open_image(SNAPSHOTS) as image:
        assert list(count_refcounts(RegionIndex(image))) == []
        assert list(find_tenants(RegionIndex(image))) == []
