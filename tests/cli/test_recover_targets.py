"""`recover --target`, `--carve` and `--max-time`: which disk is planned for, and what is said of the others."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound
from tests.images import COMPLETE, sample
from tests.oracles import require
from tests.recovery.images import converted, filesystem, run


def extracted(folder: Path, image: Path, *options: str | Path) -> bytes:
    raw = folder / f"{random.random()}.raw"
    done = qcowscope("extract", image, *options, "-o", raw)
    assert done.status in (0, 5), done.err
    return raw.read_bytes()


def headless(folder: Path, image: Path) -> Path:
    content = image.read_bytes()
    size = 1 << int.from_bytes(content[20:24], "big")
    found = folder / "headless.qcow2"
    found.write_bytes(bytes(size) + content[size:])
    return found


@pytest.mark.parametrize("word", ["1", "#0"])
def test_a_snapshot_of_a_sound_image_is_certain(word: str, tmp_path: Path) -> None:
    image, plan = sound("snapshots-512"), tmp_path / "plan.json"
    assert qcowscope("recover", image, "--target", f"snapshot:{word}", "-o", plan).status == 0
    assert extracted(tmp_path, image, "--plan", plan) == extracted(tmp_path, image, "--snapshot", word)
    assert json.loads(plan.read_text())["target"] == "snapshot:0"


def test_with_the_header_lost_snapshots_are_not_deleted_and_can_be_read(tmp_path: Path) -> None:
    whole = sound("snapshots-512")
    image, plan = headless(tmp_path, whole), tmp_path / "plan.json"
    assert "2 snapshots can be read with --target snapshot:ID" in qcowscope("recover", image).out
    assert "no entry of a deleted snapshot" in qcowscope("recover", image, "--deleted-snapshots").out
    for word in ("1", "2"):
        done = qcowscope("recover", image, "--target", f"snapshot:{word}", "-o", plan, "--force")
        assert done.status == 5
        assert extracted(tmp_path, image, "--plan", plan) == extracted(tmp_path, whole, "--snapshot", word)


def test_a_snapshot_that_there_is_not_and_one_beside_a_plan_are_refused(tmp_path: Path) -> None:
    image, plan = sound("snapshots-512"), tmp_path / "plan.json"
    assert "no single snapshot in use" in qcowscope("recover", image, "--target", "snapshot:9").err
    assert qcowscope("recover", image, "--target", "snapshot:").status == 64
    qcowscope("recover", image, "-o", plan)
    done = qcowscope("map", image, "--plan", plan, "--snapshot", "1")
    assert done.status == 64
    assert "recover --target snapshot:ID" in done.err


def test_an_l2_table_that_a_snapshot_lost_is_unknown_and_the_rest_of_it_certain(tmp_path: Path) -> None:
    content = bytearray(sound("snapshots-512").read_bytes())
    table = int.from_bytes(content[64:72], "big")
    l1 = int.from_bytes(content[table : table + 8], "big")
    l2 = int.from_bytes(content[l1 : l1 + 8], "big") & 0x00FF_FFFF_FFFF_FE00
    content[l2 : l2 + 512] = b"lost" * 128
    image = tmp_path / "image.qcow2"
    image.write_bytes(content)
    found = qcowscope("recover", image, "--target", "snapshot:1", "--json").json()
    assert found["bytes"]["by_certainty"]["unknown"]["not_read"] == 16384  # type: ignore[index,call-overload]


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A device with an image of many tables, and a smaller one that was converted over it; and the older disk."""
    require("qemu-img", "mkfs.ext4")
    folder = tmp_path_factory.mktemp("layers")
    raw = filesystem("ext4", folder, 400 << 20, random.Random(5))
    converted(raw, folder / "older.qcow2", "cluster_size=8192")
    (folder / "small.raw").write_bytes(random.Random(3).randbytes(2 << 20))
    converted(folder / "small.raw", folder / "newer.qcow2", "cluster_size=65536")
    newer, older = (folder / "newer.qcow2").read_bytes(), (folder / "older.qcow2").read_bytes()
    device = folder / "device"
    device.write_bytes(newer + older[len(newer) :])
    return device, raw.read_bytes()


