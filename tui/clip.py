"""The forms in which bytes are put on the clipboard."""

from __future__ import annotations

import base64
import shlex
from pathlib import Path

from forensic.explore import Range, Space

FORMS = {
    "hex": "51 46 49 fb",
    "offset": "location: space, offset, length",
    "python": 'bytes.fromhex("514649fb")',
    "c": "{0x51, 0x46, 0x49, 0xfb}",
    "base64": "UUZJ+w==",
    "text": "printable ASCII, everything else as dots",
    "command": "the dd command that reads these bytes from the file",
}


def clipped(form: str, path: Path, place: Range, data: bytes) -> str:
    """The bytes in a form of `FORMS`."""
    if form == "offset":
        return f"{place.space.value} {place.offset:#x} +{place.length}"
    if form == "command":
        if place.space == Space.GUEST:
            return f"qcowscope extract {shlex.quote(str(path))} -o out.raw --range {place.offset}:{place.length}"
        options = "iflag=skip_bytes,count_bytes status=none"
        return f"dd if={shlex.quote(str(path))} skip={place.offset} count={place.length} {options}"
    encoded = {
        "hex": data.hex(" "),
        "python": f'bytes.fromhex("{data.hex()}")',
        "c": "{" + ", ".join(f"{byte:#04x}" for byte in data) + "}",
        "base64": base64.b64encode(data).decode("ascii"),
        "text": "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in data),
    }
    return encoded[form]
