"""A native decoder that crashes costs the cluster that it was given, not the interface."""

import os
import signal
from collections.abc import Callable

import deflate
import pytest
from textual.pilot import Pilot

from forensic import open_image
from forensic.disk import codecs
from samples.kinds import KINDS
from tests.images import sample
from tests.tui.driving import Drive, screen_text, settled
from tui.app import QcowscopeApp

HERE = os.getpid()


@pytest.mark.parametrize("name", ["deflate-4k", "zstd-4k"])
def test_the_cluster_is_shown_as_not_decoded_and_the_others_as_they_are(
    name: str, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_path = sample(KINDS[name])
    with open_image(image_path) as image:
        extents = [one for one in image.extents() if one.stored_length]
        victim, other = extents[-1], extents[0]
        assert victim.host_offset is not None
        head = image.evidence.read_at(victim.host_offset, 24)
        reader, expected = image.reader(), bytearray(16)
        reader.seek(other.guest_offset)
        reader.readinto(expected)

    def crashing(stored: bytes, size: int) -> bytes:
        if bytes(stored[:24]) == head:
            assert os.getpid() != HERE
            signal.signal(signal.SIGABRT, signal.SIG_DFL)  # pytest would show where
            os.abort()
        return whole(stored, size)

    module, function = (deflate, "deflate_decompress") if name == "deflate-4k" else (codecs, "zstd_frame")
    whole: Callable[[bytes, int], bytes] = getattr(module, function)
    monkeypatch.setattr(module, function, crashing)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "p", "p")
        for extent, words in ((victim, "decoder_failed"), (other, expected[:4].hex(" "))):
            await pilot.press("g", *f"v{extent.guest_offset:#x}", "enter")
            await settled(app, pilot)
            assert words in screen_text(app)

    drive(image_path, story)