def test_an_image_beneath_another_is_read_as_a_disk_of_its_own_and_never_certain(
    layers: tuple[Path, bytes], tmp_path: Path
) -> None:
    device, truth = layers
    plan, ledger = tmp_path / "plan.json", tmp_path / "ledger"
    now = qcowscope("recover", device)
    assert now.status == 0
    assert "outside the image read as tables: --target older may read it" in now.out
    assert qcowscope("recover", device, "--target", "older", "-o", plan).status == 5
    raw = extracted(tmp_path, device, "--plan", plan, "--report", f"ledger:{ledger}")
    lines = [json.loads(line) for line in ledger.read_text().splitlines()][1:-1]
    known = [one for one in lines if one["certainty"] != "unknown"]
    assert {(one["certainty"], one["version"]) for one in known} == {("inferred", "older")}
    for one in known:
        begin, end = one["virtual_offset"], one["virtual_offset"] + one["length"]
        assert raw[begin:end] == truth[begin:end], one
    assert sum(one["length"] for one in known if one["state"] == "data") > 30 << 20


def test_an_image_with_nothing_beneath_it_has_no_older_one() -> None:
    done = qcowscope("recover", sound("two-l2-512"), "--target", "older")
    assert done.status == 64
    assert "no older image beneath this one can be read" in done.err


def device_with(folder: Path, *images: Path) -> tuple[Path, list[int]]:
    """A file of noise and images, each at a sector, and where they begin."""
    rng, body, places = random.Random(1), bytearray(), []
    for image in images:
        body += rng.randbytes(512 * rng.randrange(3, 40))
        places.append(len(body))
        content = image.read_bytes()
        body += content + bytes(-len(content) % 512)
    device = folder / "device"
    device.write_bytes(body + rng.randbytes(5 * 512))
    return device, places


WITHIN = ("data-4k", "two-l2-512", "deflate-4k", "extended-16k", "snapshots-512")
CARVED = [kind for kind in COMPLETE if kind.name in WITHIN]


def test_every_image_in_a_larger_file_is_listed_and_its_plan_reads_it(tmp_path: Path) -> None:
    images = [sample(kind) for kind in CARVED]
    assert len(images) == 5
    device, places = device_with(tmp_path, *images)
    listed = qcowscope("recover", device, "--carve", "-o", tmp_path / "plans")
    assert [line.split()[0] for line in listed.out.splitlines()] == [hex(place) for place in places]
    for image, place in zip(images, places, strict=True):
        plan = tmp_path / "plans" / f"{place:#x}.json"
        assert extracted(tmp_path, device, "--plan", plan) == extracted(tmp_path, image)
        described = qcowscope("info", device, "--plan", plan, "--json").json()
        assert described["source"]["image_offset"] == place  # type: ignore[index,call-overload]
        assert qcowscope("map", device, "--image-offset", str(place + 512), "--plan", plan).status == 6
    rows = qcowscope("recover", device, "--carve", "--json").json()["images"]
    assert [one["offset"] for one in rows] == places  # type: ignore[union-attr,index,call-overload]


def test_what_only_a_snapshot_leads_to_belongs_to_an_image_in_a_file(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    image = tmp_path / "image.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", image, "1M")
    run("qemu-io", "-c", "write -q 0 64k", image)
    run("qemu-img", "snapshot", "-c", "before", image)
    run("qemu-io", "-c", "write -q 512k 128k", image)
    run("qemu-img", "snapshot", "-c", "after", image)
    run("qemu-img", "snapshot", "-a", "before", image)
    device, places = device_with(tmp_path, image)
    length = json.loads(qcowscope("recover", device, "--carve", "--json").out)["images"][0]["length"]
    part = tmp_path / "part.qcow2"
    part.write_bytes(device.read_bytes()[places[0] : places[0] + length])
    assert extracted(tmp_path, part, "--snapshot", "after") == extracted(tmp_path, image, "--snapshot", "after")


