"""The facts of the overview, as labels and words."""

import pytest

from forensic.description import describe
from forensic.evidence import Evidence
from forensic.image import identify
from tests.commands import sound
from tui.facts import facts_of


@pytest.mark.parametrize(
    ("disk_usage", "label", "words"),
    [(8192, "file", "24 KiB, 8 KiB on disk"), (None, "object size", "24 KiB")],
)
def test_what_a_file_takes_of_its_disk_is_said_of_no_object_on_a_server(
    disk_usage: int | None, label: str, words: str
) -> None:
    with Evidence(sound("data-4k")) as evidence:
        facts = {name: fact.plain for name, fact in facts_of(describe(identify(evidence)), disk_usage)}
    assert facts[label] == words
    assert ("on disk" in str(facts)) == (disk_usage is not None)
