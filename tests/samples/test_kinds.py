"""The committed sound samples are what their descriptions say, and every kind can still be built."""

import json
import shutil
from pathlib import Path

import pytest

from samples import build, kinds, oracle

COMMITTED = [kind for kind in kinds.KINDS.values() if kind.committed]


def described(kind: kinds.Kind) -> dict[str, object]:
    facts: dict[str, object] = json.loads((build.SOUND / f"{kind.name}.json").read_text(encoding="utf-8"))
    return facts


def copied(kind: kinds.Kind, folder: Path) -> Path:
    """Copy a committed sample and its companions, so that no tool works inside the repository."""
    for path in [build.SOUND / kind.image, *build.SOUND.glob(f"{kind.name}.*.*")]:
        shutil.copyfile(path, folder / path.name)
    return folder / kind.image


def test_the_folder_holds_the_committed_kinds_and_nothing_else() -> None:
    names = {path.stem for path in build.SOUND.glob("*.json")}
    assert names == {kind.name for kind in COMMITTED}
    owners = {path.name.partition(".")[0] for path in build.SOUND.iterdir()}
    assert owners == names


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_a_description_repeats_what_its_kind_expects(kind: kinds.Kind) -> None:
    facts = described(kind)
    assert (facts["image"], facts["expect"], facts["passphrase"]) == (kind.image, list(kind.expect), kind.passphrase)
    assert (build.SOUND / kind.image).is_file()


@pytest.mark.usefixtures("qemu")
@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_a_committed_sample_has_the_guest_bytes_of_its_description(kind: kinds.Kind, tmp_path: Path) -> None:
    image = copied(kind, tmp_path)
    assert oracle.raw_sha256(image, kind.format, kind.passphrase) == described(kind)["raw_sha256"]
    assert oracle.extent_map(image, kind.format, kind.passphrase) == described(kind)["map"]


@pytest.mark.usefixtures("all_tools")
@pytest.mark.parametrize("kind", kinds.KINDS.values(), ids=lambda kind: kind.name)
def test_a_kind_can_be_built_and_qemu_finds_it_sound(kind: kinds.Kind, tmp_path: Path) -> None:
    built = kinds.build(kind.name, tmp_path)
    if kind.format == "qcow2":
        assert oracle.check_word(built.image, kind.passphrase) == kind.qemu
    if kind.committed:
        assert built.raw_sha256 == described(kind)["raw_sha256"]


@pytest.mark.usefixtures("qemu")
def test_two_builds_of_one_kind_are_the_same_bytes(tmp_path: Path) -> None:
    first, second = (kinds.build("snapshots-512", tmp_path / side) for side in ("left", "right"))
    assert first.image.read_bytes() == second.image.read_bytes()


@pytest.mark.usefixtures("qemu")
def test_a_tool_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(oracle.ToolFailed, match="nowhere"):
        oracle.run(["qemu-img", "info", "nowhere.qcow2"], tmp_path)
