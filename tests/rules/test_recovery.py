"""An L1 table that was wiped, and one that going back to an empty snapshot left empty, in ordinary use."""

from __future__ import annotations

from pathlib import Path

import pytest

from forensic.checking import check
from forensic.evidence import Evidence
from forensic.finding import Severity
from forensic.image import identify
from forensic.records.judgement import CheckStatus, Verdict
from forensic.residue import unreferenced
from samples.bench import Bench, prose
from tests.oracles import require
from tests.rules.judging import codes_of

NO_DISCARD = "driver=qcow2,discard=off,pass-discard-snapshot=off,pass-discard-other=off,file.filename="
CLUSTERS = pytest.mark.parametrize("cluster", [512, 4096, 65536])


def verdict(path: Path) -> Verdict:
    with Evidence(path) as evidence:
        return check(identify(evidence), strict=True).verdict(Severity.MEDIUM)


def snapshot(bench: Bench, *what: str) -> None:
    bench.run("qemu-img", "snapshot", *what, "--image-opts", NO_DISCARD + bench.image)


@CLUSTERS
@pytest.mark.parametrize("after", ["reverted", "deleted", "taken again", "taken and deleted again"])
def test_a_disk_that_went_back_to_an_empty_snapshot_is_clean(cluster: int, after: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "reverted", "reverted.qcow2")
    bench.create(8 << 20, f"cluster_size={cluster}")
    snapshot(bench, "-c", "empty")
    bench.io("write -P 5 0 1M", "write -P 6 4M 64k")
    snapshot(bench, "-a", "empty")
    if after != "reverted":
        snapshot(bench, "-d", "empty")
    if after.startswith("taken"):
        snapshot(bench, "-c", "another")
    if after == "taken and deleted again":
        bench.run("qemu-img", "snapshot", "-d", "another", bench.image)
    assert "orphan-l2-tables" in codes_of(bench.path(bench.image))
    assert verdict(bench.path(bench.image)) == Verdict.CLEAN


@CLUSTERS
@pytest.mark.parametrize("refcounts", ["kept", "zeroed"])
@pytest.mark.parametrize("how", ["converted", "written"])
def test_a_wiped_l1_table_is_not_clean(cluster: int, refcounts: str, how: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "wiped", "wiped.qcow2")
    if how == "converted":
        bench.convert(bench.file("source", prose(1 << 20)), f"cluster_size={cluster}")
    else:
        bench.create(8 << 20, f"cluster_size={cluster}")
        bench.io("write -P 5 1M 256k")
    path = bench.path(bench.image)
    content = bytearray(path.read_bytes())
    l1, entries = int.from_bytes(content[40:48], "big"), int.from_bytes(content[36:40], "big")
    content[l1 : l1 + 8 * entries] = bytes(8 * entries)
    if refcounts == "zeroed":
        table = int.from_bytes(content[48:56], "big")
        block = int.from_bytes(content[table : table + 8], "big")
        used = l1 // cluster + -(-8 * entries // cluster)
        content[block + 2 * used : block + cluster] = bytes(cluster - 2 * used)
    path.write_bytes(content)
    assert "l1-table-wiped" in codes_of(path)
    assert verdict(path) != Verdict.CLEAN


def test_where_the_search_for_tables_stopped_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "reverted", "reverted.qcow2")
    bench.create(8 << 20, "cluster_size=4096")
    snapshot(bench, "-c", "empty")
    bench.io("write -P 5 0 1M")
    snapshot(bench, "-a", "empty")

    def said() -> list[str]:
        with Evidence(bench.path(bench.image)) as evidence:
            found = check(identify(evidence), strict=True).findings
        return [one.observation for each in found if each.rule == "orphan-l2-tables" for one in each.problems]

    (whole,) = said()
    monkeypatch.setattr(unreferenced, "MOST_LOOKED_AT", 1)
    (part,) = said()
    assert part == f"{whole}; the search for more stopped at host offset 0x7000"
    monkeypatch.setattr(unreferenced, "MOST_LOOKED_AT", 0)
    with Evidence(bench.path(bench.image)) as evidence:
        judged = check(identify(evidence), strict=True)
    assert said() == []
    reasons = {(one.status, one.reason) for one in judged.checks if one.code in ("orphan-l2-tables", "l1-table-wiped")}
    assert reasons == {(CheckStatus.NOT_RUN, "the search for tables stopped at host offset 0x6000")}
    assert not judged.incomplete


@pytest.mark.parametrize("cluster", [512, 1024])
@pytest.mark.parametrize("outgrown", ["refcount table", "L1 table"])
def test_a_table_that_was_outgrown_is_no_lost_l2_table(cluster: int, outgrown: str, tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    bench = Bench(tmp_path, "outgrown", "outgrown.qcow2")
    if outgrown == "refcount table":
        bench.create(cluster**3 // 12, f"cluster_size={cluster},preallocation=metadata")
    else:
        bench.create(8 * cluster**2, f"cluster_size={cluster}")
        bench.io("write -P 5 0 64k", f"write -P 6 {7 * cluster**2} 64k")
        bench.run("qemu-img", "resize", "-q", "--image-opts", NO_DISCARD + bench.image, f"{40 * cluster**2}")
    codes = codes_of(bench.path(bench.image))
    assert "residue-in-free-clusters" in codes
    assert "orphan-l2-tables" not in codes
