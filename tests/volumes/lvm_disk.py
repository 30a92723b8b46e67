"""LVM2 physical volumes made by hand: the label, the header, and the text that LVM2 itself would write."""

import struct
import zlib
from pathlib import Path

SECTOR = 512
EXTENT = 1 << 20
AREA_START, AREA_SIZE = 4096, (1 << 20) - 4096
DATA_START = 1 << 20


def identity(number: int) -> bytes:
    """The 32 characters by which a physical volume is known."""
    return f"{number:032d}".encode()


def dashed(number: int) -> str:
    """The same as the text has it."""
    text = identity(number).decode()
    return "-".join([text[:6], *(text[at : at + 4] for at in range(6, 26, 4)), text[26:]])


def checksum(text: bytes) -> int:
    """As LVM2 computes it."""
    return zlib.crc32(text, 0xF597A6CF ^ 0xFFFFFFFF) ^ 0xFFFFFFFF


def group(volumes: str, count: int = 1, extents: int = 64, seqno: int = 3) -> bytes:
    """The text of a volume group `vg` on so many physical volumes."""
    physical = "".join(
        f'pv{number} {{\nid = "{dashed(number)}"\ndevice = "/dev/sd{number}"\nstatus = ["ALLOCATABLE"]\n'
        f"dev_size = {(extents + 2) * EXTENT // SECTOR}\npe_start = {DATA_START // SECTOR}\npe_count = {extents}\n}}\n"
        for number in range(count)
    )
    return (
        f'vg {{\nid = "{dashed(77)}"\nseqno = {seqno}\nformat = "lvm2" # informational\nstatus = ["RESIZEABLE"]\n'
        f"flags = []\nextent_size = {EXTENT // SECTOR}\nmax_lv = 0\nphysical_volumes {{\n{physical}}}\n"
        f'logical_volumes {{\n{volumes}}}\n}}\ncontents = "Text Format Volume Group"\nversion = 1\n'
        'description = "a \\"quoted\\" word"\n'
    ).encode()


def volume(name: str, *segments: str, status: str = '"READ", "WRITE", "VISIBLE"') -> str:
    """A logical volume of these segments."""
    inner = "".join(f"segment{number} {{\n{one}\n}}\n" for number, one in enumerate(segments, 1))
    return f'{name} {{\nid = "{dashed(88)}"\nstatus = [{status}]\nsegment_count = {len(segments)}\n{inner}}}\n'


def striped(start: int, count: int, *stripes: tuple[str, int], size: int = 0) -> str:
    """A linear or striped segment, in extents; `size` is that of a stripe in sectors."""
    places = ", ".join(f'"{name}", {extent}' for name, extent in stripes)
    stripe_size = f"stripe_size = {size}\n" if size else ""
    return (
        f'start_extent = {start}\nextent_count = {count}\ntype = "striped"\nstripe_count = {len(stripes)}\n'
        f"{stripe_size}stripes = [{places}]"
    )


def physical(text: bytes, number: int = 0, extents: int = 64, at: int = 512, crc: int | None = None) -> bytearray:
    """A physical volume with this text, which begins at `at` of its area and may go round at its end."""
    content = bytearray(DATA_START + extents * EXTENT)
    header = identity(number) + struct.pack("<Q", len(content))
    header += struct.pack("<QQQQQQQQ", DATA_START, 0, 0, 0, AREA_START, AREA_SIZE, 0, 0)
    content[SECTOR : 2 * SECTOR] = (b"LABELONE" + struct.pack("<QII8s", 1, 0, 32, b"LVM2 001") + header).ljust(
        512, b"\0"
    )
    stored = checksum(text) if crc is None else crc
    area = b"\0\0\0\0 LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, AREA_START, AREA_SIZE)
    area += struct.pack("<QQII", at, len(text), stored, 0)
    content[AREA_START : AREA_START + len(area)] = area
    straight = text[: AREA_SIZE - at]
    content[AREA_START + at : AREA_START + at + len(straight)] = straight
    rest = text[len(straight) :]
    content[AREA_START + 512 : AREA_START + 512 + len(rest)] = rest
    return content


def put(content: bytearray, extent: int, data: bytes) -> None:
    """Fill extents of a physical volume from one on."""
    start = DATA_START + extent * EXTENT
    content[start : start + len(data)] = data


def write(path: Path, content: bytearray) -> Path:
    """Write it."""
    path.write_bytes(content)
    return path
