"""`qcowscope completion`: the completion script for a shell, made from the parser itself."""

from __future__ import annotations

import argparse
import sys

from forensic.cli.parser import Parser, Subparsers, add_command
from forensic.exit_status import ExitStatus

SHELLS = ("bash", "zsh", "fish")

PATHS = {
    *("image", "images", "other", "raw", "report", "output", "manifest", "key_file", "other_key_file"),
    *("backing", "data_file", "other_backing", "other_data_file", "plan", "header_from", "bad_map"),
    *("policy", "spool", "socket"),
}
"""The arguments that take the name of a file."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "completion",
        run,
        "print the completion script for a shell",
        "The installed package includes these scripts; this command is for shells that do not find them.",
    )
    parser.add_argument("shell", metavar="bash|zsh|fish", choices=SHELLS, help="the shell to complete in")


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    sys.stdout.write(script(options.shell))
    return ExitStatus.DONE


def script(shell: str) -> str:
    """The completion script of one of `SHELLS`, with every command and option."""
    import shtab

    from forensic.cli import make_parser

    parser = make_parser()
    for command in commands_of(parser).values():
        command.description = (command.description or "").partition(". ")[0]  # shown beside the command's name
        for action in command._actions:
            if action.dest in PATHS and action.metavar != "FORMAT:PATH":
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    return f"{shtab.complete(parser, shell).rstrip()}\n"


def commands_of(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    """The parser of each command, of those within `fs` as `fs ls`; argparse keeps them, and offers no way to ask."""
    found: dict[str, Parser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found |= {name: command, **{f"{name} {one}": its for one, its in commands_of(command).items()}}
    return found
