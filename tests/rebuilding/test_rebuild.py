"""A new image has the bytes of the old disk by QEMU's word as well, and metadata without a fault."""

from __future__ import annotations

import json
import random
import zlib
from itertools import groupby
from pathlib import Path

import pytest

from forensic.disk.opening import BackingFile, Supplied, open_disk
from forensic.errors import Interrupted, OutputDiffers, OutputFailed, Unsupported
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.result import Extraction, Status
from forensic.extraction.second_reading import Comparison, Difference, Method
from forensic.extraction.settings import Settings
from forensic.image import identify, open_any, open_image
from forensic.mapping.extents import State
from forensic.output.new_file import NewFile
from forensic.qcow2.identify import ForeignFile
from forensic.rebuilding.image_writer import ImageWriter
from forensic.rebuilding.rebuild import rebuild
from samples import oracle
from samples.kinds import Kind
from tests.commands import QCOW2_KINDS, RECIPES, damaged, qcowscope, sound
from tests.images import SOUND, sample
from tests.oracles import require
from tests.report.test_schema import complaints


def supplied_for(kind: Kind) -> Supplied:
    data_file = SOUND / f"{kind.name}.{kind.data_file}" if kind.data_file else None
    backing = tuple(BackingFile(SOUND / f"{kind.name}.{name}") for name in kind.backing)
    passphrase = kind.passphrase.encode() if kind.passphrase else None
    return Supplied(backing, data_file, passphrase)


def as_qemu_reads(image: Path, raw: Path) -> bytes:
    """The disk of a new image, which QEMU has to call clean."""
    oracle.run(["qemu-img", "check", "-f", "qcow2", image.name], image.parent)
    oracle.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image.name, str(raw)], image.parent)
    return raw.read_bytes()


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_qemu_reads_a_rebuilt_sample_as_the_sample(kind: Kind, tmp_path: Path) -> None:
    require("qemu-img")
    with open_any(sample(kind)) as image, open_disk(image, None, supplied_for(kind)) as disk:
        done = rebuild(disk, tmp_path / "new.qcow2", Settings(verify=True))
        extract(disk, tmp_path / "old.raw")
    wanted = (tmp_path / "old.raw").read_bytes()
    assert as_qemu_reads(tmp_path / "new.qcow2", tmp_path / "new.raw") == wanted
    assert done.status == Status.COMPLETE
    assert done.new_image is not None
    assert done.new_image.sha256
    judged = qcowscope("check", tmp_path / "new.qcow2", "--json").json()
    assert judged["result"]["summary"]["verdict"] == "clean"  # type: ignore[call-overload, index]


@pytest.mark.parametrize("number", range(8))
def test_what_cannot_be_read_of_a_damaged_sample_is_as_in_an_extraction(number: int, tmp_path: Path) -> None:
    require("qemu-img")
    for recipe in RECIPES[number::8]:
        image = damaged(recipe.name, tmp_path)
        with Evidence(image) as evidence:
            opened = identify(evidence)
            if isinstance(opened, ForeignFile):
                continue
            try:
                disk = opened.disk()
                if disk.size > 1 << 30:
                    continue
                old = extract(disk, tmp_path / "old.raw", Settings(force=True))
            except (Unsupported, OutputDiffers) as error:
                with pytest.raises(type(error)):
                    rebuild(opened, tmp_path / "new.qcow2", Settings(force=True))
                continue
            new = rebuild(disk, tmp_path / "new.qcow2", Settings(force=True, hashes=("sha256",)))
        assert new.hashes == old.hashes, image.name
        assert new.ledger.unreadable() == old.ledger.unreadable(), image.name
        assert new.ledger.bytes_by_state == old.ledger.bytes_by_state, image.name
        wanted = (tmp_path / "old.raw").read_bytes()
        found = as_qemu_reads(tmp_path / "new.qcow2", tmp_path / "new.raw")
        assert found == wanted + bytes(-len(wanted) % 512), image.name


def states_of(path: Path) -> list[tuple[int, int, State]]:
    """The extents, neighbours in one state as one."""
    with open_image(path) as image:
        found = [(one.guest_offset, one.length, one.state) for one in image.extents()]
    return [
        (start, length, State(state))
        for state, group in groupby(found, key=lambda one: one[2] if one[2] != State.ZERO_ALLOCATED else State.ZERO)
        for parts in [list(group)]
        for start, length in [(parts[0][0], sum(part[1] for part in parts))]
    ]


