"""Saved states of machines that no snapshot speaks of: known by how they begin and how they end."""

import struct
from pathlib import Path

import pytest

from forensic.accounting.saved_state import is_left_behind
from forensic.accounting.table_sets import l1_tables
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from tests.images import COPIED, header, opened, tiny, written

COVERAGE = 64 * 512
"""Guest bytes of one L1 entry in clusters of 512 bytes."""

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
        (active, _), *_ = l1_tables(image)
    assert active.saved_state_end == (2 * COVERAGE if left else 0)


def test_where_nothing_is_mapped_nothing_is_left(tmp_path: Path) -> None:
    with Qcow2Image(Evidence(written(tmp_path, tiny([])))) as image:
        assert not is_left_behind(image)


@pytest.mark.parametrize(
    ("disk_size", "begins"),
    [(512, 1), (COVERAGE - 512, 1), (COVERAGE, 1), (COVERAGE + 512, 2), (2 * COVERAGE, 2), (2 * COVERAGE + 512, 3)],
)
@pytest.mark.parametrize("state_size", [1, COVERAGE + 5])
@pytest.mark.parametrize("of_its_own", [True, False])
def test_a_saved_state_begins_at_the_first_table_behind_the_disk(
    disk_size: int, begins: int, state_size: int, of_its_own: bool, tmp_path: Path
) -> None:
    """The disk may have had another size when the snapshot was made; only then its entry says so."""
    extra = struct.pack(">QQ", state_size, disk_size) if of_its_own else struct.pack(">Q", state_size)
    entry = struct.pack(">QIHHIIQII", 7 * 512, 1, 0, 0, 0, 0, 0, state_size, len(extra)) + extra
    smaller = struct.pack(">QIHHIIQII", 8 * 512, 1, 0, 0, 0, 0, 0, 1, 16) + struct.pack(">QQ", 1, 512)
    virtual_size = 4 * COVERAGE if of_its_own else disk_size
    head = header(virtual_size=virtual_size, l1_size=5, snapshots=(2, 6 * 512))
    content = bytearray(tiny([], head=head, l1_entries=[0] * 5))
    content[6 * 512 : 7 * 512] = (entry + smaller).ljust(512, b"\0")
    with opened(tmp_path, bytes(content)) as image:
        (active, _), *_ = l1_tables(image)
    assert active.saved_state_end == begins * COVERAGE + state_size
