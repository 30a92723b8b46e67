"""Text out of an image is shown so that it can harm no terminal, and its bytes are kept."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forensic.untrusted import COMBINING_LIMIT, SHOWN_LIMIT, Untrusted, c_string, shown, utf_16

HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def text_of(characters: str) -> str:
    return Untrusted(characters.encode()).text


@pytest.mark.parametrize("plain", ["", "disk.qcow2", "Größe 5 €", "日本語", "e\u0301", "\\x1b", "[red]", "<b>", "=1"])
def test_ordinary_text_is_shown_as_it_is(plain: str) -> None:
    found = Untrusted(plain.encode())
    assert (found.text, found.sanitised, found.valid_utf8, str(found)) == (plain, False, True, plain)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\x1b]52;c;ZXZpbA==\x07", r"\x1b]52;c;ZXZpbA==\x07"),  # OSC 52 would write the clipboard
        (b"\x1b[2J\x1b[1;1H", r"\x1b[2J\x1b[1;1H"),
        (b"a\r\nb\tc\x00d\x7f", r"a\x0d\x0ab\x09c\x00d\x7f"),
        (b"\xc2\x9b31m", "<U+009B>31m"),  # CSI as one character of C1
        (b"\x9b31m", r"\x9b31m"),  # the same byte outside UTF-8
        (b"\xc2\x85", "<U+0085>"),
    ],
)
def test_control_sequences_become_visible(raw: bytes, text: str) -> None:
    assert (Untrusted(raw).text, Untrusted(raw).sanitised) == (text, True)


@pytest.mark.parametrize(
    "code",
    [0x202A, 0x202E, 0x2066, 0x2069, 0x200E, 0x061C],
)
def test_bidirectional_marks_cannot_reorder_a_name(code: int) -> None:
    assert text_of(f"txt{chr(code)}exe") == f"txt<U+{code:04X}>exe"


@pytest.mark.parametrize(
    "code",
    [0x200B, 0x200D, 0x2060, 0xFEFF, 0x00AD, 0x034F, 0x180B, 0x3164, 0x2800, 0xFE0F, 0xE0041, 0xE0100, 0xE01EF],
)
def test_invisible_characters_become_visible(code: int) -> None:
    assert text_of(f"a{chr(code)}b") == f"a<U+{code:04X}>b"


@pytest.mark.parametrize("code", [0x00A0, 0x2003, 0x202F, 0x205F, 0x3000])
def test_spaces_that_are_not_the_space_become_visible(code: int) -> None:
    assert text_of(f"a{chr(code)}b") == f"a<U+{code:04X}>b"


@pytest.mark.parametrize("code", [0x2028, 0x2029, 0xE000, 0x10FFFF, 0x0378])
def test_line_separators_private_and_unassigned_characters_become_visible(code: int) -> None:
    assert text_of(chr(code)) == f"<U+{code:04X}>"


def test_a_pile_of_combining_marks_is_cut_to_two() -> None:
    assert text_of("a" + "\u0301" * 5 + "b\u0301") == "a\u0301\u0301" + "<U+0301>" * 3 + "b\u0301"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"\xff\xfe", r"\xff\xfe"),
        (b"caf\xe9", r"caf\xe9"),
        (b"\xc0\x80", r"\xc0\x80"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\xe2\x82", r"\xe2\x82"),
    ],
)
def test_bytes_that_are_not_utf8_are_shown_one_by_one(raw: bytes, text: str) -> None:
    found = Untrusted(raw)
    assert found.as_json() == {"encoding": "invalid", "hex": raw.hex(), "sanitised": True, "text": text}


def test_a_valid_string_says_so_in_a_report() -> None:
    expected = {"encoding": "utf-8", "hex": "c3a9", "sanitised": False, "text": "é"}
    assert Untrusted("é".encode()).as_json() == expected


def test_a_long_string_is_cut_and_the_rest_counted() -> None:
    assert Untrusted(b"a" * SHOWN_LIMIT).text == "a" * SHOWN_LIMIT
    cut = Untrusted(b"a" * (SHOWN_LIMIT + 7))
    assert (cut.text, cut.sanitised) == ("a" * SHOWN_LIMIT + "… (+7 more)", True)


def test_utf_16_ends_at_its_first_nul_and_shows_what_is_no_character() -> None:
    raw = "día".encode("utf-16-le") + b"\0\0" + b"junk"
    assert [utf_16(each).text for each in (raw, raw[:6], b"\0\xd8a\0", b"x")] == ["día", "día", "�a", "�"]


def test_a_c_string_ends_at_its_first_nul() -> None:
    assert [c_string(raw) for raw in (b"aes\0\0junk", b"aes", b"\0aes")] == [
        Untrusted(b"aes"),
        Untrusted(b"aes"),
        Untrusted(b""),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.qcow2", "plain.qcow2"),
        (b"\x1b[2J.qcow2", r"\x1b[2J.qcow2"),
        ("new\nline", r"new\x0aline"),
        (b"latin-\xe9", r"latin-\xe9"),
        (os.fsdecode(b"latin-\xe9"), r"latin-\xe9"),
        (Path("a") / "\u202eb", "a/<U+202E>b"),
    ],
)
def test_file_names_of_every_kind_can_be_shown(name: str | bytes | Path, text: str) -> None:
    assert shown(name) == text


def test_a_name_that_no_file_can_have_is_shown_all_the_same() -> None:
    assert shown("\ud800") == "<U+D800>"


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_harmful_character_is_ever_shown(raw: bytes) -> None:
    text = Untrusted(raw).text
    assert [character for character in text if unicodedata.category(character) in HARMFUL] == []
    assert text.isprintable()


@given(st.text(alphabet=st.sampled_from("ab \u0301\u0327\u20dd\u0489"), max_size=60))
def test_no_more_than_two_marks_follow_one_another(characters: str) -> None:
    longest = run = 0
    for character in text_of(characters):
        run = run + 1 if unicodedata.category(character).startswith("M") else 0
        longest = max(longest, run)
    assert longest <= COMBINING_LIMIT


@given(st.binary(max_size=300))
def test_hex_gives_the_bytes_back(raw: bytes) -> None:
    found = Untrusted(raw)
    described = found.as_json()
    assert isinstance(described, dict)
    assert bytes.fromhex(str(described["hex"])) == raw
    assert found.sanitised == (found.text.encode() != raw)
