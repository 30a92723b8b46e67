"""Standard output and error as commands need them: there, whole, and able to show any name."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

NAME = "qcowscope"
"""How the way is called by which text is written that the encoding of a stream does not know."""


def prepare() -> None:
    """Make the streams fit to be printed to; a stream that something else stands in for is left as it is.

    A closed descriptor would be given to the next file that is opened, which what we print would then go to. An
    unbuffered stream silently leaves out what a full disk had no room for.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_WRONLY if descriptor == 2 else os.O_RDONLY)  # gets the lowest number that is free
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - printing to it fails, as it should
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    stream = sys.stdout
    if not isinstance(stream, io.TextIOWrapper):
        return
    if isinstance(stream.buffer, io.RawIOBase):
        buffered = io.BufferedWriter(stream.buffer)
        sys.stdout = stream = io.TextIOWrapper(buffered, stream.encoding, stream.errors, line_buffering=True)
    codecs.register_error(NAME, _escaped)
    stream.reconfigure(errors=NAME)


def complain(text: str) -> None:
    """Say something on standard error, if that is possible."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr)


def give_up_standard_output() -> None:
    """Let what was not written be forgotten: the interpreter would complain once more when it flushes at exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """The escapes of JSON, so that a document stays one; they can be read in text as well."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4)), error.end
