"""No file that a command reads is written over, whatever it is read for, and whatever is written."""

import shutil
from pathlib import Path

import pytest

from samples.kinds import PASSPHRASE
from tests.commands import qcowscope, sound


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """An image, a plan of it, a map of its medium, and a key file."""
    found = {name: tmp_path / name for name in ("image", "plan", "map", "key", "header")}
    for name in ("image", "header"):
        shutil.copy(sound("deflate-4k"), found[name])
    assert qcowscope("recover", found["image"], "-o", found["plan"]).status == 0
    found["map"].write_text("0 0 +\n0 0x1000 +\n", encoding="ascii")
    found["key"].write_text(PASSPHRASE, encoding="utf-8")
    return found


@pytest.mark.parametrize("link", [False, True], ids=["by name", "by link"])
@pytest.mark.parametrize(
    ("words", "over"),
    [
        ("extract image --plan plan -o OUT", "plan"),
        ("extract image --plan plan -o new --report json:OUT", "plan"),
        ("extract image --key-file key -o OUT", "key"),
        ("rebuild image --plan plan -o OUT", "plan"),
        ("rebuild image --plan plan -o new --report json:OUT", "plan"),
        ("check image --plan plan --report json:OUT", "plan"),
        ("recover image -o OUT", "image"),
        ("recover image --bad-map map -o OUT", "map"),
        ("recover image --header-from header -o OUT", "header"),
    ],
)
def test_what_is_read_is_not_written_over(
    words: str, over: str, link: bool, files: dict[str, Path], tmp_path: Path
) -> None:
    out = files[over]
    if link:
        out = tmp_path / "link"
        out.hardlink_to(files[over])
    before = files[over].read_bytes()
    named = {**{name: str(path) for name, path in files.items()}, "OUT": str(out), "new": str(tmp_path / "new")}
    given = [named.get(word, word.replace("OUT", str(out))) for word in words.split()]
    done = qcowscope(*given, "--force")
    assert (done.status, "is an input; evidence is never written to" in done.err) == (1, True)
    assert files[over].read_bytes() == before
    assert not (tmp_path / "new").exists()
