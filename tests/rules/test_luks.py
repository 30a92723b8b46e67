"""The LUKS header: lengths, iterations and key slots at their limits."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from forensic.qcow2.luks import SLOT_INACTIVE, KeySlot, LuksHeader
from forensic.rules.luks import MAX_ITERATIONS
from tests.rules.judging import opened_sample, problems

NEEDED = 8 * 512 + 65536
"""What the one key slot in use of the sample needs: 4 KiB of header, and key material for 16 bytes of key."""


@pytest.fixture
def luks() -> Iterator[LuksHeader]:
    with opened_sample("luks-4k") as image:
        assert image.luks is not None
        yield image.luks


def with_slot(luks: LuksHeader, number: int, **changes: int) -> LuksHeader:
    slots: list[KeySlot] = list(luks.slots)
    slots[number] = replace(slots[number], **changes)
    return replace(luks, slots=tuple(slots))


def hits(code: str, luks: LuksHeader) -> int:
    return len(problems(code, luks))


@pytest.mark.parametrize(("length", "expected"), [(NEEDED, 0), (NEEDED - 1, 1), (591, 1), (0, 1)])
def test_the_room_holds_header_and_used_key_material(length: int, expected: int, luks: LuksHeader) -> None:
    assert hits("encryption-header-too-short", replace(luks, length=length)) == expected


@pytest.mark.parametrize(("iterations", "expected"), [(1, 0), (MAX_ITERATIONS, 0), (MAX_ITERATIONS + 1, 1)])
def test_iterations_are_limited(iterations: int, expected: int, luks: LuksHeader) -> None:
    code = "luks-iterations-excessive"
    assert hits(code, replace(luks, master_key_iterations=iterations)) == expected
    assert hits(code, with_slot(luks, 0, iterations=iterations)) == expected
    assert hits(code, with_slot(luks, 1, iterations=iterations)) == 0  # a slot that is not in use is never tried


@pytest.mark.parametrize(
    ("number", "changes", "expected"),
    [
        (0, {}, 0),
        (0, {"iterations": 0}, 1),
        (1, {"iterations": 0}, 0),
        (0, {"state": SLOT_INACTIVE}, 0),
        (0, {"state": 0}, 1),
        (0, {"stripes": 3999}, 1),
        (0, {"key_material_offset": 2}, 0),
        (0, {"key_material_offset": 1}, 1),
        (0, {"key_material_offset": 9}, 1),  # overlaps slot 1
        (7, {"key_material_offset": 904}, 0),
        (7, {"key_material_offset": 905}, 1),  # ends past the payload offset
    ],
)
def test_a_key_slot_is_held_against_the_format(
    number: int, changes: dict[str, int], expected: int, luks: LuksHeader
) -> None:
    assert hits("luks-key-slot-invalid", with_slot(luks, number, **changes)) == expected


def test_what_is_no_luks_header_is_said_once(luks: LuksHeader) -> None:
    codes = ("luks-header-invalid", "luks-key-slot-invalid", "luks-iterations-excessive", "luks-payload-offset")
    nothing = with_slot(replace(luks, magic=b"noise!", payload_offset=1 << 31), 0, state=0, iterations=1 << 31)
    assert [hits(code, nothing) for code in codes] == [1, 0, 0, 0]


@pytest.mark.parametrize(("slack", "expected"), [(b"", 0), (bytes(100), 0), (bytes(99) + b"x", 1)])
def test_only_bytes_that_are_not_zero_count_as_slack(slack: bytes, expected: int, luks: LuksHeader) -> None:
    found = problems("luks-slack-not-zero", replace(luks, slack=slack))
    assert len(found) == expected
    assert [place.length for problem in found for place in problem.ranges] == [1] * expected


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_luks_header_is_judged_if_it_is_wholly_in_the_file(by: int, luks: LuksHeader) -> None:
    cut = replace(luks, magic=b"noise!", file_size=luks.host_offset + 592 + by)
    assert hits("luks-header-invalid", cut) == (by >= 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
def test_a_payload_begins_at_the_end_of_the_room_or_before(by: int, luks: LuksHeader) -> None:
    ends = luks.payload_offset * 512
    assert hits("luks-payload-offset", replace(luks, length=ends + by)) == (by < 0)


@pytest.mark.parametrize("by", [-1, 0, 1])
@pytest.mark.parametrize("side", [-1, 1])
def test_key_material_may_lie_side_by_side(by: int, side: int, luks: LuksHeader) -> None:
    """That of slot 3, a sector nearer to that of slot 0, next to it, and a sector away."""
    length = len(luks.key_material(luks.slots[0])) // 512
    wide = with_slot(replace(luks, payload_offset=1 << 20), 0, key_material_offset=5000)
    assert hits("luks-key-slot-invalid", wide) == 0
    placed = with_slot(wide, 3, key_material_offset=5000 + side * (length + by))
    assert hits("luks-key-slot-invalid", placed) == (by < 0)


def test_the_limit_of_iterations_is_what_the_documentation_says() -> None:
    assert MAX_ITERATIONS == 100_000_000
