"""The second reader finds keys by itself: from the passphrase alone, and within the bounds of the first reader."""

import struct
from pathlib import Path

import pytest

from forensic.disk.luks_keys import SLOW_ROUNDS
from forensic.disk.opening import Supplied, open_disk
from forensic.disk.sector_ciphers import BlockCipher
from forensic.errors import KeyRejected, OutputDiffers, Unsupported
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.settings import Settings
from forensic.image import open_any
from forensic.second_reader import keys
from forensic.second_reader.reader import SecondReader
from forensic.second_reader.source import Passphrase, Source
from samples.kinds import PASSPHRASE
from tests.images import SOUND

LUKS = SOUND / "luks-4k.qcow2"
RIGHT = PASSPHRASE.encode()
SLOT, SLOT_BYTES, SLOTS = 208, 48, 8
IN_USE = 0x00AC71F3


def read_whole(image: Path, passphrase: Passphrase) -> bytes:
    """The disk by the second reader alone."""
    with Evidence(image) as evidence:
        reader = SecondReader([Source(evidence, passphrase=passphrase)])
        return b"".join(one.data or bytes(one.length) for one in reader.answers(0, reader.size))


def test_a_newline_at_the_end_of_a_luks_passphrase_is_left_out_if_it_does_not_fit() -> None:
    assert read_whole(LUKS, Passphrase(RIGHT + b"\n")) == read_whole(LUKS, Passphrase(RIGHT))
    with pytest.raises(Unsupported, match="opens no key slot"):
        read_whole(LUKS, Passphrase(RIGHT + b"\n\n"))


@pytest.mark.parametrize("name", ["luks-4k.qcow2", "aes-4k.qcow2"])
def test_a_wrong_key_of_the_first_reader_is_a_difference(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = BlockCipher.__init__

    def other_key(cipher: BlockCipher, key: bytes, encrypt: bool) -> None:
        as_it_is(cipher, bytes(len(key)), encrypt)

    supplied = Supplied(passphrase=RIGHT[:16] if name.startswith("aes") else RIGHT)
    with open_any(SOUND / name) as image:
        monkeypatch.setattr(BlockCipher, "__init__", other_key)
        monkeypatch.setattr("forensic.disk.luks_keys.hmac.compare_digest", lambda *_: True)
        with open_disk(image, None, supplied) as disk, pytest.raises(OutputDiffers):
            extract(disk, tmp_path / "out.raw", Settings(hashes=()))


def with_slots(folder: Path, count: int, iterations: int) -> Path:
    """The sample with this many slots in use that ask for so many iterations each; none of them opens."""
    content = bytearray(LUKS.read_bytes())
    begin = content.index(b"LUKS\xba\xbe")
    struct.pack_into(">I", content, begin + 164, 1)
    for number in range(SLOTS):
        state = IN_USE if number < count else 0xDEAD
        struct.pack_into(">II", content, begin + SLOT + number * SLOT_BYTES, state, iterations)
    path = folder / "slots.qcow2"
    path.write_bytes(content)
    return path


def attempts(image: Path, word: bytes, slow: bool, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """What each reader makes of the image: how many rounds it asked for, and what it said."""
    found = []

    def quick(name: str, password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
        asked.append(rounds)
        return bytes(length)

    monkeypatch.setattr("hashlib.pbkdf2_hmac", quick)
    with open_any(image) as opened:
        asked: list[int] = []
        with pytest.raises((KeyRejected, Unsupported)) as first:
            open_disk(opened, None, Supplied(passphrase=word, allow_slow_key=slow))
        found.append((sum(asked), str(first.value)))
        asked = []
        with pytest.raises(Unsupported) as second:
            SecondReader([Source(opened.evidence, passphrase=Passphrase(word, slow))])
        found.append((sum(asked), str(second.value)))
    return found


@pytest.mark.parametrize("newline", [False, True], ids=["no newline", "newline"])
@pytest.mark.parametrize("count", [1, 2, SLOTS])
def test_the_limit_is_on_what_all_slots_and_passphrases_ask_for_together(
    count: int, newline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, tries = (b"wrong\n", 2) if newline else (b"wrong", 1)
    assert keys.MOST_ROUNDS == SLOW_ROUNDS
    within = SLOW_ROUNDS // (count * tries) - 1  # one round more for the digest of the key
    image = with_slots(tmp_path, count, within)
    (first, said), (second, _) = attempts(image, word, False, monkeypatch)
    assert "opens none" in said
    assert (first, second) == ((within + 1) * count * tries,) * 2
    image = with_slots(tmp_path, count, within + 1)
    (first, said), (second, said_second) = attempts(image, word, False, monkeypatch)
    assert (first, second) == (0, 0)
    assert f"more than {SLOW_ROUNDS:,}; --allow-slow-key" in said
    assert "too many iterations" in said_second
    (first, _), (second, _) = attempts(image, word, True, monkeypatch)
    assert (first, second) == ((within + 2) * count * tries,) * 2
