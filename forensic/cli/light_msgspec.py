"""Loads msgspec without typing_extensions: a sixth of a command's start, for what Python itself has since 3.11."""

from __future__ import annotations

import sys

_NAME = "typing_extensions"
_modules: dict[str, object] = vars(sys)["modules"]

if _NAME not in _modules:
    _modules[_NAME] = None  # as if it were not installed, which msgspec is prepared for
    try:
        import msgspec  # noqa: F401
    finally:
        del _modules[_NAME]  # others may want it
