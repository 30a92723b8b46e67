"""Numbers and times in both orders."""

import pytest

from forensic.explore.integers import numbers_of


def test_both_orders_are_read() -> None:
    big, little = dict(numbers_of(b"\x01\x02\x03\x04\x05\x06\x07\xf8")), dict(numbers_of(b"\x01\x02\x00\x80", True))
    assert big["8 bits"] == "0x1  1"
    assert big["16 bits"] == "0x102  258"
    assert big["64 bits"] == "0x10203040506 07f8".replace(" ", "") + "  72,623,859,790,383,096"
    assert little["16 bits"] == "0x201  513"
    assert little["32 bits"] == "0x80000201  2,147,484,161  or -2,147,483,135"
    assert "64 bits" not in little


@pytest.mark.parametrize(
    ("data", "little", "name", "moment"),
    [
        ((1_700_000_000).to_bytes(4, "little"), True, "Unix time", "2023-11-14 22:13:20 UTC"),
        ((133_444_736_000_000_000).to_bytes(8, "little"), True, "FILETIME", "2023-11-14 22:13:20 UTC"),
        (bytes.fromhex("400921fb54442d18"), False, "double", "3.14159265359"),
    ],
)
def test_times_and_reals_are_recognised(data: bytes, little: bool, name: str, moment: str) -> None:
    assert dict(numbers_of(data, little))[name] == moment
    assert name not in dict(numbers_of(data, not little))


def test_text_comes_in_its_shown_form_and_nothing_of_nothing() -> None:
    assert dict(numbers_of(b"\x1b]52;c\x07"))["text"].isprintable()
    assert numbers_of(b"") == []
