"""The second reader takes no key on trust: the digest in a LUKS header confirms it."""

import hashlib
from pathlib import Path

import pytest

from forensic.disk.opening import Supplied, open_disk
from forensic.disk.qcow2_layer import Qcow2Layer
from forensic.disk.sector_ciphers import BlockCipher
from forensic.errors import OutputDiffers, Unsupported
from forensic.evidence import Evidence
from forensic.extraction.extract import extract
from forensic.extraction.second_reading import sources_of
from forensic.extraction.settings import Settings
from forensic.image import open_any
from forensic.second_reader.reader import SecondReader
from forensic.second_reader.source import Key, Source
from samples.kinds import PASSPHRASE
from tests.images import SOUND

LUKS = SOUND / "luks-4k.qcow2"
RIGHT = PASSPHRASE.encode()


def read_whole(image: Path, key: Key) -> bytes:
    """The disk by the second reader alone."""
    with Evidence(image) as evidence:
        reader = SecondReader([Source(evidence, key=key)])
        return b"".join(one.data or bytes(one.length) for one in reader.answers(0, reader.size))


def master_key() -> bytes:
    """As the first reader finds it."""
    with open_any(LUKS) as image, open_disk(image, None, Supplied(passphrase=RIGHT)) as disk:
        layer = disk.layers[0]
        assert isinstance(layer, Qcow2Layer) and layer.cipher is not None
        return layer.cipher.secret.raw


def test_a_master_key_is_taken_if_the_digest_in_the_header_confirms_it(tmp_path: Path) -> None:
    right = master_key()
    with open_any(LUKS) as image, open_disk(image, None, Supplied(passphrase=RIGHT)) as disk:
        extract(disk, tmp_path / "out.raw", Settings(hashes=()))
    assert read_whole(LUKS, Key(right)) == (tmp_path / "out.raw").read_bytes()
    for at in range(len(right)):
        wrong = bytearray(right)
        wrong[at] ^= 1
        with pytest.raises(Unsupported, match="does not have the digest that the LUKS header states"):
            read_whole(LUKS, Key(bytes(wrong)))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 63, 65])
def test_a_key_of_another_length_is_not_tried(length: int) -> None:
    with pytest.raises(Unsupported, match="a cipher that is not known"):
        read_whole(LUKS, Key(bytes(length)))


def test_a_master_key_is_confirmed_once_for_all_readers_of_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    derive = hashlib.pbkdf2_hmac

    def counting(name: str, password: bytes, salt: bytes, rounds: int, length: int) -> bytes:
        asked.append(rounds)
        return derive(name, password, salt, rounds, length)

    key = Key(master_key())
    monkeypatch.setattr("hashlib.pbkdf2_hmac", counting)
    assert read_whole(LUKS, key) == read_whole(LUKS, key)
    assert len(asked) == 1


def test_no_text_form_shows_a_secret() -> None:
    with open_any(LUKS) as image, open_disk(image, None, Supplied(passphrase=RIGHT)) as disk:
        layer = disk.layers[0]
        assert isinstance(layer, Qcow2Layer) and layer.cipher is not None
        shown = repr(layer) + repr(layer.cipher) + repr(sources_of(disk))
        assert repr(layer.cipher.secret.raw)[2:-1] not in shown
    with open_any(SOUND / "aes-4k.qcow2") as image, open_disk(image, None, Supplied(passphrase=RIGHT[:16])) as disk:
        assert RIGHT[:16].decode() not in repr(disk.layers) + repr(sources_of(disk))


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
        with open_disk(image, None, supplied) as disk, pytest.raises((OutputDiffers, Unsupported)):
            extract(disk, tmp_path / "out.raw", Settings(hashes=()))
