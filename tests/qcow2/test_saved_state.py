"""Saved states of machines that no snapshot speaks of: known by how they begin and how they end."""

from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.qcow2.image import Qcow2Image
from forensic.qcow2.saved_state import is_left_behind
from tests.images import COPIED, header, tiny, written

LEFT = [COPIED | 6 * 512, COPIED | 7 * 512]


def image_with(folder: Path, first: bytes, second: bytes, crypt_method: int = 0) -> Path:
    """One L2 table for the disk, and one behind its end that maps two clusters."""
    head = header(virtual_size=64 * 512, l1_size=2, crypt_method=crypt_method)
    content = bytearray(tiny([], head=head, l1_entries=[COPIED | 4 * 512, COPIED | 5 * 512], file_clusters=8))
    content[4 * 512 : 6 * 512] = bytes(512) + b"".join(entry.to_bytes(8, "big") for entry in LEFT).ljust(512, b"\0")
    content[6 * 512 :] = first.ljust(512, b"\0") + second.ljust(512, b"\0")
    return written(folder, bytes(content))


@pytest.mark.parametrize(
    ("first", "second", "crypt_method", "left"),
    [
        (b"QEVM\0\0\0\3", b"", 0, True),
        (b"", b'{"vmsd_name": "timer"', 0, True),
        (b'{"vmsd_name": "timer"', b"", 0, True),
        (b"\1" * 508 + b'"vms', b'd_name": "timer"', 0, True),
        (b"a hidden text", b"QEVM", 0, False),
        (b"a hidden text", b"noise", 2, True),
    ],
)
def test_a_saved_state_is_told_from_other_bytes(
    first: bytes, second: bytes, crypt_method: int, left: bool, tmp_path: Path
) -> None:
    with Qcow2Image(Evidence(image_with(tmp_path, first, second, crypt_method))) as image:
        assert is_left_behind(image) is left


def test_where_nothing_is_mapped_nothing_is_left(tmp_path: Path) -> None:
    with Qcow2Image(Evidence(written(tmp_path, tiny([])))) as image:
        assert not is_left_behind(image)
