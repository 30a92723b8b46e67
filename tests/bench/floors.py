"""`python -m tests.bench.floors IMAGE RANGES OUTPUT`: the bare work of an extraction, which nobody can do without.

Two processes read, decode and write what a list names that was made beforehand. No table is walked, no zero is looked
for, nothing is accounted for, and only the codec is loaded.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable
from pathlib import Path

PROCESSES = 2
COPIED_AT_ONCE = 1 << 20
COLUMNS = 4


def list_ranges(image: Path, ranges: Path) -> Path:
    """Write down guest offset, length, host offset and stored length (0: not compressed) of all that is to be read."""
    from forensic.image import open_image
    from forensic.mapping.extents import State

    found: array[int] = array("Q")
    with open_image(image) as opened:
        for runs in opened.disk().runs():
            for guest_offset, length, host_offset, stored_length, state, *_ in runs:
                if state == State.COMPRESSED:
                    found.extend((guest_offset, length, host_offset, stored_length))
                elif state == State.DATA:
                    for start in range(0, length, COPIED_AT_ONCE):
                        part = min(COPIED_AT_ONCE, length - start)
                        found.extend((guest_offset + start, part, host_offset + start, 0))
        found.extend((opened.virtual_size, 0, opened.geometry.compression_type, 0))
    ranges.write_bytes(found)
    return ranges


def main(image: Path, ranges: Path, output: Path) -> int:
    """Do the work; the last entry of the list has the size of the disk and the codec."""
    listed = array("Q", ranges.read_bytes())
    *entries, (size, _, compression_type, _) = zip(*(listed[column::COLUMNS] for column in range(COLUMNS)), strict=True)
    decode = _decoder(compression_type) if any(entry[3] for entry in entries) else None
    source, target = os.open(image, os.O_RDONLY), os.open(output, os.O_RDWR | os.O_CREAT)
    os.ftruncate(target, size)
    for member in range(PROCESSES):
        if not os.fork():
            for guest_offset, length, host_offset, stored_length in entries[member::PROCESSES]:
                data = os.pread(source, stored_length or length, host_offset)
                os.pwrite(target, decode(data, length) if decode and stored_length else data, guest_offset)
            os._exit(0)
    return max(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(PROCESSES))


def _decoder(compression_type: int) -> Callable[[bytes, int], bytes | bytearray]:
    if compression_type:
        import zstandard

        bytes(4 << 20)  # see forensic.disk.codecs
        decompressor = zstandard.ZstdDecompressor()
        return lambda data, length: decompressor.decompress(data, max_output_size=length, allow_extra_data=True)
    import deflate

    bytes(4 << 20)
    return lambda data, length: deflate.deflate_decompress(data, length)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
