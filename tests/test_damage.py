"""Random damage to every sound sample: nothing raises, nothing is read outside the file, the disk stays covered."""

import errno
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forensic.checking import check
from forensic.description import describe
from forensic.errors import ForensicError
from forensic.image import Qcow1Image, Qcow2Image, identify
from samples.kinds import Kind
from samples.recipes import find_places
from tests.images import COMMITTED, BoundedEvidence, sample, written

HEADER_AREA = 200
EXAMPLES = 60
NASTY_WORDS = [0, (1 << 64) - 1, 1 << 63, (1 << 63) - 1, 1 << 62, 1 << 56, 1 << 32, 512, 1]


@dataclass(frozen=True)
class Damage:
    """Bytes that are laid over the file at an offset; or, with none, the end of the file moved there."""

    offset: int
    new: bytes

    def done_to(self, content: bytes) -> bytes:
        """The damaged content."""
        if not self.new:
            return content[: self.offset]
        return (content[: self.offset] + self.new + content[self.offset + len(self.new) :])[: len(content)]


def damages(content: bytes, qcow2: bool) -> st.SearchStrategy[list[Damage]]:
    """A few changes, most of them in the header and the tables, where they have the most consequences."""
    places = find_places(content) if qcow2 else {}
    tables = [
        at for name, at in places.items() if name in ("l1", "l2", "refcount_table", "refcount_block", "snapshots")
    ]
    header = st.integers(0, HEADER_AREA)
    table = st.sampled_from(tables or [0]).flatmap(lambda at: st.integers(at, at + 63))
    anywhere = st.integers(0, len(content) - 1)
    offsets = (header | table | header | anywhere).map(lambda at: min(at, len(content) - 1))
    word = (st.sampled_from(NASTY_WORDS) | st.integers(0, (1 << 64) - 1) | st.integers(0, len(content))).map(
        lambda value: value.to_bytes(8, "big")
    )
    single_byte = st.builds(Damage, offsets, st.binary(min_size=1, max_size=1))
    single_word = st.builds(Damage, offsets.map(lambda at: at // 8 * 8), word)
    half_word = st.builds(Damage, offsets.map(lambda at: at // 4 * 4), word.map(lambda new: new[4:]))
    run = st.builds(Damage, offsets, st.binary(min_size=2, max_size=600))
    truncation = st.builds(Damage, offsets, st.just(b""))
    return st.lists(single_byte | single_word | half_word | run | truncation, min_size=1, max_size=4)


def looked_at(image: Qcow2Image | Qcow1Image) -> None:
    """The disk is covered without gap or overlap, and every byte of it is read or missing for a reason."""
    found = list(image.extents())
    assert sum(extent.length for extent in found) == image.virtual_size
    assert all(before.guest_offset + before.length == after.guest_offset for before, after in pairwise(found))
    reader, filled = image.reader(), image.reader(fill_missing=True)
    for extent in found[:40]:
        length = min(extent.length, 5000)
        filled.seek(extent.guest_offset)
        assert len(filled.read(length)) == length
        reader.seek(extent.guest_offset)
        try:
            assert len(reader.read(length)) == length
        except OSError as error:
            assert error.errno == errno.EIO
            assert "cannot be read" in str(error)


def examined(path: Path) -> None:
    with BoundedEvidence(path) as evidence:
        image = identify(evidence)
        try:
            describe(image)
            check(image, strict=True)
            if isinstance(image, Qcow2Image | Qcow1Image):
                looked_at(image)
        except ForensicError as refusal:
            assert str(refusal).isprintable()


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_damage_is_described_judged_and_read_without_an_exception(kind: Kind, tmp_path: Path) -> None:
    content = sample(kind).read_bytes()

    @settings(max_examples=EXAMPLES)
    @given(damages(content, kind.format == "qcow2"))
    def survives(changes: list[Damage]) -> None:
        damaged = content
        for change in changes:
            damaged = change.done_to(damaged)
        examined(written(tmp_path, damaged))

    survives()


@pytest.mark.parametrize("length", [*range(24), 71, 72, 103, 104, 105, 111, 112, 511, 512, 513, 1535, 1537, 2047, 2049])
def test_every_beginning_of_an_image_is_examined(length: int, tmp_path: Path) -> None:
    content = sample(COMMITTED[2]).read_bytes()
    examined(written(tmp_path, content[:length]))
    assert (tmp_path / "image.qcow2").read_bytes() == content[:length]
