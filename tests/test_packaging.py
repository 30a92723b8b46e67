"""What is built: a wheel that holds the two packages and nothing else, and an sdist that can test itself."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_holds_the_two_packages_and_the_command(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = wheel.namelist()
        entry_points = next(wheel.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"forensic", "tui"}
    assert {"forensic/report/schema.json", "forensic/report/page.css"} <= set(names)
    assert "qcowscope = forensic.cli:main" in entry_points


def test_the_sdist_holds_everything_that_make_test_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {"Makefile", "README.md", "LICENSE", "pyproject.toml", "ksy/qcow2.ksy", "tests/test_packaging.py"}
    needed |= {"samples/demo.py", "samples/sound/data-512.qcow2", "samples/damaged/header-version.toml", ".ci/run"}
    assert needed <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(".venv")]
