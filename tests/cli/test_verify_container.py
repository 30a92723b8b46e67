"""`verify` of an E01 container: what was not changed matches; a changed byte anywhere does not."""

import hashlib
import json
import random
import re
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn, cast

import pytest

from forensic.disk.opening import open_disk
from forensic.e01.reader import ContainerDamaged, E01Bytes
from forensic.errors import EvidenceUnreadable
from forensic.evidence import ReadFailed
from forensic.extraction import ledger
from forensic.extraction.expected_output import Expected, ExpectedContainer
from forensic.extraction.verify import _contradictions, _sizes_of_files, compare_with_image, verify
from forensic.image import open_image
from forensic.report.model import digest_of
from tests.cli.test_extract import large
from tests.commands import Finished, damaged, qcowscope, sound
from tests.images import COPIED, tiny


def extracted(image: Path, folder: Path, *options: str | Path, status: int = 0) -> Path:
    container = folder / "disk.E01"
    report = f"json:{folder / 'report.json'}"
    assert qcowscope("extract", image, "-o", container, "--report", report, *options).status == status
    return container


def verified(container: Path, *options: str | Path) -> Finished:
    done = qcowscope("verify", container, container.parent / "report.json", *options)
    assert "Traceback" not in done.err
    return done


@pytest.mark.parametrize("name", ["data-512", "deflate-4k", "odd-size-4k", "empty-512", "extended-16k"])
@pytest.mark.parametrize("named", ["disk.E01", "disk"])
def test_what_was_not_changed_matches(name: str, named: str, tmp_path: Path) -> None:
    extracted(sound(name), tmp_path)
    done = verified(tmp_path / named)
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0].startswith("sha256  match")
    assert done.out.splitlines()[-1] == f"{tmp_path / named}: match"


@pytest.mark.parametrize("length", [1, 511, 512, 700, 4096])
def test_a_disk_that_ends_inside_a_sector_is_padded_and_matches(length: int, tmp_path: Path) -> None:
    container = extracted(sound("deflate-4k"), tmp_path, "--range", f"512:{length}")
    assert (verified(container).status, verified(container).err) == (0, "")


def test_padding_after_many_pieces_is_no_part_of_the_disk(tmp_path: Path) -> None:
    """Beside the image it is compared whole, from where the range begins."""
    container = extracted(large(tmp_path), tmp_path, "--range", f"512:{(3 << 20) + 100}")
    done = verified(container, "--image", tmp_path / "large.qcow2")
    assert (done.status, done.err) == (0, "")
    assert "agree over 3,145,828 bytes" in done.out


def test_a_container_under_another_name_is_read_where_it_is(tmp_path: Path) -> None:
    renamed = extracted(sound("data-512"), tmp_path).rename(tmp_path / "exhibit.bin")
    done = verified(renamed)
    assert (done.status, done.err) == (0, "")


def test_a_container_that_is_not_there_is_missed_under_its_own_name(tmp_path: Path) -> None:
    container = extracted(sound("data-512"), tmp_path)
    container.unlink()
    done = verified(container)
    assert (done.status, f"{container}:" in done.err, ".E01.E01" in done.err) == (1, True, False)


