"""How a header says that its data is encrypted, and the key that a passphrase gives."""

from __future__ import annotations

from forensic.errors import Unsupported
from forensic.evidence import Evidence
from forensic.second_reader.decryption import SectorDecryption
from forensic.second_reader.header import AES, Header, luks_header
from forensic.untrusted import c_string

MODES, IVS = ("ecb", "cbc", "ctr", "xts"), ("plain", "plain64", "essiv")


def decryption_of(evidence: Evidence, header: Header, key: bytes) -> SectorDecryption:
    """How sectors are decrypted with this key. Raises `Unsupported` for what no header of QEMU asks for."""
    if header.encryption == AES:
        # The sectors of the older encryption are numbered by where they lie on the disk.
        return SectorDecryption(key, "cbc", "plain64", "", by_host_offset=False)
    luks = luks_header(evidence)
    try:
        return SectorDecryption(key, *_mode_and_iv(luks.cipher_mode), by_host_offset=True)
    except (ValueError, TypeError) as error:
        raise Unsupported(evidence.path_as_given, "the LUKS header asks for a cipher that is not known") from error


def aes_key(passphrase: bytes) -> bytes:
    """The key of the older encryption: the passphrase, cut or filled up to 16 bytes."""
    return passphrase[:16].ljust(16, b"\0")


def _mode_and_iv(cipher_mode: bytes) -> tuple[str, str, str]:
    """Such as `xts`, `plain64` and nothing, or `cbc`, `essiv` and `sha256`. Raises `ValueError`."""
    mode, _, rest = c_string(cipher_mode).text.lower().partition("-")
    iv, _, iv_hash = rest.partition(":")
    if mode not in MODES or (iv or "plain64") not in IVS:
        raise ValueError("not known")
    return mode, iv or "plain64", iv_hash