@pytest.mark.parametrize("name", ["patterns-v3-512", "deflate-4k", "zstd-512", "zeros-512"])
def test_streams_stay_streams_and_zeros_stay_zeros(name: str, tmp_path: Path) -> None:
    with open_image(sound(name)) as image:
        rebuild(image, tmp_path / "new.qcow2")
    assert states_of(tmp_path / "new.qcow2") == states_of(sound(name))


def test_what_is_not_known_is_not_allocated_and_listed(tmp_path: Path) -> None:
    image = damaged("compressed-stream-broken", tmp_path)
    done = qcowscope("rebuild", image, "-o", tmp_path / "new.qcow2", "--report", f"json:{tmp_path / 'new.json'}")
    assert done.status == 5
    report = json.loads((tmp_path / "new.json").read_text())
    assert complaints(report) == []
    (lost,) = report["result"]["extraction"]["unreadable"]
    assert lost["reason_code"] == "decompress_failed"
    unallocated = [one for one in states_of(tmp_path / "new.qcow2") if one[2] == State.UNALLOCATED]
    assert any(start <= lost["virtual_offset"] < start + length for start, length, _ in unallocated)
    with Evidence(tmp_path / "new.qcow2") as new:
        assert report["result"]["extraction"]["new_image"]["sha256"] == new.sha256()
        assert report["result"]["extraction"]["new_image"]["file_size"] == new.size
    assert qcowscope("verify", tmp_path / "new.qcow2", tmp_path / "new.json").status == 1


def test_a_plan_gives_the_bytes_of_an_extraction_by_it(tmp_path: Path) -> None:
    require("qemu-img")
    image = damaged("l1-table-wiped", tmp_path)
    qcowscope("recover", image, "-o", tmp_path / "plan.json")
    new, old = tmp_path / "new.qcow2", tmp_path / "old.raw"
    assert qcowscope("rebuild", image, "--plan", tmp_path / "plan.json", "-o", new).status == 0
    assert qcowscope("extract", image, "--plan", tmp_path / "plan.json", "-o", old).status == 0
    assert as_qemu_reads(new, tmp_path / "new.raw") == old.read_bytes()


def test_a_snapshot_is_the_disk_of_the_new_image(tmp_path: Path) -> None:
    image = sound("snapshots-512")
    word = ("--snapshot", "#0")
    assert qcowscope("rebuild", image, *word, "-o", tmp_path / "new.qcow2").status == 0
    assert qcowscope("extract", image, *word, "-o", tmp_path / "old.raw").status == 0
    assert qcowscope("extract", tmp_path / "new.qcow2", "-o", tmp_path / "new.raw").status == 0
    assert (tmp_path / "new.raw").read_bytes() == (tmp_path / "old.raw").read_bytes()
    with open_image(tmp_path / "new.qcow2") as new:
        assert new.header.nb_snapshots == 0


def test_data_that_lies_at_its_guest_offset_can_be_referred_to(tmp_path: Path) -> None:
    require("qemu-img")
    image, data = sound("data-file"), tmp_path / "disk.data"
    data.write_bytes((SOUND / "data-file.data.raw").read_bytes())
    new = tmp_path / "new.qcow2"
    done = qcowscope("rebuild", image, "--data-file", data, "--reference", "-o", new, "--verify")
    assert done.status == 0, done.err
    assert new.stat().st_size < 8 * 4096
    qcowscope("extract", image, "--data-file", data, "-o", tmp_path / "old.raw")
    assert as_qemu_reads(new, tmp_path / "new.raw") == (tmp_path / "old.raw").read_bytes()
    assert data.read_bytes() == (SOUND / "data-file.data.raw").read_bytes()


