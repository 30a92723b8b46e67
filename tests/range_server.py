"""A web server that serves parts of files, counts requests, and can be made to misbehave."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error here."""


@dataclass
class Served:
    """What a server serves under /image, and what it was asked."""

    path: Path
    url: str = ""
    etag: str = '"first"'
    ranges: list[tuple[int, int]] = field(default_factory=list)
    serves_parts: bool = True
    says_so: bool = True
    silent: threading.Event | None = None
    sent: int = 0
    """Bytes of bodies that were taken by clients."""
    body: bytes | None = None
    """What is sent for every part in place of it, however long."""
    chunked: bool = False
    encoding: str = ""
    content_range: str | None = None
    """What is said of every part in place of where it lies."""
    claimed_size: int | None = None
    fails_from: int | None = None
    redirect: str | None = None
    paths: list[str] = field(default_factory=list)


@contextmanager
def served(path: Path) -> Iterator[Served]:
    """Serve a file until the context is left."""
    state = Served(path)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            if state.redirect:
                self._redirect()
            else:
                self._head(200, state.claimed_size or state.path.stat().st_size)

        def do_GET(self) -> None:
            state.paths.append(self.path)
            size = state.path.stat().st_size
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if state.redirect:
                self._redirect()
                return
            if self.headers.get("If-Match") not in (None, state.etag):
                self._head(412, 0)
                return
            if not wanted or not state.serves_parts:
                self._head(200, size)
                self._body(state.path)
                return
            if state.silent:
                state.silent.wait()
            first, last = int(wanted[1]), min(int(wanted[2]), size - 1)
            state.ranges.append((first, last + 1))
            if state.fails_from is not None and last >= state.fails_from:
                self._head(500, 0)
                return
            with state.path.open("rb") as file:
                file.seek(first)
                content = file.read(last + 1 - first)
            content = content if state.body is None else state.body
            said = f"bytes {first}-{last}/{size}" if state.content_range is None else state.content_range
            self._head(206, len(content), said)
            self.wfile.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(content), content) if state.chunked else content)

        def _body(self, path: Path) -> None:
            with path.open("rb") as file:
                while piece := file.read(1 << 16):
                    self.wfile.write(piece)
                    state.sent += len(piece)

        def _redirect(self) -> None:
            self.send_response(302)
            self.send_header("Location", state.redirect or "")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _head(self, status: int, length: int, content_range: str = "") -> None:
            self.send_response(status)
            if state.chunked and status == 206:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(length))
            if state.encoding and status == 206:
                self.send_header("Content-Encoding", state.encoding)
            self.send_header("ETag", state.etag)
            if state.says_so:
                self.send_header("Accept-Ranges", "bytes" if state.serves_parts else "none")
            if content_range:
                self.send_header("Content-Range", content_range)
            self.end_headers()

    server = _Server(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/image"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
