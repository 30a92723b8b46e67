"""The pages of the documentation that come from the code: mkdocs runs this (`hooks` in mkdocs.yml) at each build.

None of them is committed: one page a rule from the registry, the help of each command from the parser, the tables of
keys from the interface, and the changelog, the schema and the pictures from where they are kept.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from forensic.cli import make_parser  # noqa: E402 - the project's folder has to be found first
from forensic.cli.reference.completion import commands_of  # noqa: E402
from forensic.cli.reference.rules import markdown_lines  # noqa: E402
from forensic.records.schema import json_schema  # noqa: E402
from forensic.report.values import sentence  # noqa: E402
from forensic.rules import Rule, all_rules  # noqa: E402
from samples import recipes  # noqa: E402
from tui.commands import COMMANDS, Command  # noqa: E402

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

COMMANDS_MARK, KEYS_MARK = "<!-- every command -->", "<!-- every key -->"
"""Where a page takes in what comes from the code."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages and what the pages show."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    for picture in sorted((ROOT / "samples" / "screens").glob("*.svg")):
        files.append(File.generated(config, f"screens/{picture.name}", abs_src_path=str(picture)))
    files.append(File.generated(config, "schema.json", content=json.dumps(json_schema(), indent=2)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put generated sections into the pages that ask for them."""
    if COMMANDS_MARK in markdown:
        markdown = markdown.replace(COMMANDS_MARK, "\n".join(command_help()))
    if KEYS_MARK in markdown:
        markdown = markdown.replace(KEYS_MARK, "\n".join(key_tables()))
    return markdown


def pages() -> dict[str, str]:
    """Every generated page by its name below docs/."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rules = all_rules()
    shown_by = samples_by_rule()
    made = {f"rules/{rule.code}.md": "\n".join(rule_page(rule, shown_by[rule.code])) + "\n" for rule in rules}
    return made | {"rules/index.md": "\n".join(rule_index(rules)) + "\n", "changelog.md": changelog}


def rule_index(rules: list[Rule]) -> Iterator[str]:
    """The tables of `qcowscope rules --markdown`, each code a link to its page."""
    yield from ("# Rules", "", f"The {len(rules)} rules that `qcowscope check` applies, by the part of the format that")
    yield "they examine. `qcowscope explain CODE` prints the text of a rule's page."
    for line in markdown_lines(rules):
        yield re.sub(r"^\| `([a-z0-9-]+)`", r"| [`\1`](\1.md)", line)


def samples_by_rule() -> dict[str, list[recipes.Recipe]]:
    """The recipes whose images show each rule's finding."""
    found: dict[str, list[recipes.Recipe]] = defaultdict(list)
    for recipe in recipes.all_recipes():
        for code in recipe.expect:
            found[code].append(recipe)
    return found


def rule_page(rule: Rule, shown_by: list[recipes.Recipe]) -> Iterator[str]:
    """What a rule says, and the samples that show it."""
    yield from (f"# {rule.code}", "", f"**{_plain(rule.title)}.**", "")
    yield from ("| Severity | Class | Confidence | Part of the format |", "|---|---|---|---|")
    yield f"| {rule.severity.value} | {rule.finding_class.value} | {rule.confidence.value} | {rule.family} |"
    for heading, section in (
        ("Why it matters", "Why"),
        ("Specification", "Spec"),
        ("What QEMU does", "QEMU"),
        ("What to do next", "Next"),
    ):
        yield from ("", f"## {heading}", "", _plain(sentence(rule.sections[section])))
    if shown_by:
        yield from ("", "## Samples that show it", "", "Written by `python samples/recipes.py NAME OUT.qcow2`:", "")
        yield from (f"- `{recipe.name}`: {_plain(recipe.title)}" for recipe in shown_by)


def command_help() -> Iterator[str]:
    """A section for each command with its usage, arguments and options."""
    for name, command in commands_of(make_parser()).items():
        yield from (f"## {name}", "", _plain(command.description or ""), "", "```text")
        yield from (re.sub(r"\s+", " ", command.format_usage().removeprefix("usage:")).strip(), "```", "")
        yield from ("| Argument | Meaning |", "|---|---|")
        for action in command._actions:
            if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
                yield f"| {_names(action)} | {_plain(action.help or 'text for the report').replace('%%', '%')} |"
        yield ""


def key_tables() -> Iterator[str]:
    """A table of keys for each place of the interface."""
    for where, members in groupby(COMMANDS, key=lambda command: command.where):
        yield from (f"### {where.capitalize()}", "", "| Keys | Command | What it does | Id |", "|---|---|---|---|")
        for command in members:
            yield f"| {_keys(command)} | {command.title} | {_plain(command.help)} | `{command.id}` |"
        yield ""


def _keys(command: Command) -> str:
    from textual.keys import format_key

    return ", ".join(f"`{format_key(key)}`".replace("|", r"\|") for key in command.keys.split(","))


def _names(action: argparse.Action) -> str:
    value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or ()))
    shown = "" if action.nargs == 0 or not value else value
    text = ", ".join(action.option_strings) + (" " if action.option_strings and shown else "") + shown
    return f"`{text}`".replace("|", r"\|")


def _plain(text: str) -> str:
    """Words as Markdown that shows them as they stand, but for code in backquotes."""
    parts = re.split(r"(`[^`]*`)", text)
    safe = [part if part.startswith("`") else re.sub(r"([*_<>|\[\]{}#])", r"\\\1", part) for part in parts]
    return "".join(safe)
