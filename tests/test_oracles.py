"""The bytes decide: what is extracted is what qemu-img and e2image make of the same image."""

import hashlib
from pathlib import Path

import pytest

from forensic import extract, open_image
from samples import oracle
from samples.kinds import KINDS, Kind, build
from tests.images import COMPLETE, described, sample
from tests.oracles import require

BUILT = [
    kind
    for kind in KINDS.values()
    if kind.format == "qcow2" and not (kind.committed or kind.backing or kind.data_file or kind.passphrase)
]
"""Kinds too large to commit, whose guest bytes are all in the one file."""

SHARED_IMAGES = Path(__file__).resolve().parent.parent.parent / "shared" / "images"


def extracted_sha256(image: Path, folder: Path) -> str:
    """The hash that extraction reports, after a look that the file holds just those bytes."""
    output = folder / "extracted.raw"
    with open_image(image) as opened:
        extraction = extract(opened, output)
    assert extraction.complete
    assert hashlib.sha256(output.read_bytes()).hexdigest() == extraction.hashes["sha256"]
    return extraction.hashes["sha256"]


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_a_committed_sample_gives_the_bytes_that_qemu_img_gave(kind: Kind, tmp_path: Path) -> None:
    assert extracted_sha256(sample(kind), tmp_path) == described(kind)["raw_sha256"]


@pytest.mark.parametrize("kind", BUILT, ids=lambda kind: kind.name)
def test_a_kind_built_now_gives_the_bytes_that_qemu_img_gives(kind: Kind, tmp_path: Path) -> None:
    require(*kind.needs, "qemu-img")
    built = build(kind.name, tmp_path)
    assert extracted_sha256(built.image, tmp_path) == built.raw_sha256


@pytest.mark.parametrize("system", ["ext2", "ext4"])
def test_what_e2image_writes_gives_the_bytes_that_e2image_reads(system: str, tmp_path: Path) -> None:
    require("qemu-img", "mke2fs", "e2image")
    image = build(f"e2image-{system}", tmp_path).image
    raw = tmp_path / "e2image.raw"
    oracle.run(["e2image", "-r", image.name, raw.name], tmp_path)
    expected = hashlib.sha256(raw.read_bytes()).hexdigest()
    assert extracted_sha256(image, tmp_path) == expected


@pytest.mark.parametrize("name", ["dfvfs-ext2.qcow2", "e2image-ext4.qcow2"])
def test_an_image_of_other_peoples_making_gives_the_bytes_that_qemu_img_gives(name: str, tmp_path: Path) -> None:
    if not (SHARED_IMAGES / name).exists():
        pytest.skip("the images of other people's making are not part of the project")
    require("qemu-img")
    image = tmp_path / name
    image.write_bytes((SHARED_IMAGES / name).read_bytes())
    assert extracted_sha256(image, tmp_path) == oracle.raw_sha256(image)