@pytest.mark.parametrize("trouble", [ReadFailed(0, 512, "Input/output error"), ContainerDamaged("chunk 3 is damaged")])
def test_a_container_that_cannot_be_read_beside_the_image_is_an_error(
    trouble: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = extracted(sound("data-512"), tmp_path)
    monkeypatch.setattr(E01Bytes, "__init__", raising(trouble))
    with (
        open_image(sound("data-512")) as image,
        open_disk(image) as disk,
        pytest.raises(EvidenceUnreadable, match=re.escape(str(trouble))),
    ):
        compare_with_image(disk, container, tmp_path / "report.json")


def test_a_container_that_cannot_be_read_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container = extracted(sound("data-512"), tmp_path)
    monkeypatch.setattr(E01Bytes, "in_order", raising(ReadFailed(0, 512, "Input/output error")))
    with pytest.raises(EvidenceUnreadable, match="Input/output error"):
        verify(container, tmp_path / "report.json")


def raising(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object) -> NoReturn:
        raise error

    return fail


@pytest.mark.parametrize(("has", "said"), [([5, 6], [5, 6]), ([5, 7], [5, 6]), ([5], [5, 6]), ([5, 6, 1], [5, 6])])
def test_files_of_another_size_are_numbered_from_one(has: list[int], said: list[int], tmp_path: Path) -> None:
    files = [tmp_path / f"disk.E{number:02}" for number in range(1, len(has) + 1)]
    for path, size in zip(files, has, strict=True):
        path.write_bytes(bytes(size))
    expected = [
        (number, size, wanted)
        for number, (size, wanted) in enumerate(zip_longest(has, said, fillvalue=0), 1)
        if size != wanted
    ]
    container = ExpectedContainer(padding=0, hashes={}, sizes=tuple(said))
    assert list(_sizes_of_files(files, container)) == expected


@pytest.mark.parametrize("padding", [0, 20, 24])
@pytest.mark.parametrize("disk", ["aa", "bb"])
@pytest.mark.parametrize("said", ["aa", "cc", None])
def test_whatever_a_container_contradicts_is_said(padding: int, disk: str, said: str | None) -> None:
    found = cast("E01Bytes", SimpleNamespace(size=1024, hashes={"md5": "aa"}))
    expected = cast("Expected", SimpleNamespace(size=1000))
    container = ExpectedContainer(padding=padding, hashes={"md5": said} if said else {}, sizes=())
    sentences = []
    if padding != 24:
        sentences += [f"the container holds 1,024 bytes, the report says 1,0{padding:02} with {padding} of padding"]
    if disk != "aa":
        sentences += [f"the md5 in the container is aa, that of the disk in it {disk}"]
    if said != "aa":
        sentences += [f"the md5 in the container is aa, the report says {said or 'nothing'}"]
    assert list(_contradictions(found, {"md5": disk}, expected, container)) == sentences


def test_what_could_not_be_read_is_compared_with_the_list_of_read_errors(tmp_path: Path) -> None:
    container = extracted(damaged("l2-entry-outside-file", tmp_path), tmp_path, status=5)
    assert verified(container).status == 0
    report = tmp_path / "report.json"
    document = json.loads(report.read_text(encoding="utf-8"))
    document["result"]["extraction"]["unreadable"] = []
    document["result_digest"]["value"] = digest_of(document["result"])
    report.write_text(json.dumps(document), encoding="utf-8")
    done = verified(container)
    assert done.status == 6
    assert "list of read errors" in done.out


@pytest.mark.parametrize("listed", [1, 2])
def test_read_errors_after_those_that_a_report_lists_reach_to_its_end(
    listed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "LISTED_RANGES", listed)
    image = tmp_path / "two.qcow2"
    image.write_bytes(tiny([COPIED | cluster << 9 for cluster in (5, 99, 6, 99, 7)]))
    container = extracted(image, tmp_path, status=5)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["result"]["extraction"]["unreadable_not_listed"] == 2 - listed
    done = verified(container)
    assert (done.status, done.out.splitlines()[-1]) == (0, f"{container}: match")


def test_the_image_is_read_again_beside_the_container(tmp_path: Path) -> None:
    container = extracted(sound("deflate-4k"), tmp_path)
    done = verified(container, "--image", sound("deflate-4k"))
    assert (done.status, "agree over" in done.out) == (0, True)
    other = verified(container, "--image", sound("refcount-1"))
    assert other.status in (1, 6)


def test_a_byte_that_was_changed_anywhere_is_found(tmp_path: Path) -> None:
    container = extracted(sound("deflate-4k"), tmp_path)
    whole = container.read_bytes()
    dice = random.Random(7)
    for place in sorted({0, len(whole) - 1, *dice.sample(range(len(whole)), 60)}):
        content = bytearray(whole)
        content[place] ^= 0x10
        container.write_bytes(content)
        done = verified(container)
        assert done.status == 6, f"byte {place:#x}"
        assert done.out.splitlines()[-1].endswith("does not match")


@pytest.mark.parametrize("length", [0, 13, 500, 5000])
def test_a_container_that_was_cut_does_not_match(length: int, tmp_path: Path) -> None:
    container = extracted(sound("deflate-4k"), tmp_path)
    container.write_bytes(container.read_bytes()[:length])
    done = verified(container)
    assert done.status in (1, 6)
    assert done.out + done.err


def test_segments_are_read_in_a_row_and_a_missing_one_is_missed(tmp_path: Path) -> None:
    container = extracted(large(tmp_path), tmp_path, "--split", "1MiB", "--level", "0")
    segments = sorted(tmp_path.glob("disk.E*"))
    assert len(segments) > 2
    assert verified(container).status == 0
    segments[-1].unlink()
    done = verified(container)
    assert done.status == 6
    assert "segment" in done.out


def test_a_container_of_another_disk_does_not_match(tmp_path: Path) -> None:
    container = extracted(sound("deflate-4k"), tmp_path)
    (tmp_path / "other").mkdir()
    other = extracted(sound("data-4k"), tmp_path / "other")
    container.write_bytes(other.read_bytes())
    done = verified(container)
    assert done.status == 6
    assert "the report says" in done.out


def test_a_manifest_tells_which_windows_of_the_disk_differ(tmp_path: Path) -> None:
    manifest = tmp_path / "d.manifest"
    options = ("--hash-window", "1MiB", "--report", f"manifest:{manifest}")
    container = extracted(large(tmp_path), tmp_path, *options)
    done = verified(container, "--manifest", manifest)
    assert (done.status, "every window of the manifest matches" in done.out) == (0, True)


def test_a_container_of_the_same_disk_that_was_written_again_is_not_the_one_of_the_report(tmp_path: Path) -> None:
    container = extracted(sound("data-512"), tmp_path, "--case-number", "case 1")
    artifacts = json.loads((tmp_path / "report.json").read_text())["run"]["artifacts"]
    digest = hashlib.sha256(container.read_bytes()).hexdigest()
    assert [one["sha256"] for one in artifacts if one["role"] == "e01"] == [digest]
    assert verified(container).status == 0
    assert qcowscope("extract", sound("data-512"), "-o", container, "--force", "--case-number", "case 2").status == 0
    done = verified(container)
    now = hashlib.sha256(container.read_bytes()).hexdigest()
    assert done.status == 6
    assert f"the sha256 of {container} is {now}, the report says {digest}" in done.out + done.err


def test_each_segment_of_a_container_has_its_hash_in_every_report(tmp_path: Path) -> None:
    image = large(tmp_path)
    targets = {name: tmp_path / f"report.{name}" for name in ("text", "dfxml", "case", "log")}
    options = [part for name, path in targets.items() for part in ("--report", f"{name}:{path}")]
    container = extracted(image, tmp_path, "--split", "1MiB", "--level", "0", *options)
    files = sorted(tmp_path.glob("disk.E*"))
    assert len(files) > 1
    assert container in files
    for name in ("dfxml", "case", "log"):
        text = targets[name].read_text().lower()
        assert all(hashlib.sha256(path.read_bytes()).hexdigest() in text for path in files), name
