"""Files of other formats are named by what their first bytes look like."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.image import Qcow1Image, Qcow2Image, identify, open_any, open_image
from forensic.qcow2.identify import FORMAT_SIGNATURES, ForeignFile, foreign_file
from tests.images import SOUND, header, written


def looked_at(folder: Path, start: bytes) -> str:
    with Evidence(written(folder, start)) as evidence:
        found = identify(evidence)
    assert isinstance(found, ForeignFile)
    return found.description


@pytest.mark.parametrize(("offset", "signature", "name"), FORMAT_SIGNATURES, ids=lambda value: repr(value))
def test_each_signature_is_recognised_alone(tmp_path: Path, offset: int, signature: bytes, name: str) -> None:
    assert looked_at(tmp_path, bytes(offset) + signature) == f"it looks like {name}"


@pytest.mark.parametrize("name", ["version-1.qcow", "version-1-deflate.qcow", "version-1-overlay.qcow"])
def test_the_old_qcow_format_is_an_image_of_its_own(name: str) -> None:
    with Evidence(SOUND / name) as evidence:
        found = identify(evidence)
    assert isinstance(found, Qcow1Image)
    assert found.format == "qcow1"
    with pytest.raises(NotAnImage, match="it is a qcow version 1 image"):
        open_image(SOUND / name)
    with open_any(SOUND / name) as image:
        assert isinstance(image, Qcow1Image)


@pytest.mark.parametrize(
    ("start", "description"),
    [
        (b"", "the file is empty"),
        (b"\x1b[2Jevil", r"it begins with 1b 5b 32 4a (\x1b[2J)"),
        (b"QFI", "it begins with 51 46 49 (QFI)"),
    ],
)
def test_unknown_bytes_are_shown_safely(tmp_path: Path, start: bytes, description: str) -> None:
    assert looked_at(tmp_path, start) == description


@pytest.mark.parametrize("version", [0, 2, 3, 4])
def test_the_magic_with_any_version_but_1_is_an_image(tmp_path: Path, version: int) -> None:
    with Evidence(written(tmp_path, header(version=version))) as evidence:
        assert isinstance(identify(evidence), Qcow2Image)


def test_opening_a_foreign_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage) as refused:
        open_image(written(tmp_path, b"KDMV" + bytes(508), "disk.vmdk"))
    assert (refused.value.found, refused.value.exit_status) == ("it looks like a VMDK image", 63)


@given(st.binary(max_size=600))
def test_random_bytes_always_have_a_description(tmp_path_factory: pytest.TempPathFactory, start: bytes) -> None:
    with Evidence(written(tmp_path_factory.getbasetemp(), start)) as evidence:
        found = foreign_file(evidence, start)
    assert found.description.isprintable()
    assert found.format == "unknown"
