"""Pictures of a screen that can be looked at anywhere: they fetch nothing, and say of which image they are and when."""

from __future__ import annotations

import re

from textual.app import App

_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}")


def picture(app: App[int], title: str) -> str:
    """The screen as SVG with a title above it; fonts are those of the reader's system, and none is fetched."""
    drawn = app.export_screenshot(title=title)
    return _FONT_FACE.sub("", drawn).replace(
        "Fira Code, monospace", "Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace"
    )