@pytest.mark.parametrize("name", ["data-512", "deflate-4k", "luks-4k", "empty-512", "extended-16k"])
def test_what_cannot_be_referred_to_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    done = qcowscope("rebuild", sound(name), "--reference", "--ciphertext", "-o", tmp_path / "new.qcow2")
    assert done.status == 1
    assert "--reference is not possible" in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_evidence_and_what_exists_are_never_written_over(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(sound("data-512").read_bytes())
    before = image.read_bytes()
    (tmp_path / "link.qcow2").symlink_to(image)
    for output in (image, tmp_path / "link.qcow2"):
        assert qcowscope("rebuild", image, "-o", output, "--force").status == 1
    other = tmp_path / "other.qcow2"
    other.write_bytes(b"mine")
    assert qcowscope("rebuild", image, "-o", other).status == 1
    assert (image.read_bytes(), other.read_bytes()) == (before, b"mine")
    assert qcowscope("rebuild", image, "-o", other, "--force").status == 0
    assert qcowscope("rebuild", image, "-o", "-").status == 64
    assert not list(tmp_path.glob("*.partial"))


def test_one_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    with open_image(sound("data-512")) as image, pytest.raises(Interrupted):
        rebuild(image, tmp_path / "new.qcow2", cancelled=lambda: True)
    assert list(tmp_path.iterdir()) == []


def written(folder: Path, bits: int, size: int, take: list[tuple[str, int, int, bytes]], codec: int = 0) -> Path:
    """An image of clusters as they come: what it is, the first one, how many, and the bytes."""
    path = folder / "new.qcow2"
    file = NewFile(path, force=True)
    writer = ImageWriter(file, bits, size, codec)
    for kind, first, count, body in take:
        if kind == "zero":
            writer.zero(first, count)
        elif kind == "stream":
            writer.stream(first, body)
        else:
            writer.write(writer.data(first, count), memoryview(body))
    writer.finish()
    file.complete()
    return path


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_clusters_gives_a_clean_image_with_their_bytes(seed: int, tmp_path: Path) -> None:
    require("qemu-img")
    rng = random.Random(seed)
    bits = rng.choice([9, 12, 16])
    size, cluster, wanted, take = 1 << bits, 0, bytearray(), []
    for _ in range(rng.randrange(1, 200)):
        kind, count = rng.choice(["zero", "data", "stream", "stream", "hole"]), rng.choice([1, 1, 1, 3, 70])
        count = 1 if kind == "stream" else count
        body = rng.randbytes(16) * (size // 16) if kind in ("data", "stream") else bytes(size)
        if kind == "stream":
            packer = zlib.compressobj(wbits=-12)
            take.append((kind, cluster, 1, packer.compress(body) + packer.flush()))
        elif kind != "hole":
            take.append((kind, cluster, count, body * count))
        wanted += body * count
        cluster += count
        if len(wanted) > 8 << 20:
            break
    image = written(tmp_path, bits, len(wanted), take)
    assert as_qemu_reads(image, tmp_path / "new.raw") == wanted
    judged = qcowscope("check", image)
    assert judged.status == 0, judged.out


def test_streams_lie_one_after_another_and_share_clusters(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=-12)
    stream = packer.compress(b"ab" * 2048) + packer.flush()
    image = written(tmp_path, 12, 40 * 4096, [("stream", number, 1, stream) for number in range(40)])
    with open_image(image) as opened:
        places = [one.host_offset for one in opened.extents()]
    assert places == [4096 + number * len(stream) for number in range(40)]


def test_a_disk_that_qemu_could_not_open_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="L1 entries"):
        written(tmp_path, 9, 1 << 50, [])


def test_the_account_is_that_of_an_extraction(tmp_path: Path) -> None:
    with open_image(sound("data-512")) as image:
        done: Extraction = rebuild(image, tmp_path / "new.qcow2")
    assert (done.done, done.size) == (16384, 16384)
    assert done.compared is not None
    assert done.compared.agrees


def test_hints_are_those_of_this_command(tmp_path: Path) -> None:
    path = damaged("compressed-stream-broken", tmp_path)
    (tmp_path / "new.qcow2.partial").touch()
    refused = qcowscope("rebuild", path, "-o", tmp_path / "new.qcow2")
    assert (refused.status, "was not completed" in refused.err, "--resume" in refused.err) == (1, True, False)
    done = qcowscope("rebuild", path, "-o", tmp_path / "new.qcow2", "--force")
    assert (done.status, "--salvage" in done.err, "left unallocated: decompress" in done.err) == (5, False, True)


@pytest.mark.parametrize("changed", [False, True])
def test_of_evidence_that_changed_a_difference_says_nothing(
    changed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Comparison(Method.WHOLE)
    found.add(Difference(0, 512, "bytes"))
    monkeypatch.setattr("forensic.rebuilding.rebuild.compared", lambda *_: found)
    monkeypatch.setattr(Evidence, "unchanged", lambda _: not changed)
    with open_image(sound("data-512")) as image, pytest.raises(OutputDiffers) as raised:
        rebuild(image, tmp_path / "new.qcow2")
    assert ("changed in the meantime" in str(raised.value)) is changed
    assert raised.value.exit_status == (1 if changed else 6)
    assert not (tmp_path / "new.qcow2").exists()
