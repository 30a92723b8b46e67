"""Where the bytes of a guest range are, in words that need no arrays.

A guest range in one state has the same eight columns wherever it goes, in the form that fits the work:

- `Rows` (`forensic.mapping.rows`), numpy records: tables are mapped, merged and laid over one another in bulk.
- `Run`, the columns as a plain tuple: what loops over single ranges take. A small disk is mapped to runs without
  loading numpy, which would take longer than the work, and a tuple costs a tenth of an object where there are millions.
- `Extent`, an object with names and an enumeration for the state: what the library's users get.

Two other shapes say something else: a `Part` of the extraction's plan counts from the start of its piece, and a
`ListedRange` of the lists beside an output may be filled with zeros, and says how sure a recovery plan is of it.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct


class State(IntEnum):
    """Where the bytes of a guest range are."""

    UNALLOCATED = 0  # in the backing file if there is one, else zeros
    DATA = 1
    COMPRESSED = 2
    ZERO = 3
    ZERO_ALLOCATED = 4  # reads as zeros, though a host cluster is reserved and may still hold something
    ABSENT = 5  # the tables promise bytes that cannot be located or are not in the file


class Reason(IntEnum):
    """Why a guest range could not be read; the lower-case name is the code in reports."""

    NONE = 0
    ENTRY_BEYOND_EOF = 1
    ENTRY_UNALIGNED = 2
    RESERVED_BITS_SET = 3
    L2_UNREADABLE = 4
    DECOMPRESS_FAILED = 5
    DECOMPRESS_SHORT = 6
    COMPRESSION_UNKNOWN = 7
    BACKING_NOT_SUPPLIED = 8
    DATA_FILE_NOT_SUPPLIED = 9
    KEY_NOT_SUPPLIED = 10
    IO_ERROR = 11
    ENTRY_MISPLACED = 12
    DECODER_FAILED = 13  # the decoder crashed on it
    ENTRY_DOUBTFUL = 14  # its table is damaged as a whole, see `forensic.qcow2.overwritten_tables`
    SALVAGED = 15  # decoded before the stream breaks, on request; no checksum covers it
    NOT_RECOVERED = 16  # these four: a recovery plan says so
    EMPTINESS_DOUBTFUL = 17
    OVERWRITTEN = 18
    SUSPECT_ZONE = 19

    @property
    def code(self) -> str:
        """The reason code of the report."""
        return self.name.lower()


Run = tuple[int, int, int, int, int, int, int, int]
"""A guest range in one state: guest_offset, length, host_offset, stored_length, state, reason, depth, skip.

The columns of `forensic.mapping.rows.ROW`, where they are explained, as plain numbers.
"""


class Extent(Struct, frozen=True):
    """`length` guest bytes from `guest_offset` that are in one state; `host_offset` where bytes are in the file."""

    guest_offset: int
    length: int
    state: State
    host_offset: int | None = None
    stored_length: int | None = None
    reason: Reason = Reason.NONE
    depth: int = 0
    skip: int = 0


def extent(run: Run) -> Extent:
    """A run as an object."""
    guest_offset, length, host_offset, stored_length, state, reason, depth, skip = run
    place = host_offset if is_located(state, reason) else None
    return Extent(guest_offset, length, State(state), place, stored_length or None, Reason(reason), depth, skip)


def is_located(state: int, reason: int) -> bool:
    """Whether the host offset of a run means anything."""
    return state in _LOCATED or reason == Reason.ENTRY_BEYOND_EOF


_LOCATED = frozenset({int(State.DATA), int(State.COMPRESSED), int(State.ZERO_ALLOCATED)})
