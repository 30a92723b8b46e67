"""Loads libraries without what no command has a use for: a fifth of the start of most.

While one of them is loaded, others stand in for modules that it imports and that take long:

* msgspec loads each of its formats, and what describes them in schemas. It looks for typing_extensions, for what Python
  itself has since 3.11.
* uuid and zstandard ask platform for names that are known; platform compiles a dozen patterns as it is loaded.
* datetime writes its classes in Python until 3.12, and then takes those of C in their place.
* argparse looks for translations of its messages, of which none come with Python.
* importlib.metadata reads versions from archives as well, by a library for mail that can send some.
* numpy writes documentation and signatures of its functions, for those who ask for help at a prompt, loads what it
  annotates them with, and what some need that are not called here.

What is used after all is loaded then (`_Later`). A module that was loaded before stays as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType

_modules: dict[str, ModuleType | None] = vars(sys)["modules"]


class _Later(ModuleType):
    """Stands in for a module, which is loaded when something is looked for that this does not have itself."""

    def __init__(self, name: str, **own: object) -> None:
        super().__init__(name)
        vars(self).update(own)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # what is asked of whatever is imported
            raise AttributeError(name)
        if _modules.get(self.__name__) is self:
            del _modules[self.__name__]
        found: object = getattr(import_module(self.__name__), name)
        return found


def _later(*names: str) -> dict[str, ModuleType]:
    return {name: _Later(name) for name in names}


_DATETIME = {"datetime": import_module("_datetime")}
_PLATFORM = {"platform": _Later("platform", system=lambda: os.uname().sysname, python_implementation=lambda: "CPython")}

_STAND_INS: Mapping[str, Mapping[str, ModuleType | None]] = {
    "msgspec": {
        "typing_extensions": None,
        "msgspec._json_schema": _Later("msgspec._json_schema", schema=None, schema_components=None),
        **_later("msgspec.inspect", "msgspec.json", "msgspec.msgpack", "msgspec.toml", "msgspec.yaml"),
        **_DATETIME,
    },
    "uuid": _PLATFORM,
    "zstandard": _PLATFORM,
    "argparse": {"gettext": _Later("gettext", gettext=str, ngettext=lambda one, many, n: one if n == 1 else many)},
    "importlib.metadata": _later("zipfile", "csv", "textwrap"),
    "email.utils": {**_later("random", "socket"), **_DATETIME},
    "numpy": {
        "numpy._core._add_newdocs": ModuleType("numpy._core._add_newdocs"),
        "numpy._core._add_newdocs_scalars": ModuleType("numpy._core._add_newdocs_scalars"),
        "numpy._typing": _Later("numpy._typing", NDArray=list),
        "inspect": _Later("inspect", cleandoc=str, signature=lambda function: None),
        **_later("ctypes", "pickle", "platform", "textwrap"),
        **_DATETIME,
    },
}
"""By library, and by the name of a module what stands in for it meanwhile; None is as if it were not installed."""


class _Loader(SourceFileLoader):
    """Loads one of the libraries while others stand in."""

    def exec_module(self, module: ModuleType) -> None:
        with _standing_in(_STAND_INS[self.name]):
            super().exec_module(module)


class _Finder(PathFinder):
    """Finds the libraries as Python does, and has them loaded by the loader above."""

    @classmethod
    def find_spec(
        cls, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = super().find_spec(fullname, path, target) if fullname in _STAND_INS else None
        if spec and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


@contextmanager
def _standing_in(modules: Mapping[str, ModuleType | None]) -> Iterator[None]:
    standing_in = {name: module for name, module in modules.items() if name not in _modules}
    _modules.update(standing_in)
    try:
        yield
    finally:
        for name, module in standing_in.items():
            if name in _modules and _modules[name] is module:  # not what was loaded in its place
                del _modules[name]


sys.meta_path.insert(0, _Finder)
