"""The two readers say the same of every sample, sound or damaged: bytes, zeros, and what cannot be read and why."""

from pathlib import Path

import pytest

from samples import recipes
from samples.kinds import Kind
from tests.images import COMMITTED, SOUND
from tests.second_reader.agreement import disagreements, supplied_for

RECIPES = recipes.all_recipes()


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_of_every_sound_sample(kind: Kind, tmp_path: Path) -> None:
    assert disagreements(SOUND / kind.image, tmp_path, supplied_for(kind, SOUND)) == []


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_of_every_sound_sample_without_what_it_needs(kind: Kind, tmp_path: Path) -> None:
    assert disagreements(SOUND / kind.image, tmp_path) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_of_every_damaged_sample(recipe: recipes.Recipe, tmp_path: Path) -> None:
    path = recipes.apply(recipe, tmp_path / "image.qcow2")
    assert disagreements(path, tmp_path) == []
