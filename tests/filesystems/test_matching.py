"""Which entry of one tree is which of another, on trees made by hand."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from forensic.filesystems.changes import Change, Tree, changes
from forensic.filesystems.contents import Compare
from forensic.filesystems.entries import Entry, Kind
from forensic.filesystems.matching import Rule, match, rule_for


class NothingDiffers(Compare):
    """Contents that are always alike, but for what is said to be unreadable."""

    def __init__(self, unreadable: Iterable[bytes] = ()) -> None:
        self.unreadable = set(unreadable)

    def differ(self, before: Entry, after: Entry) -> bool:
        if before.path in self.unreadable:
            raise OSError(5, "guest offset 0x0 cannot be read: io_error")
        return before.size != after.size


def file(path: str, inode: int, created: int = 1, **more: int) -> Entry:
    return replace(Entry(path.encode(), inode, Kind.FILE, 10, created=created), **more)


def folder(path: str, inode: int, **more: int) -> Entry:
    return replace(Entry(path.encode(), inode, Kind.DIRECTORY, 10, created=1), **more)


def done(before: list[Entry], after: list[Entry], rule: Rule = Rule.INODE, **trees: Tree) -> list[str]:
    """The changes as words."""
    found = changes(trees.get("old", Tree(before)), trees.get("new", Tree(after)), rule, NothingDiffers())
    return [_said(one) for one in found]


def _said(one: Change) -> str:
    names = dict.fromkeys(side.path.decode() for side in (one.before, one.after) if side)
    return f"{'+'.join(one.what)} {' -> '.join(names)}"


def test_names_that_were_exchanged_are_two_renames() -> None:
    assert done([file("a", 1), file("b", 2)], [file("a", 2), file("b", 1)]) == ["renamed b -> a", "renamed a -> b"]


def test_a_log_that_was_rotated_over_an_older_one() -> None:
    before = [file("log", 1), file("log.1", 2)]
    assert done(before, [file("log", 3), file("log.1", 1)]) == [
        "new log", "deleted log.1", "renamed log -> log.1",
    ]  # fmt: skip


def test_a_new_hard_link_is_new_and_the_file_has_another_count() -> None:
    before, after = [file("a", 1, links=1)], [file("a", 1, links=2), file("b", 1, links=2)]
    assert done(before, after) == ["metadata a", "new b"]


def test_of_two_links_one_may_be_renamed() -> None:
    before = [file("a", 1), file("b", 1)]
    assert done(before, [file("a", 1), file("c", 1)]) == ["renamed b -> c"]


def test_without_time_of_creation_an_inode_alone_is_no_proof() -> None:
    before = [file("a", 1, created=0, modified=5)]
    assert done(before, [file("b", 1, created=0, modified=5)]) == ["renamed a -> b"]
    assert done(before, [file("b", 1, created=0, modified=6)]) == ["deleted a", "new b"]


def test_another_file_of_the_same_name_has_replaced_it() -> None:
    assert done([file("a", 1)], [file("a", 2)]) == ["replaced a"]
    assert done([file("a", 1)], [file("a", 1, created=2)]) == ["replaced a"]
    assert done([file("a", 1)], [folder("a", 1)]) == ["replaced a"]
    assert done([file("a", 1, sequence=1)], [file("a", 1, sequence=2)]) == ["replaced a"]


def test_a_file_that_moved_with_its_folder_is_no_change() -> None:
    before = [folder("d", 1), folder("d/e", 2), file("d/e/f", 3), file("d/g", 4)]
    after = [folder("x", 1), folder("x/e", 2), file("x/e/f", 3), file("x/h", 4)]
    assert done(before, after) == ["renamed d -> x", "renamed d/g -> x/h"]


def test_a_stream_moves_with_its_file() -> None:
    stream = Entry(b"a:s", 1, Kind.STREAM, 10, created=1)
    after = [file("b", 1), replace(stream, path=b"b:s")]
    assert done([file("a", 1), stream], after) == ["renamed a -> b"]
    assert done([file("a", 1), stream], [file("a", 1), replace(stream, path=b"a:t")]) == [
        "deleted a:s", "new a:t",
    ]  # fmt: skip


def test_the_times_of_a_folder_follow_from_its_entries_and_are_a_change_otherwise() -> None:
    before = [folder("d", 1, modified=1, changed=1)]
    assert done(before, [folder("d", 1, modified=2, changed=2), file("d/new", 2)]) == ["new d/new"]
    assert done(before, [folder("d", 1, modified=2, changed=2)]) == ["metadata d"]
    assert done(before, [folder("d", 1, modified=2, changed=2, mode=0o700), file("d/new", 2)]) == [
        "metadata d", "new d/new",
    ]  # fmt: skip
    assert done([folder("d", 1, links=2)], [folder("d", 1, links=3), folder("d/e", 2)]) == ["new d/e"]


def test_a_rename_changes_the_time_of_change_and_nothing_else() -> None:
    assert done([file("a", 1, changed=1)], [file("b", 1, changed=2)]) == ["renamed a -> b"]
    assert done([file("a", 1, changed=1)], [file("b", 1, changed=2, modified=2)]) == ["renamed+metadata a -> b"]
    assert done([file("a", 1)], [file("b", 1, size=11)]) == ["renamed+content a -> b"]


def test_reading_a_file_is_no_change() -> None:
    assert done([file("a", 1, accessed=1)], [file("a", 1, accessed=2)]) == []


def test_files_of_fat_are_known_by_their_first_cluster() -> None:
    def there(path: str, slot: int, place: int) -> Entry:
        return replace(file(path, slot, created=5), runs=((0, place, 512),))

    assert done([there("a", 3, 900)], [there("b", 9, 900)], Rule.FIRST_CLUSTER) == ["renamed a -> b"]
    assert done([there("a", 3, 900)], [there("b", 3, 800)], Rule.FIRST_CLUSTER) == ["deleted a", "new b"]
    assert done([file("a", 3)], [file("b", 3)], Rule.FIRST_CLUSTER) == ["deleted a", "new b"]  # empty ones
    assert done([there("a", 3, 900)], [there("a", 4, 800)], Rule.FIRST_CLUSTER) == []
    swapped = [there("a", 3, 900), there("b", 4, 800)], [there("a", 3, 800), there("b", 4, 900)]
    assert done(*swapped, Rule.FIRST_CLUSTER) == ["renamed b -> a", "renamed a -> b"]
    timeless = replace(there("a", 3, 900), created=0, modified=7)
    assert done([timeless], [replace(timeless, path=b"b")], Rule.FIRST_CLUSTER) == ["renamed a -> b"]
    assert done([timeless], [replace(timeless, path=b"b", modified=8)], Rule.FIRST_CLUSTER) == ["deleted a", "new b"]


def test_two_file_systems_that_are_not_one_are_compared_by_path() -> None:
    before, after = [file("a", 1), file("b", 2)], [file("a", 2), file("c", 1)]
    assert done(before, after, Rule.PATH) == ["deleted b", "new c"]
    rules = [rule_for(*one) for one in (("ext4", True), ("FAT32", True), ("exFAT", True), ("XFS", False))]
    assert rules == [Rule.INODE, Rule.FIRST_CLUSTER, Rule.FIRST_CLUSTER, Rule.PATH]


@pytest.mark.parametrize("incomplete", [None, [b"d"], [b""]])
def test_what_could_not_be_listed_is_not_called_deleted(incomplete: list[bytes] | None) -> None:
    before = [folder("d", 1), file("d/f", 2)]
    after = Tree([folder("d", 1)], incomplete)
    assert done(before, [], new=after) == ["not_compared d/f"]
    assert done(before, [], new=Tree([folder("d", 1)], [b"other", b"d/f/g"])) == ["deleted d/f"]


def test_content_that_cannot_be_read_is_not_called_equal() -> None:
    entries = [file("a", 1, mode=1)]
    (found,) = changes(Tree(entries), Tree([file("a", 1, mode=2)]), Rule.INODE, NothingDiffers([b"a"]))
    assert (_said(found), found.fields) == ("not_compared+metadata a", ("mode",))
    assert found.reason == "guest offset 0x0 cannot be read: io_error"


def test_a_name_that_is_there_twice_is_two_entries() -> None:
    twice = [file("a", 1), file("a", 2)]
    assert match(twice, twice, Rule.INODE).pairs[1].before.inode == 2
    assert done(twice, twice[:1]) == ["deleted a"]
