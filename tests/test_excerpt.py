"""An excerpt gives what was read of a file, and nothing else whatever it is asked for."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.errors import InternalError
from forensic.evidence import Evidence
from forensic.excerpt import Excerpt, read_excerpt

FILE = bytes(range(1, 41))
OFFSETS = st.integers(0, len(FILE) + 8)


@given(start=OFFSETS, end=OFFSETS, asked=OFFSETS, length=st.integers(1, 50))
def test_a_part_is_what_the_file_has_there_or_an_error(start: int, end: int, asked: int, length: int) -> None:
    excerpt = Excerpt(start, FILE[start : max(start, end)], len(FILE))
    wanted = FILE[asked : asked + length]
    if start <= asked and all(start <= place < end for place in range(asked, asked + len(wanted))):
        assert excerpt.part(asked, length) == wanted
    else:
        with pytest.raises(InternalError, match=r"^internal error: "):
            excerpt.part(asked, length)


def test_only_the_end_of_the_file_makes_a_part_shorter(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(FILE)
    with Evidence(tmp_path / "file") as evidence:
        assert read_excerpt(evidence, 30, 50).part(35, 20) == FILE[35:]
        with pytest.raises(InternalError, match="11 bytes at host offset 0x14 were asked for where 10 bytes at 0x14 "):
            read_excerpt(evidence, 20, 30).part(20, 11)
