"""What was done to the files of a volume between two states of a disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from forensic.filesystems.contents import Compare
from forensic.filesystems.documents import entry_json, name_json
from forensic.filesystems.entries import Entry, Kind
from forensic.filesystems.matching import Pair, Rule, match
from forensic.untrusted import Json, shown


class What(StrEnum):
    """What happened to a file."""

    NEW = "new"
    DELETED = "deleted"
    RENAMED = "renamed"
    REPLACED = "replaced"
    CONTENT = "content"
    METADATA = "metadata"
    NOT_COMPARED = "not_compared"


OF_CONTENT = frozenset({What.NEW, What.DELETED, What.REPLACED, What.CONTENT, What.NOT_COMPARED})
"""What is left with `--content-only`."""

FIELDS = ("mode", "uid", "gid", "links", "modified", "changed")
"""Metadata that are compared; a file that was only read is no change."""

TIMES = ("modified", "changed")


class Change(Struct, frozen=True):
    """A file and all that happened to it; `fields` are the metadata that differ, `reason` why it was not compared."""

    what: tuple[What, ...]
    before: Entry | None
    after: Entry | None
    fields: tuple[str, ...] = ()
    reason: str = ""

    @property
    def path(self) -> bytes:
        """Where the file is now, or was."""
        entry = self.after or self.before
        return entry.path if entry else b""

    def as_json(self, volume: str, most_bytes: int) -> dict[str, Json]:
        """The object that `fs diff --json` prints."""
        return {
            "volume": volume,
            "path": name_json(self.path),
            "what": [what.value for what in self.what],
            "fields": list(self.fields),
            "reason": shown(self.reason) or None,
            "before": entry_json(self.before, most_bytes) if self.before else None,
            "after": entry_json(self.after, most_bytes) if self.after else None,
        }


class Tree(Struct, frozen=True):
    """All entries of one state of a volume, and the folders of which not all entries are known (`None`: any)."""

    entries: Sequence[Entry]
    incomplete: Sequence[bytes] | None = ()

    def may_hold(self, path: bytes) -> bool:
        """Whether a path may be there though it was not listed."""
        if self.incomplete is None:
            return True
        return any(not folder or path == folder or path.startswith(folder + b"/") for folder in self.incomplete)


def changes(before: Tree, after: Tree, rule: Rule, compare: Compare) -> list[Change]:
    """Everything that differs, sorted by path."""
    matched = match(before.entries, after.entries, rule)
    found = [_alone(entry, What.DELETED, after) for entry in matched.deleted]
    found += [_alone(entry, What.NEW, before) for entry in matched.new]
    found += [Change((What.REPLACED,), one, other) for one, other in matched.replaced]
    touched = set(_touched(found, [pair for pair in matched.pairs if pair.renamed]))
    found += filter(None, (_change(pair, touched, compare) for pair in matched.pairs))
    return sorted(found, key=lambda change: (change.path, change.what))


def _alone(entry: Entry, what: What, other: Tree) -> Change:
    """What only one side has, unless the other could not be listed there."""
    before, after = (entry, None) if what == What.DELETED else (None, entry)
    if other.may_hold(entry.path):
        return Change((What.NOT_COMPARED,), before, after, reason="its folder could not be listed on the other side")
    return Change((what,), before, after)


def _touched(found: Iterable[Change], renamed: Iterable[Pair]) -> Iterator[bytes]:
    """Folders whose entries changed, which changes their times as well."""
    for change in found:
        for entry in (change.before, change.after):
            if entry is not None:
                yield entry.path.rpartition(b"/")[0]
    for pair in renamed:
        yield pair.before.path.rpartition(b"/")[0]
        yield pair.after.path.rpartition(b"/")[0]


def _change(pair: Pair, touched: set[bytes], compare: Compare) -> Change | None:
    """What happened to a file that is in both trees."""
    what = [What.RENAMED] if pair.renamed else []
    reason = ""
    if pair.after.kind in (Kind.FILE, Kind.STREAM, Kind.LINK, Kind.UNKNOWN):
        try:
            if compare.differ(pair.before, pair.after):
                what.append(What.CONTENT)
        except OSError as error:
            what.append(What.NOT_COMPARED)
            reason = error.strerror or str(error)
    fields = tuple(_fields(pair, touched))
    if fields:
        what.append(What.METADATA)
    return Change(tuple(what), pair.before, pair.after, fields, reason) if what else None


def _fields(pair: Pair, touched: set[bytes]) -> Iterator[str]:
    """The metadata that differ, but for what follows from another change that is listed."""
    if pair.after.kind == Kind.STREAM:  # its file has them
        return
    is_folder = pair.after.kind == Kind.DIRECTORY
    follows: set[str] = {"links"} if is_folder else set()  # each folder inside is a link to its parent
    if is_folder and (pair.after.path in touched or pair.before.path in touched):
        follows |= {*TIMES}
    if pair.renamed:
        follows.add("changed")
    differing = [name for name in FIELDS if getattr(pair.before, name) != getattr(pair.after, name)]
    if set(differing) <= follows:
        return
    yield from (name for name in differing if name not in follows or name in TIMES)
