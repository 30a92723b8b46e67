"""Version 1: header, tables, and a disk that says where its bytes are missing."""

import struct
from pathlib import Path

import pytest
from msgspec import UNSET

from forensic.description import describe
from forensic.disk.opening import BackingFile, Supplied, open_disk
from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.image import Qcow1Image, identify, open_any
from forensic.mapping.extents import Extent, Reason, State
from forensic.records.image import Qcow1ImageRecord
from tests.images import SOUND, BoundedEvidence, written

COMPRESSED = 1 << 63
CLUSTER, L2_ENTRIES = 512, 64
COVERAGE = CLUSTER * L2_ENTRIES


def image_bytes(
    l2: list[int],
    l1: list[int] | None = None,
    size: int = COVERAGE,
    file_size: int = 8192,
    cluster_bits: int = 9,
    l2_bits: int = 6,
    crypt_method: int = 0,
    l1_offset: int = 48,
) -> bytes:
    """L1 table behind the header, L2 table at 512, data from 1024 on: each byte is its sector's number."""
    content = bytearray(file_size)
    for sector in range(2, file_size // 512):
        content[sector * 512 : (sector + 1) * 512] = bytes([sector]) * 512
    struct.pack_into(
        ">4sIQIIQBBHIQ", content, 0, b"QFI\xfb", 1, 0, 0, 0, size, cluster_bits, l2_bits, 0, crypt_method, l1_offset
    )
    entries = [512] if l1 is None else l1
    struct.pack_into(f">{len(entries)}Q", content, 48, *entries)
    struct.pack_into(f">{len(l2)}Q", content, 512, *l2)
    return bytes(content)


def opened(folder: Path, content: bytes) -> Qcow1Image:
    image = identify(BoundedEvidence(written(folder, content, "image.qcow")))
    assert isinstance(image, Qcow1Image)
    return image


def extents(folder: Path, content: bytes) -> list[Extent]:
    with opened(folder, content) as image:
        return list(image.extents())


def data(guest_offset: int, length: int, host_offset: int) -> Extent:
    return Extent(guest_offset, length, State.DATA, host_offset)


def empty(guest_offset: int, length: int) -> Extent:
    return Extent(guest_offset, length, State.UNALLOCATED)


def test_clusters_lie_where_the_tables_say(tmp_path: Path) -> None:
    content = image_bytes([2048, 1024, 1536, 0, COMPRESSED | 3 << 54 | 1027])
    assert extents(tmp_path, content) == [
        data(0, 512, 2048),
        data(512, 1024, 1024),
        empty(1536, 512),
        Extent(2048, 512, State.COMPRESSED, 1027, 3),
        empty(2560, COVERAGE - 2560),
    ]
    with opened(tmp_path, content) as image:
        assert image.reader().read(1024) == b"\4" * 512 + b"\2" * 512


def test_what_leads_nowhere_is_absent(tmp_path: Path) -> None:
    content = image_bytes([1040, 1 << 40, 7936, COMPRESSED | 1024, COMPRESSED | 1 << 54 | 1 << 40], file_size=8192)
    found = [(extent.guest_offset, extent.length, extent.reason) for extent in extents(tmp_path, content)[:-1]]
    assert found == [
        (0, 512, Reason.ENTRY_UNALIGNED),
        (512, 512, Reason.ENTRY_BEYOND_EOF),
        (1024, 512, Reason.ENTRY_UNALIGNED),
        (1536, 512, Reason.DECOMPRESS_FAILED),
        (2048, 512, Reason.ENTRY_BEYOND_EOF),
    ]


def test_a_cluster_that_the_file_end_cuts_is_there_as_far_as_the_file_goes(tmp_path: Path) -> None:
    content = image_bytes([7680], file_size=8192)[:8000]
    assert extents(tmp_path, content)[:2] == [
        data(0, 320, 7680),
        Extent(320, 192, State.ABSENT, 8000, None, Reason.ENTRY_BEYOND_EOF),
    ]


def test_tables_that_are_not_there_are_missing_for_what_they_stand_for(tmp_path: Path) -> None:
    content = image_bytes([], l1=[0, 1 << 40, 8000, 512], size=5 * COVERAGE, file_size=8192)
    missing = [
        (extent.guest_offset, extent.length)
        for extent in extents(tmp_path, content)
        if extent.reason == Reason.L2_UNREADABLE
    ]
    # Of the L2 table at 8000 the file holds 24 entries; what they say is another matter.
    assert missing == [(COVERAGE, COVERAGE), (2 * COVERAGE + 24 * 512, 40 * 512)]
    cut = image_bytes([], size=1 << 40, l1_offset=8184)
    assert extents(tmp_path, cut)[-1].reason == Reason.L2_UNREADABLE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cluster_bits": 8}, "cluster_bits is 8, not within 9 to 16 (version 1)"),
        ({"cluster_bits": 17}, "cluster_bits is 17, not within 9 to 16 (version 1)"),
        ({"l2_bits": 5}, "l2_bits is 5, not within 6 to 13"),
        ({"l2_bits": 255}, "l2_bits is 255, not within 6 to 13"),
    ],
)
def test_a_header_without_table_sizes_has_no_disk(tmp_path: Path, changes: dict[str, int], reason: str) -> None:
    values = {"cluster_bits": 9, "l2_bits": 6} | changes
    content = image_bytes([], cluster_bits=values["cluster_bits"], l2_bits=values["l2_bits"])
    with opened(tmp_path, content) as image:
        with pytest.raises(Unsupported) as refused:
            image.disk()
        assert refused.value.feature == reason
        described = describe(image).image
        assert isinstance(described, Qcow1ImageRecord)
        assert described.cluster_size is UNSET


