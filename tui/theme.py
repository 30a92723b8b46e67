"""The colours of kinds and severities as variables of the stylesheet, once for dark and once for light themes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.color import Color
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
    "note-plain": "#bb9af7",
    "note-evidence": "#f7768e",
    "note-question": "#e0af68",
    "note-explained": "#9ece6a",
    "note-bookmark": "#7aa2f7",
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
    "note-plain": "#6b3fb8",
    "note-evidence": "#b3163b",
    "note-question": "#8f6a00",
    "note-explained": "#3c7a1a",
    "note-bookmark": "#1f56c0",
    "heat0": "#e3e6f0",
    "heat1": "#9db7e8",
    "heat2": "#00799b",
    "heat3": "#b15c00",
    "heat4": "#b3163b",
}


WORDS = ("verdict-", "severity-", "hex-print", "hex-byte", "hex-high", "note-")
"""Beginnings of the names of colours in which words and bytes are written; the others are of glyphs and cells."""

BACKGROUNDS = ("hex-even", "hex-odd")
QUIET_CURSOR = "cursor-quiet"
"""The background of a list's cursor while something else has the focus."""

SHARE_OF_QUIET_CURSOR = 0.15
"""How much of the primary colour is in it."""

CONTRAST_OF_WORDS, CONTRAST_OF_GLYPHS = 4.5, 3.0
"""What WCAG 2 asks of text and of graphical objects."""

STEPS = 25


SIXTEEN_DARK = {
    "primary": "#55ffff",
    "accent": "#ffff55",
    "footer-key-foreground": "#ffff55",
    "warning": "#ffff55",
    "success": "#55ff55",
    "error": "#ff5555",
    "foreground-muted": "#aaaaaa",
    "hex-even": "#0000aa",
    "hex-odd": "#000000",
    "hex-zero": "#aaaaaa",
    "hex-print": "#55ff55",
    "hex-byte": "#ffffff",
    "hex-high": "#ff55ff",
    "severity-critical": "#ff5555",
    "severity-high": "#ff5555",
    "severity-medium": "#ff55ff",
    "severity-low": "#ffffff",
    "severity-info": "#55ffff",
    "verdict-corrupt": "#ff5555",
    "verdict-suspicious": "#ff55ff",
    "verdict-leaks": "#ffffff",
    "verdict-clean": "#55ff55",
    "kind-header": "#ff5555",
    "kind-l1": "#aa5500",
    "kind-l2": "#ffff55",
    "kind-refcount": "#55ff55",
    "kind-snapshot": "#ff55ff",
    "kind-bitmap": "#00aaaa",
    "kind-luks": "#aa00aa",
    "kind-data": "#5555ff",
    "kind-compressed": "#55ffff",
    "kind-zero": "#ffffff",
    "kind-zero-kept": "#aaaaaa",
    "kind-free": "#555555",
    "kind-absent": "#aa0000",
    "kind-pending": "#555555",
    "note-plain": "#ff55ff",
    "note-evidence": "#ff5555",
    "note-question": "#ffff55",
    "note-explained": "#55ff55",
    "note-bookmark": "#5555ff",
    "heat0": "#555555",
    "heat1": "#5555ff",
    "heat2": "#55ffff",
    "heat3": "#ffff55",
    "heat4": "#ff5555",
    "cursor-quiet": "#000000",
}
SIXTEEN_LIGHT = {
    "primary": "#0000aa",
    "accent": "#aa00aa",
    "footer-key-foreground": "#aa00aa",
    "warning": "#aa00aa",
    "success": "#005500",
    "error": "#aa0000",
    "foreground-muted": "#555555",
    "hex-even": "#aaaaaa",
    "hex-odd": "#ffffff",
    "hex-zero": "#555555",
    "hex-print": "#0000aa",
    "hex-byte": "#000000",
    "hex-high": "#aa0000",
    "severity-critical": "#aa0000",
    "severity-high": "#aa0000",
    "severity-medium": "#aa5500",
    "severity-low": "#000000",
    "severity-info": "#0000aa",
    "verdict-corrupt": "#aa0000",
    "verdict-suspicious": "#aa5500",
    "verdict-leaks": "#000000",
    "verdict-clean": "#0000aa",
    "kind-header": "#ff5555",
    "kind-l1": "#aa5500",
    "kind-l2": "#000000",
    "kind-refcount": "#00aa00",
    "kind-snapshot": "#ff55ff",
    "kind-bitmap": "#55ff55",
    "kind-luks": "#aa00aa",
    "kind-data": "#0000aa",
    "kind-compressed": "#00aaaa",
    "kind-zero": "#ffff55",
    "kind-zero-kept": "#555555",
    "kind-free": "#aaaaaa",
    "kind-absent": "#aa0000",
    "kind-pending": "#aaaaaa",
    "note-plain": "#aa00aa",
    "note-evidence": "#aa0000",
    "note-question": "#aa5500",
    "note-explained": "#00aa00",
    "note-bookmark": "#0000aa",
    "heat0": "#aaaaaa",
    "heat1": "#5555ff",
    "heat2": "#00aaaa",
    "heat3": "#aa5500",
    "heat4": "#aa0000",
    "cursor-quiet": "#ffffff",
}
"""Where a terminal has sixteen colours: those that mean something else must not become the same one."""


