"""The lines of a mapfile as GNU ddrescue writes and reads them."""

from __future__ import annotations

from forensic.version import __version__

COLUMNS = "#      pos        size  status\n"
"""What stands above the ranges."""


def mapfile_head(*meaning: str) -> str:
    """The comments at the beginning, down to the line that says how far the work is; `meaning` is of the statuses."""
    says = "".join(f"# {line}\n" for line in meaning)
    return f"# Mapfile. Created by qcowscope {__version__}\n{says}# current_pos  current_status  current_pass\n"


def mapfile_line(start: int, length: int, status: str) -> str:
    """One range, without the end of the line; offsets and lengths in bytes."""
    return f"0x{start:08X}  0x{length:08X}  {status}"
