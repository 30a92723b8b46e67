"""What opening an image with a passphrase may take: the limit is on all slots and all spellings of it together."""

import struct
from pathlib import Path

import pytest

from forensic.disk.luks_keys import SLOW_ROUNDS
from forensic.disk.opening import Supplied, open_disk
from forensic.errors import KeyRejected, Unsupported
from forensic.image import open_any
from tests.images import SOUND

LUKS = SOUND / "luks-4k.qcow2"
SLOT, SLOT_BYTES, SLOTS = 208, 48, 8
IN_USE = 0x00AC71F3


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


def attempt(image: Path, word: bytes, slow: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """How many rounds a wrong passphrase asked for, and what was said."""
    asked: list[int] = []

    def quick(name: str, password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
        asked.append(rounds)
        return bytes(length)

    monkeypatch.setattr("hashlib.pbkdf2_hmac", quick)
    with open_any(image) as opened, pytest.raises((KeyRejected, Unsupported)) as error:
        open_disk(opened, None, Supplied(passphrase=word, allow_slow_key=slow))
    return sum(asked), str(error.value)


@pytest.mark.parametrize("newline", [False, True], ids=["no newline", "newline"])
@pytest.mark.parametrize("count", [1, 2, SLOTS])
def test_the_limit_is_on_what_all_slots_and_passphrases_ask_for_together(
    count: int, newline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word, tries = (b"wrong\n", 2) if newline else (b"wrong", 1)
    within = SLOW_ROUNDS // (count * tries) - 1  # one round more for the digest of the key
    image = with_slots(tmp_path, count, within)
    rounds, said = attempt(image, word, False, monkeypatch)
    assert "opens none" in said
    assert rounds == (within + 1) * count * tries
    image = with_slots(tmp_path, count, within + 1)
    rounds, said = attempt(image, word, False, monkeypatch)
    assert rounds == 0
    assert f"more than {SLOW_ROUNDS:,}; --allow-slow-key" in said
    rounds, _ = attempt(image, word, True, monkeypatch)
    assert rounds == (within + 2) * count * tries
