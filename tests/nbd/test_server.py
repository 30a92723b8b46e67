"""The server as its clients see it: what it tells, what it gives, and what it does with those that are hostile."""

import os
import random
import signal
import socket
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic import Supplied, open_any, open_disk
from forensic.disk.opening import find_snapshot
from forensic.mapping.extents import Reason, State
from forensic.nbd.contexts import MAX_DESCRIPTORS
from forensic.nbd.protocol import MAX_OPTION_BYTES, MAX_OPTIONS, MAX_REQUEST_BYTES
from forensic.nbd.server import MAX_CONNECTIONS
from samples.kinds import PASSPHRASE
from tests.commands import sound
from tests.images import FIRST_DATA, header, tiny, written
from tests.nbd.client import (
    ABORT,
    ACK,
    BLOCK_STATUS,
    CACHE,
    CONTEXT,
    EXPORT_NAME,
    FLUSH,
    GO,
    INFO,
    INVALID,
    LIST,
    LIST_CONTEXTS,
    READ,
    SERVER,
    SET_CONTEXTS,
    STRUCTURED,
    TRIM,
    UNKNOWN,
    UNSUPPORTED,
    WRITE,
    WRITE_ZEROES,
    Client,
    Running,
    named,
    queries,
    running,
)  # fmt: skip

