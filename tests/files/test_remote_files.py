"""Evidence on a server: the answers of a file, few requests, and an end where the server gives another version."""

from __future__ import annotations

import functools
import itertools
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.cli.check import run as _  # noqa: F401 - loaded once, not in each run
from forensic.files import remote_files
from forensic.files.opened_file import Identity
from forensic.files.remote_files import MAX_REQUEST_BYTES, REMOTE_BLOCK_BYTES, Connection, joined_blocks
from tests.commands import QCOW2_KINDS, damaged, qcowscope, sound
from tests.range_server import Served, served

BLOCK = REMOTE_BLOCK_BYTES


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """A server; its image is exchanged by the tests."""
    with served(sound("data-4k")) as state:
        yield state


def large_image(folder: Path) -> Path:
    """An image of which the tables lie far from each other."""
    path = folder / "large.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-o", "preallocation=metadata", str(path), "32G"], check=True
    )
    return path


def findings(text: str) -> object:
    """What a check found, without where the image lies."""
    result = json.loads(text)["result"]
    result.pop("references", None)
    return result


@pytest.mark.parametrize(
    "path",
    [*(sound(kind.name) for kind in QCOW2_KINDS), sound("version-1")],
    ids=lambda path: path.stem,
)
def test_a_check_of_everything_is_that_of_the_file(server: Served, path: Path) -> None:
    server.path = path
    local, remote = (qcowscope("check", "--json", "--read-all", name) for name in (str(server.path), server.url))
    assert remote.status == local.status
    assert findings(remote.out) == findings(local.out)


@pytest.mark.parametrize("code", ["l2-offset-past-eof", "refcount-too-low", "truncated-image", "l1-misaligned"])
def test_damage_is_found_over_the_net_as_well(server: Served, code: str, tmp_path: Path) -> None:
    names = {path.stem for path in Path("samples/damaged").glob("*.toml")}
    server.path = damaged(code if code in names else sorted(names)[len(code)], tmp_path)
    local, remote = (qcowscope("check", "--json", "--read-all", name) for name in (str(server.path), server.url))
    assert (remote.status, findings(remote.out)) == (local.status, findings(local.out))


@pytest.mark.parametrize("name", ["data-4k", "deflate-4k", "zstd-4k", "extended-16k", "snapshots-512", "version-1"])
def test_the_disk_is_that_of_the_file(server: Served, name: str, tmp_path: Path) -> None:
    server.path = sound(name)
    outputs = [tmp_path / "local.raw", tmp_path / "remote.raw"]
    for image, output in zip((str(server.path), server.url), outputs, strict=True):
        assert qcowscope("extract", "--verify", image, "-o", output).status == 0
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    assert qcowscope("map", server.url).out == qcowscope("map", server.path).out


