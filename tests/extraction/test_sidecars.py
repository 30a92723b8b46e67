"""Sidecar lines are those of the usual tools, odd names included."""

import shutil
import subprocess
from pathlib import Path

import pytest

from forensic.extraction.sidecars import sidecar_paths, sum_line

NAMES = ["out.raw", "with space.raw", "back\\slash.raw", "line\nbreak.raw", "carriage\rreturn.raw", "-", "*.raw"]


def test_there_is_one_for_each_hash_beside_the_output() -> None:
    assert sidecar_paths(Path("a/out.raw"), ["md5", "sha256"]) == {
        "md5": Path("a/out.raw.md5"),
        "sha256": Path("a/out.raw.sha256"),
    }


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum as a witness")
@pytest.mark.parametrize("name", NAMES)
def test_a_line_is_what_sha256sum_writes(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"content")
    wanted = subprocess.run(["sha256sum", "--", name], cwd=tmp_path, capture_output=True, check=True).stdout.decode()
    digest = wanted.lstrip("\\").split(" ", 1)[0]
    assert sum_line(digest, name) == wanted
