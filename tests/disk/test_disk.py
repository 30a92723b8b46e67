"""Levels of a chain put together by arrays are what a byte-by-byte look through them gives."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.disk import chain as chain_module
from forensic.disk.disk import Disk
from forensic.disk.layer import ClusterDecoder, Fault
from forensic.evidence import Evidence
from forensic.mapping.extents import Reason, Run, State
from forensic.mapping.rows import ROW, Rows, clipped
from forensic.untrusted import Untrusted

STATES = [State.UNALLOCATED, State.DATA, State.COMPRESSED, State.ZERO, State.ABSENT]


@dataclass(frozen=True)
class Invented:
    """A layer whose clusters have the states that a test chose; a cluster lies at its guest offset plus a million."""

    states: tuple[State, ...]
    cluster: int
    size: int
    declares: bool = True
    data_lacks: Reason = Reason.NONE
    evidences: tuple[Evidence, ...] = ()
    backing_format: Untrusted | None = None
    encryption: str | None = None
    plain_data: Evidence | None = None

    @property
    def backing_file(self) -> Untrusted | None:
        """A name, if the layer is to have one."""
        return Untrusted(b"name") if self.declares else None

    def most_extents(self) -> int:
        """One a cluster."""
        return len(self.states)

    def few_runs(self, guest_start: int, guest_end: int) -> Iterator[list[Run]]:
        """Nothing."""
        return iter(())

    def row_batches(self, guest_start: int, guest_end: int) -> Iterator[Rows]:
        """Two clusters a batch."""
        rows = np.zeros(len(self.states), dtype=ROW)
        rows["guest_offset"] = np.arange(len(rows)) * self.cluster
        rows["length"] = self.cluster
        rows["state"] = self.states
        rows["host_offset"] = rows["guest_offset"] + 1_000_000
        rows["stored_length"] = np.where(rows["state"] == State.COMPRESSED, 7, 0)
        rows["reason"] = np.where(rows["state"] == State.ABSENT, Reason.IO_ERROR, Reason.NONE)
        rows["host_offset"][(rows["state"] != State.DATA) & (rows["state"] != State.COMPRESSED)] = 0
        for start in range(0, len(rows), 2):
            found = clipped(rows[start : start + 2], guest_start, guest_end)
            if len(found):
                yield found

    def read_data(self, guest_offset: int, host_offset: int, buffer: memoryview) -> list[Fault]:
        """Not asked for here."""
        raise NotImplementedError

    @property
    def decoder(self) -> ClusterDecoder:
        """Not asked for here."""
        raise NotImplementedError


Byte = tuple[State, int, int, int, Reason]
"""State, depth, and where it lies: host offset and bytes skipped; why it is missing."""


def looked_through(layers: list[Invented], size: int) -> list[Byte]:
    """What each byte is, one after the other."""
    found = []
    for at in range(size):
        found.append(byte_at(layers, at))
    return found


def byte_at(layers: list[Invented], at: int) -> Byte:
    for depth, layer in enumerate(layers):
        if at >= layer.size:
            return State.UNALLOCATED, depth - 1, 0, 0, Reason.NONE
        state = layer.states[at // layer.cluster]
        within = at % layer.cluster
        begins = at - within + 1_000_000
        if state == State.DATA:
            return state, depth, begins + within, 0, Reason.NONE
        if state == State.COMPRESSED:
            return state, depth, begins, within, Reason.NONE
        if state == State.ABSENT:
            return state, depth, 0, 0, Reason.IO_ERROR
        if state != State.UNALLOCATED:
            return state, depth, 0, 0, Reason.NONE
    return State.UNALLOCATED, len(layers) - 1, 0, 0, Reason.NONE


def spread(disk: Disk) -> list[Byte]:
    """The same out of the rows."""
    found: list[Byte] = []
    for rows in disk.row_batches():
        for guest_offset, length, host_offset, _, state, reason, depth, skip in rows.tolist():
            assert guest_offset == len(found)
            for at in range(length):
                place = (host_offset + at, 0) if state == State.DATA else (host_offset, skip + at)
                located = place if state in (State.DATA, State.COMPRESSED) else (0, 0)
                found.append((State(state), depth, *located, Reason(reason)))
    return found


@st.composite
def layers(draw: st.DrawFn) -> list[Invented]:
    found = []
    for _ in range(draw(st.integers(1, 4))):
        cluster = draw(st.sampled_from([16, 32, 64]))
        states = tuple(draw(st.lists(st.sampled_from(STATES), min_size=1, max_size=12)))
        found.append(Invented(states, cluster, len(states) * cluster - draw(st.integers(0, 15))))
    return found


@given(layers(), st.sampled_from([1, 3, 8192]))
def test_each_byte_comes_from_the_first_level_that_has_it(chain: list[Invented], gathered: int) -> None:
    size = chain[0].size
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chain_module, "GATHERED_ROWS", gathered)
        assert spread(Disk("active", size, tuple(chain))) == looked_through(chain, size)


@given(layers(), st.data())
def test_a_part_of_a_disk_is_that_part_of_the_whole(chain: list[Invented], data: st.DataObject) -> None:
    disk = Disk("active", chain[0].size, tuple(chain))
    start = data.draw(st.integers(0, disk.size))
    end = data.draw(st.integers(start, disk.size))
    lengths = [int(length) for rows in disk.row_batches(start, end) for length in rows["length"]]
    starts = [int(offset) for rows in disk.row_batches(start, end) for offset in rows["guest_offset"]]
    assert sum(lengths) == end - start
    assert not starts or starts[0] == start


def test_only_what_the_last_level_leaves_open_is_missing_a_backing_file() -> None:
    top = Invented((State.UNALLOCATED, State.DATA), 64, 128)
    short = Invented((State.UNALLOCATED,), 32, 32)
    disk = Disk("active", 128, (top, short))
    rows = np.concatenate(list(disk.readable_batches()))
    assert [(int(row["length"]), int(row["state"]), int(row["reason"])) for row in rows] == [
        (32, State.ABSENT, Reason.BACKING_NOT_SUPPLIED),
        (32, State.UNALLOCATED, Reason.NONE),
        (64, State.DATA, Reason.NONE),
    ]


def test_data_of_a_level_that_lacks_something_is_missing() -> None:
    top = Invented((State.UNALLOCATED, State.DATA), 64, 128)
    locked = Invented((State.DATA, State.DATA), 64, 128, declares=False, data_lacks=Reason.KEY_NOT_SUPPLIED)
    rows = np.concatenate(list(Disk("active", 128, (top, locked)).readable_batches()))
    assert [int(reason) for reason in rows["reason"]] == [Reason.KEY_NOT_SUPPLIED, Reason.NONE]


def test_a_disk_of_no_bytes_has_no_rows() -> None:
    assert list(Disk("active", 0, (Invented((State.DATA,), 64, 0),)).row_batches()) == []
