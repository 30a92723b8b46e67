"""The colours of kinds and severities as variables of the stylesheet, once for dark and once for light themes."""

from __future__ import annotations

from textual.theme import Theme

DEFAULT_THEME = "tokyo-night"

DARK = {
    "kind-header": "#f7768e",
    "kind-l1": "#ff9e64",
    "kind-l2": "#e0af68",
    "kind-refcount": "#9ece6a",
    "kind-snapshot": "#bb9af7",
    "kind-bitmap": "#73daca",
    "kind-luks": "#ff79c6",
    "kind-data": "#7aa2f7",
    "kind-compressed": "#2ac3de",
    "kind-zero": "#565f89",
    "kind-zero-kept": "#8089b8",
    "kind-free": "#414868",
    "kind-absent": "#db4b4b",
    "kind-pending": "#2a2f45",
    "hex-zero": "#4a5178",
    "hex-print": "#9ece6a",
    "hex-byte": "#a9b1d6",
    "hex-high": "#ff9e64",
    "hex-even": "#24304f",
    "hex-odd": "#2d2a4a",
    "verdict-clean": "#9ece6a",
    "verdict-leaks": "#e0af68",
    "verdict-suspicious": "#ff9e64",
    "verdict-corrupt": "#ff5c7a",
    "verdict-undetermined": "#7dcfff",
    "severity-critical": "#ff5c7a",
    "severity-high": "#f7768e",
    "severity-medium": "#ff9e64",
    "severity-low": "#e0af68",
    "severity-info": "#7dcfff",
    "heat0": "#2a2f55",
    "heat1": "#3d59a1",
    "heat2": "#2ac3de",
    "heat3": "#e0af68",
    "heat4": "#f7768e",
}

LIGHT = DARK | {
    "kind-header": "#b3163b",
    "kind-l1": "#b15c00",
    "kind-l2": "#8f6a00",
    "kind-refcount": "#3c7a1a",
    "kind-snapshot": "#6b3fb8",
    "kind-bitmap": "#0d7a6a",
    "kind-luks": "#b0006a",
    "kind-data": "#1f56c0",
    "kind-compressed": "#00799b",
    "kind-zero": "#9aa0b4",
    "kind-zero-kept": "#7a8098",
    "kind-free": "#c9cdda",
    "kind-absent": "#c00000",
    "kind-pending": "#dfe2ea",
    "hex-zero": "#a8adbd",
    "hex-print": "#3c7a1a",
    "hex-byte": "#343b58",
    "hex-high": "#b15c00",
    "hex-even": "#d6e0f5",
    "hex-odd": "#e6dcf5",
    "verdict-clean": "#3c7a1a",
    "verdict-leaks": "#8f6a00",
    "verdict-suspicious": "#b15c00",
    "verdict-corrupt": "#b00030",
    "verdict-undetermined": "#1f6f9f",
    "severity-critical": "#b00030",
    "severity-high": "#b3163b",
    "severity-medium": "#b15c00",
    "severity-low": "#8f6a00",
    "severity-info": "#1f6f9f",
    "heat0": "#e3e6f0",
    "heat1": "#9db7e8",
    "heat2": "#00799b",
    "heat3": "#b15c00",
    "heat4": "#b3163b",
}


def variables(theme: Theme) -> dict[str, str]:
    """The variables that suit a theme."""
    return DARK if theme.dark else LIGHT
