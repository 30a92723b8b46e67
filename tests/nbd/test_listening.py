"""Where a server listens: privately, and never on a network by mistake."""

import os
import socket
import stat
from pathlib import Path

import pytest

from forensic.errors import BadAddress, OutputFailed
from forensic.nbd.listening import on_tcp, on_unix_socket


def test_a_socket_without_a_path_is_in_a_private_folder_that_goes_with_it() -> None:
    with on_unix_socket() as place:
        folder = os.path.dirname(place.path)
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(place.path).st_mode) == 0o600
        assert (place.uri, place.port) == (f"nbd+unix:///?socket={place.path}", None)
    assert not os.path.lexists(folder)


def test_a_path_is_given_in_full_and_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with on_unix_socket("a b&c") as place:
        assert place.uri == f"nbd+unix:///?socket={tmp_path}/a%20b%26c"
        assert stat.S_IMODE((tmp_path / "a b&c").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


def test_the_umask_is_what_it_was() -> None:
    before = os.umask(0o022)
    try:
        with on_unix_socket():
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_what_is_there_is_left_alone_and_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"evidence")
    with pytest.raises(OutputFailed, match="exists already"):
        on_unix_socket(str(file))
    assert file.read_bytes() == b"evidence"
    with on_unix_socket(str(tmp_path / "socket")), pytest.raises(OutputFailed, match="is in use by another server"):
        on_unix_socket(str(tmp_path / "socket"))
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    with pytest.raises(OutputFailed, match="is left from a server that has ended"):
        on_unix_socket(str(tmp_path / "left"))
    with pytest.raises(OutputFailed, match="no such file or directory"):
        on_unix_socket(str(tmp_path / "none" / "socket"))
    with pytest.raises(OutputFailed, match="path too long"):
        on_unix_socket(str(tmp_path / ("a" * 120)))


@pytest.mark.parametrize(
    ("text", "uri"),
    [("127.0.0.1:0", "nbd://127.0.0.1:"), ("localhost:0", "nbd://127.0.0.1:"), ("127.9.9.9:0", "nbd://127.9.9.9:")],
)
def test_this_machine_can_be_listened_on(text: str, uri: str) -> None:
    with on_tcp(text, allow_network=False) as place:
        assert place.uri == f"{uri}{place.port}"
        socket.create_connection((place.listener.getsockname()[0], place.port), 5).close()


@pytest.mark.parametrize("text", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"])
def test_a_network_has_to_be_allowed(text: str) -> None:
    with pytest.raises(BadAddress, match="--allow-network"):
        on_tcp(text, allow_network=False)
    if text == "0.0.0.0:0":
        with on_tcp(text, allow_network=True) as place:
            assert place.port


@pytest.mark.parametrize("text", ["example.org:1", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "", ":1", "[::1]"])
def test_what_is_no_address_is_said_to_be_none(text: str) -> None:
    with pytest.raises(BadAddress, match="expected ADDRESS:PORT"):
        on_tcp(text, allow_network=True)


def test_a_port_in_use_is_said() -> None:
    with on_tcp("127.0.0.1:0", False) as place, pytest.raises(OutputFailed, match="address already in use"):
        on_tcp(f"127.0.0.1:{place.port}", False)
