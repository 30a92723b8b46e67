"""An extraction into an E01 container: which files that touches, what of it is read back, and what came of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.errors import OutputFailed
from forensic.extraction.result import ContainerFiles, Extraction
from forensic.extraction.settings import Container
from forensic.output.chunk import Chunk, length_of, split_chunk
from forensic.output.hashes import Hashes
from forensic.output.new_file import flush_to_disk
from forensic.output.raw_output import Output

if TYPE_CHECKING:  # containers are asked for rarely
    from forensic.e01.reader import E01Bytes
    from forensic.e01.writer import E01Output

TOGETHER_BYTES = 1 << 20
"""Bytes of chunks that are hashed together."""


def base_of(path: Path) -> Path:
    """The name of a container without the ending that its segments have."""
    return path.with_suffix("") if path.suffix.lower() == ".e01" else path


def touched_by(path: Path, force: bool) -> list[Path]:
    """The files that a container may be written to; raises `OutputFailed` if one of another is there."""
    from forensic.e01.writer import NUMBERED, segment_path, segments_after

    base = base_of(path)
    numbered = [one for number in range(1, NUMBERED + 1) if os.path.lexists(one := segment_path(base, number))]
    if numbered and not force:
        raise OutputFailed(numbered[0], "exists already; --force overwrites the container")
    touched = [segment_path(base, 1), *segments_after(base, 1)]
    for stray in numbered:
        if stray not in touched:
            raise OutputFailed(stray, "would be taken for a segment of the new container, and is none; move it away")
    return touched


def container_output(extraction: Extraction, container: Container, force: bool) -> E01Output:
    """The container of an extraction. Raises `OutputFailed`."""
    from forensic.e01.layout import CaseData
    from forensic.e01.writer import E01Output

    base = base_of(extraction.path or Path())
    return E01Output(
        base,
        extraction.size,
        container.case or CaseData(),
        lambda: _unread(extraction),
        container.level,
        container.segment_size,
        force,
    )


def account_of(output: Output) -> ContainerFiles:
    """What was written to an `E01Output`; after `complete`. Raises `OutputFailed`."""
    from forensic.e01.writer import E01Output

    assert isinstance(output, E01Output), "a container was asked for"
    try:
        files = [(path, path.stat().st_size) for path in output.files]
    except OSError as error:
        raise OutputFailed(output.files[0], (error.strerror or "is gone").lower()) from error
    return ContainerFiles(files, output.hashes, output.padding)


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file as it is. Raises `OSError`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_back(
    output: Output, extraction: Extraction, names: Sequence[str], passed: Callable[[int], None]
) -> tuple[E01Bytes, dict[str, str]]:
    """Read all of a container again: the disk in it, which has to be closed, and its hashes of these names.

    Every checksum is compared, the hashes in the container, and the list of what could not be read. `passed` is told
    of the bytes that are done. Raises `ContainerDamaged`, and `ReadFailed` where it cannot be read.
    """
    from forensic.e01.layout import error_sectors
    from forensic.e01.reader import ContainerDamaged, E01Bytes
    from forensic.e01.writer import HASHES, E01Output

    assert isinstance(output, E01Output), "a container was asked for"
    for path in output.partials:
        flush_to_disk(path)
    found = E01Bytes(output.partials, extraction.guest_start)
    whole, disk = Hashes(HASHES, found.size), Hashes(names, extraction.size)
    try:
        left = extraction.size
        for chunk in together(found.in_order()):
            whole.take(chunk)
            disk.take(split_chunk(chunk, left)[0])
            left = max(0, left - length_of(chunk))
            passed(extraction.size - left)
        whole.finish()
        disk.finish()
        if not found.hashes == whole.hexdigests() == output.hashes:
            raise ContainerDamaged("the hashes in it are not those of the disk in it")
        if found.errors != error_sectors(_unread(extraction)):
            raise ContainerDamaged("its list of read errors is not what could not be read")
    except BaseException:
        found.close()
        raise
    finally:
        whole.stop()
        disk.stop()
    return found, disk.hexdigests()


def together(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """The same bytes in longer parts, for what hashes them."""
    zeros, parts = 0, list[memoryview]()
    for chunk in chunks:
        if isinstance(chunk, int):
            if parts:
                yield memoryview(b"".join(parts))
                parts = []
            zeros += chunk
            continue
        if zeros:
            yield zeros
            zeros = 0
        parts.append(chunk)
        if len(parts) * len(chunk) >= TOGETHER_BYTES:
            yield memoryview(b"".join(parts))
            parts = []
    if zeros or parts:
        yield zeros or memoryview(b"".join(parts))


def _unread(extraction: Extraction) -> Iterator[tuple[int, int]]:
    """The ranges of the output that were not read; where they were too many to list, all to its end."""
    missing = extraction.ledger.unreadable()
    start = extraction.guest_start
    for one in missing.ranges:
        yield one.guest_offset - start, one.end - start
    if missing.not_listed:
        yield missing.ranges[-1].end - start, extraction.size
