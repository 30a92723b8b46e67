"""Files of other formats are named by what their first bytes look like."""

import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import NotAnImage
from forensic.evidence import Evidence
from forensic.image import Qcow1Image, Qcow2Image, identify, open_any, open_image
from forensic.qcow2.identify import (
    FORMAT_SIGNATURES,
    ForeignFile,
    foreign_file,
    has_tables_after_header,
    identify_metadata,
)
from tests.images import SOUND, header, written
from tests.oracles import require
from tests.recovery.images import run


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


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32, 64])
def test_an_overwritten_header_is_suspected_whatever_the_width_of_the_refcounts(bits: int, tmp_path: Path) -> None:
    require("qemu-img")
    path = tmp_path / "image.qcow2"
    run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"refcount_bits={bits},cluster_size=4096", path, "8M")
    content = path.read_bytes()
    for start in (bytes(512), b"a line of text\n" * 34, content[4096:4608]):
        path.write_bytes(start + content[len(start) :])
        with Evidence(path) as evidence:
            found = identify(evidence)
        assert isinstance(found, ForeignFile)
        assert "clusters of 4,096 bytes" in found.description
        assert "qcowscope recover may read it" in found.description


@pytest.mark.parametrize("start", [bytes(48), b"a line of text, and " * 2 + b"one more"], ids=["zeros", "text"])
def test_an_overwritten_header_of_version_1_is_suspected(start: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.qcow"
    path.write_bytes(start + (SOUND / "version-1.qcow").read_bytes()[48:])
    with Evidence(path) as evidence:
        found = identify(evidence)
        assert isinstance(found, ForeignFile)
        assert "of a qcow image of version 1" in found.description
        assert "qcowscope recover may read it" in found.description
        assert has_tables_after_header(evidence)


@pytest.mark.parametrize("change", [(48, 0x1FF), (48, 1 << 40), (56, 4096), (4096, 0x1FF)], ids=str)
def test_what_is_no_l1_table_of_version_1_is_not_taken_for_one(change: tuple[int, int], tmp_path: Path) -> None:
    """An entry not aligned, past the end of the file, or leading where another does, and a table of something else."""
    at, value = change
    content = bytearray(8192)
    content[48:56] = (4096).to_bytes(8, "big")
    content[4096:4104] = (4096).to_bytes(8, "big")
    path = tmp_path / "image"
    path.write_bytes(content)
    with Evidence(path) as evidence:
        assert has_tables_after_header(evidence)
    content[at : at + 8] = value.to_bytes(8, "big")
    path.write_bytes(content)
    with Evidence(path) as evidence:
        assert not has_tables_after_header(evidence)


@pytest.mark.parametrize("body", ["zeros", "noise", "text", "numbers", "boot sector"])
def test_no_header_is_suspected_where_none_was(body: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    content = {
        "zeros": bytes(1 << 20),
        "noise": rng.randbytes(1 << 20),
        "text": b"a line of text\n" * 70000,
        "numbers": b"".join(number.to_bytes(8, "big") for number in range(1 << 17)),
        "boot sector": (rng.randbytes(510) + b"\x55\xaa").ljust(1 << 20, b"\0"),
    }[body]
    path = tmp_path / "disk.raw"
    path.write_bytes(content)
    with Evidence(path) as evidence:
        assert not has_tables_after_header(evidence)
        found = identify(evidence)
    assert isinstance(found, ForeignFile)
    assert "recover" not in found.description


def table_sector(entry: Callable[[int], int]) -> bytes:
    return struct.pack(">64Q", *(entry(at) for at in range(64)))


PLAIN = table_sector(lambda at: 1 << 63 | (at + 1) << 12)
STREAMS = table_sector(lambda at: 1 << 62 | (at + 1) * 700)


@pytest.mark.parametrize("sector", [PLAIN, STREAMS])
def test_what_reads_as_tables_behind_an_overwritten_start_is_said(sector: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(b"\0" * (2 << 20) + 3 * sector + random.Random(1).randbytes(1 << 19))
    with Evidence(path) as evidence:
        found = identify_metadata(evidence)
    assert isinstance(found, ForeignFile)
    said = (
        "3 sectors of the first 8 MiB read as those of L2 tables: consistent with an image whose start was overwritten"
    )
    assert f"but {said}; qcowscope recover may read it" in found.description


@pytest.mark.parametrize(
    ("place", "sector"),
    [
        (2 << 20, table_sector(lambda at: 1 << 63 | (at or 1) << 12)),  # one place twice
        (2 << 20, table_sector(lambda at: 1 << 63 | at << 12)),  # the header
        (2 << 20, table_sector(lambda at: 1 << 63 | (at + 1) << 24)),  # past the end
        (2 << 20, table_sector(lambda at: 1 << 63 | (at + 1) << 12 | 2)),
        (2 << 20, table_sector(lambda at: 3 << 62 | (at + 1) << 12)),
        (2 << 20, table_sector(lambda at: (at + 1) << 12)),
        (8 << 20, PLAIN),
    ],
)
def test_sectors_of_anything_else_or_farther_behind_are_not(place: int, sector: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes((b"\0" * place + 3 * sector).ljust(place + (1 << 20), b"\1"))
    with Evidence(path) as evidence:
        found = identify_metadata(evidence)
    assert isinstance(found, ForeignFile)
    assert "tables" not in found.description
