"""What is kept for later windows comes back as it was, window by window, in order."""

from __future__ import annotations

import re
import tempfile
from errno import ENOSPC
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.accounting.kept_references import FEW_TABLES, KeptReferences, LaterWindows, NoRoom
from forensic.accounting.table_references import References

if TYPE_CHECKING:
    from typing_extensions import Buffer

WIDTH = 100

groups = st.lists(
    st.one_of(
        st.none(),
        st.tuples(
            st.lists(st.tuples(st.integers(0, 12 * WIDTH), st.booleans()), max_size=40),
            st.integers(0, 1 << 40),
            st.integers(0, 255),
            st.sampled_from(["bits", "all", "none", "compressed"]),
        ),
    ),
    max_size=12,
)

Plain = tuple[list[int], int, int, list[bool] | bool | None, bool]


def references(clusters: list[tuple[int, bool]], times: int, sets: int, kind: str) -> References:
    bits = np.array([bit for _, bit in clusters], dtype=np.bool_)
    copied = bits if kind == "bits" else True if kind == "all" else None
    return References(
        np.array([number for number, _ in clusters], dtype=np.uint64), times, sets, copied, kind == "compressed"
    )


def plainly(found: References) -> Plain:
    copied = found.copied.tolist() if isinstance(found.copied, np.ndarray) else found.copied
    return found.clusters.tolist(), found.times, found.sets, copied, found.compressed


@given(kept_groups=groups, far=st.sampled_from([0, 1 << 30]))
def test_each_window_gets_what_leads_there_in_the_order_of_the_entries(
    kept_groups: list[tuple[list[tuple[int, bool]], int, int, str] | None], far: int
) -> None:
    expected: dict[int, list[Plain | None]] = {}
    with KeptReferences(WIDTH, 1000) as kept:
        for group in kept_groups:
            if group is None:
                kept.keep(None)
                for seen in expected.values():
                    seen.append(None)
                continue
            clusters = [(number + far * WIDTH if number % 2 else number, bit) for number, bit in group[0]]
            kept.keep(references(clusters, *group[1:]))
            for window in sorted({number // WIDTH for number, _ in clusters} - {0}):
                part = [each for each in clusters if each[0] // WIDTH == window]
                expected.setdefault(window, []).append(plainly(references(part, *group[1:])))
        assert kept.numbers == set(expected)
        for window, seen in expected.items():
            assert [found and plainly(found) for found in kept.of_window(window)] == seen
        assert list(kept.of_window(max(expected, default=0) + 1)) == []


@pytest.mark.parametrize("last", [0xFFFE, 0xFFFF, 0x10000, 0x10001, 1 << 32])
def test_windows_are_told_apart_however_many_there_may_be(last: int) -> None:
    with KeptReferences(WIDTH, 1000) as kept:
        kept.keep(references([(number * WIDTH + 7, True) for number in (last, 1, 0)], 1, 1, "all"))
        assert kept.numbers == {1, last}
        (found,) = kept.of_window(last)
        assert found is not None
        assert found.clusters.tolist() == [last * WIDTH + 7]


class FullDisk(BytesIO):
    """A file of a file system that is full: in a `write`, or where what was written has to leave the buffer."""

    def __init__(self, at_once: bool) -> None:
        super().__init__()
        self._at_once = at_once

    def write(self, data: Buffer) -> int:
        """Fail as the system does."""
        if self._at_once:
            raise OSError(ENOSPC, "No space left on device")
        return super().write(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Fail as a flush does."""
        raise OSError(ENOSPC, "No space left on device")

    def close(self) -> None:
        """Fail as a last flush does."""
        super().close()
        raise OSError(ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["opening", "writing", "reading"])
def test_without_room_it_is_said_where_there_is_none(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened() -> FullDisk:
        if where == "opening":
            raise OSError(ENOSPC, "No space left on device")
        return FullDisk(where == "writing")

    monkeypatch.setattr(tempfile, "TemporaryFile", opened)
    with KeptReferences(WIDTH, 10) as kept:
        if where != "reading":
            with pytest.raises(NoRoom, match=f"^{re.escape(tempfile.gettempdir())}: No space left on device$"):
                kept.keep(references([(WIDTH, True)], 1, 1, "all"))
            return
        kept.keep(references([(WIDTH, True)], 1, 1, "all"))
        with pytest.raises(NoRoom, match="No space left on device"):
            list(kept.of_window(1))


@given(
    numbers=st.lists(st.integers(0, 30), max_size=40),
    most=st.integers(1, 6),
)
def test_the_lowest_windows_are_kept(numbers: list[int], most: int) -> None:
    with KeptReferences(WIDTH, most) as kept:
        for number in numbers:
            kept.keep(references([(number * WIDTH + 7, True)], 1, 1, "all"))
        assert kept.numbers == set(sorted(set(numbers) - {0})[:most])


@pytest.mark.parametrize(("tables", "by"), [(tables, by) for tables in (1, 512, 600, 5000) for by in (-1, 0, 1)])
def test_tables_are_read_again_as_long_as_each_leads_to_two_windows_at_most(tables: int, by: int) -> None:
    limit = max(FEW_TABLES, 2 * tables)
    later = LaterWindows(tables)
    pairs = np.arange(limit + by, dtype=np.uint64)
    later.note([(pairs % np.uint64(3) + np.uint64(1), pairs)])
    assert later.strewn == (by > 0)
    assert later.numbers == (set() if by > 0 else {1, 2, 3})
    assert later.tables_of(2).tolist() == ([] if by > 0 else pairs[1::3].tolist())
