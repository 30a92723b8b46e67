"""`qcowscope nbd`: the disk for every tool that speaks NBD."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautions_about, is_reliable
from forensic.cli.parser import Subparsers, UsageError, add_command, add_image
from forensic.cli.sources import add_files, add_key, add_plan, add_snapshot, open_as_planned, supplied_by
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.nbd.exports import Exports
    from forensic.nbd.listening import Place
    from forensic.nbd.server import Served

ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


class _Terminated(Exception):
    """A signal has ended the server."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "nbd",
        run,
        "serve the virtual disk read-only to tools that speak NBD, until it is ended",
        "The exports are `active` (also without a name) and `snapshot:N` for each snapshot. A range that cannot be "
        "read is data that answers with an error, never zeros or a hole. The exit status is that of the command of "
        "--run, or 128 and the number of the signal that ended it or the server; without --run 0 when ended by "
        "SIGTERM; 5 instead of 0 if any read was answered with an error.",
    )
    add_image(parser)
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--socket", metavar="PATH", help="listen on this UNIX socket, of mode 0600 (default: in a new private folder)"
    )
    where.add_argument("--listen", metavar="HOST:PORT", help="listen on TCP; port 0 takes any that is free")
    parser.add_argument(
        "--allow-network",
        action="store_true",
        help="allow --listen on other addresses than those of this machine; everyone there can read the disk",
    )
    parser.add_argument(
        "--missing",
        choices=("error", "zeros"),
        default="error",
        help="what a read of a range that cannot be read gives (default: error)",
    )
    parser.add_argument(
        "--run",
        metavar="COMMAND",
        dest="command",
        help="run a shell command with the address in $uri, and end with it and its exit status",
    )
    parser.add_argument(
        "--in-use", action="store_true", help="serve even if another process may be writing to an input file"
    )
    add_snapshot(parser)
    add_plan(parser)
    add_files(parser)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Serve. Raises what opening the image and the place raise, `EvidenceInUse`, and `UsageError`."""
    from forensic.disk.opening import find_snapshot, open_disk
    from forensic.nbd.exports import Exports

    if options.allow_network and options.listen is None:
        raise UsageError("qcowscope nbd: --allow-network is for --listen")
    with open_as_planned(options) as image:
        default = None if options.snapshot is None else find_snapshot(image, options.snapshot)
        with open_disk(image, None, supplied_by(image, options)) as disk:
            if not options.in_use:
                disk.refuse_if_written_to("while it is served (--in-use serves it anyway)")
            said = [*(f"note: {caveat}" for caveat in disk.caveats), *cautions_about(disk.evidences)]
            for sentence in said:
                complain(f"qcowscope: {sentence}")
            status = _serve_at_place(options, Exports(image, disk, default, options.missing == "zeros"))
            for caution in cautions_about(disk.evidences):
                if caution not in said:
                    complain(f"qcowscope: {caution}")
            return status if is_reliable(disk.evidences) else ExitStatus.NOT_COMPLETED


def _serve_at_place(options: argparse.Namespace, exports: Exports) -> int:
    """Listen, serve, and leave nothing of the place behind; the exit status."""
    from forensic.processes.forked_process import signals_held_back

    with ExitStack() as made:
        try:
            with signals_held_back():  # no place is made that is not known before anything can end us
                made.enter_context(_told_to_end(options.command is not None))
                place = made.enter_context(_place(options))
            return _serve(place, exports, options.command)
        except _Terminated as ended:
            return _of_signal(ended, options.command)


def _place(options: argparse.Namespace) -> Place:
    from forensic.nbd.listening import on_tcp, on_unix_socket

    return on_unix_socket(options.socket) if options.listen is None else on_tcp(options.listen, options.allow_network)


def _serve(place: Place, exports: Exports, command: str | None) -> int:
    """Serve until the command ends, or for ever; the exit status."""
    from forensic.nbd.command import pass_on, start
    from forensic.nbd.server import Server
    from forensic.processes.forked_process import signals_held_back

    process: int | None = None
    status, ending = int(ExitStatus.DONE), int(signal.SIGTERM)
    with Server(place.listener, exports, _say) as server:
        try:
            if command is None:
                print(place.uri, flush=True)
            else:
                with signals_held_back():  # what is started is known before anything can end us
                    process = start(command, place)
            status = server.serve_while(process) or ExitStatus.DONE
            process = None
        except _Terminated as ended:
            ending, status = ended.signal_number, _of_signal(ended, command)
        finally:
            if process is not None:
                pass_on(process, ending, server.processes)  # what the command does then is its own
        served = server.served
    return status or _of_reads(served)


def _of_signal(ended: _Terminated, command: str | None) -> int:
    """A server is ended by a signal in ordinary work, a command is cut short by it."""
    return ExitStatus.DONE if command is None else 128 + ended.signal_number


def _of_reads(served: Served) -> ExitStatus:
    return ExitStatus.RANGES_NOT_READ if served.failed_reads else ExitStatus.DONE


@contextlib.contextmanager
def _told_to_end(with_command: bool) -> Iterator[None]:
    """Raise `_Terminated` at a signal, but where it was ignored before, as by nohup.

    Without a command Ctrl-C interrupts, as it does every other command of ours.
    """
    before = {ending: signal.getsignal(ending) for ending in ENDING}
    for ending, handler in before.items():
        if handler != signal.SIG_IGN and (with_command or ending != signal.SIGINT):
            signal.signal(ending, _terminate)
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    """End, and do not let the cleanup be interrupted."""
    for ending in ENDING:
        signal.signal(ending, signal.SIG_IGN)
    raise _Terminated(signal_number)


def _say(text: str) -> None:
    """One whole line, since several processes say something."""
    line = f"qcowscope nbd: {shown(text)}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError):
        sys.stderr.flush()
        os.write(2, line)
