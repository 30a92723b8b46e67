"""Rules about the LUKS header: its frame, its key slots, and what lies around it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from forensic.finding import FindingClass, Problem, Severity, host_range
from forensic.qcow2.luks import (
    LUKS1_HEADER_SIZE,
    LUKS_MAGIC,
    LUKS_SECTOR_SIZE,
    SLOT_ACTIVE,
    SLOT_INACTIVE,
    STRIPES,
    KeySlot,
    LuksHeader,
)
from forensic.rules.registry import rule

MAX_ITERATIONS = 100_000_000
"""About a minute for one try of a passphrase; what QEMU and cryptsetup choose by themselves takes 1 or 2 seconds."""
NAMES = {"cipher_name": "cipher name", "cipher_mode": "cipher mode", "hash_spec": "hash"}


@rule(LuksHeader, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_header_unaligned(luks: LuksHeader) -> Iterator[Problem]:
    """The LUKS header does not begin on a cluster boundary.

    Why: the pointer is damaged; what lies where it points may not be a LUKS header at all.
    Spec: Full disk encryption header pointer
    QEMU: refuses the image.
    Next: search the file for the bytes 4c 55 4b 53 ba be, with which the header begins.
    """
    if luks.host_offset % luks.cluster_size:
        yield _problem(
            luks, f"begins at {luks.host_offset:#x}, not a multiple of the {luks.cluster_size:#x}-byte cluster"
        )


@rule(LuksHeader, Severity.HIGH, FindingClass.CORRUPTION)
def encryption_header_too_short(luks: LuksHeader) -> Iterator[Problem]:
    """The area of the LUKS header is too small for the header or its key material.

    Why: key material past the end of the area may be overwritten by anything; perhaps no passphrase opens the data any
    more.
    Spec: Full disk encryption header pointer
    QEMU: says that data outside of the extension header was asked for, and refuses the image.
    Next: try the passphrase on a copy with the length set right.
    """
    needed = LUKS1_HEADER_SIZE
    if luks.magic == LUKS_MAGIC:
        needed = max([needed, *(luks.key_material(slot).stop for slot in luks.slots if slot.state == SLOT_ACTIVE)])
    if luks.length < needed:
        yield _problem(luks, f"has {luks.length:,} bytes reserved and needs {needed:,}")


@rule(LuksHeader, Severity.HIGH, FindingClass.CORRUPTION)
def luks_header_invalid(luks: LuksHeader) -> Iterator[Problem]:
    """The LUKS header is not of version 1, or a name in it is not terminated.

    Why: without a readable header no passphrase opens the data.
    Spec: Full disk encryption header pointer (LUKS version 1)
    QEMU: refuses the image.
    Next: a copy of the header may lie elsewhere: search for the bytes 4c 55 4b 53 ba be.
    """
    if luks.missing or luks.host_offset + LUKS1_HEADER_SIZE > luks.file_size:
        return  # it is not wholly in the file, which has a code of its own
    if luks.magic != LUKS_MAGIC:
        yield _problem(luks, f"begins with {luks.magic.hex(' ')}, expected {LUKS_MAGIC.hex(' ')}")
        return
    if luks.version != 1:
        yield _problem(luks, f"is of version {luks.version}, expected 1")
    for field, name in NAMES.items():
        if b"\0" not in luks.structure.raw(field):
            yield _problem(luks, f"has a {name} that is not NUL-terminated")
    if not luks.master_key_iterations:
        yield _problem(luks, "has 0 iterations for the digest of the master key")


@rule(LuksHeader, Severity.HIGH, FindingClass.CORRUPTION)
def luks_key_slot_invalid(luks: LuksHeader) -> Iterator[Problem]:
    """A key slot of the LUKS header is invalid.

    Why: the slot's key material is not where or what it should be; its passphrase does not open the data.
    Spec: Full disk encryption header pointer (LUKS version 1, key slots)
    QEMU: refuses the image, whichever slot it is.
    Next: another slot may still open the data.
    """
    if luks.magic != LUKS_MAGIC:
        return
    for number, slot in enumerate(luks.slots):
        for fault in _faults(luks, slot):
            yield _problem(luks, f"has a key slot {number} {fault}")
    for (number, slot), (other_number, other) in combinations(enumerate(luks.slots), 2):
        mine, theirs = luks.key_material(slot), luks.key_material(other)
        if mine.start < theirs.stop and theirs.start < mine.stop:
            yield _problem(luks, f"has key slots {number} and {other_number} whose key material overlaps")


@rule(LuksHeader, Severity.CRITICAL, FindingClass.RESOURCE)
def luks_iterations_excessive(luks: LuksHeader) -> Iterator[Problem]:
    """The LUKS header asks for so many iterations that trying a passphrase takes minutes or days.

    Why: the iterations are run before anything is known about the passphrase; consistent with a trap.
    Spec: Full disk encryption header pointer (LUKS version 1)
    QEMU: has no limit and runs until it is killed.
    Next: do not unlock the image without a time limit.
    """
    if luks.magic != LUKS_MAGIC:
        return
    if luks.master_key_iterations > MAX_ITERATIONS:
        yield _problem(luks, f"has {luks.master_key_iterations:,} iterations for the digest of the master key")
    for number, slot in enumerate(luks.slots):
        if slot.state == SLOT_ACTIVE and slot.iterations > MAX_ITERATIONS:
            yield _problem(luks, f"has {slot.iterations:,} iterations in key slot {number}")


@rule(LuksHeader, Severity.LOW, FindingClass.SPEC_VIOLATION)
def luks_payload_offset(luks: LuksHeader) -> Iterator[Problem]:
    """The payload offset of the LUKS header lies past the end of the header's area.

    Why: in a qcow2 image the data does not follow the LUKS header, so the field has no use but to limit the key
    material.
    Spec: Full disk encryption header pointer (LUKS version 1)
    QEMU: compares it with the key slots only.
    Next: none needed for reading.
    """
    ends = luks.payload_offset * LUKS_SECTOR_SIZE
    if luks.magic == LUKS_MAGIC and ends > luks.length:
        yield _problem(luks, f"has its payload offset at {ends:,} bytes, past its {luks.length:,} reserved bytes")


@rule(LuksHeader, Severity.MEDIUM, FindingClass.HIDDEN_DATA)
def luks_slack_not_zero(luks: LuksHeader) -> Iterator[Problem]:
    """The rest of the last cluster of the LUKS header is not zero.

    Why: it is set to zero when the image is made, and nothing uses it afterwards.
    Spec: Full disk encryption header pointer
    QEMU: does not check this.
    Next: examine the bytes.
    """
    if any(luks.slack):
        first = len(luks.slack) - len(luks.slack.lstrip(b"\0"))
        begins = luks.host_offset + luks.length + first
        found = luks.slack[first:].rstrip(b"\0")
        yield Problem(
            f"{len(found):,} bytes at {begins:#x}, after the LUKS header, are not zero: {found[:16].hex(' ')}",
            (host_range(begins, len(found)),),
            "LUKS header",
        )


def _faults(luks: LuksHeader, slot: KeySlot) -> Iterator[str]:
    material = luks.key_material(slot)
    if slot.state not in (SLOT_ACTIVE, SLOT_INACTIVE):
        yield f"in state {slot.state:#x}"
    if slot.stripes != STRIPES:
        yield f"of {slot.stripes:,} stripes, expected {STRIPES:,}"
    if slot.state == SLOT_ACTIVE and not slot.iterations:
        yield "with 0 iterations"
    if material.start < LUKS1_HEADER_SIZE:
        yield f"whose key material at {material.start:#x} lies in the header"
    if material.stop > luks.payload_offset * LUKS_SECTOR_SIZE:
        yield f"whose key material ends at {material.stop:#x}, past the payload offset"


def _problem(luks: LuksHeader, what: str) -> Problem:
    """One sentence about the LUKS header."""
    return Problem(
        f"the LUKS header at host offset {luks.host_offset:#x} {what}",
        (host_range(luks.host_offset, LUKS1_HEADER_SIZE),),
        "LUKS header",
    )
