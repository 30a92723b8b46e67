"""`completion`: what the parser has, the shell completes; other commands do not pay for it."""

import subprocess
import sys

import pytest

from forensic.cli import make_parser
from forensic.cli.reference.completion import SHELLS, commands_of, script
from tests.commands import qcowscope


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_long_option_is_completed(shell: str) -> None:
    printed = script(shell)
    for name, command in commands_of(make_parser()).items():
        assert [word for word in name.split() if word not in printed] == []
        options = [option for action in command._actions for option in action.option_strings if option[:2] == "--"]
        assert [option for option in options if option.lstrip("-") not in printed] == []


def test_files_are_completed_where_a_file_is_meant() -> None:
    offered = [line for line in script("bash").splitlines() if line.endswith("_COMPGEN=_shtab_compgen_files")]
    assert "_shtab_qcowscope_extract___key_file_COMPGEN=_shtab_compgen_files" in offered
    assert not [line for line in offered if "extract___report" in line]  # FORMAT:PATH is no path


def test_another_shell_is_wrong_usage() -> None:
    done = qcowscope("completion", "tcsh")
    assert done.status == 64
    assert "tcsh" in done.err


def test_no_other_command_loads_what_completion_needs() -> None:
    code = "import sys; from forensic.cli import make_parser; make_parser(); print('shtab' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
