"""From a key to the decryption of an image: a LUKS master key that the header's digest confirms, or a passphrase."""

from __future__ import annotations

import hashlib
import hmac

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.format.qcow2 import Qcow2
from forensic.second_reader.decryption import SectorDecryption
from forensic.second_reader.header import AES, Header, luks_at
from forensic.second_reader.source import Key
from forensic.untrusted import c_string

MODES, IVS = ("ecb", "cbc", "ctr", "xts"), ("plain", "plain64", "essiv")
KEY_LENGTHS = (16, 24, 32)


def decryption_of(evidence: Evidence, header: Header, key: Key, in_place: bytes = b"") -> SectorDecryption:
    """How sectors are decrypted with this key. Raises `Unsupported` where it is not the key of the image.

    With `in_place` these bytes stand for the file's first cluster.
    """
    if header.encryption == AES:
        # The sectors of the older encryption are numbered by where they lie on the disk.
        return SectorDecryption(aes_key(key.raw), "cbc", "plain64", "", by_host_offset=False)
    luks = luks_at(evidence, in_place)
    try:
        return _confirmed(evidence, luks, key.raw)
    except (ValueError, TypeError) as error:
        raise Unsupported(evidence.path_as_given, "the LUKS header asks for a cipher that is not known") from error


def aes_key(passphrase: bytes) -> bytes:
    """The key of the older encryption: the passphrase, cut or filled up to 16 bytes."""
    return passphrase[:16].ljust(16, b"\0")


def _confirmed(evidence: Evidence, luks: Qcow2.Luks1Header, master_key: bytes) -> SectorDecryption:
    """Raises `ValueError` for what no header of QEMU asks for, and `Unsupported` for a key that is not this header's.

    Which key slot it came from and how does not matter: the header holds a digest of the one key that is right.
    """
    mode = _mode_and_iv(luks.cipher_mode)
    if luks.len_key // (2 if mode[0] == "xts" else 1) not in KEY_LENGTHS or len(master_key) != luks.len_key:
        raise ValueError("not known")
    expected, hash_name = bytes(luks.mk_digest), c_string(luks.hash_spec).text
    found = hashlib.pbkdf2_hmac(hash_name, master_key, luks.mk_digest_salt, luks.mk_digest_iterations, len(expected))
    if not hmac.compare_digest(found, expected):
        raise Unsupported(evidence.path_as_given, "the master key does not have the digest that the LUKS header states")
    return SectorDecryption(master_key, *mode, by_host_offset=True)


def _mode_and_iv(cipher_mode: bytes) -> tuple[str, str, str]:
    """Such as `xts`, `plain64` and nothing, or `cbc`, `essiv` and `sha256`. Raises `ValueError`."""
    mode, _, rest = c_string(cipher_mode).text.lower().partition("-")
    iv, _, iv_hash = rest.partition(":")
    if mode not in MODES or (iv or "plain64") not in IVS:
        raise ValueError("not known")
    return mode, iv or "plain64", iv_hash
