"""Recipes are read strictly, change exactly what they name, and QEMU says of them what they record."""

import re
from pathlib import Path

import pytest

from samples import oracle, recipes

RECIPES = recipes.all_recipes()
HEAD = 'title = "t"\nbase = "data-512"\nexpect = []\nqemu = "ok"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "some-code--variant.toml"
    path.write_text(text, encoding="utf-8")
    return path


def damaged(folder: Path, text: str) -> bytes:
    return recipes.apply(recipes.load(written(folder, HEAD + text)), folder / "out.qcow2").read_bytes()


def changes(new: bytes) -> dict[int, int]:
    old = (recipes.HERE / "sound" / "data-512.qcow2").read_bytes()
    assert len(new) == len(old)
    return {offset: new[offset] for offset in range(len(old)) if old[offset] != new[offset]}


def test_a_recipe_is_known_by_its_file_name(tmp_path: Path) -> None:
    recipe = recipes.load(written(tmp_path, HEAD))
    assert (recipe.name, recipe.code) == ("some-code--variant", "some-code")
    assert recipe == recipes.Recipe("some-code--variant", "t", "data-512", (), "ok")


def test_what_is_expected_may_be_codes_alone_or_say_more_of_each(tmp_path: Path) -> None:
    alone = recipes.load(written(tmp_path, HEAD.replace("[]", '["a", "b"]')))
    assert (alone.expect, alone.findings) == (("a", "b"), ())
    more = '{a = {severity = "low", confidence = "likely", count = 2, places = ["l2+8, 8 bytes"]}}'
    full = recipes.load(written(tmp_path, HEAD.replace("[]", more)))
    assert (full.expect, full.findings) == (
        ("a",), (recipes.Expected("a", "low", "likely", 2, ("l2+8, 8 bytes",)),),
    )  # fmt: skip


def test_a_range_is_named_by_a_structure_or_a_number() -> None:
    places = {"l2": 0x800}
    found = [recipes.find_range(text, places) for text in ("l2+8, 8 bytes", "0x10, 1 byte", "guest 512, 4096 bytes")]
    assert found == [("host", 0x808, 8), ("host", 16, 1), ("guest", 512, 4096)]
    for text in ("l2+8", "guest l2, 8 bytes", "l3, 8 bytes", "l2, x bytes"):
        with pytest.raises(recipes.RecipeError):
            recipes.find_range(text, places)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD.replace('"t"', "1"), "title is 1"),
        (HEAD + "surprise = 1", "unknown key surprise"),
        (HEAD.replace('"ok"', '"fine"'), "qemu is 'fine'"),
        (HEAD.replace("[]", '"code"'), "not a list of texts"),
        (HEAD.replace("[]", "{code = 1}"), "what is expected of code is not a table"),
        (HEAD.replace("[]", "{code = {severity = 1, places = []}}"), "severity is 1, not a text"),
        (HEAD.replace("[]", "{code = {colour = 1}}"), "unknown key colour"),
        (HEAD + "[[poke]]\nat = 1\nu8 = 1\ncolour = 2", "unknown key colour"),
        (HEAD + "[[poke]]\nat = 1", "this one has 0"),
        (HEAD + "[[poke]]\nat = 1\nu8 = 1\nu16 = 1", "this one has 2"),
        (HEAD + "[[poke]]\nat = 1\nu8 = 256", "does not fit u8"),
        (HEAD + "[[poke]]\nat = 1\nu8 = -1", "does not fit u8"),
        (HEAD + "[[poke]]\nat = 1\nu8 = true", "not a number"),
        (HEAD + "[[poke]]\nu8 = 1", "not a place"),
        (HEAD + '[[poke]]\nat = 1\nbytes = "0"', "not hexadecimal"),
        (HEAD + "[[poke]]\nat = 1\nset_bits = [64]", "not a list of bit numbers"),
        (HEAD + "[[poke]]\nat = 1\nu8 = 1\nrepeat = 2", "only bytes can be repeated"),
        (HEAD + "poke = 1", "not a list of tables"),
        ("title = ", "Invalid value"),
    ],
)
def test_a_recipe_that_cannot_be_understood_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(recipes.RecipeError, match=re.escape(complaint)):
        recipes.load(written(tmp_path, text))


@pytest.mark.parametrize(
    ("poke", "landed"),
    [
        ("at = 4\nu32 = 0x01020304", {4: 1, 5: 2, 6: 3, 7: 4}),
        ('at = "l2+6"\nbytes = "0b"', {0x806: 0x0B}),
        ('at = "l2"\nset_bits = [0, 57]', {0x800: 0x82, 0x807: 1}),
        ('at = "l2"\nclear_bits = [63]', {0x800: 0}),
        ('at = "l1"\nadd = 0x200', {0x606: 10}),
        ('at = "data+0x10"\nbytes = "01 02"\nrepeat = 2', {0xA10: 1, 0xA11: 2, 0xA12: 1, 0xA13: 2}),
        ('at = "compression_type"\ntext = "z"', {104: 0x7A}),
    ],
)
def test_a_poke_lands_where_it_says_and_nowhere_else(tmp_path: Path, poke: str, landed: dict[int, int]) -> None:
    assert changes(damaged(tmp_path, f"[[poke]]\n{poke}\n")) == landed


def test_a_file_can_be_cut_and_made_longer(tmp_path: Path) -> None:
    cut = damaged(tmp_path, 'truncate = "l2"\nappend = "aa bb"\nextend = 0x900\n')
    assert (cut[:4], cut[0x800:0x802], cut[0x802:]) == (b"QFI\xfb", b"\xaa\xbb", bytes(0xFE))


def test_header_extensions_are_replaced_as_a_whole(tmp_path: Path) -> None:
    new = damaged(tmp_path, '[[extension]]\ntype = 0x44415441\ntext = "abc"\nlength = 99\n')
    assert new[112:136] == bytes.fromhex("44415441 00000063 616263 0000000000 0000000000000000")


@pytest.mark.parametrize(
    "text", ['[[poke]]\nat = "snapshots"\nu8 = 1', "[[poke]]\nat = 0xc00\nu8 = 1", "truncate = 4096"]
)
def test_a_recipe_that_does_not_fit_its_base_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(recipes.RecipeError):
        damaged(tmp_path, text)


def test_companions_come_along(tmp_path: Path) -> None:
    recipe = recipes.Recipe("name", "t", "data-file", (), "ok")
    recipes.apply(recipe, tmp_path / "out.qcow2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data-file.data.raw", "out.qcow2"]


def test_the_command_writes_one_image_and_lists_all(tmp_path: Path) -> None:
    said: list[str] = []
    assert recipes.main([], said.append) == 2
    assert len(said) == 1 + len(RECIPES)
    assert recipes.main(["no-such-recipe", str(tmp_path / "out.qcow2")], said.append) == 2
    assert recipes.main(["header-version", str(tmp_path / "out.qcow2")], said.append) == 0
    assert (tmp_path / "out.qcow2").read_bytes()[4:8] == bytes([0, 0, 0, 4])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_recipe_changes_its_base_and_expects_the_code_it_is_named_after(
    recipe: recipes.Recipe, tmp_path: Path
) -> None:
    assert recipe.code in recipe.expect
    assert recipes.apply(recipe, tmp_path / "out.qcow2").read_bytes() != recipe.base_image.read_bytes()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
@pytest.mark.usefixtures("qemu")
def test_qemu_says_what_the_recipe_records(recipe: recipes.Recipe, tmp_path: Path) -> None:
    assert oracle.check_word(recipes.apply(recipe, tmp_path / f"{recipe.name}.qcow2")) == recipe.qemu
