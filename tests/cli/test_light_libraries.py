"""What is left out while libraries are loaded is there for who asks for it, and is what it would have been."""

from __future__ import annotations

import subprocess
import sys

import pytest


def said_by(code: str) -> str:
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "code",
    [
        # What stood in for a part of msgspec is gone, and the part itself is there at its first use.
        "import msgspec; assert msgspec.json.decode(msgspec.json.encode([1, 'a'])) == [1, 'a']",
        "import msgspec.json; assert msgspec.json.schema_components([int])[0] == ({'type': 'integer'},)",
        "from msgspec import inspect; assert inspect.type_info(int) == inspect.IntType()",
        "from msgspec.json import Encoder; assert Encoder().encode(1) == b'1'",
        "import msgspec; assert msgspec.msgpack.encode(None) == bytes([0xC0])",
        "import datetime, pickle; d = datetime.datetime(2026, 1, 2); assert pickle.loads(pickle.dumps(d)) == d",
        "import datetime; assert datetime.__name__ == 'datetime' and datetime.__file__",
        "import msgspec, datetime; assert msgspec.to_builtins(datetime.date(2026, 1, 2)) == '2026-01-02'",
        "import msgspec, uuid; u = uuid.UUID(int=1); assert msgspec.to_builtins(u) == str(u)",
        "import platform; assert platform.python_version()",
        "import gettext; assert gettext.gettext('a') == 'a' and gettext.find",
        "import typing_extensions; assert typing_extensions.Self",
        "import textwrap, numpy; assert textwrap.indent('a', '  ') == '  a'",
        "import numpy, inspect; assert str(inspect.signature(lambda a, b=1: 0)) == '(a, b=1)'",
        "import numpy, ctypes.util; assert ctypes.sizeof(ctypes.c_uint64) == 8 and ctypes.util.find_library",
        "import numpy, pickle; a = numpy.arange(5); assert pickle.loads(pickle.dumps(a)).tolist() == a.tolist()",
        "import importlib.metadata, zipfile; assert importlib.metadata.version('numpy') and zipfile.ZipFile",
        "import email.utils, random; assert '@' in email.utils.make_msgid() and random.random() < 1",
        # And for numpy itself, when one of its functions wants it.
        "import numpy, pickle; assert pickle.loads(numpy.arange(5).dumps()).tolist() == [0, 1, 2, 3, 4]",
        "import numpy; a = numpy.arange(5); assert a.ctypes.data and a.ctypes.shape[0] == 5",
        "import numpy; numpy.show_runtime()",
        "import numpy.typing; assert numpy.typing.NDArray is not list and numpy.typing.NDArray[numpy.uint8]",
        "import numpy; assert numpy.linalg.inv(numpy.eye(2)).tolist() == [[1, 0], [0, 1]]",
        "import numpy; assert numpy.datetime64('2026-01-02').astype(object).year == 2026",
        # A library is found where the system finds it, by a loader that gives its files.
        "import numpy, importlib.resources as r; assert (r.files('numpy') / '__init__.py').is_file()",
    ],
)
def test_what_was_left_out_is_there_for_others(code: str) -> None:
    said_by(f"import forensic.cli; {code}")


def test_what_no_command_needs_at_start_is_not_loaded() -> None:
    parts = {"msgspec.inspect", "msgspec.json", "msgspec.toml", "textwrap", "locale", "gettext", "datetime", "platform"}
    loaded = said_by("import sys, forensic.cli.info; print(*sys.modules)").split()
    assert parts & set(loaded) == set()
    parts = {"numpy._typing", "inspect", "pickle", "ctypes", "platform", "textwrap", "concurrent.futures", "logging"}
    loaded = said_by("import sys, forensic.cli.check, forensic.rules; print(*sys.modules)").split()
    assert parts & set(loaded) == set()


@pytest.mark.parametrize("first", ["import forensic.cli", "import numpy, platform, typing_extensions"])
def test_numpy_computes_the_same_without_its_documentation(first: str) -> None:
    """And a program that has loaded the libraries before keeps what it has."""
    code = f"{first}; import forensic.cli, numpy, platform, typing_extensions, uuid; print(numpy.ndarray.sum.__doc__)"
    shown = said_by(code + "; print(numpy.arange(5).sum(), platform.machine(), typing_extensions.Self)")
    assert shown.startswith("None") == (first == "import forensic.cli")
    assert shown.endswith(said_by("import platform, typing; print(10, platform.machine(), typing.Self)"))