def test_processes_that_read_side_by_side_have_a_connection_each(server: Served, tmp_path: Path) -> None:
    base, image = tmp_path / "base.raw", tmp_path / "image.qcow2"
    base.write_bytes(os.urandom(1 << 20) * 12)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", base, image], check=True)
    server.path = image
    out = tmp_path / "disk.raw"
    command = [sys.executable, "-m", "forensic.cli", "extract", "--verify", server.url, "-o", str(out)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "agree over 12,582,912 bytes (all of it)" in finished.stdout
    assert out.read_bytes() == base.read_bytes()


def test_a_check_fetches_tables_alone_in_few_requests(server: Served, tmp_path: Path) -> None:
    server.path = large_image(tmp_path)
    finished = qcowscope("check", server.url)
    assert finished.status == 0
    tables = 64 + 16  # of 512 MiB and of 2 GiB each
    assert len(server.ranges) <= tables + 10
    assert sum(end - start for start, end in server.ranges) <= (tables + 10) * BLOCK
    assert len(set(server.ranges)) == len(server.ranges)
    assert "what nothing refers to was not read" in finished.out


def test_rules_that_need_more_than_tables_are_said_not_to_have_run(server: Served) -> None:
    server.path = sound("deflate-4k")
    result = json.loads(qcowscope("check", "--json", server.url).out)["result"]
    checks = {each["id"]: each["status"] for each in result["checks"]}
    assert checks["compressed-stream-broken"] == "not_run"
    assert checks["residue-appended"] == "not_run"


def test_the_report_says_where_it_came_from_and_which_version_it_was(server: Served) -> None:
    source = json.loads(qcowscope("check", "--json", server.url).out)["source"]
    assert source["kind"] == "remote"
    assert source["path_as_given"] == server.url
    assert source["integrity"]["before"]["etag"] == server.etag
    assert source["integrity"]["unchanged"] is True
    assert "device" not in source
    assert "disk_usage" not in source


def test_an_object_that_changes_is_not_read_on(server: Served, tmp_path: Path) -> None:
    server.path = large_image(tmp_path)

    class Changing(list[tuple[int, int]]):
        def append(self, one: tuple[int, int]) -> None:
            super().append(one)
            if len(self) == 5:
                server.etag = '"second"'

    server.ranges = Changing()
    finished = qcowscope("check", "--json", server.url)
    assert finished.status == 1
    source = json.loads(finished.out)["source"]
    assert source["integrity"]["unchanged"] is False
    assert "the object on the server is not the one any more that was opened" in json.dumps(source["unread"])
    assert "the server has another version of it" in finished.err


def test_what_the_server_does_not_give_is_unread_not_zero(server: Served, tmp_path: Path) -> None:
    server.path = large_image(tmp_path)
    server.fails_from = 20 << 30
    finished = qcowscope("check", "--json", server.url)
    document = json.loads(finished.out)
    assert finished.status == 1
    assert document["result"]["summary"]["verdict"] == "undetermined"
    assert "the server answered 500" in document["source"]["unread"][0]["reason"]


@pytest.mark.parametrize("command", ["info", "check", "map", "extract"])
@pytest.mark.parametrize(
    "fault", ["parts", "no parts, unsaid", "redirect", "silence", "password", "nothing", "protocol", "package"]
)
def test_a_server_that_cannot_be_used_is_refused_in_a_line(
    server: Served, fault: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url
    if fault == "parts":
        server.serves_parts = False
    elif fault == "no parts, unsaid":
        server.serves_parts = server.says_so = False
        server.path = tmp_path / "larger.qcow2"
        server.path.write_bytes(sound("data-4k").read_bytes() + bytes(BLOCK))
    elif fault == "silence":
        server.silent = threading.Event()
        monkeypatch.setattr(remote_files, "SILENT_SECONDS", 0.5)
    elif fault == "redirect":
        server.redirect = "http://127.0.0.2:9/elsewhere"
    elif fault == "password":
        url = url.replace("://", "://someone:secret@")
    elif fault == "nothing":
        url = url.replace(":", ":9", 1).replace("http:9", "http:").rpartition(":")[0] + ":9/none"
    elif fault == "protocol":
        url = "gopher2://somewhere/image"
    else:
        monkeypatch.setitem(sys.modules, "fsspec", None)
    output = ("-o", str(tmp_path / "out.raw")) if command == "extract" else ()
    finished = qcowscope(command, url, *output)
    assert finished.status == 1
    assert finished.out == ""
    if server.silent:
        server.silent.set()
    assert len(finished.err.splitlines()) in ((1, 2) if fault in ("silence", "no parts, unsaid") else (1,))
    assert "secret" not in finished.err
    assert "Traceback" not in finished.err
    if fault == "package":
        assert "pip install 'qcowscope[remote]'" in finished.err


def test_a_server_that_sends_all_of_a_file_is_left_before_it_does(server: Served, tmp_path: Path) -> None:
    server.serves_parts = server.says_so = False
    server.path = tmp_path / "large.qcow2"
    with server.path.open("wb") as file:
        file.write(sound("data-4k").read_bytes())
        file.truncate(256 << 20)
    finished = qcowscope("info", server.url)
    assert finished.status == 1
    assert "the server does not serve parts of files: it began to send all of it" in finished.err
    assert server.sent < 32 << 20  # what fits into the buffers of sockets


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("longer", "the server would send 67,108,864 bytes where it was asked for 24,576"),
        ("shorter", "the server gave 100 bytes where it was asked for"),
        ("chunked", "the server does not say how many bytes of the file it sends"),
        ("encoded", "the server does not say how many bytes of the file it sends"),
        ("elsewhere", "the server would send other bytes of the file than it was asked for"),
        ("nowhere", "the server would send other bytes of the file than it was asked for"),
    ],
)
def test_nothing_is_taken_but_what_was_asked_for(server: Served, fault: str, said: str) -> None:
    server.body = {"longer": bytes(64 << 20), "shorter": bytes(100)}.get(fault)
    server.content_range = {"elsewhere": "bytes 4096-28671/28672", "nowhere": ""}.get(fault)
    server.chunked, server.encoding = fault == "chunked", "gzip" if fault == "encoded" else ""
    finished = qcowscope("info", server.url)
    assert (finished.status, said in finished.err) == (1, True), finished.err


