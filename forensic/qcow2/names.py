"""What kind of thing a file name inside an image is, before anybody thinks of opening it."""

from __future__ import annotations

import re

# What QEMU takes for a protocol: whatever stands before a colon, if no slash comes first.
_PROTOCOL = re.compile(rb"[^/:]*:")


def is_protocol(name: bytes) -> bool:
    """Whether QEMU would take a file name for `json:…` or for something behind a protocol such as `nbd:`.

    `file:` is a protocol to QEMU as well, but what follows it is a file name after all.
    """
    return _PROTOCOL.match(name) is not None and not name.startswith(b"file:")


def scheme(name: bytes) -> str:
    """`json`, `protocol`, `device` or `plain`."""
    if name.startswith(b"json:"):
        return "json"
    if is_protocol(name):
        return "protocol"
    return "device" if name.removeprefix(b"file:").startswith(b"/dev/") else "plain"


def last_name(declared: bytes) -> bytes:
    """The file name at the end of a declared name, of whichever system: up to the first NUL, behind `/` or `\\`."""
    return re.split(rb"[/\\]", declared.split(b"\0", 1)[0])[-1]
