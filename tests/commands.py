"""Running the command line inside the test's own process, and the images to run it on."""

import contextlib
import io
import json
import os
from dataclasses import dataclass
from pathlib import Path

from forensic.cli import main
from forensic.untrusted import Json
from samples import build, kinds, recipes

QCOW2_KINDS = [kind for kind in kinds.KINDS.values() if kind.committed and kind.format == "qcow2"]
RECIPES = recipes.all_recipes()


@dataclass(frozen=True)
class Finished:
    """What a command gave."""

    status: int
    out: str
    err: str

    def json(self) -> dict[str, Json]:
        """The one object on standard output."""
        document: dict[str, Json] = json.loads(self.out)
        return document


def qcowscope(*arguments: str | os.PathLike[str]) -> Finished:
    """Run one command; standard output and error are no terminals."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([os.fspath(argument) for argument in arguments])
    return Finished(status, out.getvalue(), err.getvalue())


def sound(name: str) -> Path:
    """A sound sample."""
    return build.SOUND / kinds.KINDS[name].image


def damaged(name: str, folder: Path) -> Path:
    """The image of a recipe, made inside a folder."""
    return recipes.apply(recipes.load(recipes.HERE / "damaged" / f"{name}.toml"), folder / f"{name}.qcow2")


def with_backing_name(name: bytes, out: Path) -> Path:
    """A sound image of 4 KiB clusters that names this backing file, which may hold anything."""
    content = bytearray(sound("data-4k").read_bytes())
    place = 1024
    content[place : place + len(name)] = name
    content[8:16] = place.to_bytes(8, "big")
    content[16:20] = len(name).to_bytes(4, "big")
    out.write_bytes(content)
    return out
