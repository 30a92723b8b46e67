"""The few exceptions: each means "we could not do what was asked"; damage in an image is never one of them."""

from __future__ import annotations

import os
from collections.abc import Callable

from forensic.exit_status import ExitStatus
from forensic.untrusted import shown


class ForensicError(Exception):
    """Root of all; `exit_status` is what the command line returns for it."""

    exit_status = ExitStatus.NOT_COMPLETED


class EvidenceUnreadable(ForensicError):
    """The input file cannot be opened or read as evidence: missing, no permission, not a regular file."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class EvidenceInUse(ForensicError):
    """Another process holds the file and may write to it while it is read; `when` is that, and what allows it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        what: str,
        when: str = "during the extraction (--in-use reads it anyway)",
    ) -> None:
        super().__init__(f"{shown(path)}: is held by another process, which {what}; it may change {when}")
        self.path = path
        self.what = what


class NotAnImage(ForensicError):
    """The file is not a qcow2 image; `found` says what its first bytes look like."""

    exit_status = ExitStatus.NOT_AN_IMAGE

    def __init__(self, path: str | os.PathLike[str], found: str) -> None:
        super().__init__(f"{shown(path)}: not a qcow2 image: {found}")
        self.path = path
        self.found = found


class Unsupported(ForensicError):
    """The image is recognised, but what was asked needs something that cannot be done with it."""

    def __init__(self, path: str | os.PathLike[str], feature: str) -> None:
        super().__init__(f"{shown(path)}: {feature}")
        self.path = path
        self.feature = feature


class SlowKey(Unsupported):
    """To try the passphrase takes so long that it has to be asked for."""


class KeyRejected(ForensicError):
    """The key that was supplied does not open the image; the key itself is in no message."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class WrongSupply(ForensicError):
    """A file or key that the examiner supplied beside the image does not fit it."""

    exit_status = ExitStatus.USAGE

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class BadAddress(ForensicError):
    """What was to be listened on is no address, or not one that others must not reach."""

    exit_status = ExitStatus.USAGE

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{shown(address)}: {reason}")
        self.address = address
        self.reason = reason


_TYPES = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "null": "nothing",
    "array": "a list", "object": "a table of keys",
}  # fmt: skip


def in_words(reason: str) -> str:
    """What a decoder says of a document, without the names of types and paths of its own."""
    import re  # of failures alone

    def kinds(found: re.Match[str]) -> str:
        return " or ".join(_TYPES.get(name.strip(), name.strip()) for name in found[1].split("|"))

    said = re.sub(r"`((?:int|float|str|bool|null|array|object)(?: \| \w+)*)`", kinds, reason)
    said = re.sub(r"^Object contains unknown field `([^`]*)`", r"there is no key `\1`", said)
    said = re.sub(r"^Object missing required field `([^`]*)`", r"the key `\1` is missing", said)
    said = re.sub(r"^Expected (.*?), got ", r"expected \1, found ", said)
    said = re.sub(r"^Expected (.*) >= (\S+)(?= - at|$)", r"expected \1 from \2 on", said)
    said = re.sub(r"^Expected (.*) <= (\S+)(?= - at|$)", r"expected \1 up to \2", said)
    said = re.sub(
        r"^Expected text matching regex '\^\(([\w|]+)\)\$'", lambda one: f"expected {one[1].replace('|', ', ')}", said
    )
    return re.sub(r" - at `\$\.?([^`]*)`", r", at \1", said)


class BadPlan(ForensicError):
    """A recovery plan that cannot be understood or says what cannot be; the reason names the line."""

    exit_status = ExitStatus.USAGE

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: not a usable plan: {shown(in_words(reason))}")
        self.path = path
        self.reason = reason


class BadPolicy(ForensicError):
    """A policy file that cannot be understood, or names what there is not."""

    exit_status = ExitStatus.USAGE

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: not a policy that can be used: {shown(in_words(reason))}")
        self.path = path
        self.reason = reason


class WrongEvidence(ForensicError):
    """A recovery plan that was made for another file."""

    exit_status = ExitStatus.MISMATCH

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: the plan does not belong to this file: {reason}")
        self.path = path
        self.reason = reason


class OutputFailed(ForensicError):
    """The output cannot be written: it exists, it is the input itself, the space is not sufficient, a write failed."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class WorkerFailed(ForensicError):
    """What reads, hashes or writes beside the main thread ended with an error of ours; nothing it did is believed."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"internal error: the {name} ended: {shown(reason)}")
        self.name = name
        self.reason = reason


class InternalError(ForensicError):
    """Something that cannot be has happened; no result that came of it is given out."""

    def __init__(self, what: str) -> None:
        super().__init__(f"internal error: {what}")


class RangeNotRead(ForensicError):
    """A guest range has no bytes that can be read, and the caller asked to stop there rather than to fill it."""

    def __init__(self, guest_offset: int, length: int, reason_code: str) -> None:
        super().__init__(
            f"stopped at guest offset {guest_offset:#x}: {length:,} bytes cannot be read ({reason_code}); "
            "without --strict they are filled with zeros and listed"
        )
        self.guest_offset = guest_offset
        self.length = length
        self.reason_code = reason_code


class OutputDiffers(ForensicError):
    """What was written reads back differently."""

    exit_status = ExitStatus.MISMATCH

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class BadReport(ForensicError):
    """A report file that was to be compared with is not one of ours or holds nothing to compare."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(f"{shown(path)}: {reason}")
        self.path = path
        self.reason = reason


class Interrupted(ForensicError):
    """The caller asked to stop before the work was complete."""

    exit_status = ExitStatus.INTERRUPTED

    def __init__(self, what: str) -> None:
        super().__init__(f"interrupted: {what}")


def stop_if(cancelled: Callable[[], bool] | None, what: str) -> None:
    """Raise `Interrupted` if the caller asks to stop."""
    if cancelled and cancelled():
        raise Interrupted(what)
