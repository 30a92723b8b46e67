"""Values of fields as they are read: times, identifiers, flags by name; numbers in both bases where they differ."""

from __future__ import annotations

import datetime
import stat

from forensic.explore.fields import value_of
from forensic.format.documentation import Reading
from forensic.structure import Field, FieldValue
from forensic.untrusted import utf_16

_UNIX = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_WINDOWS = datetime.datetime(1601, 1, 1, tzinfo=datetime.UTC)
_XFS = datetime.datetime(1901, 12, 13, 20, 45, 52, tzinfo=datetime.UTC)


def value_in_words(part: Field, reading: Reading) -> str:
    """The value of a field, read as its description says."""
    words = _by_unit(part.value, reading.unit)
    if isinstance(part.value, int) and not words:
        words = ", ".join(name for bit, name in reading.flags.items() if part.value >> int(bit) & 1)
        words = words or reading.values.get(str(part.value), "")
    if isinstance(part.value, bytes) and words:
        return words
    return f"{value_of(part)} {words}".rstrip()


def _by_unit(value: FieldValue, unit: str) -> str:
    if isinstance(value, bytes):
        return _of_bytes(value, unit)
    if unit == "mode":
        return stat.filemode(value & 0xFFFF) if value else ""
    if unit == "reference":
        return f"record {value & (1 << 48) - 1:,}, sequence {value >> 48}" if value else ""
    if unit == "fat_date":
        return f"{1980 + (value >> 9)}-{value >> 5 & 15:02}-{value & 31:02}" if value else ""
    if unit == "fat_time":
        return f"{value >> 11:02}:{value >> 5 & 63:02}:{(value & 31) * 2:02}"
    return _time(value, unit) if value else ""


def _time(value: int, unit: str) -> str:
    epochs = {"unix": (_UNIX, 1_000_000), "filetime": (_WINDOWS, 0.1), "xfs_big": (_XFS, 0.001)}
    if unit not in epochs:
        return ""
    epoch, microseconds = epochs[unit]
    try:
        moment = epoch + datetime.timedelta(microseconds=int(value * microseconds))
    except OverflowError:
        return "beyond the year 9999"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def _of_bytes(value: bytes, unit: str) -> str:
    if unit in ("guid", "uuid") and len(value) == 16:
        import uuid

        return str(uuid.UUID(bytes_le=value) if unit == "guid" else uuid.UUID(bytes=value))
    if unit == "utf16":
        return utf_16(value).text
    return ""
