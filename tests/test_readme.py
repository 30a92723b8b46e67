"""README and docs/ say what the commands say."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs import hooks
from forensic.cli import COMMANDS
from forensic.rules import all_rules
from forensic.version import DOCUMENTATION, rule_page
from tests.oracles import require
from tests.transcripts import BLOCK, PAGES, ROOT, programs_needed, sessions, unchecked_commands
from tui.config import load

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_session_prints_what_it_is_said_to_print(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    require(*programs_needed(text))
    assert [(session.written, session.ran) for session in sessions(text, tmp_path) if not session.holds] == []
    assert unchecked_commands(text) == []


def test_a_session_that_prints_something_else_is_noticed(tmp_path: Path) -> None:
    page = "".join(
        f"```{block}\n```\n"
        for block in ("console\n$ echo 1\n2", "console\n$ false\n$ echo $?\n…\n1", "python\nprint(1)", "text\n2")
    )
    assert [session.holds for session in sessions(page, tmp_path)] == [False, True, False]


def test_a_program_that_fails_is_noticed(tmp_path: Path) -> None:
    (session,) = sessions("```python\nraise ValueError\n```\n", tmp_path)
    assert not session.holds
    assert not session.replaceable


def test_every_command_is_in_the_table() -> None:
    listed = set(re.findall(r"^\| `qcowscope ([a-z]+)[ `]", README, re.MULTILINE))
    assert listed == set(COMMANDS)


def test_the_readme_is_short_and_its_links_lead_somewhere() -> None:
    assert len(README.splitlines()) < 200
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_map_of_the_folders_names_each_folder_there_is() -> None:
    drawn = set(re.findall(r"^  ([a-z_0-9]+)/", README, re.MULTILINE))
    packages = {path.parent.name for path in (ROOT / "forensic").glob("*/__init__.py")}
    assert packages - drawn == set()


def test_the_places_that_are_named_exist() -> None:
    drawn = re.findall(r"^  ([a-z_0-9]+)/", README, re.MULTILINE)
    assert len(drawn) > 5
    answers = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Where things are")[1]
    named = [f"forensic/{folder}" for folder in drawn] + re.findall(r"`((?:forensic|tui|samples)/[^`]*)`", answers)
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_each_rule_has_a_page_where_its_address_leads() -> None:
    pages = hooks.pages()
    for rule in all_rules():
        name = rule_page(rule.code).removeprefix(DOCUMENTATION).rstrip("/")
        assert f"# {rule.code}\n" in pages[f"{name}.md"]
        assert f"({rule.code}.md)" in pages["rules/index.md"]


def test_the_example_of_settings_is_understood(tmp_path: Path) -> None:
    (example,) = (block[2] for block in BLOCK.finditer((ROOT / "docs/tui.md").read_text()) if block[1] == "toml")
    (tmp_path / "config.toml").write_text(example, encoding="utf-8")
    settings = load(tmp_path / "config.toml")
    assert settings.troubles == ()
    assert set(settings.keys) == set(tomllib.loads(example)["keys"])


@pytest.mark.skipif(find_spec("mkdocs") is None, reason="mkdocs is missing: pip install '.[docs]'")
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "site/rules/l2-entry-outside-file/index.html").is_file()
    shutil.rmtree(tmp_path / "site")
