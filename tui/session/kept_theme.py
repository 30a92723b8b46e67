"""The theme that was chosen last, for the next session; a theme in `config.toml` comes before it."""

from __future__ import annotations

from pathlib import Path

LONGEST_NAME = 200
FILE = "theme"


def kept_theme(folder: Path) -> str:
    """Its name; empty where none was kept or it cannot be read."""
    try:
        with (folder / FILE).open(encoding="utf-8") as stream:
            return stream.read(LONGEST_NAME).strip()
    except (OSError, ValueError):
        return ""


def keep_theme(folder: Path, name: str) -> None:
    """Keep this one. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(f"{name}\n", encoding="utf-8")