def test_a_server_that_claims_more_than_there_can_be_is_refused(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.claimed_size = 1 << 62
    said = "no account can be kept of as many bytes as the server says it has"
    finished = qcowscope("info", server.url)
    assert (finished.status, finished.err.endswith(f": {said}: {1 << 62:,}\n")) == (1, True)
    # aiohttp takes no more from a web server; others may say it
    monkeypatch.setattr(Connection, "identity", lambda connection: Identity(0, 0, 1 << 99, 0, 0, 0, 0))
    finished = qcowscope("info", server.url)
    assert (finished.status, finished.err.endswith(f": {said}: {1 << 99:,}\n")) == (1, True)


def test_the_gate_fetches_the_header_alone_if_that_decides(server: Served, tmp_path: Path) -> None:
    server.path = tmp_path / "large.qcow2"
    with server.path.open("wb") as file:
        file.write(sound("overlay-raw").read_bytes())
        file.truncate(64 << 20)
    refused = qcowscope("gate", "--json", server.url + "?X-Amz-Signature=topsecret")
    document = refused.json()
    assert (refused.status, document["verdict"], document["stage"]) == (4, "reject", "header")
    assert server.ranges == [(0, BLOCK)]
    assert "topsecret" not in qcowscope("gate", server.url + "?X-Amz-Signature=topsecret").out


@pytest.mark.parametrize("name", ["data-4k", "deflate-4k", "version-1"])
def test_the_gate_lets_in_what_it_lets_in_as_a_file(server: Served, name: str) -> None:
    server.path = sound(name)
    local, remote = (qcowscope("gate", "--json", place) for place in (str(server.path), server.url))
    assert (remote.status, remote.json()) == (local.status, local.json())


def test_the_gate_decides_nothing_of_what_cannot_be_fetched(server: Served, tmp_path: Path) -> None:
    server.path, server.fails_from = large_image(tmp_path), 1 << 20
    refused = qcowscope("gate", "--json", "--profile", "forensic-intake", server.url)
    assert (refused.status, refused.json()["verdict"]) == (1, "undecided")
    assert qcowscope("gate", server.url + "-none").status == 1


def test_the_gate_takes_no_longer_than_it_may(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.path = large_image(tmp_path)
    monkeypatch.setattr("forensic.evidence.HASH_CHUNK", 1 << 16)
    limit = ("--limit-time", "0.3", "--profile", "forensic-intake")
    late = qcowscope("gate", "--json", *limit, server.url)
    assert (late.status, late.json()["verdict"]) == (4, "reject")
    assert "the time limit of 0.3 s was reached before all of the image was read" in late.out


def test_what_may_be_a_key_in_a_url_is_shown_nowhere(server: Served, tmp_path: Path) -> None:
    url, report = server.url + "?X-Amz-Signature=topsecret", tmp_path / "report.html"
    for arguments in (("check", "--json"), ("check", "--report", f"html:{report}"), ("info",), ("info", "--json")):
        finished = qcowscope(*arguments, url)
        assert finished.status == 0
        assert "topsecret" not in finished.out + finished.err
    assert "topsecret" not in report.read_text(encoding="utf-8")
    assert server.paths[-1].endswith("topsecret")


def test_files_inside_the_disk_are_read_by_limited_processes_all_the_same(server: Served, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "letter.txt").write_text("hello", encoding="utf-8")
    raw, server.path = tmp_path / "disk.raw", tmp_path / "disk.qcow2"
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "tree", raw, "16M"], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, server.path], check=True)
    command = [sys.executable, "-m", "forensic.cli", "fs", "cat", server.url, "--volume", "0", "/letter.txt"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (0, "hello"), finished.stderr


@given(blocks=st.sets(st.integers(0, 300)), file_blocks=st.integers(301, 400), cut=st.integers(0, BLOCK - 1))
def test_requests_cover_what_is_wanted_and_nothing_else(blocks: set[int], file_blocks: int, cut: int) -> None:
    file_size = file_blocks * BLOCK - cut
    found = list(joined_blocks(sorted(blocks), file_size))
    covered = [block for start, end in found for block in range(start // BLOCK, -(-end // BLOCK))]
    assert covered == sorted(blocks)
    assert all(end <= file_size and end - start <= MAX_REQUEST_BYTES and start % BLOCK == 0 for start, end in found)
    most = MAX_REQUEST_BYTES // BLOCK
    assert all(b[0] > a[1] or a[1] - a[0] == most * BLOCK for a, b in itertools.pairwise(found))


def test_a_server_that_is_not_there_is_not_said_to_lack_the_object() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/image.qcow2"
        finished = qcowscope("info", url)  # nobody listens there
    assert finished.status == 1
    assert finished.err.startswith(f"qcowscope: {url}: the server could not be asked")


def test_an_object_that_a_web_server_does_not_have_is_said(tmp_path: Path) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/none.qcow2"
        finished = qcowscope("info", url)
        server.shutdown()
    assert (finished.status, finished.err) == (1, f"qcowscope: {url}: the server has no such object\n")
