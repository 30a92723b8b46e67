"""`qcowscope`, but a signal comes at a certain byte: `python -m tests.cli.stopped BYTE SIGNAL ARGUMENT...`.

The way to be interrupted at a moment that is the same in every run.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from forensic.cli import main


def run(at: int, signal_number: int, arguments: list[str]) -> int:
    """Run a command that sends itself a signal once `at` bytes are done."""

    @contextmanager
    def progress_bar(what: str, then: str = "") -> Iterator[Callable[[int, int], None]]:
        def moved(done: int, total: int) -> None:
            if done >= at:
                os.kill(os.getpid(), signal_number)

        yield moved

    with patch("forensic.cli.extraction.extract.progress_bar", progress_bar):
        return main(arguments)


if __name__ == "__main__":
    sys.exit(run(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
