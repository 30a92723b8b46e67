"""Public names that are loaded when they are first used, as the stub file of their package lists them (SPEC 1).

A stub file is what type checkers read of a package; read here as well, each name is written once. It is read when a
name is asked for that the package does not have: the command line imports modules, and never does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module


def lazy_names(package: str, file: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` for a package whose stub file lies beside its `file`."""

    @cache
    def homes() -> dict[str, str]:
        return _homes_in(file + "i")

    def __getattr__(name: str) -> object:
        if name == "__all__":  # what `from package import *` asks for
            return sorted(homes())
        if name.startswith("__") or name not in homes():
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found: object = getattr(import_module(homes()[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    def __dir__() -> list[str]:
        return sorted(homes().keys() | vars(sys.modules[package]).keys())

    return __getattr__, __dir__


def _homes_in(path: str) -> dict[str, str]:
    """The module that each name of a stub file comes from; it has `from module import name as name` and no more."""
    import re

    with open(path, encoding="utf-8") as stub:
        imports = re.findall(r"^from (\S+) import (?:\(([^)]*)\)|(.*))$", stub.read(), re.MULTILINE)
    return {
        name.split()[0]: module
        for module, several, one in imports
        for name in (several or one).split(",")
        if name.strip()
    }
