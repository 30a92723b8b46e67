"""What examples find installed: packages of others, which are large and in an extra of their own, and our command."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest


def require_packages(*modules: str) -> None:
    """Skip the running test when a package of the extra `interop` is missing; fail it in CI, which installs it."""
    missing = [module for module in modules if find_spec(module) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)}: pip install -e '.[dev,interop]'"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def program(folder: Path) -> str:
    """A search path, in whose first folder `qcowscope` is as those who installed the package have it."""
    folder.mkdir()
    file = folder / "qcowscope"
    file.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m forensic.cli "$@"\n', encoding="utf-8")
    file.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
