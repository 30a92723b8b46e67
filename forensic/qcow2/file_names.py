"""What kind of thing a file name inside an image is, without opening it."""

from __future__ import annotations

import re

# What QEMU takes for a protocol: whatever stands before a colon, if no slash comes first.
_PROTOCOL = rb"[^/:]*:"

# `C:\\x` and `C:/x`, and `\\\\server\\share` (also with slashes).
_WINDOWS = rb"[A-Za-z]:[\\/]|\\\\[^\\/]+[\\/]"


def is_windows_path(name: bytes) -> bool:
    """Whether a file name is an absolute one of Windows: with a drive letter, or of a server (UNC)."""
    return re.match(_WINDOWS, name) is not None


def is_network_path(name: bytes) -> bool:
    """Whether a file name leads to a share of a server (UNC)."""
    return is_windows_path(name) and name.startswith(b"\\\\")


def is_protocol(name: bytes) -> bool:
    """Whether QEMU would take a file name for `json:…` or for something reached by a protocol such as `nbd:`.

    `file:` is a protocol to QEMU as well, but what follows it is a file name after all; and a drive letter of Windows
    is none to the system that the name comes from.
    """
    return re.match(_PROTOCOL, name) is not None and not name.startswith(b"file:") and not is_windows_path(name)


def scheme(name: bytes) -> str:
    """`json`, `protocol`, `device` or `plain`."""
    if name.startswith(b"json:"):
        return "json"
    if is_protocol(name):
        return "protocol"
    return "device" if name.removeprefix(b"file:").startswith(b"/dev/") else "plain"


def last_name(declared: bytes) -> bytes:
    """The file name at the end of a declared name, of whichever system: up to the first NUL, after `/` or `\\`."""
    return re.split(rb"[/\\]", declared.split(b"\0", 1)[0])[-1]
