"""Loads libraries without those of their parts that no command has a use for: a tenth of the start of each.

For each such part something else, or nothing, stands in `sys.modules` while the library looks for it:

* msgspec looks for typing_extensions, for what Python itself has since 3.11.
* uuid, which msgspec loads, asks platform for the name of the system and nothing else; platform compiles a dozen
  patterns as it is loaded.
* numpy writes the documentation of its functions as it is loaded, for those who ask for help at a prompt. It is loaded
  where it is needed, so these stand-ins stay.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

_modules: dict[str, ModuleType | None] = vars(sys)["modules"]

_platform = ModuleType("platform")
vars(_platform)["system"] = lambda: os.uname().sysname

_WHILE_MSGSPEC_IS_LOADED = {"typing_extensions": None, "platform": _platform}
"""By the name of a module what stands in its place; None is as if it were not installed."""

_DOCUMENTATION_OF_NUMPY = ("numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")

_standing_in = {name: module for name, module in _WHILE_MSGSPEC_IS_LOADED.items() if name not in _modules}
_modules |= _standing_in
try:
    import msgspec  # noqa: F401
finally:
    for _name in _standing_in:
        del _modules[_name]  # others may want them

if "numpy" not in _modules:
    _modules |= {name: ModuleType(name) for name in _DOCUMENTATION_OF_NUMPY}
