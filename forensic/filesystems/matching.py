"""Which entry of one tree is which of another: the same file, moved perhaps, or a different one in its place.

A file is recognised by inode, sequence and time of creation, not by its name. FAT has no inodes: there it is the time
of creation and the first cluster.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from forensic.filesystems.entries import Entry, Kind


class Pair(Struct, frozen=True):
    """One file as it is in both trees; `renamed` if it has another name or folder, and not just with its folder."""

    before: Entry
    after: Entry
    renamed: bool


class Matched(Struct, frozen=True):
    """Files that are in both trees, those of one alone, and paths at which a different file has taken the place."""

    pairs: tuple[Pair, ...]
    deleted: tuple[Entry, ...]
    new: tuple[Entry, ...]
    replaced: tuple[tuple[Entry, Entry], ...]


Numbered = tuple[bytes, int]
"""A path, and how many entries before it have the same one: a damaged folder may have a name twice."""


class Rule(StrEnum):
    """By what a file is recognised."""

    INODE = "inode"
    FIRST_CLUSTER = "first cluster"
    PATH = "path"


def rule_for(file_system: str, same_system: bool) -> Rule:
    """What two states of a file system are matched by; two that are not one have nothing in common but paths."""
    if not same_system:
        return Rule.PATH
    return Rule.FIRST_CLUSTER if file_system.startswith(("FAT", "exFAT")) else Rule.INODE


def match(before: Iterable[Entry], after: Iterable[Entry], rule: Rule) -> Matched:
    """Match the entries of two trees."""
    old, new = _numbered(before), _numbered(after)
    same = _at_one_path(old, new, lambda one, other: _is_same(one, other, rule))
    moved = list(_moved(old, new, rule))
    if rule == Rule.FIRST_CLUSTER:  # a file that was written anew from its start, unless it is another one that moved
        same += _at_one_path(old, new, lambda one, other: (one.kind, one.created) == (other.kind, other.created))
    folders = {one.path: other.path for one, other in (*same, *moved)}
    pairs = [Pair(one, other, renamed=False) for one, other in same]
    pairs += [Pair(one, other, _is_renamed(one, other, folders)) for one, other in moved]
    replaced = [(old.pop(path), new.pop(path)) for path in [*old] if path in new]
    return Matched(tuple(pairs), tuple(old.values()), tuple(new.values()), tuple(replaced))


def _numbered(entries: Iterable[Entry]) -> dict[Numbered, Entry]:
    counts: Counter[bytes] = Counter()
    found: dict[Numbered, Entry] = {}
    for entry in entries:
        found[entry.path, counts[entry.path]] = entry
        counts[entry.path] += 1
    return found


def _at_one_path(
    old: dict[Numbered, Entry], new: dict[Numbered, Entry], is_same: Callable[[Entry, Entry], bool]
) -> list[tuple[Entry, Entry]]:
    """Take out the files that are in both trees under one path."""
    return [(old.pop(path), new.pop(path)) for path in [*old] if path in new and is_same(old[path], new[path])]


def _is_same(one: Entry, other: Entry, rule: Rule) -> bool:
    """Whether what has the same path in both trees is one file."""
    if rule == Rule.PATH:
        return one.kind == other.kind
    if rule == Rule.FIRST_CLUSTER:
        return (one.kind, one.created, _first_cluster(one)) == (other.kind, other.created, _first_cluster(other))
    return _identity(one) == _identity(other)


def _identity(entry: Entry) -> tuple[Hashable, ...]:
    stream = entry.path.rpartition(b":")[2] if entry.kind == Kind.STREAM else b""
    return entry.kind, entry.inode, entry.sequence, entry.created, stream


def _first_cluster(entry: Entry) -> int | None:
    """Where its content begins in the volume; None if it has none."""
    return entry.runs[0][1] if entry.runs else None


def _moved(old: dict[Numbered, Entry], new: dict[Numbered, Entry], rule: Rule) -> Iterator[tuple[Entry, Entry]]:
    """Take out the files that are in both trees under different paths; of hard links as many as there are."""
    waiting: dict[tuple[Hashable, ...], list[Numbered]] = defaultdict(list)
    for path, entry in old.items():
        if (key := _recognised(entry, rule)) is not None:
            waiting[key].append(path)
    for path, entry in [*new.items()]:
        key = _recognised(entry, rule)
        if key is not None and waiting.get(key):
            yield old.pop(waiting[key].pop(0)), new.pop(path)


def _recognised(entry: Entry, rule: Rule) -> tuple[Hashable, ...] | None:
    """By what a file is known under another path; None if it could be any."""
    if rule == Rule.PATH:
        return None
    if rule == Rule.FIRST_CLUSTER:
        key: tuple[Hashable, ...] = entry.kind, entry.created, _first_cluster(entry)
        return (key if entry.created else (*key, entry.size, entry.modified)) if entry.runs else None
    if entry.created or entry.sequence:
        return _identity(entry)
    # Without either an inode that was used again looks the same, unless the file itself does not.
    return (*_identity(entry), entry.size, entry.modified)


def _is_renamed(before: Entry, after: Entry, folders: dict[bytes, bytes]) -> bool:
    """Whether its own name or folder is another, and it did not just move with its folder (a stream with its file)."""
    mark = b":" if before.kind == Kind.STREAM else b"/"
    old_folder, _, old_name = before.path.rpartition(mark)
    new_folder, _, new_name = after.path.rpartition(mark)
    return old_name != new_name or folders.get(old_folder, old_folder) != new_folder
