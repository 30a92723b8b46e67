"""Numbers that an option cannot take are refused in words of the user's, not in those of the program."""

from pathlib import Path

import pytest

from forensic.exit_status import ExitStatus
from tests.commands import qcowscope, sound

OPTIONS = [
    *(("owner", "--at", text) for text in ("abc", "1.5M", "99999999999999999999")),
    *(("fs", "owner", name, text) for name in ("--at", "--host") for text in ("abc", "-1")),
    ("check", "--limit-time", "soon"),
    ("check", "--limit-memory", "-1"),
    ("recover", "--min-confidence", "high"),
    ("recover", "--min-confidence", "1.5"),
    ("recover", "--max-time", "0"),
    ("gate", "--limit-time", "nan"),
]


@pytest.mark.parametrize("arguments", OPTIONS, ids=" ".join)
def test_what_is_no_such_number_is_said(arguments: tuple[str, ...]) -> None:
    *command, option, text = arguments
    finished = qcowscope(*command, f"{option}={text}", str(sound("data-512")))
    assert finished.status == ExitStatus.USAGE
    assert f"argument {option}: '{text}' is " in finished.err
    assert "invalid" not in finished.err


@pytest.mark.parametrize("text", ["0x400", "1KiB", "2s"])
def test_an_offset_is_written_as_a_size_is(text: str, tmp_path: Path) -> None:
    assert qcowscope("owner", sound("data-512"), "--at", text).out.startswith("host offset 0x400,")
