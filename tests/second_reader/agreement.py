"""Holding the second reader against what the first one extracts."""

from pathlib import Path

from forensic.disk.disk import Disk
from forensic.disk.opening import NOTHING, BackingFile, SavedState, Supplied, open_disk
from forensic.errors import ForensicError
from forensic.extraction.extract import Extractor
from forensic.extraction.output_comparison import compare_whole
from forensic.extraction.second_reading import Comparison, Unread, second_reader_of
from forensic.extraction.settings import Settings
from forensic.image import Qcow2Image, open_any
from forensic.output.read_back import FileBytes
from forensic.qcow2.snapshots import Snapshot
from forensic.second_reader import answers
from samples.kinds import Kind


def supplied_for(kind: Kind, folder: Path) -> Supplied:
    """What a sample needs beside its image."""
    return Supplied(
        tuple(BackingFile(folder / f"{kind.name}.{suffix}") for suffix in kind.backing),
        folder / f"{kind.name}.{kind.data_file}" if kind.data_file else None,
        kind.passphrase.encode() if kind.passphrase else None,
    )


def compared(disk: Disk, folder: Path) -> Comparison:
    """An extraction of the disk, compared in the whole."""
    extractor = Extractor(disk, folder / "out.raw", Settings(hashes=(), force=True))
    extractor.run()
    unread = Unread.of(extractor.extraction.ledger.unreadable())
    with FileBytes([folder / "out.raw"], 0) as output:
        return compare_whole(disk, output, 0, disk.size, unread)


def reasons(disk: Disk) -> list[tuple[int, int, str]]:
    """What the second reader cannot read: start, end and reason of each range, neighbours merged."""
    found: list[tuple[int, int, str]] = []
    position = 0
    for answer in second_reader_of(disk).answers(0, disk.size):
        end = position + answer.length
        if answer.kind == answers.AnswerKind.UNREADABLE:
            if found and found[-1][1:] == (position, answer.reason):
                found[-1] = (found[-1][0], end, answer.reason)
            else:
                found.append((position, end, answer.reason))
        position = end
    return found


def disagreements(path: Path, folder: Path, supplied: Supplied = NOTHING) -> list[str]:
    """Whatever the readers say differently of the active disk, the snapshots and the saved states of an image."""
    found: list[str] = []
    try:
        image = open_any(path)
    except ForensicError:
        return found
    with image:
        targets: list[Snapshot | SavedState | None] = [None]
        try:
            snapshots = image.snapshots.snapshots if isinstance(image, Qcow2Image) else ()
        except ForensicError:
            snapshots = ()
        for snapshot in snapshots:
            targets += [snapshot, SavedState(snapshot)] if snapshot.vm_state_size else [snapshot]
        for target in targets:
            try:
                with open_disk(image, target, supplied) as disk:
                    found += [f"{disk.target}: {fact}" for fact in _facts(disk, folder)]
            except ForensicError:
                continue  # neither reader gets as far as reading
    return found


def _facts(disk: Disk, folder: Path) -> list[str]:
    extractor = Extractor(disk, folder / "out.raw", Settings(hashes=(), force=True))
    extractor.run()
    missing = extractor.extraction.ledger.unreadable()
    with FileBytes([folder / "out.raw"], 0) as output:
        comparison = compare_whole(disk, output, 0, disk.size, Unread.of(missing))
    facts = [f"{one.what} {one.guest_offset:#x} {one.length:#x} {one.reason}" for one in comparison.differences]
    if comparison.agrees and comparison.bytes + comparison.bytes_not_judged != disk.size:
        facts.append(f"{comparison.bytes} of {disk.size} bytes compared")
    first = [(one.guest_offset, one.end, one.reason.code) for one in missing.ranges]
    judged = not missing.not_listed and not comparison.bytes_not_judged
    if judged and first != reasons(disk):
        facts.append(f"reasons: {first[:3]} and {reasons(disk)[:3]}")
    return facts
