"""No sentence of any rule on any sample counts one thing in the plural."""

import re
from pathlib import Path

import pytest

from samples.kinds import KINDS
from samples.recipes import Recipe
from tests.commands import RECIPES, damaged, qcowscope, sound

COUNTED = (
    "bitmaps", "bits", "bytes", "clusters", "decisions", "entries", "faults", "files", "findings", "others", "pages",
    "ranges", "refcounts", "references", "sectors", "slots", "snapshots", "streams", "subclusters", "tables",
)  # fmt: skip
WRONG = re.compile(rf"(?<![\w.,:/+\-#])1 (?:[A-Za-z0-9]+ )?(?:{'|'.join(COUNTED)})\b|(?<![\w.,])1 (?:more )?\w+ are\b")


def wrong_in(image: Path) -> list[str]:
    done = qcowscope("check", image)
    return [found[0] for line in (done.out + done.err).splitlines() for found in WRONG.finditer(line)]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_what_is_said_of_a_damaged_image_counts_one_in_the_singular(recipe: Recipe, tmp_path: Path) -> None:
    assert wrong_in(damaged(recipe.name, tmp_path)) == []


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.committed])
def test_what_is_said_of_a_sound_image_counts_one_in_the_singular(name: str) -> None:
    assert wrong_in(sound(name)) == []


@pytest.mark.parametrize("said", ["1 entries", "has 1 references", "1 L2 tables", "1 clusters are in use"])
def test_a_wrong_sentence_would_be_found(said: str) -> None:
    assert WRONG.search(said)


@pytest.mark.parametrize("said", ["21 entries", "0.1 bits", "cluster 1 has 2 references", "1 entry", "0x1 bytes"])
def test_a_right_one_is_not(said: str) -> None:
    assert WRONG.search(said) is None
