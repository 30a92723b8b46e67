"""One list of exit statuses, and documentation that agrees with it."""

import itertools
import re

import pytest

import hatch_build
from forensic import errors
from forensic.exit_status import PRIORITY, ExitStatus, status_of_all
from tests.transcripts import ROOT

PAGE = (ROOT / "docs" / "exit-statuses.md").read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_contract() -> None:
    assert [int(status) for status in ExitStatus] == [0, 1, 2, 3, 4, 5, 6, 63, 64, 130, 141]
    assert f"{ExitStatus.CORRUPT}" == "2"


def test_the_documentation_has_a_row_for_every_status_that_begins_with_its_meaning() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", PAGE.replace("`", ""), re.MULTILINE))
    assert list(rows) == [str(status) for status in ExitStatus]
    assert [status for status in ExitStatus if not rows[str(status)].startswith(status.meaning)] == []


def test_the_manual_page_has_every_status_with_its_meaning() -> None:
    section = hatch_build.manual_page().partition(".SH EXIT STATUS\n")[2].partition(".SH ")[0].replace("\\-", "-")
    assert section == "".join(f".TP\n.B {status}\n{status.meaning}\n" for status in ExitStatus)


def test_the_documentation_says_which_status_stands_for_several() -> None:
    said = re.search(r"the first of ([\d, ]+) wins", PAGE)
    assert said
    assert said[1].split(", ") == [str(status) for status in PRIORITY if status != ExitStatus.NOT_AN_IMAGE]


@pytest.mark.parametrize("pair", [*itertools.combinations(PRIORITY, 2)])
def test_the_worse_of_two_statuses_stands_for_both(pair: tuple[ExitStatus, ExitStatus]) -> None:
    assert status_of_all(pair[::-1]) is pair[0]
    assert status_of_all([ExitStatus.DONE]) is ExitStatus.DONE


def test_every_error_has_a_status_that_tells_of_a_failure() -> None:
    named = [one for one in vars(errors).values() if isinstance(one, type)]
    kinds = [one for one in named if issubclass(one, errors.ForensicError)]
    assert len(kinds) > 10
    assert [kind for kind in kinds if kind.exit_status not in ExitStatus or not kind.exit_status] == []
