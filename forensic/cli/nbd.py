"""`qcowscope nbd`: the disk for every tool that speaks NBD."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautions_about, is_reliable
from forensic.cli.parser import Subparsers, add_command, add_image
from forensic.cli.sources import add_files, add_key, add_plan, add_snapshot, open_as_planned, supplied_by
from forensic.cli.standard_streams import complain
from forensic.exit_status import ExitStatus
from forensic.untrusted import shown

if TYPE_CHECKING:
    from forensic.nbd.exports import Exports
    from forensic.nbd.listening import Place
    from forensic.nbd.server import Served


class _Terminated(Exception):
    """SIGTERM, which is how a server is ended."""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "nbd",
        run,
        "serve the virtual disk read-only to tools that speak NBD, until it is ended",
        "The exports are `active` (also without a name) and `snapshot:N` for each snapshot. A range that cannot be "
        "read is data that answers with an error, never zeros or a hole. The exit status is that of the command of "
        "--run; otherwise 0 when ended by SIGTERM, or 5 if any read was answered with an error.",
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
    add_snapshot(parser)
    add_plan(parser)
    add_files(parser)
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    """Serve. Raises what opening the image and the place raise."""
    from forensic.disk.opening import find_snapshot, open_disk
    from forensic.nbd.exports import Exports

    with open_as_planned(options) as image:
        default = None if options.snapshot is None else find_snapshot(image, options.snapshot)
        with open_disk(image, None, supplied_by(image, options)) as disk:
            said = [*(f"note: {caveat}" for caveat in disk.caveats), *cautions_about(disk.evidences)]
            for sentence in said:
                complain(f"qcowscope: {sentence}")
            exports = Exports(image, disk, default, options.missing == "zeros")
            with _place(options) as place:
                status = _serve(place, exports, options.command)
            for caution in cautions_about(disk.evidences):
                if caution not in said:
                    complain(f"qcowscope: {caution}")
            return status if is_reliable(disk.evidences) else ExitStatus.NOT_COMPLETED


def _place(options: argparse.Namespace) -> Place:
    from forensic.nbd.listening import on_tcp, on_unix_socket

    return on_unix_socket(options.socket) if options.listen is None else on_tcp(options.listen, options.allow_network)


def _serve(place: Place, exports: Exports, command: str | None) -> int:
    """Serve until the command ends, or for ever; the exit status."""
    from forensic.nbd.command import start
    from forensic.nbd.server import Server
    from forensic.processes.forked_process import signals_held_back

    before = signal.signal(signal.SIGTERM, _terminate)
    process: int | None = None
    status: int = ExitStatus.DONE
    try:
        with Server(place.listener, exports, _say) as server:
            try:
                if command is None:
                    print(place.uri, flush=True)
                else:
                    with signals_held_back():  # what is started is known before anything can end us
                        process = start(command, place)
                status = server.serve_while(process) or ExitStatus.DONE
                process = None
            except _Terminated:
                pass
            served = server.served
    finally:
        signal.signal(signal.SIGTERM, before)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)  # what the command does then is its own
    return status or _of_reads(served)


def _of_reads(served: Served) -> ExitStatus:
    return ExitStatus.RANGES_NOT_READ if served.failed_reads else ExitStatus.DONE


def _terminate(signal_number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise _Terminated


def _say(text: str) -> None:
    """One whole line, since several processes say something."""
    line = f"qcowscope nbd: {shown(text)}\n".encode(errors="backslashreplace")
    with contextlib.suppress(OSError):
        sys.stderr.flush()
        os.write(2, line)
