"""Header extensions: lengths and names at their limits."""

from pathlib import Path

import pytest

from tests.rules.judging import codes_of, damaged, poke

BACKING_FORMAT, FEATURE_NAMES = 0xE2792ACA, 0x6803F857


def extension(kind: int, data: bytes, length: int | None = None) -> str:
    text = f'\n[[extension]]\ntype = {kind}\ndata = "{data.hex()}"\n'
    return text if length is None else f"{text}length = {length}\n"


def feature(kind: int, bit: int, name: bytes) -> bytes:
    return bytes([kind, bit]) + name.ljust(46, b"\0")


def codes(folder: Path, changes: str, base: str = "data-512") -> set[str]:
    return codes_of(damaged(folder, base, changes))


@pytest.mark.parametrize(("length", "reported"), [(392, set()), (393, {"extension-outside-area"})])
def test_an_extension_may_fill_the_cluster_to_its_last_byte(length: int, reported: set[str], tmp_path: Path) -> None:
    found = codes(tmp_path, extension(0xDEADBEEF, b"", length))
    assert found - {"extension-unknown", "extension-end-missing"} == reported


@pytest.mark.parametrize(
    ("name", "code"),
    [
        (b"", None),
        (b"qcow2", None),
        (b"host_device", None),
        (b"raw\0", None),
        (b"fifteen-letters", "backing-format-unknown"),
        (b"sixteen--letters", "backing-format-too-long"),
    ],
)
def test_a_backing_format_is_a_short_name_that_is_known(name: bytes, code: str | None, tmp_path: Path) -> None:
    found = codes(tmp_path, 'backing = "base.raw"\n' + extension(BACKING_FORMAT, name), "empty-512")
    expected = {"backing-file-declared"} | ({code} if code else set())
    assert found == expected


@pytest.mark.parametrize(
    ("entries", "sound"),
    [
        (feature(0, 63, b"x"), True),
        (feature(0, 64, b"x"), False),
        (feature(2, 63, b"x"), True),
        (feature(3, 0, b"x"), False),
        (feature(0, 4, b"extended L2 entries"), True),
        (feature(0, 4, b"extended l2 entries"), False),
        (feature(1, 4, b"x") + feature(2, 4, b"x"), True),
        (feature(1, 4, b"x") + feature(1, 4, b"x"), False),
        (feature(1, 4, b"x") + b"\0", False),
    ],
)
def test_feature_names_are_held_against_the_format(entries: bytes, sound: bool, tmp_path: Path) -> None:
    assert codes(tmp_path, extension(FEATURE_NAMES, entries)) == (set() if sound else {"feature-names-malformed"})


def test_a_name_directly_behind_the_header_leaves_no_room_for_extensions(tmp_path: Path) -> None:
    """As the first versions of QEMU wrote it."""
    name = poke("backing_file_offset", u64=72) + poke("backing_file_size", u32=8) + poke(72, text="base.raw")
    assert codes(tmp_path, name, "empty-v2-512") == {"backing-file-declared", "backing-format-missing"}


@pytest.mark.parametrize(
    ("name", "reported"),
    [
        ("plain.raw", set()),
        ("größe.raw", set()),
        ("nul-at-the-end\\u0000", set()),
        ("two\\u0000\\u0000", set()),
        ("line\\nbreak", {"name-control-characters"}),
        ("bell\\u0007", {"name-control-characters"}),
        ("c1\\u009b31m", {"name-control-characters"}),
        ("before\\u0000after", {"name-hidden-after-nul"}),
        ("a\\u0000\\u001b[2J", {"name-hidden-after-nul"}),
        ("\\u001b[2J\\u0000a", {"name-control-characters", "name-hidden-after-nul"}),
    ],
)
def test_a_name_is_judged_before_and_behind_its_first_nul(name: str, reported: set[str], tmp_path: Path) -> None:
    found = codes(tmp_path, f'backing = "{name}"\n' + extension(BACKING_FORMAT, b"raw"), "empty-512")
    assert found == {"backing-file-declared"} | reported


def test_a_long_name_of_ordinary_letters_is_not_taken_for_a_harmful_one(tmp_path: Path) -> None:
    data_file = extension(0x44415441, b"d" * 3000)
    assert codes(tmp_path, data_file, "data-file") == {"data-file-declared"}
