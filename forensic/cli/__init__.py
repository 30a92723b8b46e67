"""The command line: one file a subcommand; parses, calls the API, picks a renderer, sets the exit status."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from types import FrameType

import forensic.cli.light_libraries  # noqa: F401 - before anything that loads them in their own way
from forensic.cli.parser import UNMEASURED, Parser, Subparsers, UsageError
from forensic.cli.standard_streams import complain, give_up_standard_output, prepare
from forensic.errors import ForensicError
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown
from forensic.version import __version__

COMMANDS = {
    "info": "info",
    "check": "check",
    "map": "map_",
    "owner": "owner",
    "extract": "extraction.extract",
    "diff": "diff",
    "bitmap": "bitmap",
    "recover": "recovery.recover",
    "gate": "gate",
    "nbd": "nbd",
    "fs": "filesystems.fs",
    "rebuild": "extraction.rebuild",
    "verify": "verify",
    "tui": "tui",
    "explain": "reference.explain",
    "rules": "reference.rules",
    "schema": "reference.schema",
    "completion": "reference.completion",
}
"""Every command and the module here that adds it to the parser; only the one that is asked for is loaded."""

COLLECTED_AFTER = 50_000
"""Objects after which Python looks for garbage; loading a command's modules makes fewer, and no garbage."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is that of the contract (0 done, 2 corrupt, 4 suspicious, 63 not qcow2, …)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # numpy starts a thread for each processor that we have no use for; that costs a third of its loading time.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(COLLECTED_AFTER)
    # An interpreter that ends looks for garbage in all that was ever loaded, which takes as long as many an image.
    atexit.register(gc.freeze)
    prepare()
    _end_on_signals()
    try:
        status = _ended(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("qcowscope: interrupted")
        give_up_standard_output()
        return ExitStatus.INTERRUPTED
    except BrokenPipeError:
        give_up_standard_output()
        return ExitStatus.BROKEN_PIPE
    except OSError as error:
        # What reads evidence and writes files has its own errors; what is left is what was printed.
        what = shown(error.filename) if isinstance(error.filename, str | bytes) else "standard output"
        complain(f"qcowscope: {what}: {(error.strerror or 'cannot be written').lower()}")
        give_up_standard_output()
        return ExitStatus.NOT_COMPLETED
    return status


def _ended(arguments: list[str]) -> int:
    """Run a command, and say why it could not do what was asked."""
    try:
        return _run(arguments)
    except SystemExit:  # help and version have been printed
        sys.stdout.flush()
        raise
    except UsageError as error:
        complain(str(error))
        return UsageError.exit_status
    except ForensicError as error:
        complain(f"qcowscope: {error}")
        return error.exit_status


def make_parser(commands: Iterable[str] = COMMANDS) -> Parser:
    """The parser of the command line, with all commands or some."""
    parser = Parser(
        prog="qcowscope",
        description="Inspect, check and extract qcow2 disk images without trusting them.",
        epilog="qcowscope IMAGE opens the TUI on a terminal, and is the same as qcowscope info IMAGE elsewhere.",
        allow_abbrev=False,
        formatter_class=UNMEASURED,
    )
    parser.add_argument("--version", action="version", version=f"qcowscope {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, prog="qcowscope")
    for command in commands:
        add: Callable[[Subparsers], None] = import_module(f"forensic.cli.{COMMANDS[command]}").add
        add(subparsers)
    return parser


def _run(arguments: list[str]) -> int:
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        arguments.insert(0, _command_for(arguments))
    named = arguments[0] if arguments else ""
    options = make_parser([named] if named in COMMANDS else COMMANDS).parse_args(arguments)
    status: int = options.run(options)
    return status


def _command_for(paths: Sequence[str]) -> str:
    """What is done with images that no command precedes. Raises `UsageError` for what must be a mistyped command."""
    from forensic.cli.tui import on_a_terminal

    if not os.path.lexists(paths[0]):
        from difflib import get_close_matches

        meant = get_close_matches(paths[0], COMMANDS, 1)
        if meant:
            raise UsageError(f"qcowscope: {shown(paths[0])} is neither a command nor a file; is {meant[0]} meant?")
    return "tui" if len(paths) == 1 and on_a_terminal() else "info"


def _end_on_signals() -> None:
    """Being told to end is treated like Ctrl-C, so that half-written output is removed."""
    signal.signal(signal.SIGTERM, _as_interrupt)
    # Where one is ignored, as in the background of a script or by nohup, it stays so.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _as_interrupt)


def _as_interrupt(signal_number: int, frame: FrameType | None) -> None:
    """End, and do not let the cleanup be interrupted."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    raise KeyboardInterrupt
