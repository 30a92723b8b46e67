"""What a wheel holds beside the two packages: shell completions and the manual page, made from the parser.

Hatchling runs this for each wheel (`tool.hatch.build.targets.wheel.hooks.custom`); an editable install does without.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent

INSTALLED = {
    "bash": "share/bash-completion/completions/qcowscope",
    "zsh": "share/zsh/site-functions/_qcowscope",
    "fish": "share/fish/vendor_completions.d/qcowscope.fish",
    "man": "share/man/man1/qcowscope.1",
}
"""Where each file is installed, below the prefix of the environment."""


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the generated files to a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the files and tell Hatchling where they belong."""
        if version == "editable":
            return
        self.folder = Path(mkdtemp(prefix="qcowscope-build-"))
        for name, text in generated().items():
            (self.folder / name).write_text(text, encoding="utf-8")
            build_data["shared_data"][str(self.folder / name)] = INSTALLED[name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what the wheel now holds."""
        if version != "editable":
            shutil.rmtree(self.folder)


def generated() -> dict[str, str]:
    """The text of each file of `INSTALLED`."""
    sys.path.insert(0, str(ROOT))
    try:
        from forensic.cli.reference.completion import SHELLS, script

        return {shell: script(shell) for shell in SHELLS} | {"man": manual_page()}
    finally:
        sys.path.remove(str(ROOT))


def manual_page() -> str:
    """The manual page, in the man(7) macros that every system reads."""
    from forensic.cli import make_parser
    from forensic.cli.reference.completion import commands_of
    from forensic.exit_status import ExitStatus
    from forensic.version import DOCUMENTATION, __version__

    parser = make_parser()
    # No date: the same source gives the same wheel on any day.
    lines = [f'.TH QCOWSCOPE 1 "" "qcowscope {__version__}" "User Commands"', ".SH NAME"]
    lines += [r"qcowscope \- forensic inspection, validation and extraction of qcow2 disk images", ".SH SYNOPSIS"]
    lines += [".B qcowscope", ".I COMMAND", "[options]", ".br", ".B qcowscope", ".I IMAGE", ".SH DESCRIPTION"]
    lines += [_escaped(parser.description), ".PP", _escaped(parser.epilog), ".SH COMMANDS"]
    for name, command in commands_of(parser).items():
        lines += [f".SS qcowscope {name}", _escaped(command.description), ".PP", _escaped(_usage(command))]
        lines += _arguments(command)
    lines.append(".SH EXIT STATUS")
    for status in ExitStatus:
        lines += [".TP", f".B {status}", _escaped(status.meaning)]
    lines += [".SH SEE ALSO", r".BR qemu\-img (1)", ".PP", _escaped(DOCUMENTATION)]
    return "\n".join(lines) + "\n"


def _usage(command: argparse.ArgumentParser) -> str:
    return re.sub(r"\s+", " ", command.format_usage().removeprefix("usage:")).strip()


def _arguments(command: argparse.ArgumentParser) -> Iterator[str]:
    for action in command._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        value = action.metavar if isinstance(action.metavar, str) else "|".join(map(str, action.choices or ()))
        value = "" if action.nargs == 0 else value
        names = [rf"\fB{_escaped(name)}\fR" for name in action.option_strings]
        yield ".TP"
        yield " ".join(part for part in (", ".join(names), rf"\fI{_escaped(value)}\fR" if value else "") if part)
        yield _escaped((action.help or "text for the report").replace("%%", "%"))


def _escaped(text: str | None) -> str:
    """Text that roff prints as it stands."""
    safe = (text or "").replace("\\", r"\e").replace("-", r"\-").replace("…", "...")
    return rf"\&{safe}" if safe.startswith((".", "'")) else safe
