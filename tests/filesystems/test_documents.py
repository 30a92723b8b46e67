"""Names and times of entries as text: harmless, unmistakable, and those that other programs print."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.filesystems.documents import escaped, name_json, permission_letters, permissions
from forensic.filesystems.entries import Entry, Kind

NAMES = st.one_of(st.binary(max_size=40), st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")))
PIECES = st.lists(st.sampled_from([b"<U+202E>", "\u202e".encode(), b"\\", b"\\x5c", b"\n", b"|", b"a", b"<", b"\xff"]))


@given(NAMES, NAMES)
def test_no_two_names_look_the_same(one: bytes, other: bytes) -> None:
    assert (escaped(one, "|") == escaped(other, "|")) == (one == other)


@given(PIECES.map(b"".join), PIECES.map(b"".join))
def test_no_two_names_look_the_same_that_are_made_to(one: bytes, other: bytes) -> None:
    assert (escaped(one, "|") == escaped(other, "|")) == (one == other)


@given(NAMES)
def test_a_name_is_one_printable_line_without_the_mark_of_a_column(name: bytes) -> None:
    shown = escaped(name, "|")
    assert "|" not in shown and "\n" not in shown
    assert all(character.isprintable() or "M" in _category(character) for character in shown)


def _category(character: str) -> str:
    import unicodedata

    return unicodedata.category(character)


def test_a_name_is_shown_whole_however_long_it_is() -> None:
    assert escaped(b"a" * 5000) == "a" * 5000
    assert escaped(b"a" * 5000 + b"\n") == "a" * 5000 + "\\x0a"
    assert name_json(b"a\xff" * 3000)["hex"] == (b"a\xff" * 3000).hex()  # type: ignore[call-overload,index]


def test_more_marks_than_a_line_bears_are_escaped() -> None:
    assert escaped(("a" + "\u0301" * 4).encode()) == "a\u0301\u0301<U+0301><U+0301>"


@pytest.mark.parametrize("mode", [0, 0o777, 0o644, 0o4755, 0o4644, 0o2711, 0o2701, 0o1777, 0o1776, 0o7000])
def test_permissions_are_those_of_the_system(mode: int) -> None:
    assert permission_letters(mode) == stat.filemode(stat.S_IFREG | mode)[1:]


@pytest.mark.parametrize(
    ("kind", "file_type"),
    [
        (Kind.FILE, stat.S_IFREG), (Kind.DIRECTORY, stat.S_IFDIR), (Kind.LINK, stat.S_IFLNK), (Kind.FIFO, stat.S_IFIFO),
        (Kind.SOCKET, stat.S_IFSOCK), (Kind.CHARACTER, stat.S_IFCHR), (Kind.BLOCK, stat.S_IFBLK),
    ],
)  # fmt: skip
def test_kinds_have_the_letters_of_ls(kind: Kind, file_type: int) -> None:
    assert permissions(Entry(b"x", 1, kind, 0, mode=0o640)) == stat.filemode(file_type | 0o640)
    assert permissions(Entry(b"x", 1, kind, 0, deleted=True)).endswith("*")
