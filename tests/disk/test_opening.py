"""What the examiner supplies: the bytes are those that qemu-img reads, and what does not fit is refused clearly."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import UNSET
from msgspec.structs import replace
from rich.pretty import pretty_repr

from forensic.disk.disk import Disk
from forensic.disk.luks_keys import SLOW_ROUNDS
from forensic.disk.opening import (
    MAX_LAYERS,
    BackingFile,
    Format,
    SavedState,
    Supplied,
    find_snapshot,
    open_disk,
    read_key_file,
)
from forensic.errors import EvidenceUnreadable, ForensicError, KeyRejected, Unsupported, WrongSupply
from forensic.evidence import Evidence
from forensic.extraction.second_reading import second_reader_of
from forensic.image import open_any, open_image
from forensic.inputs import inputs_of, references_of
from forensic.mapping.extents import Reason, State
from forensic.second_reader import answers
from samples import oracle
from samples.bench import Bench
from samples.kinds import KINDS, PASSPHRASE, Built, Kind, build
from tests.images import COMMITTED, SOUND, described, sample, with_texts
from tests.oracles import require

NEEDY = [kind for kind in KINDS.values() if kind.backing or kind.data_file or kind.passphrase or kind.format == "qcow"]
"""Kinds whose guest bytes are not all in the one file in the clear, and all of version 1."""


def supplies(built: Built) -> Supplied:
    passphrase = None if built.passphrase is None else built.passphrase.encode()
    return Supplied(tuple(BackingFile(path) for path in built.backing), built.data_file, passphrase)


def committed(kind: Kind) -> Supplied:
    def beside(suffix: str) -> Path:
        return SOUND / f"{kind.name}.{suffix}"

    passphrase = None if kind.passphrase is None else kind.passphrase.encode()
    data_file = None if kind.data_file is None else beside(kind.data_file)
    return Supplied(tuple(BackingFile(beside(suffix)) for suffix in kind.backing), data_file, passphrase)


def sha256_of(disk: Disk) -> str:
    return hashlib.sha256(disk.reader().read()).hexdigest()


def second_sha256_of(disk: Disk) -> str:
    """By the reader that has the files and the passphrase from here, and nothing else."""
    found = hashlib.sha256()
    for answer in second_reader_of(disk).answers(0, disk.size):
        found.update(answer.data if answer.kind == answers.AnswerKind.DATA else bytes(answer.length))
    return found.hexdigest()


def qemu_map(disk: Disk) -> list[dict[str, int | bool]]:
    """The extents in the words of qemu-img map."""
    found: list[dict[str, int | bool]] = []
    for extent in disk.extents():
        entry: dict[str, int | bool] = {
            "start": extent.guest_offset,
            "length": extent.length,
            "depth": extent.depth,
            "present": extent.state != State.UNALLOCATED,
            "zero": extent.state not in (State.DATA, State.COMPRESSED),
            "data": extent.state in (State.DATA, State.COMPRESSED),
        }
        # QEMU gives no place for what is compressed or encrypted.
        if extent.host_offset is not None and extent.state != State.COMPRESSED and not disk.layers[0].encryption:
            entry["offset"] = extent.host_offset
        found.append(entry)
    return found


def merged(entries: list[dict[str, int | bool]]) -> list[dict[str, int | bool]]:
    """Neighbours as one where the words are the same.

    The place that QEMU gives for subclusters that are not allocated, since their cluster has one, is left out.
    """
    found: list[dict[str, int | bool]] = []
    for entry in entries:
        entry = {key: value for key, value in entry.items() if key != "offset" or entry["present"]}
        before = found[-1] if found else None
        words = ("depth", "present", "zero", "data")
        if before and all(before[word] == entry[word] for word in words) and follows(before, entry):
            before["length"] += entry["length"]
        else:
            found.append(entry)
    return found


def follows(before: dict[str, int | bool], entry: dict[str, int | bool]) -> bool:
    if ("offset" in before) != ("offset" in entry):
        return False
    return "offset" not in entry or before["offset"] + before["length"] == entry["offset"]


@pytest.mark.parametrize("kind", NEEDY, ids=lambda kind: kind.name)
def test_with_all_that_it_needs_each_kind_gives_the_bytes_that_qemu_img_gives(kind: Kind, tmp_path: Path) -> None:
    require(*kind.needs)
    built = build(kind.name, tmp_path)
    with open_any(built.image) as image, open_disk(image, None, supplies(built)) as disk:
        assert sha256_of(disk) == built.raw_sha256
        assert second_sha256_of(disk) == built.raw_sha256
        assert disk.size == built.virtual_size


@pytest.mark.parametrize("kind", COMMITTED, ids=lambda kind: kind.name)
def test_a_committed_sample_with_all_that_it_needs_is_mapped_and_read_as_qemu_does(kind: Kind) -> None:
    with open_any(sample(kind)) as image, open_disk(image, None, committed(kind)) as disk:
        assert sha256_of(disk) == described(kind)["raw_sha256"]
        facts = described(kind)["map"]
        assert isinstance(facts, list)
        assert merged(qemu_map(disk)) == merged(facts)


def test_what_was_not_supplied_is_missing_layer_by_layer() -> None:
    kind = KINDS["overlay-chain"]
    one = Supplied(committed(kind).backing[:1])
    with open_image(sample(kind)) as image, open_disk(image, None, one) as disk:
        rows = [row for batch in disk.readable_batches() for row in batch]
        missing = {(int(row["depth"]), Reason(int(row["reason"]))) for row in rows if row["state"] == State.ABSENT}
        assert missing == {(1, Reason.BACKING_NOT_SUPPLIED)}
        with pytest.raises(OSError, match="backing_not_supplied"):
            disk.reader().read()


@pytest.mark.parametrize(("size", "found"), [(12288, 12288), (65536, 16384)])
def test_beyond_a_shorter_backing_file_are_zeros_and_a_longer_one_has_a_hidden_tail(
    tmp_path: Path, size: int, found: int
) -> None:
    base = tmp_path / "overlay-raw.backing.raw"
    base.write_bytes(b"\x61" * size)
    supplied = Supplied((BackingFile(base, Format.RAW),))
    with open_image(sample(KINDS["overlay-raw"])) as image, open_disk(image, None, supplied) as disk:
        raw = disk.reader().read()
        assert len(raw) == 16384
        assert raw[4096:12288] == b"\x61" * 8192
        assert raw[12800:] == (b"\x61" if found == 16384 else b"\0") * (16384 - 12800)
        tail = "backing file 1 is 49,152 bytes longer than the image above it; these are not part of the disk"
        assert disk.caveats == ((tail,) if size > 16384 else ())


def test_the_format_of_a_backing_file_is_the_one_given_then_declared_then_seen(tmp_path: Path) -> None:
    base = SOUND / "overlay-qcow2.backing.qcow2"
    with open_image(SOUND / "overlay-qcow2.qcow2") as image:
        with open_disk(image, None, Supplied((BackingFile(base, Format.RAW),))) as disk:
            assert disk.reader().read(4) == b"QFI\xfb"
            assert (disk.inputs[0].format, disk.inputs[0].format_from) == ("raw", "given")
        with open_disk(image, None, Supplied((BackingFile(base),))) as disk:
            assert (disk.inputs[0].format, disk.inputs[0].format_from) == ("qcow2", "declared")
        with pytest.raises(WrongSupply, match="is to be read as qcow2, but it begins with 6c 69 6e 65"):
            open_disk(image, None, Supplied((BackingFile(SOUND / "overlay-raw.backing.raw"),)))
        with pytest.raises(WrongSupply, match="is to be read as qcow2, but it is a qcow image"):
            open_disk(image, None, Supplied((BackingFile(SOUND / "version-1.qcow"),)))
    with (
        open_any(SOUND / "version-1-overlay.qcow") as old,
        open_disk(old, None, Supplied((BackingFile(base),))) as disk,
    ):
        assert (disk.inputs[0].format, disk.inputs[0].format_from) == ("qcow2", "probed")
        assert disk.caveats[1:] == (
            "backing file 1 is read as qcow2 because of its first bytes; neither the command line nor the image gives "
            "its format",
        )


def refusal(image: Path, supplied: Supplied) -> ForensicError:
    with open_any(image) as opened, pytest.raises(ForensicError) as refused:
        open_disk(opened, None, supplied)
    return refused.value


def test_a_chain_that_bites_its_tail_is_refused(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.qcow2"
    shutil.copyfile(SOUND / "overlay-qcow2.qcow2", overlay)
    other_name = tmp_path / "other.qcow2"
    other_name.symlink_to(overlay)
    hard_link = tmp_path / "link.qcow2"
    hard_link.hardlink_to(overlay)
    for path in (overlay, other_name, hard_link):
        error = refusal(overlay, Supplied((BackingFile(path),)))
        assert isinstance(error, WrongSupply)
        assert str(error) == f"{path}: is the same file as {overlay}, which is already in use"
    copy = tmp_path / "copy.qcow2"
    shutil.copyfile(overlay, copy)
    error = refusal(overlay, Supplied((BackingFile(copy), BackingFile(hard_link))))
    assert "is the same file as" in str(error)


def test_a_chain_has_an_end(tmp_path: Path) -> None:
    files = []
    for number in range(MAX_LAYERS):
        files.append(tmp_path / f"{number}.qcow2")
        shutil.copyfile(SOUND / "overlay-qcow2.qcow2", files[-1])
    deepest = Supplied(tuple(BackingFile(path) for path in files[:-1]))
    with open_image(SOUND / "overlay-qcow2.qcow2") as image, open_disk(image, None, deepest) as disk:
        assert len(disk.layers) == MAX_LAYERS
        assert disk.reader(fill_missing=True).read(2048)[1024:1536] == b"\x41" * 512
    error = refusal(SOUND / "overlay-qcow2.qcow2", Supplied(tuple(BackingFile(path) for path in files)))
    assert str(error) == f"{files[-1]}: the chain has more than 64 files"


@pytest.mark.parametrize(
    ("name", "supplied", "complaint"),
    [
        (
            "overlay-raw",
            Supplied((BackingFile(SOUND / "overlay-raw.backing.raw"), BackingFile(SOUND / "data-4k.qcow2"))),
            "overlay-raw.backing.raw declares no backing file",
        ),
        ("data-512", Supplied((), SOUND / "data-file.data.raw"), "no image of the chain has an external data file"),
        ("data-file", Supplied((), SOUND / "data-file.qcow2"), "is the same file as"),
    ],
)
def test_a_file_that_no_image_asks_for_is_refused(name: str, supplied: Supplied, complaint: str) -> None:
    error = refusal(SOUND / f"{name}.qcow2", supplied)
    assert isinstance(error, WrongSupply)
    assert complaint in str(error)
    assert error.exit_status == 64


def strange_places(folder: Path) -> Iterator[tuple[Path, str]]:
    fifo = folder / "fifo"
    os.mkfifo(fifo)
    loop = folder / "loop"
    loop.symlink_to(loop)
    yield folder, "not a regular file but a directory"
    yield fifo, "not a regular file but a FIFO"
    yield loop, "too many levels of symbolic links"
    yield folder / "nowhere", "no such file or directory"
    yield Path("/dev/null"), "not a regular file but a character device"


def test_supplied_things_that_are_no_files_are_refused(tmp_path: Path) -> None:
    for path, complaint in strange_places(tmp_path):
        for image, supplied in (
            ("overlay-raw.qcow2", Supplied((BackingFile(path),))),
            ("data-file.qcow2", Supplied((), path)),
        ):
            error = refusal(SOUND / image, supplied)
            assert isinstance(error, EvidenceUnreadable)
            assert complaint in str(error)
        with pytest.raises(EvidenceUnreadable, match=complaint):
            read_key_file(path)


def test_what_was_opened_is_closed_when_something_else_fails(tmp_path: Path) -> None:
    before = sorted(os.listdir("/proc/self/fd"))
    refusal(
        SOUND / "overlay-chain.qcow2", Supplied((BackingFile(SOUND / "overlay-chain.backing.qcow2"),), tmp_path / "x")
    )
    assert sorted(os.listdir("/proc/self/fd")) == before
    with open_image(SOUND / "overlay-chain.qcow2") as image:
        open_disk(image, None, committed(KINDS["overlay-chain"])).close()
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [(b"secret", b"secret"), (b"secret\n", b"secret\n"), (b"secret\n\n", b"secret\n\n"), (b" \n", b" \n")],
)
def test_a_key_file_is_used_as_it_is(tmp_path: Path, content: bytes, passphrase: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert read_key_file(tmp_path / "key") == passphrase


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 8193])
def test_a_key_file_without_a_passphrase_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(WrongSupply):
        read_key_file(tmp_path / "key")


def test_a_wrong_passphrase_is_rejected_and_shown_nowhere() -> None:
    error = refusal(SOUND / "luks-4k.qcow2", Supplied(passphrase=b"hunter2"))
    assert isinstance(error, KeyRejected)
    assert str(error).endswith("luks-4k.qcow2: the passphrase opens none of the 1 key slots in use")
    supplied = Supplied((BackingFile("base.raw"),), passphrase=b"hunter2", as_stored=True)
    assert repr(supplied) == (
        "Supplied(backing=(BackingFile(path='base.raw', format=None),), data_file=None, as_stored=True, "
        "allow_slow_key=False, without_newline=False, salvage=False)"
    )
    assert "hunter2" not in pretty_repr(supplied)


def test_any_of_several_key_slots_opens_an_image(tmp_path: Path) -> None:
    require("qemu-img")
    built = build("luks-4k", tmp_path)
    keys = ["--object", "secret,id=new,data=second", "--object", f"secret,id=old,data={PASSPHRASE}"]
    options = f"driver=qcow2,file.filename={built.image.name},encrypt.key-secret=old"
    amended = "encrypt.state=active,encrypt.new-secret=new,encrypt.keyslot=5,encrypt.iter-time=10"
    bench = Bench(tmp_path, "luks-4k", built.image.name)  # it tries again when QEMU's clock is too coarse
    bench.run("qemu-img", "amend", *keys, "-o", amended, "--image-opts", options)
    with open_image(built.image) as image:
        for passphrase in (PASSPHRASE.encode(), b"second"):
            with open_disk(image, None, Supplied(passphrase=passphrase)) as disk:
                assert sha256_of(disk) == built.raw_sha256
    oracle.run(
        ["qemu-img", "amend", *keys[:2], "-o", "encrypt.state=inactive,encrypt.keyslot=0", "--image-opts",
         options.replace("old", "new"), "--force"],
        tmp_path,
    )  # fmt: skip
    assert isinstance(refusal(built.image, Supplied(passphrase=PASSPHRASE.encode())), KeyRejected)


def poked(folder: Path, offset: int, value: bytes) -> Path:
    """The committed LUKS sample with other bytes in its LUKS header."""
    content = bytearray((SOUND / "luks-4k.qcow2").read_bytes())
    begin = content.index(b"LUKS\xba\xbe")
    content[begin + offset : begin + offset + len(value)] = value
    path = folder / "poked.qcow2"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("offset", [164, 212], ids=["master key digest", "key slot"])
def test_an_iteration_bomb_is_refused_unless_it_is_allowed(
    tmp_path: Path, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = poked(tmp_path, offset, (0xFFFF_FFFF).to_bytes(4, "big"))
    error = refusal(image, Supplied(passphrase=PASSPHRASE.encode()))
    assert isinstance(error, Unsupported)
    assert f"more than {SLOW_ROUNDS:,}; --allow-slow-key tries it anyway" in str(error)
    asked: list[int] = []

    def quick(name: str, password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
        asked.append(rounds)
        return bytes(length)

    monkeypatch.setattr("hashlib.pbkdf2_hmac", quick)
    allowed = Supplied(passphrase=PASSPHRASE.encode(), allow_slow_key=True)
    assert isinstance(refusal(image, allowed), KeyRejected)
    assert 0xFFFF_FFFF in asked


@pytest.mark.parametrize(
    ("offset", "value", "complaint"),
    [
        (0, b"LUCK", "there is no LUKS version 1 header to open with a key"),
        (6, b"\0\2", "there is no LUKS version 1 header to open with a key"),
        (8, b"serpent\0", "asks for serpent-cbc-plain64 with sha512, key of 16 bytes, which is not supported"),
        (40, b"lrw-plain\0", "asks for aes-lrw-plain with sha512"),
        (40, b"cbc-benbi\0", "asks for aes-cbc-benbi with sha512"),
        (40, b"cbc-essiv:sha1\0", "asks for aes-cbc-essiv:sha1 with sha512"),
        (40, b"cbc-essiv:\x1b[2J\0", r"asks for aes-cbc-essiv:\x1b[2J with sha512"),
        (72, b"whirlpool\0", "with whirlpool"),
        (108, b"\0\0\0\x11", "key of 17 bytes"),
        (108, b"\xff\xff\xff\xff", "key of 4294967295 bytes"),
        (208, b"\0\0\xde\xad", "no key slot is in use"),
    ],
)
def test_a_luks_header_that_cannot_be_used_is_refused(
    tmp_path: Path, offset: int, value: bytes, complaint: str
) -> None:
    error = refusal(poked(tmp_path, offset, value), Supplied(passphrase=PASSPHRASE.encode()))
    assert isinstance(error, Unsupported)
    assert complaint in str(error)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (164, bytes(4)),
        (212, bytes(4)),
        (248, b"\xff\xff\xff\xff"),
        (252, bytes(4)),
        (252, b"\xff\xff\xff\xff"),
        (252, b"\0\0\x0f\xa1"),
    ],
)
def test_a_key_slot_that_holds_no_key_opens_nothing(tmp_path: Path, offset: int, value: bytes) -> None:
    assert isinstance(refusal(poked(tmp_path, offset, value), Supplied(passphrase=PASSPHRASE.encode())), KeyRejected)


def test_ciphertext_is_given_as_it_is_stored_and_said_to_be() -> None:
    for name, method in (("luks-4k", "luks"), ("aes-4k", "aes")):
        with open_image(SOUND / f"{name}.qcow2") as image, open_disk(image, None, Supplied(as_stored=True)) as disk:
            first = next(disk.extents())
            assert first.host_offset is not None
            assert disk.reader().read(512) == image.evidence.read_at(first.host_offset, 512)
            assert disk.caveats == (
                f"the image: data is given as it is stored, encrypted with {method}, not as the guest saw it",
            )


def test_the_old_encryption_cannot_tell_a_wrong_passphrase_and_says_so() -> None:
    with open_image(SOUND / "aes-4k.qcow2") as image, open_disk(image, None, Supplied(passphrase=b"wrong")) as disk:
        assert disk.reader().read(512) != b"\x41" * 512
        assert disk.caveats == ("the image: the old AES encryption cannot tell a wrong passphrase from the right one",)


@pytest.mark.parametrize("name", ["luks-4k", "aes-4k"])
def test_of_encrypted_data_that_the_file_end_cuts_whole_blocks_are_read(tmp_path: Path, name: str) -> None:
    kind = KINDS[name]
    with open_image(sample(kind)) as image:
        host_offset = next(image.extents()).host_offset
    assert host_offset is not None
    cut = tmp_path / "cut.qcow2"
    cut.write_bytes(sample(kind).read_bytes()[: host_offset + 1000])
    with open_image(cut) as image, open_disk(image, None, committed(kind)) as disk:
        assert disk.reader(fill_missing=True).read(1024) == b"\x41" * 992 + bytes(32)
        assert disk.reader().read(992) == b"\x41" * 992
        reader = disk.reader()
        reader.seek(992)
        with pytest.raises(OSError, match="entry_beyond_eof"):
            reader.read(8)


def test_of_a_data_file_that_is_too_short_the_rest_is_absent(tmp_path: Path) -> None:
    short = tmp_path / "short.raw"
    short.write_bytes((SOUND / "data-file.data.raw").read_bytes()[:12300])
    with open_image(SOUND / "data-file.qcow2") as image, open_disk(image, None, Supplied((), short)) as disk:
        found = [(extent.guest_offset, extent.length) for extent in disk.extents() if extent.state == State.ABSENT]
        assert found == [(12300, 4084)]


def snapshot_bytes(built: Built, word: str, supplied: Supplied) -> tuple[int, str]:
    with open_image(built.image) as image, open_disk(image, find_snapshot(image, word), supplied) as disk:
        return disk.size, sha256_of(disk)


@pytest.mark.parametrize("name", ["snapshots-512", "snapshots-v2-512", "snapshot-deleted-512", "snapshot-empty-512"])
def test_every_snapshot_has_the_bytes_that_qemu_img_reads(name: str, tmp_path: Path) -> None:
    require("qemu-img")
    built = build(name, tmp_path)
    with open_image(built.image) as image:
        names = [str(snapshot.name) for snapshot in image.snapshots.snapshots]
    for snapshot in names:
        oracle.run(["qemu-img", "convert", "-l", snapshot, "-O", "raw", built.image.name, "snapshot.raw"], tmp_path)
        raw = (tmp_path / "snapshot.raw").read_bytes()
        assert snapshot_bytes(built, snapshot, Supplied()) == (len(raw), hashlib.sha256(raw).hexdigest())


def test_a_snapshot_has_the_size_that_its_disk_had(tmp_path: Path) -> None:
    require("qemu-img")
    built = build("snapshots-512", tmp_path)
    oracle.run(["qemu-img", "resize", "-q", built.image.name, "65536"], tmp_path)
    size, found = snapshot_bytes(built, "first", Supplied())
    assert size == 16384
    oracle.run(["qemu-img", "snapshot", "-a", "first", built.image.name], tmp_path)
    assert (size, found) == (oracle.virtual_size(built.image), oracle.raw_sha256(built.image))


def test_a_snapshot_of_an_overlay_shows_its_backing_file(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    built = build("overlay-raw", tmp_path)
    oracle.run(["qemu-img", "snapshot", "-c", "old", built.image.name], tmp_path)
    oracle.run(["qemu-io", "-f", "qcow2", "-c", "write -P 0x77 0 16384", built.image.name], tmp_path)
    assert snapshot_bytes(built, "old", supplies(built)) == (16384, built.raw_sha256)


def test_a_snapshot_of_an_encrypted_disk_is_decrypted(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    built = build("luks-4k", tmp_path)
    opening = oracle.opening(built.image, "qcow2", built.passphrase)
    oracle.run(["qemu-img", "snapshot", *opening[:-1], "-c", "old", opening[-1]], tmp_path)
    oracle.run(["qemu-io", *opening[:-1], "-c", "write -P 0x77 0 4096", opening[-1]], tmp_path)
    assert snapshot_bytes(built, "old", supplies(built)) == (32768, built.raw_sha256)


def test_a_snapshot_is_found_by_id_then_by_name_then_by_its_place(tmp_path: Path) -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        table = image.snapshots
        for word, index in (("1", 0), ("2", 1), ("first", 0), ("second", 1), ("#0", 0), ("#1", 1), ("0", 0)):
            assert find_snapshot(image, word).index == index, word
        for word in ("3", "#2", "", "First", "#", "-1", "²", "9" * 30):
            with pytest.raises(WrongSupply, match="no snapshot has the id, name or index"):
                find_snapshot(image, word)
        first, second = table.snapshots
        same_id = with_texts(second, first.id.raw, second.name.raw)
        image.__dict__["snapshots"] = replace(table, snapshots=(first, same_id))
        with pytest.raises(WrongSupply, match="2 snapshots have the id 1: choose among #0, #1"):
            find_snapshot(image, "1")
        assert find_snapshot(image, "second").index == 1


def test_an_image_without_snapshots_has_none() -> None:
    for name in ("data-512.qcow2", "version-1.qcow"):
        with open_any(SOUND / name) as image, pytest.raises(WrongSupply, match="0 can be read"):
            find_snapshot(image, "1")


def test_a_saved_machine_state_is_read_from_behind_the_disk(tmp_path: Path) -> None:
    require("qemu-img", "qemu-io")
    # 32 KiB is what one L1 entry of 512-byte clusters stands for, so the state of this disk begins there.
    oracle.run(["qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=512", "vm.qcow2", "20000"], tmp_path)
    oracle.run(["qemu-io", "-c", "write -P 0x41 0 1024", "-c", "write -P 0x42 16384 1024", "vm.qcow2"], tmp_path)
    oracle.run(["qemu-img", "snapshot", "-c", "saved", "vm.qcow2"], tmp_path)
    content = bytearray((tmp_path / "vm.qcow2").read_bytes())
    with open_image(tmp_path / "vm.qcow2") as image:
        snapshot = find_snapshot(image, "saved")
        table = image.evidence.read_at(snapshot.l1_table_offset, 8)
        with pytest.raises(WrongSupply, match="snapshot 0 holds no machine state"):
            open_disk(image, SavedState(snapshot))
    # The second L1 entry of the snapshot is the first one again: its machine state has the bytes of its disk.
    content[snapshot.l1_table_offset + 8 : snapshot.l1_table_offset + 16] = table
    content[snapshot.host_offset + 8 : snapshot.host_offset + 12] = (2).to_bytes(4, "big")
    content[snapshot.host_offset + 40 : snapshot.host_offset + 48] = (1500).to_bytes(8, "big")
    (tmp_path / "vm.qcow2").write_bytes(content)
    with open_image(tmp_path / "vm.qcow2") as image, open_disk(image, SavedState(find_snapshot(image, "#0"))) as disk:
        assert (disk.target, disk.size) == ("vm-state:0", 1500)
        assert disk.reader().read() == b"\x41" * 1024 + bytes(476)


def test_the_report_says_of_each_named_file_what_was_supplied_for_it() -> None:
    kind = KINDS["overlay-chain"]
    supplied = committed(kind)
    with open_image(sample(kind)) as image, open_disk(image, None, Supplied(supplied.backing[:1])) as disk:
        first, second = references_of(disk, Evidence.sha256)
        keys = ("level", "followed", "consent", "format", "format_from", "supplied_size", "declared_name_matches")
        assert [getattr(first, key) for key in keys] == [0, True, "cli", "qcow2", "declared", 3584, True]
        path = SOUND / "overlay-chain.backing.qcow2"
        assert first.supplied_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert [second.level, second.followed, second.consent] == [1, False, "none"]
        assert second.supplied_sha256 is UNSET
        roles = [(entry.role, entry.path) for entry in inputs_of(disk, Evidence.sha256)]
        assert roles == [("image", str(sample(kind))), ("backing", str(path))]


def test_a_file_of_another_name_is_said_to_have_one(tmp_path: Path) -> None:
    shutil.copyfile(SOUND / "overlay-raw.backing.raw", tmp_path / "exhibit-7.raw")
    supplied = Supplied((BackingFile(tmp_path / "exhibit-7.raw"),))
    with open_image(SOUND / "overlay-raw.qcow2") as image, open_disk(image, None, supplied) as disk:
        assert disk.inputs[0].name_matches is False


def named_at(offset: int, length: int, folder: Path, name: bytes = b"base.qcow2") -> Path:
    """An empty disk whose header says that a name of this length lies at this offset."""
    content = bytearray((SOUND / "empty-512.qcow2").read_bytes())
    content[8:16], content[16:20] = offset.to_bytes(8, "big"), length.to_bytes(4, "big")
    content[0x100 : 0x100 + len(name)] = name
    path = folder / "image.qcow2"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("offset", "length"), [(0, 10), (0x100, 0), (0x100, 10), (0x1FE, 100), (0x300, 10), (1 << 63, 10), (0, 1 << 31)]
)
def test_what_a_damaged_reference_hides_is_missing_and_can_be_supplied(
    tmp_path: Path, offset: int, length: int
) -> None:
    path = named_at(offset, length, tmp_path)
    with open_image(path) as image:
        with open_disk(image) as disk:
            rows = [row for batch in disk.readable_batches() for row in batch]
            assert {Reason(int(row["reason"])) for row in rows} == {Reason.BACKING_NOT_SUPPLIED}
            (reference,) = references_of(disk, lambda evidence: None)
            assert reference.kind == "backing"
        with open_disk(image, None, Supplied((BackingFile(SOUND / "data-512.qcow2"),))) as disk:
            with open_image(SOUND / "data-512.qcow2") as base:
                assert disk.reader().read() == base.reader().read()
            assert any("data-512.qcow2 was supplied" in caveat for caveat in disk.caveats)


def test_a_backing_file_is_taken_whatever_the_image_declares(tmp_path: Path) -> None:
    base = SOUND / "data-512.qcow2"
    with (
        open_image(SOUND / "empty-512.qcow2") as image,
        open_disk(image, None, Supplied((BackingFile(base, Format.QCOW2),))) as disk,
        open_image(base) as alone,
    ):
        assert disk.reader().read() == alone.reader().read()
        assert disk.caveats == (f"the image declares no backing file; {base} was supplied and is read below it",)
        assert disk.contradictions == ()
        (reference,) = references_of(disk, lambda evidence: "hash")
        assert (reference.declared, reference.followed, reference.declared_name_matches) == (None, True, None)


@pytest.mark.parametrize(
    ("image", "supplied", "against"),
    [
        ("overlay-raw", Supplied((BackingFile(SOUND / "data-512.qcow2"),)), ["declared as", "a qcow2 image"]),
        ("overlay-qcow2", Supplied((BackingFile(SOUND / "overlay-qcow2.backing.qcow2"),)), []),
        (
            "overlay-qcow2",
            Supplied((BackingFile(SOUND / "overlay-qcow2.backing.qcow2", Format.RAW),)),
            ["declared as qcow2, but is read as raw", "its content is a qcow2 image"],
        ),
        ("data-file", Supplied((), SOUND / "data-file.data.raw"), []),
        ("data-file", Supplied((), SOUND / "overlay-raw.backing.raw"), ["data file is declared as", "bytes long"]),
    ],
)
def test_it_is_said_that_a_supplied_file_is_not_the_declared_one(
    image: str, supplied: Supplied, against: list[str]
) -> None:
    with open_image(SOUND / f"{image}.qcow2") as opened, open_disk(opened, None, supplied) as disk:
        assert len(disk.contradictions) == len(against)
        assert all(words in said for words, said in zip(against, disk.contradictions, strict=True))
        assert set(disk.contradictions) <= set(disk.caveats)


@pytest.mark.parametrize(
    ("declared", "supplied", "same"),
    [
        (b"C:\\images\\base.raw", "base.raw", True),
        (b"\\\\server\\share\\base.raw", "base.raw", True),
        (b"dir/base.raw\0\0\0", "base.raw", True),
        (b"base.raw", "other.raw", False),
    ],
)
def test_names_are_compared_as_the_system_that_wrote_them_would(
    tmp_path: Path, declared: bytes, supplied: str, same: bool
) -> None:
    base = tmp_path / supplied
    base.write_bytes(bytes(16384))
    path = named_at(0x100, len(declared), tmp_path, declared)
    with open_image(path) as image, open_disk(image, None, Supplied((BackingFile(base, Format.RAW),))) as disk:
        assert disk.inputs[0].name_matches is same
        assert bool(disk.contradictions) is not same
