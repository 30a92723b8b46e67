"""What kind of thing a file name inside an image is, before anybody thinks of opening it."""

from __future__ import annotations

import re

# What QEMU takes for a protocol: letters before the first colon, as long as no slash comes first.
_PROTOCOL = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*:")


def is_protocol(name: bytes) -> bool:
    """Whether QEMU would take a file name for `json:…` or for something behind a protocol such as `nbd:`."""
    return _PROTOCOL.match(name) is not None


def scheme(name: bytes) -> str:
    """`json`, `protocol`, `device` or `plain`."""
    if name.startswith(b"json:"):
        return "json"
    if is_protocol(name) and not name.startswith(b"file:"):
        return "protocol"
    return "device" if name.removeprefix(b"file:").startswith(b"/dev/") else "plain"
