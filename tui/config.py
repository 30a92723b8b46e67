"""The user's own settings: `[keys]` and `theme` in `config.toml` of the XDG configuration folder."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct, field

from tui.commands import COMMANDS


class Preferences(Struct, frozen=True):
    """Keys by the id of a command, the theme, and what could not be understood."""

    keys: Mapping[str, str] = field(default_factory=dict)
    theme: str = ""
    troubles: tuple[str, ...] = ()


def config_file() -> Path:
    """Where the settings are, by the rules of XDG."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "qcowscope" / "config.toml"


def load(file: Path) -> Preferences:
    """Read the settings; a file that is wrong costs the wrong lines only."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        return Preferences(troubles=(f"{file.name} cannot be read: {error}",))
    keys: dict[str, str] = {}
    troubles: list[str] = []
    known = {command.id for command in COMMANDS}
    chosen = table.get("keys", {})
    for name, value in chosen.items() if isinstance(chosen, dict) else ():
        wanted = value if isinstance(value, list) else [value]
        if name in known and all(isinstance(each, str) for each in wanted):
            keys[name] = ",".join(wanted)
        else:
            troubles.append(f"{file.name}: keys.{name} is not understood")
    theme = table.get("theme", "")
    return Preferences(keys, theme if isinstance(theme, str) else "", tuple(troubles))
