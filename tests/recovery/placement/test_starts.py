"""Where file systems begin, and when that is sure; which of several file systems can be on one disk."""

from __future__ import annotations

import pytest

from forensic.recovery.anchors.anchor import Anchor
from forensic.recovery.placement.by_anchors import System, Votes, without_contradictions
from forensic.recovery.placement.starts import DiskShape, Said, Start, Within, starts_of

MIB = 1 << 20
COVERAGE = 2 * MIB
DISK = DiskShape(COVERAGE, 100 * MIB, size_known=True)
NOTHING = Said((), frozenset())


def anchors_at(start: int, places: list[int], span: int, pieces: int = 0) -> Within:
    """Anchors of a file system that begins at `start` of the disk, each in the table of its slot; the last `pieces` of
    them lie half an L1 entry after their place."""
    within = Within()
    for number, place in enumerate(places):
        guest = start + place + (COVERAGE // 2 if number >= len(places) - pieces else 0)
        slot, inside = divmod(guest, COVERAGE)
        within.add(Anchor("kind", 0, place, True, b"system", span=span), slot * 4096, place - inside)
    return within


PLACES = [number * COVERAGE + 512 for number in range(20)]


def start_of(
    within: Within, said: Said = NOTHING, disk: DiskShape = DISK, slots: dict[int, int] | None = None
) -> object:
    return starts_of(within, slots or {}, said, disk).get(b"system")


@pytest.mark.parametrize("begin", [0, 63 * 512, MIB])
def test_a_file_system_that_fills_the_disk_from_a_usual_start_begins_nowhere_else(begin: int) -> None:
    assert start_of(anchors_at(begin, PLACES, 99 * MIB - begin)) == Start(begin, sure=True)


def test_a_smaller_one_may_be_a_file_that_begins_on_a_boundary() -> None:
    assert start_of(anchors_at(0, PLACES, 50 * MIB)) == Start(0, sure=False)


def test_one_that_does_not_fit_into_the_disk_has_no_start() -> None:
    assert start_of(anchors_at(0, PLACES, 101 * MIB)) is None


def test_without_a_size_nothing_is_sure() -> None:
    assert start_of(anchors_at(0, PLACES, 99 * MIB), disk=DiskShape(COVERAGE, 0, size_known=False)) == Start(
        0, sure=False
    )


def test_a_size_that_is_not_sure_counts_if_the_file_system_fills_it_exactly() -> None:
    disk = DiskShape(COVERAGE, 99 * MIB, size_known=False)
    assert start_of(anchors_at(0, PLACES, 99 * MIB), disk=disk) == Start(0, sure=True)
    assert start_of(anchors_at(0, PLACES, 97 * MIB), disk=disk) == Start(0, sure=False)


def test_what_a_partition_table_of_this_disk_says_is_sure_and_what_another_says_is_not() -> None:
    begin = 7 * MIB + 512
    assert start_of(anchors_at(begin, PLACES, 50 * MIB), Said((begin,), frozenset([begin]))) == Start(begin, sure=True)
    assert start_of(anchors_at(begin, PLACES, 50 * MIB), Said((begin,), frozenset())) == Start(begin, sure=False)


def test_tables_that_are_placed_say_the_start_and_one_that_is_not_usual_may_be_of_a_file() -> None:
    slots = {slot * 4096: slot for slot in range(4)}
    assert start_of(anchors_at(0, PLACES, 50 * MIB), slots=slots) == Start(0, sure=True)
    begin = 6 * MIB
    placed = {(slot + 3) * 4096: slot + 3 for slot in range(4)}
    assert start_of(anchors_at(begin, PLACES, 50 * MIB), slots=placed) == Start(begin, sure=False)


def test_a_file_in_pieces_is_never_sure() -> None:
    assert start_of(anchors_at(0, PLACES, 99 * MIB, pieces=2)) == Start(0, sure=False)
    assert start_of(anchors_at(0, PLACES, 99 * MIB, pieces=10)) is None


def test_a_start_that_nothing_suggests_is_taken_where_the_sizes_leave_no_other() -> None:
    begin = MIB + 4096
    assert start_of(anchors_at(begin, PLACES, 98 * MIB)) == Start(begin, sure=False)
    assert start_of(anchors_at(begin, PLACES, 50 * MIB)) is None
    assert start_of(anchors_at(begin, PLACES[:3], 98 * MIB)) is None


@pytest.mark.parametrize(("end", "fills"), [(100 * MIB, True), (99 * MIB, True), (80 * MIB, False), (101 * MIB, False)])
def test_partitions_fill_the_disk_or_are_of_another(end: int, fills: bool) -> None:
    assert DISK.is_end(end) == fills


def system(slots: dict[int, int], span: int, start: int = 0, sure: bool = False) -> System:
    found = System(Start(start, sure), span)
    for table, slot in slots.items():
        votes = found.votes.setdefault(table, Votes())
        votes.slots[slot] += 1
    return found


def test_two_file_systems_that_agree_are_both_kept() -> None:
    one, other = system({1: 1, 2: 2}, 10), system({2: 2, 3: 3}, 10)
    assert without_contradictions([one, other], {1: 1}) == [one, other]
    assert not one.contradicted
    assert not other.contradicted


@pytest.mark.parametrize("small", [{1: 5}, {9: 1}], ids=["a table in two slots", "two tables in a slot"])
def test_of_two_that_do_not_agree_the_larger_is_believed_and_neither_proves_anything(small: dict[int, int]) -> None:
    large, inner = system({1: 1, 2: 2}, 100), system({**small, 20: 20}, 10)
    assert without_contradictions([inner, large], {}) == [large]
    assert large.contradicted
    assert inner.contradicted


def test_one_that_is_sure_is_believed_before_a_larger_one() -> None:
    large, proven = system({1: 1}, 100), system({1: 5}, 10, sure=True)
    assert without_contradictions([large, proven], {}) == [proven]


def test_one_that_contradicts_a_table_in_its_place_is_not_believed() -> None:
    assert without_contradictions([system({1: 5, 2: 6}, 100)], {1: 1}) == []


def test_two_on_different_parts_of_the_disk_are_kept_though_they_want_one_slot() -> None:
    one, other = system({1: 1}, 10), system({2: 1}, 10, start=10)
    assert without_contradictions([one, other], {}) == [one, other]
    assert one.contradicted


def test_anchors_that_fit_no_slot_speak_against_a_table() -> None:
    votes = Votes(against=1)
    votes.slots[3] += 3
    assert votes.slot == -1
    votes.slots[3] += 1
    assert votes.slot == 3
