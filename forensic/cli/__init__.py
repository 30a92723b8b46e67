"""The command line: one file a subcommand; parses, calls the API, picks a renderer, sets the exit status."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from forensic.cli import check, diff, explain, extract, info, map_, owner, rules, schema, tui, verify
from forensic.cli.output import BROKEN_PIPE, INTERRUPTED
from forensic.cli.parser import Parser, UsageError
from forensic.errors import ForensicError
from forensic.version import __version__

COMMANDS = {
    "info": info.add,
    "check": check.add,
    "map": map_.add,
    "owner": owner.add,
    "extract": extract.add,
    "diff": diff.add,
    "verify": verify.add,
    "tui": tui.add,
    "explain": explain.add,
    "rules": rules.add,
    "schema": schema.add,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is that of the contract (0 done, 2 corrupt, 4 suspicious, 63 not qcow2, …)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # numpy starts a thread for each processor that we have no use for; that costs a third of its loading time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except UsageError as error:
        print(error, file=sys.stderr)
        return UsageError.exit_status
    except ForensicError as error:
        print(f"qcowscope: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("qcowscope: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter would complain once more when it flushes the broken stream at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def make_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="qcowscope",
        description="Look at, judge and extract qcow2 disk images without trusting them.",
        epilog="qcowscope IMAGE opens the TUI on a terminal, and is the same as qcowscope info IMAGE elsewhere.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"qcowscope {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="qcowscope")
    for command in COMMANDS.values():
        command(subparsers)
    return parser


def _run(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        arguments.insert(0, "tui" if len(arguments) == 1 and tui.on_a_terminal() else "info")
    options = make_parser().parse_args(arguments)
    status: int = options.run(options)
    return status


def _as_interrupt(signal_number: int, frame: FrameType | None) -> None:
    """Being told to end is treated like Ctrl-C, so that half-written output is removed."""
    raise KeyboardInterrupt