@pytest.mark.parametrize("length", [8, 20, 47])
def test_a_header_that_is_cut_is_described_as_far_as_it_goes(tmp_path: Path, length: int) -> None:
    with opened(tmp_path, image_bytes([])[:length]) as image:
        assert image.header.unusable == "the file ends inside the header"
        described = describe(image).image
        assert isinstance(described, Qcow1ImageRecord)
        assert (described.format, described.version) == ("qcow1", 1)


def test_the_header_is_described_with_the_keys_of_its_successor() -> None:
    with open_any(SOUND / "version-1-overlay.qcow") as image:
        described = describe(image)
    facts = described.image
    assert isinstance(facts, Qcow1ImageRecord)
    assert (facts.virtual_size, facts.cluster_size, facts.l2_bits, facts.l2_tables) == (16384, 512, 12, 1)
    names = [reference.declared.text for reference in described.references or () if reference.declared]
    assert names == ["version-1-overlay.backing.raw"]


def test_without_the_key_encrypted_data_is_missing_and_compressed_data_is_not(tmp_path: Path) -> None:
    with opened(tmp_path, image_bytes([1024], crypt_method=1)) as image:
        with pytest.raises(OSError, match="key_not_supplied"):
            image.reader().read(512)
        with open_disk(image, None, Supplied(as_stored=True)) as disk:
            assert disk.reader().read(512) == b"\2" * 512


def test_version_1_can_be_the_backing_file_of_version_1(tmp_path: Path) -> None:
    base = written(tmp_path, image_bytes([1024]), "base.qcow")
    supplied = Supplied((BackingFile(base),))
    with open_any(SOUND / "version-1-overlay.qcow") as image, open_disk(image, None, supplied) as disk:
        assert disk.reader().read(1024) == b"\2" * 512 + b"\x41" * 512


def test_the_largest_disk_there_can_be_is_covered_without_reading_it(tmp_path: Path) -> None:
    with opened(tmp_path, image_bytes([1024], size=(1 << 64) - 1)) as image:
        found = list(image.extents())
        assert sum(extent.length for extent in found) == (1 << 64) - 1
        assert isinstance(image.evidence, Evidence)