def test_a_header_without_its_tables_is_no_image_in_a_file(tmp_path: Path) -> None:
    decoy = tmp_path / "decoy"
    decoy.write_bytes(sound("data-4k").read_bytes()[:4096] + random.Random(2).randbytes(1 << 16))
    device, places = device_with(tmp_path, decoy, sound("data-4k"))
    lines = qcowscope("recover", device, "--carve").out.splitlines()
    assert [line.split()[0] for line in lines] == [hex(places[1])]
    assert qcowscope("recover", decoy, "--carve").status == 63


def test_a_plan_of_a_part_that_the_file_does_not_have_is_refused(tmp_path: Path) -> None:
    device, places = device_with(tmp_path, sound("data-4k"))
    qcowscope("recover", device, "--carve", "-o", tmp_path / "plans")
    plan = tmp_path / "plans" / f"{places[0]:#x}.json"
    document = json.loads(plan.read_text())
    moved = places[0] + 512
    for part, status in (({"offset": 1 << 40}, 6), ({"length": 5}, 64), ({"offset": -1}, 64), ({"offset": moved}, 6)):
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps({**document, "part": {**document["part"], **part}}))
        assert qcowscope("map", device, "--plan", changed).status == status, part


def test_a_search_that_has_no_time_says_so_and_calls_nothing_empty(tmp_path: Path) -> None:
    done = qcowscope("recover", sound("data-4k"), "--max-time", "0.000001", "-o", tmp_path / "plan.json")
    assert done.status == 5
    assert "the time was over at host offset 0x0" in done.out
    found = qcowscope("recover", sound("data-4k"), "--max-time", "0.000001", "--json").json()["bytes"]["by_certainty"]  # type: ignore[index,call-overload]
    whole = qcowscope("recover", sound("data-4k"), "--json").json()["bytes"]["by_certainty"]  # type: ignore[index,call-overload]
    assert found["certain"]["data"] == whole["certain"]["data"]  # type: ignore[index,call-overload]
    assert found["certain"]["zero"] == 0  # type: ignore[index,call-overload]
    assert qcowscope("recover", sound("data-4k"), "--max-time", "0").status == 64


def test_a_plan_goes_to_standard_output_and_what_is_said_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = damaged("l1-table-wiped", tmp_path)
    qcowscope("recover", image, "-o", tmp_path / "plan.json")
    done = qcowscope("recover", image, "-o", "-")
    assert json.loads(done.out) == json.loads((tmp_path / "plan.json").read_text())
    assert "damaged" in done.err
    assert not (tmp_path / "-").exists()
    for more in (["--json"], ["--carve"], ["--deleted-snapshots"]):
        assert qcowscope("recover", image, "-o", "-", *more).status == 64


@pytest.mark.parametrize("options", [["--carve", "--deleted-snapshots"], ["--carve", "--target", "older"]])
def test_what_excludes_each_other_is_wrong_usage(options: list[str]) -> None:
    assert qcowscope("recover", sound("data-512"), *options).status == 64


def test_deleted_snapshots_are_mentioned_though_nobody_asked(tmp_path: Path) -> None:
    done = qcowscope("recover", damaged("deleted-snapshot-remains", tmp_path))
    assert "2 deleted snapshots left their entries: see --deleted-snapshots" in done.out
    assert "deleted" not in qcowscope("recover", sound("snapshots-512")).out
    missing = qcowscope("recover", damaged("deleted-snapshot-remains", tmp_path), "--target", "deleted:7")
    assert "2 deleted snapshots can be found in it" in missing.err