EPERM, EIO, EINVAL, EOVERFLOW = 1, 5, 22, 75
ALL = ("base:allocation", "qemu:allocation-depth", "qcowscope:fate")
BEYOND = 0x10000
"""A host offset past the end of the tiny image."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with running(sound("snapshots-512"), tmp_path) as found:
        yield found


@pytest.fixture
def hurt(tmp_path: Path) -> Iterator[Running]:
    """Data, a hole, a zero cluster, and a cluster that lies past the end of the file."""
    entries = [1 << 63 | FIRST_DATA * 512, 0, 1, 1 << 63 | BEYOND]
    image = written(tmp_path, tiny(entries, head=header(virtual_size=8 * 512)))
    with running(image, tmp_path) as found:
        yield found


def disk_of(name: str) -> bytes:
    with open_any(sound(name)) as image:
        return image.reader().read()


def test_the_socket_is_its_owners_and_goes_with_the_server(server: Running) -> None:
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    assert server.end() == (0, "")
    assert not server.path.exists()


def test_an_export_is_told_and_read(server: Running) -> None:
    disk = disk_of("snapshots-512")
    with Client(server.path) as client:
        assert client.greeting == b"NBDMAGICIHAVEOPT\0\3"
        told = client.go()
        assert struct.unpack(">QH", told[0]) == (len(disk), 1 | 2 | 128 | 256)
        assert told[1] == b"active"
        assert told[2] == b"the active disk"
        assert struct.unpack(">III", told[3]) == (1, 65536, 32 << 20)
        assert client.read(0, len(disk)) == disk
        assert client.read(511, 3, flags=4) == disk[511:514]
        assert client.read(len(disk) - 1, 1) == disk[-1:]


def test_the_oldest_way_to_begin_is_known(server: Running) -> None:
    for flags, padding in ((1, 124), (3, 0)):
        with Client(server.path, flags) as client:
            client.send(b"IHAVEOPT" + struct.pack(">II", EXPORT_NAME, 6) + b"active")
            told = client.receive(10 + padding)
            assert struct.unpack_from(">Q", told) == (16384,)
            assert told[10:] == bytes(padding)
            client.request(READ, 0, 4)
            assert client.simple() == 0
            assert client.receive(4) == b"AAAA"


def test_every_snapshot_is_an_export_of_its_own(server: Running) -> None:
    with Client(server.path) as client:
        *listed, end = client.option(LIST)
        assert end == (ACK, b"")
        assert [kind for kind, _ in listed] == [SERVER] * 3
        names = [data[4 : 4 + struct.unpack_from(">I", data)[0]].decode() for _, data in listed]
        assert names == ["active", "snapshot:0", "snapshot:1"]
        assert listed[1][1].endswith(b'snapshot 0: id "1", name "first"')
    for index in (0, 1):
        with open_any(sound("snapshots-512")) as image:
            expected = open_disk(image, find_snapshot(image, f"#{index}")).reader().read()
        with Client(server.path) as client:
            client.go(f"snapshot:{index}")
            assert client.read(0, len(expected)) == expected


@pytest.mark.parametrize("name", ["snapshot:2", "snapshot:00", "snapshot:", "snapshot:-1", "first", "a" * 4096, "ü"])
def test_another_name_is_no_export(name: str, server: Running) -> None:
    with Client(server.path) as client:
        for option in (INFO, GO):
            assert [kind for kind, _ in client.option(option, named(name) + struct.pack(">H", 0))] == [UNKNOWN]
        client.send(b"IHAVEOPT" + struct.pack(">II", EXPORT_NAME, 4) + b"none")
        assert client.ended


def test_contexts_say_what_is_there_and_what_is_not(hurt: Running) -> None:
    with Client(hurt.path) as client:
        *listed, _ = client.option(STRUCTURED) + client.option(LIST_CONTEXTS, named("") + queries())
        assert [data[4:].decode() for kind, data in listed if kind == CONTEXT] == list(ALL)
        chosen = client.option(SET_CONTEXTS, named("") + queries(*ALL, "base:", "x-other:thing"))
        assert [(kind, data) for kind, data in chosen] == [
            *((CONTEXT, struct.pack(">I", number) + name.encode()) for number, name in enumerate(ALL, 1)),
            (ACK, b""),
        ]
        client.option(GO, named("") + struct.pack(">H", 0))
        absent = State.ABSENT | Reason.ENTRY_BEYOND_EOF << 8
        assert client.status(0, 4096) == {
            1: [(512, 0), (1024, 3), (512, 0), (2048, 3)],
            2: [(512, 1), (512, 0), (1024, 1), (2048, 0)],
            3: [(512, State.DATA), (512, 0), (512, State.ZERO), (512, absent), (2048, State.UNALLOCATED)],
        }
        assert client.status(600, 4096 - 600, flags=8) == {1: [(936, 3)], 2: [(424, 0)], 3: [(424, 0)]}


def test_what_is_missing_answers_with_its_place_and_its_reason(hurt: Running) -> None:
    with Client(hurt.path) as client:
        client.go()
        assert client.read(0, 1536) == bytes([FIRST_DATA]) * 512 + bytes(1024)
        message = "guest offset 0x600 cannot be read: entry_beyond_eof"
        assert client.read(0, 4096) == (EIO, message, 0x600)
        assert client.read(0x700, 16) == (EIO, message.replace("0x600", "0x700"), 0x700)
        assert client.read(2048, 2048) == bytes(2048)
    with Client(hurt.path) as client:
        client.go(structured=False)
        client.request(READ, 1536, 512)
        assert client.simple() == EIO
    status, said = hurt.end()
    assert status == 5
    assert "connection 1: active, 4 reads, 3,584 bytes; 2 answered with EIO, the first: guest offset 0x600" in said


def test_zeros_in_place_of_what_is_missing_are_said(tmp_path: Path) -> None:
    image = written(tmp_path, tiny([1 << 63 | BEYOND], head=header(virtual_size=512)))
    with running(image, tmp_path, "--missing", "zeros") as server:
        with Client(server.path) as client:
            told = client.go(contexts=("base:allocation",))
            assert told[2] == b"the active disk; ranges that cannot be read are given as zeros"
            assert client.read(0, 512) == bytes(512)
            assert client.status(0, 512) == {1: [(512, 0)]}  # what it holds is not known, so it is no hole
        assert server.end()[0] == 0


def test_a_range_of_a_backing_file_that_was_not_supplied_is_missing(tmp_path: Path) -> None:
    with running(sound("overlay-raw"), tmp_path) as server, Client(server.path) as client:
        client.go(contexts=ALL)
        absent = State.ABSENT | Reason.BACKING_NOT_SUPPLIED << 8
        at = 0
        for length, status in client.status(0, 4096)[3]:
            if status == absent:
                break
            at += length
        found = client.status(at, 1, flags=8)
        assert (found[1], found[2], found[3]) == ([(1, 0)], [(1, 2)], [(1, absent)])
        assert client.read(at, 1) == (EIO, f"guest offset {at:#x} cannot be read: backing_not_supplied", at)


def test_contexts_of_another_export_are_forgotten(server: Running) -> None:
    with Client(server.path) as client:
        client.option(STRUCTURED)
        client.option(SET_CONTEXTS, named("active") + queries("base:allocation"))
        client.option(GO, named("snapshot:0") + struct.pack(">H", 0))
        client.request(BLOCK_STATUS, 0, 512)
        assert client.chunk()[1] == 1 << 15 | 1


def test_contexts_that_are_chosen_wrongly_are_forgotten(server: Running) -> None:
    with Client(server.path) as client:
        client.option(STRUCTURED)
        client.option(SET_CONTEXTS, named("") + queries("base:allocation"))
        assert client.option(SET_CONTEXTS, named("none") + queries("base:allocation"))[0][0] == UNKNOWN
        client.option(GO, named("") + struct.pack(">H", 0))
        client.request(BLOCK_STATUS, 0, 512)
        assert client.chunk()[1] == 1 << 15 | 1


def test_an_answer_about_many_ranges_is_cut(tmp_path: Path) -> None:
    count = 2 * MAX_DESCRIPTORS
    entries = [1 << 63 | FIRST_DATA * 4096 if number % 2 else 0 for number in range(512)]
    cluster = 1 << 12
    content = bytearray(tiny(entries, cluster_bits=12, file_clusters=16, l1_entries=[1 << 63 | 4 * cluster] * 20,
                             head=header(cluster_bits=12, virtual_size=20 * 512 * cluster, l1_size=20)))  # fmt: skip
    with running(written(tmp_path, bytes(content)), tmp_path) as server, Client(server.path) as client:
        client.go(contexts=("base:allocation",))
        found = client.status(0, (count + 7) * cluster)[1]
        assert found == [(cluster, 0 if number % 2 else 3) for number in range(MAX_DESCRIPTORS)]


@pytest.mark.parametrize(
    ("command", "error"), [(WRITE, EPERM), (TRIM, EPERM), (WRITE_ZEROES, EPERM), (8, EPERM), (FLUSH, EINVAL),
                           (CACHE, EINVAL), (99, EINVAL)],
)  # fmt: skip
def test_nothing_is_written_and_the_connection_goes_on(command: int, error: int, server: Running) -> None:
    before = sound("snapshots-512").read_bytes()
    with Client(server.path) as client:
        client.go()
        client.request(command, 0, 512, payload=b"\xff" * 512 if command == WRITE else b"")
        assert client.simple() == error
        assert client.read(0, 4) == b"AAAA"
    assert sound("snapshots-512").read_bytes() == before


def test_requests_that_fit_no_disk_are_refused_and_the_connection_goes_on(server: Running) -> None:
    with Client(server.path) as client:
        client.go(contexts=("base:allocation",))
        bad = [(16384, 1, 0), (16383, 2, 0), (1 << 63, 512, 0), (0, 0, 0), (0, 512, 1), (0, 512, 8)]
        for offset, length, flags in bad:
            found = client.read(offset, length, flags)
            assert isinstance(found, tuple)
            assert found[0] == EINVAL
        for offset, length, flags in [*bad[:4], (0, 512, 4)]:
            client.request(BLOCK_STATUS, offset, length, flags)
            assert client.chunk()[1] == 1 << 15 | 1
        assert client.read(0, 4) == b"AAAA"


def test_a_request_has_a_limit(tmp_path: Path) -> None:
    size = MAX_REQUEST_BYTES + 512
    image = written(tmp_path, tiny([], head=header(virtual_size=size, cluster_bits=16), cluster_bits=16))
    with running(image, tmp_path) as server, Client(server.path) as client:
        client.go()
        assert client.read(0, MAX_REQUEST_BYTES) == bytes(MAX_REQUEST_BYTES)
        found = client.read(0, MAX_REQUEST_BYTES + 1)
        assert isinstance(found, tuple)
        assert found[0] == EOVERFLOW
        client.request(WRITE, 0, MAX_REQUEST_BYTES + 1)
        assert client.ended


@pytest.mark.parametrize(
    ("option", "data"),
    [
        (STRUCTURED, b"x"),
        (LIST, b"x"),
        (GO, b""),
        (GO, b"\0\0\0\7"),
        (GO, b"\xff\xff\xff\xff" + b"a" * 100),
        (GO, named("") + b"\0"),
        (GO, named("") + struct.pack(">HH", 2, 1)),
        (GO, named("") + struct.pack(">H", 0) + b"x"),
        (INFO, named("a" * 4097) + struct.pack(">H", 0)),
        (SET_CONTEXTS, named("")),
        (SET_CONTEXTS, named("") + b"\xff\xff\xff\xff"),
        (SET_CONTEXTS, named("") + queries("base:allocation") + b"x"),
        (SET_CONTEXTS, named("") + struct.pack(">I", 1) + b"\0\0\0\7abc"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_and_the_next_is_answered(
    option: int, data: bytes, server: Running
) -> None:
    with Client(server.path) as client:
        client.option(STRUCTURED)
        assert [kind for kind, _ in client.option(option, data)] == [INVALID]
        client.go()
        assert client.read(0, 4) == b"AAAA"


def test_contexts_need_structured_replies(server: Running) -> None:
    with Client(server.path) as client:
        assert client.option(SET_CONTEXTS, named("") + queries("base:allocation"))[0][0] == INVALID


def test_what_is_not_known_is_said_to_be_unsupported(server: Running) -> None:
    with Client(server.path) as client:
        for option in (4, 5, 11, 12345):
            assert client.option(option, b"something") == [(UNSUPPORTED, b"")]
        assert client.option(ABORT) == [(ACK, b"")]
        assert client.ended


@pytest.mark.parametrize(
    "said",
    [
        struct.pack(">I", 4),
        struct.pack(">I", 3) + b"NOTMAGIC" + bytes(8),
        struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", GO, MAX_OPTION_BYTES + 1),
        struct.pack(">I", 3) + (b"IHAVEOPT" + struct.pack(">II", 4, 0)) * (MAX_OPTIONS + 1),
    ],
)
def test_a_client_that_does_not_speak_nbd_is_left(said: bytes, server: Running) -> None:
    with Client(server.path, None) as client:
        client.send(said)
        while client.receive(1 << 16):
            pass
    with Client(server.path) as client:
        client.go()
        assert client.read(0, 4) == b"AAAA"


def test_noise_and_clients_that_die_harm_no_other(server: Running) -> None:
    chance = random.Random(14)
    with Client(server.path) as other:
        other.go()
        for _ in range(150):
            with Client(server.path, None) as client:
                client.send(struct.pack(">I", 3))
                good = b"IHAVEOPT" + struct.pack(">II", GO, 6) + named("") + b"\0\0"
                broken = bytearray(good * 2 + struct.pack(">IHHQQI", 0x25609513, 0, READ, 1, 0, 16384))
                for _ in range(chance.randrange(4)):
                    broken[chance.randrange(len(broken))] = chance.randrange(256)
                client.send(bytes(broken[: chance.randrange(len(broken) + 1)]))
        assert other.read(0, 4) == b"AAAA"
    status, said = server.end()
    assert status == 0
    assert "Traceback" not in said
    assert "internal error" not in said


def test_a_client_that_says_nothing_is_left_after_ten_seconds(server: Running) -> None:
    started = time.monotonic()
    with Client(server.path, None) as client:
        assert client.ended
    assert 9 < time.monotonic() - started < 15


def test_so_many_are_served_and_the_next_waits(server: Running) -> None:
    clients = [Client(server.path) for _ in range(MAX_CONNECTIONS)]
    for client in clients:
        client.go()
    waiting = Client.__new__(Client)
    waiting.peer, waiting.cookie = socket.socket(socket.AF_UNIX), 0
    waiting.peer.connect(str(server.path))
    waiting.peer.settimeout(0.5)
    with pytest.raises(TimeoutError):
        waiting.peer.recv(1)
    clients.pop().peer.close()
    waiting.peer.settimeout(20)
    assert waiting.receive(8) == b"NBDMAGIC"
    for client in [*clients, waiting]:
        client.peer.close()


def children_of(process: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_connection_whose_process_dies_is_told_and_counts_as_not_read(server: Running) -> None:
    with Client(server.path) as client:
        client.go()
        (child,) = children_of(server.process.pid)
        os.kill(child, signal.SIGSEGV)
        assert client.ended
    with Client(server.path) as client:
        client.go()
        assert client.read(0, 4) == b"AAAA"
    status, said = server.end()
    assert status == 5
    assert "connection 1: its process ended by signal 11" in said


def test_a_connection_ends_with_the_server(server: Running) -> None:
    with Client(server.path) as client:
        client.go()
        status, said = server.end()
        assert client.ended
    assert status == 0
    assert said == "qcowscope nbd: connection 1: active, 0 reads, 0 bytes; the client was left, since the server ends\n"


def test_an_interrupt_is_one(server: Running) -> None:
    assert server.end(signal.SIGINT)[0] == 130
    assert not server.path.exists()


def test_the_map_of_an_encrypted_image_says_what_is_under_the_key(tmp_path: Path) -> None:
    with running(sound("luks-4k"), tmp_path) as server, Client(server.path) as client:
        client.go(contexts=("qcowscope:fate",))
        assert State.ABSENT | Reason.KEY_NOT_SUPPLIED << 8 in [status for _, status in client.status(0, 4096)[3]]
    key = tmp_path / "key"
    key.write_text(PASSPHRASE, encoding="utf-8")
    with open_any(sound("luks-4k")) as image, open_disk(image, None, Supplied(passphrase=PASSPHRASE.encode())) as disk:
        expected = disk.reader().read()
    with running(sound("luks-4k"), tmp_path, "--key-file", str(key)) as server, Client(server.path) as client:
        client.go()
        assert client.read(0, len(expected)) == expected
