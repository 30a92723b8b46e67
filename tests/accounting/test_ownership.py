"""Whose the cluster around one byte is, and what its refcount says."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forensic.accounting import ownership as ownership_module
from forensic.accounting.ownership import ownership
from forensic.evidence import Evidence
from forensic.image import Qcow2Image, open_image
from forensic.qcow2.bitmaps import MAX_BITMAPS
from samples.kinds import KINDS, Kind
from tests.images import COMPRESSED, COPIED, QCOW2, header, opened, sample, tiny, written

SIZE = 4096


def test_the_owners_of_the_very_byte_come_first(tmp_path: Path) -> None:
    """Two streams of a sector each in one cluster."""
    begin = 6 * SIZE
    words = [COMPRESSED | begin, COMPRESSED | begin + 512]
    with Qcow2Image(Evidence(written(tmp_path, tiny(words, cluster_bits=12, head=header(cluster_bits=12))))) as opened:
        for at, first in ((0, 0), (511, 0), (512, 512), (1023, 512), (1024, 0), (SIZE - 1, 0)):
            found = ownership(opened, begin + at)
            assert [owned.host_offset for owned in found.owners] == [begin + first, begin + 512 - first]
            assert (found.host_offset, found.cluster_host_offset, found.cluster_size) == (begin + at, begin, SIZE)
            assert found.counted == 2


@pytest.mark.parametrize("cluster", [0, 1, 255, 256, 300, 511, 512, 700])
def test_the_refcount_of_a_cluster_is_in_the_block_for_it(cluster: int, tmp_path: Path) -> None:
    """Blocks of 256 refcounts: the second is refcounts, the third is past the end of the file."""
    content = bytearray(tiny([], file_clusters=720))
    content[512:536] = struct.pack(">3Q", 2 * 512, 6 * 512, 1 << 40)
    for number in range(256):
        content[2 * 512 + 2 * number : 2 * 512 + 2 * number + 2] = number.to_bytes(2, "big")
        content[6 * 512 + 2 * number : 6 * 512 + 2 * number + 2] = (1000 + number).to_bytes(2, "big")
    with Qcow2Image(Evidence(written(tmp_path, bytes(content)))) as opened:
        stored_count = ownership(opened, cluster * 512 + 7).stored
    assert stored_count == (None if cluster >= 512 else cluster % 256 + (1000 if cluster >= 256 else 0))


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_of_a_sound_image_every_reference_is_known(kind: Kind) -> None:
    with open_image(sample(kind)) as image:
        assert isinstance(image, Qcow2Image)
        assert ownership(image, 0).lost is None


@pytest.mark.parametrize("cut", [1, 2, 254, 255, 510, 511])
def test_of_a_block_that_the_file_end_cuts_only_what_is_there_counts(cut: int, tmp_path: Path) -> None:
    content = bytearray(tiny([], file_clusters=20))
    content[512:520] = struct.pack(">Q", 19 * 512)
    content[19 * 512 :] = struct.pack(">256H", *range(1000, 1256))[:-cut]
    with Qcow2Image(Evidence(written(tmp_path, bytes(content)))) as image:
        for cluster in (0, 1, 128, 254, 255):
            there = 2 * cluster + 2 <= 512 - cut
            assert ownership(image, cluster * 512).stored == (1000 + cluster if there else None)


@pytest.mark.parametrize("count", [1, 250, 251, 300])
def test_references_are_counted_however_many_there_are(count: int, tmp_path: Path) -> None:
    head = header(virtual_size=300 * 64 * 512, l1_size=300, l1_offset=10 * 512)
    content = bytearray(tiny([COPIED | 6 * 512], head=head, file_clusters=20))
    content[10 * 512 : 15 * 512] = struct.pack(f">{count}Q", *[4 * 512] * count).ljust(5 * 512, b"\0")
    with opened(tmp_path, bytes(content)) as image:
        assert [ownership(image, cluster * 512).counted for cluster in (4, 5, 6, 7)] == [count, 0, count, 0]


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_as_many_bitmaps_as_there_can_be_are_all_of_them(by: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_BITMAPS == 65535
    monkeypatch.setattr(ownership_module, "MAX_BITMAPS", 2 + by)
    with Qcow2Image(Evidence(sample(KINDS["bitmaps-512"]))) as image:
        assert image.bitmaps is not None
        assert image.bitmaps.claimed == 2
        lost = ownership(image, 0).lost
    assert lost == (None if by >= 0 else "the bitmap directory could not be read to its end")
