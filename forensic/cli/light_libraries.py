"""Loads libraries without those of their parts that hardly a command has a use for: a sixth of the start of each.

For each such part something else, or nothing, stands in `sys.modules` while the library looks for it:

* msgspec looks for typing_extensions, for what Python itself has since 3.11, and loads each of its formats, and what
  describes them in schemas; here these are loaded when they are first used.
* uuid, which msgspec loads, asks platform for the name of the system and nothing else; platform compiles a dozen
  patterns as it is loaded.
* datetime, which msgspec loads, writes its classes in Python until 3.12, and then takes those of C in their place.
* argparse looks for translations of its messages, of which none come with Python.
* numpy writes the documentation of its functions as it is loaded, for those who ask for help at a prompt. It is loaded
  where it is needed, so these stand-ins stay.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType

_modules: dict[str, ModuleType | None] = vars(sys)["modules"]


class _Later(ModuleType):
    """A module that is loaded when something in it is looked for."""

    def __getattr__(self, name: str) -> object:
        found: object = getattr(import_module(self.__name__), name)
        return found


def _module(name: str, **names: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(names)
    return module


_WHILE_THEY_ARE_LOADED = {
    "typing_extensions": None,
    "msgspec._json_schema": _module("msgspec._json_schema", schema=None, schema_components=None),
    **{f"msgspec.{part}": _Later(f"msgspec.{part}") for part in ("inspect", "json", "msgpack", "toml", "yaml")},
    "platform": _module("platform", system=lambda: os.uname().sysname),
    "datetime": import_module("_datetime"),
    "gettext": _module("gettext", gettext=str, ngettext=lambda one, several, count: one if count == 1 else several),
}
"""By the name of a module what stands in its place; None is as if it were not installed."""

_DOCUMENTATION_OF_NUMPY = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")

_standing_in = {name: module for name, module in _WHILE_THEY_ARE_LOADED.items() if name not in _modules}
_modules |= _standing_in
try:
    import argparse  # noqa: F401

    import msgspec  # noqa: F401
finally:
    for _name in _standing_in:
        del _modules[_name]  # others may want them

if "numpy" not in _modules:
    _modules |= {name: ModuleType(name) for name in _DOCUMENTATION_OF_NUMPY}
