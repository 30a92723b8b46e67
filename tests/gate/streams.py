"""Pipes with something in them."""

import contextlib
import os
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stream(content: bytes, end: bool = True) -> Iterator[int]:
    """A pipe with this content; unless it is to `end`, its writer stays."""
    source, sink = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(sink, rest) :]
        if end:
            os.close(sink)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield source
    finally:
        os.close(source)
        writer.join()
        if not end:
            os.close(sink)