def variables(theme: Theme, given: Mapping[str, str], sixteen: bool = False) -> dict[str, str]:
    """The variables that suit a theme, `given` those it makes of itself: ours, and of its own those we write with.

    With `sixteen` the terminal has no more colours than that.

    Each is moved towards black or white as far as it takes to be read on the theme's background.
    """
    extreme = Color.parse("white" if theme.dark else "black")
    background = _known(given["background"], theme.dark)
    surface = _known(given.get("surface", given["background"]), theme.dark)
    ours = DARK if theme.dark else LIGHT
    quiet = background.blend(_known(given["primary"], not theme.dark), SHARE_OF_QUIET_CURSOR)
    grounds = (background, surface, quiet)
    found = {name: ours[name] for name in BACKGROUNDS} | {QUIET_CURSOR: quiet.hex}
    for name, value in ours.items():
        if name not in BACKGROUNDS:
            wanted = CONTRAST_OF_WORDS if name.startswith(WORDS) else CONTRAST_OF_GLYPHS
            found[name] = readable(Color.parse(value), grounds, wanted, extreme).hex
    foreground = given["foreground"]
    if not foreground.startswith("ansi"):
        words = {"foreground-muted": foreground} | {name: given[name] for name in ("foreground", "accent", "primary")}
        for name, value in words.items():
            colour = Color.parse(value)
            colour = background.blend(colour, 0.7) if name == "foreground-muted" else colour
            found[name] = readable(colour, grounds, CONTRAST_OF_WORDS, extreme).hex
        found |= {
            "footer-background": surface.hex,
            "footer-foreground": found["foreground"],
            "footer-description-foreground": found["foreground"],
            "footer-key-foreground": found["accent"],
        }
    if sixteen:
        found |= SIXTEEN_DARK if theme.dark else SIXTEEN_LIGHT
    return found


def readable(colour: Color, backgrounds: Sequence[Color], wanted: float, extreme: Color) -> Color:
    """The colour, moved towards black or white until its contrast to each background suffices."""
    for step in range(STEPS + 1):
        moved = colour.blend(extreme, step / STEPS)
        if all(contrast(moved, background) >= wanted for background in backgrounds):
            return moved
    return extreme


def contrast(first: Color, second: Color) -> float:
    """The contrast of two colours as WCAG 2 has it, from 1 to 21."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    parts = [part / 255 for part in colour.rgb]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _known(value: str, dark: bool) -> Color:
    """The colour; of a theme that takes the terminal's own, what that most likely is."""
    unknown = value.startswith("ansi") or value == "transparent"
    return Color.parse(("black" if dark else "white") if unknown else value)
