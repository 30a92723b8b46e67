"""An open image: its header cluster, its structures, and the refusals."""

import os
from pathlib import Path

import pytest

from forensic.errors import EvidenceUnreadable, NotAnImage, Unsupported
from forensic.evidence import Evidence
from forensic.image import Qcow2Image, open_image
from forensic.qcow2.geometry import Unusable
from forensic.untrusted import Untrusted
from tests.images import SOUND, file_descriptors_of, header, opened, tiny, written


def test_names_of_other_files_are_read_and_not_followed() -> None:
    with open_image(SOUND / "overlay-qcow2.qcow2") as image:
        assert (image.backing_file, image.data_file) == (Untrusted(b"overlay-qcow2.backing.qcow2"), None)
        assert file_descriptors_of(SOUND / "overlay-qcow2.backing.qcow2") == []
    with open_image(SOUND / "data-file.qcow2") as image:
        assert (image.backing_file, image.data_file) == (None, Untrusted(b"data-file.data.raw"))
        assert file_descriptors_of(SOUND / "data-file.data.raw") == []


def test_what_no_extension_announces_does_not_exist(tmp_path: Path) -> None:
    with opened(tmp_path, tiny([])) as image:
        assert (image.bitmaps, image.luks, image.virtual_size) == (None, None, 1 << 14)
        assert image.snapshots.snapshots == ()


@pytest.mark.parametrize(("cluster_bits", "length"), [(0, 512), (9, 512), (12, 4096), (0xFFFFFFFF, 8192)])
def test_the_header_cluster_is_bounded_whatever_it_claims(tmp_path: Path, cluster_bits: int, length: int) -> None:
    head = header()[:20] + cluster_bits.to_bytes(4, "big") + header()[24:]
    with opened(tmp_path, head.ljust(8192, b"\0")) as image:
        assert len(image.header_cluster.data) == length


def test_without_a_geometry_what_needs_one_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path, header(version=4).ljust(512, b"\0")) as image:
        assert isinstance(image.header_cluster.geometry, Unusable)
        for asked in (lambda: image.geometry, lambda: image.l1, lambda: list(image.extents())):
            with pytest.raises(Unsupported, match="version 4 of the format is not known"):
                asked()


def test_a_refused_file_is_closed_again(tmp_path: Path) -> None:
    path = written(tmp_path, b"not an image")
    with pytest.raises(NotAnImage):
        open_image(path)
    with pytest.raises(EvidenceUnreadable):
        open_image(tmp_path)
    assert file_descriptors_of(path) + file_descriptors_of(tmp_path) == []


def test_a_file_emptied_after_opening_is_a_truncated_header(tmp_path: Path) -> None:
    path = written(tmp_path, tiny([]))
    with Qcow2Image(Evidence(path)) as image:
        os.truncate(path, 0)
        assert image.header.truncated
        assert image.header_cluster.data == b""
