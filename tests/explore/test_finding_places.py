"""Every place of every rule, by what a check tells and by plain lists."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from forensic import Evidence, check, identify, open_any
from forensic.checking import LISTED_PROBLEMS
from forensic.explore.finding_places import FURTHEST, FindingPlaces, joined, places_from
from forensic.finding import Range, Space, guest_range, host_range
from samples import recipes
from tests.images import FIRST_DATA, tiny

DAMAGED = sorted((recipes.HERE / "damaged").glob("*.toml"))


@pytest.mark.parametrize("seed", range(20))
def test_places_are_found_as_in_a_plain_list(seed: int) -> None:
    dice = random.Random(seed)
    several = [(dice.randrange(400), dice.randrange(0, 90)) for _ in range(dice.randrange(0, 60))]
    places = (
        places_from(*(np.array(column, dtype=np.int64) for column in zip(*several, strict=True)))
        if several
        else joined([])
    )
    plain = sorted({(offset, max(1, length)) for offset, length in several})
    for start in range(0, 500, 7):
        end = start + dice.randrange(1, 60)
        assert places.overlapping(start, end) == [each for each in plain if each[0] < end and each[0] + each[1] > start]
        later = [each for each in plain if each[0] > start]
        before = [each for each in plain if each[0] < start]
        assert places.next(start) == (later[0] if later else None)
        assert places.next(start, backwards=True) == (before[-1] if before else None)
    halves = joined([places, places])
    assert halves.begins.tolist() == places.begins.tolist(), "what several rules say of one place is one place"


def test_a_rule_with_thousands_of_problems_has_thousands_of_places(tmp_path: Path) -> None:
    """What a finding lists is cut off; what maps and `[` `]` know is not."""
    image = tmp_path / "image.qcow2"
    data = range(FIRST_DATA, FIRST_DATA + 64)
    image.write_bytes(tiny([number << 9 for number in data], file_clusters=FIRST_DATA + 64))
    places = FindingPlaces()
    with open_any(image) as opened:
        judgement = check(opened, placed=places.add)
    worst = max(judgement.findings, key=lambda finding: finding.count)
    assert worst.count > LISTED_PROBLEMS == len(worst.problems)
    assert max(len(places.of(worst.rule, space)) for space in Space) == worst.count
    assert places.is_complete(worst.rule)


@pytest.mark.parametrize("recipe", DAMAGED, ids=lambda path: path.stem)
def test_the_places_are_those_of_the_findings(recipe: Path, tmp_path: Path) -> None:
    image = recipes.apply(recipes.load(recipe), tmp_path / "image.qcow2")
    places = FindingPlaces()
    with Evidence(image) as evidence:
        opened = identify(evidence)
        told = check(opened, placed=places.add)
        assert told == check(opened)
    for finding in told.findings:
        for space in Space:
            kept = places.of(finding.rule, space)
            listed = {(min(each.offset, FURTHEST)) for each in finding.places if each.space == space}
            assert listed <= set(kept.begins.tolist())
            assert finding.count > len(finding.problems) or listed == set(kept.begins.tolist())


def test_no_more_places_are_kept_than_there_is_room_for() -> None:
    places = FindingPlaces(most=3)
    assert [places.add("rule", (host_range(number, 1),)) for number in range(5)] == [True, True, True, False, False]
    assert places.add("other", (guest_range(1 << 70, 1 << 70), host_range(7, 0)))
    assert places.of("rule", Space.HOST).begins.tolist() == [0, 1, 2]
    assert (places.is_complete("rule"), places.is_complete("other")) == (False, True)
    assert places.of("other", Space.GUEST).begins.tolist() == [FURTHEST]
    assert places.of("other", Space.HOST).ends.tolist() == [8]
    assert len(places.of("none", Space.HOST)) == 0
    places.add("other", (Range(Space.HOST, 3, 1),))
    assert places.of("other", Space.HOST).begins.tolist() == [3, 7], "what came later is seen"
