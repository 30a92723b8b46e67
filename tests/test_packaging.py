"""What is built: a wheel that holds the two packages and nothing else, and an sdist that can test itself."""

import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import hatch_build
from forensic.cli import COMMANDS
from forensic.version import DOCUMENTATION, __version__

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
    ours = {name.split("/")[0] for name in names if not name.startswith(f"qcowscope-{__version__}.")}
    assert ours == {"forensic", "tui"}
    assert {"forensic/report/page.css", "forensic/__init__.pyi", "forensic/explore/__init__.pyi"} <= set(names)
    assert "qcowscope = forensic.cli:main" in entry_points


def test_the_sdist_holds_everything_that_make_test_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = {"Makefile", "README.md", "LICENSE", "pyproject.toml", "ksy/qcow2.ksy", "tests/test_packaging.py"}
    needed |= {"samples/demo.py", "samples/sound/data-512.qcow2", "samples/damaged/header-version.toml", ".ci/run"}
    needed |= {"hatch_build.py", "mkdocs.yml", "docs/index.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"}
    assert needed <= names
    assert not [name for name in names if "node_modules" in name or name.startswith(".venv")]


@pytest.fixture(scope="module")
def shared(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prefix with the files that installing the wheel puts beside the packages."""
    prefix = tmp_path_factory.mktemp("prefix")
    within = f"qcowscope-{__version__}.data/data/"
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        for name in wheel.namelist():
            if name.startswith(within):
                (prefix / name.removeprefix(within)).parent.mkdir(parents=True, exist_ok=True)
                (prefix / name.removeprefix(within)).write_bytes(wheel.read(name))
    return prefix


def test_the_wheel_brings_completions_and_the_manual_page(shared: Path) -> None:
    found = {str(path.relative_to(shared)) for path in shared.rglob("*") if path.is_file()}
    assert found == set(hatch_build.INSTALLED.values())


def test_bash_loads_the_completions_of_the_wheel(shared: Path) -> None:
    script = shared / hatch_build.INSTALLED["bash"]
    asked = """source "$1"; complete -p qcowscope
    COMP_WORDS=(qcowscope extract --sal) COMP_CWORD=2; $(complete -p qcowscope | sed 's/.*-F \\([^ ]*\\).*/\\1/')
    echo "${COMPREPLY[@]}" """
    done = subprocess.run(["bash", "-c", asked, "-", str(script)], capture_output=True, text=True, check=True)
    first, completed = done.stdout.splitlines()
    assert first.endswith(" qcowscope")
    assert completed.split() == ["--salvage"]


def test_the_manual_page_has_every_command_and_the_statuses(shared: Path) -> None:
    lines = (shared / hatch_build.INSTALLED["man"]).read_text(encoding="utf-8").splitlines()
    named = [line.removeprefix(".SS qcowscope ") for line in lines if line.startswith(".SS ")]
    assert [name for name in named if " " not in name] == list(COMMANDS)
    assert "fs timeline" in named
    assert {".B 0", ".B 2", ".B 5", ".B 6", ".B 63", ".B 64"} <= set(lines)
    assert lines[0].split('"')[3] == f"qcowscope {__version__}"


WITH_WHAT_A_BUILD_HAS = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1:]:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import hatch_build
print(len(hatch_build.generated()))
"""


def test_the_build_needs_no_more_than_it_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = {name.split(">")[0] for name in project["project"]["dependencies"]}
    absent = named - {name.split(">")[0] for name in project["build-system"]["requires"]}
    command = [sys.executable, "-c", WITH_WHAT_A_BUILD_HAS, *(name.replace("-", "_") for name in absent)]
    assert {"numpy", "rich", "textual"} <= absent
    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout == "4\n"


def test_the_documentation_has_one_address() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["urls"]["Documentation"] == DOCUMENTATION
