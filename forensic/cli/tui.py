"""`qcowscope tui`: walk through an image on the terminal."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from forensic.cli.parser import Subparsers, UsageError, add_command, add_image
from forensic.cli.sources import add_plan, evidence_of, open_as_planned

if TYPE_CHECKING:
    from forensic.image import Qcow1Image, Qcow2Image


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(
        subparsers,
        "tui",
        run,
        "browse an image: keys 1 to 7 show the screens, ? lists every key, q quits",
        "The image is opened read-only; nothing that it names is opened.",
    )
    add_image(parser)
    add_plan(parser)


def on_a_terminal() -> bool:
    """Whether input and output are a terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def run(options: argparse.Namespace) -> int:
    """Run until the examiner leaves. Raises `UsageError` without a terminal, `NotAnImage` before one is touched."""
    if not on_a_terminal():
        raise UsageError("qcowscope tui: needs a terminal for input and output; see qcowscope info and check")
    if os.environ.get("SSH_TTY"):
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    from forensic.disk.decoders_apart import decoders_apart

    with decoders_apart(), _opened(options) as image:
        from tui.app import QcowscopeApp
        from tui.config import config_file, load

        app = QcowscopeApp(image, load(config_file()), plan_file=options.plan or "")
        app.run()
        return app.return_code or 0  # what `run` returns is None after an error, too


def _opened(options: argparse.Namespace) -> Qcow2Image | Qcow1Image:
    """The image, read by a plan if there is one; without one a file whose header may have been lost will do."""
    if options.plan is not None:
        return open_as_planned(options)
    from forensic.image import open_to_look_at

    evidence = evidence_of(options.image, options)
    try:
        return open_to_look_at(evidence)
    except BaseException:
        evidence.close()
        raise
