"""What a dump is told of the bytes of a disk: beside them, how far zeros and gaps reach without reading."""

from pathlib import Path

import pytest

from forensic import open_image
from forensic.explore import DiskView
from forensic.mapping.extents import State
from samples.kinds import KINDS
from tests.commands import damaged
from tests.images import sample

GAPS = ("luks-4k", "overlay-chain", "data-file")


@pytest.mark.parametrize("name", [name for name in GAPS if name in KINDS])
def test_a_gap_is_what_has_the_same_reason_and_no_more(name: str) -> None:
    with open_image(sample(KINDS[name])) as image:
        view, step = DiskView(image), 512
        reasons = [view.read(offset, step) for offset in range(0, view.size, step)]
        gaps = 0
        for at, reason in enumerate(reasons):
            if isinstance(reason, bytes):
                assert view.missing_around(at * step) == (at * step, at * step)
                continue
            begin, end = view.missing_around(at * step)
            gaps += 1
            assert begin <= at * step < end
            assert set(reasons[begin // step : -(-end // step)]) == {reason}
            assert end >= view.size or reasons[end // step] != reason
            assert not begin or reasons[begin // step - 1] != reason
        assert gaps


def test_a_cluster_that_cannot_be_decoded_is_a_gap_of_its_own(tmp_path: Path) -> None:
    with open_image(damaged("compressed-stream-broken", tmp_path)) as image:
        view = DiskView(image)
        found = [
            extent
            for extent in image.extents()
            if extent.state == State.COMPRESSED and isinstance(view.read(extent.guest_offset, 1), str)
        ]
        assert found
        for extent in found:
            begin, end = extent.guest_offset, extent.guest_offset + extent.length
            assert view.missing_around(end - 1) == view.missing_around(begin) == (begin, end)
