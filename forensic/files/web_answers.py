"""What a web server may answer to a request for a part of a file, judged before any of its body is taken."""

from __future__ import annotations

import errno
import re
from typing import Any

_ASKED = re.compile(r"bytes=(\d+)-(\d+)")
_SERVED = re.compile(r"bytes (\d{1,19})-", re.IGNORECASE)
_PARTIAL_CONTENT = 206
_OK = 200


class RemoteError(OSError):
    """The server did not give what was asked for; `strerror` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(errno.EIO, reason)


def refuse_body(asked: str, status: int, length: int | None, encoding: str, served: str) -> None:
    """Judge an answer to the header `Range: asked`. Raises `RemoteError` for one whose body is not to be taken.

    `length` is what the server says of the body, None if it says nothing; `encoding` is empty where there is none;
    `served` is the header `Content-Range`.
    """
    wanted = _ASKED.fullmatch(asked)
    if wanted is None:
        return
    if status == _OK:
        raise RemoteError("the server does not serve parts of files: it began to send all of it")
    if status != _PARTIAL_CONTENT:
        return  # an error, whose status is said elsewhere
    most = int(wanted[2]) + 1 - int(wanted[1])
    if length is None or encoding not in ("", "identity"):
        raise RemoteError("the server does not say how many bytes of the file it sends")
    if length > most:
        raise RemoteError(f"the server would send {length:,} bytes where it was asked for {most:,}")
    first = _SERVED.match(served)
    if first is None or int(first[1]) != int(wanted[1]):
        raise RemoteError("the server would send other bytes of the file than it was asked for")


def refusing() -> Any:  # noqa: ANN401 - a class of a package that may be missing
    """A trace of aiohttp that ends a connection whose answer is refused."""
    from aiohttp import ClientSession, TraceConfig, TraceRequestEndParams

    async def judge(session: ClientSession, context: object, answered: TraceRequestEndParams) -> None:
        response = answered.response
        try:
            refuse_body(
                answered.headers.get("Range", ""),
                response.status,
                response.content_length,
                response.headers.get("Content-Encoding", "").strip().lower(),
                response.headers.get("Content-Range", "").strip(),
            )
        except RemoteError:
            response.close()
            raise

    trace = TraceConfig()
    trace.on_request_end.append(judge)
    return trace
