"""argparse with the contract's exit status for wrong usage, and the options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn, TypeAlias

from forensic.exit_status import ExitStatus
from forensic.numbers import parse_size
from forensic.untrusted import shown_whole

Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"
"""Where commands are added; argparse gives the type no public name."""

UNMEASURED = partial(argparse.HelpFormatter, width=80)
"""argparse lays out every argument it is told of, and loads `shutil` to ask for the width of a terminal to do so."""


class UsageError(Exception):
    """The command line cannot be understood; the text holds usage and reason."""

    exit_status = ExitStatus.USAGE


class Parser(argparse.ArgumentParser):
    """argparse exits with 2 on wrong usage, which in this field means "the image is corrupt"."""

    late_positional: str | None = None
    """An optional argument that may come after options: argparse takes it where IMAGE is, or not at all."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As argparse does, and an argument that came too late for it."""
        found, rest = super().parse_known_args(args, namespace)
        late = self.late_positional
        if late is not None and getattr(found, late) is None and rest and not rest[0].startswith("-"):
            setattr(found, late, rest.pop(0))
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError`."""
        self.formatter_class = argparse.HelpFormatter
        raise UsageError(f"{self.format_usage().rstrip()}\n{self.prog}: {shown_whole(message)}")

    def format_help(self) -> str:
        """The help in colour; rich is loaded for help alone."""
        from rich_argparse import RichHelpFormatter

        from forensic.report.values import sentence

        RichHelpFormatter.group_name_formatter = sentence
        self.formatter_class = RichHelpFormatter
        return super().format_help()


def add_command(
    subparsers: Subparsers, name: str, run: Callable[[argparse.Namespace], int], summary: str, details: str = ""
) -> Parser:
    """Add a subcommand; abbreviated options are not accepted, since scripts outlive them."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. {details}".strip(),
        allow_abbrev=False,
        formatter_class=UNMEASURED,
    )
    parser.set_defaults(run=run)
    return parser


def positive_number(text: str) -> float:
    """An option's value that has to be a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return number


def add_image(parser: Parser) -> None:
    """The argument that nearly every command has."""
    parser.add_argument(
        "image",
        metavar="IMAGE",
        help="the qcow2 image, a file or a block device, opened read-only; of IMAGE.001 the pieces after it as well",
    )
    add_image_offset(parser)


def add_image_offset(parser: Parser) -> None:
    """`--image-offset`."""
    parser.add_argument(
        "--image-offset",
        metavar="OFFSET",
        type=file_offset,
        default=0,
        help="where in a larger file or device the image begins; offsets in results count from there",
    )


def file_offset(text: str) -> int:
    """An option's value that is an offset, in a file or on a disk, in any of the forms of a size."""
    try:
        offset = parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if offset >= 1 << 63:
        raise argparse.ArgumentTypeError(f"{text!r} is larger than any offset")
    return offset


def add_images(parser: Parser) -> None:
    """The argument of commands that take many images."""
    parser.add_argument(
        "images",
        metavar="IMAGE",
        nargs="+",
        help="qcow2 images, opened read-only, or directories that are searched for them",
    )
    add_image_offset(parser)
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=_positive,
        help="processes to share many images among (default: one for each processor, if there are enough images)",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes")
    return int(text)


def add_json(parser: Parser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON on standard output")
