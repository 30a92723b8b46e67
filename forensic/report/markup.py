"""HTML built so that no text can become markup: strings are quoted when they enter an element, and only elements
are not."""

from __future__ import annotations

import html

from msgspec import Struct

VOID = frozenset({"meta", "br", "path", "rect"})
"""Elements without content; those of SVG are closed by a slash."""


class Html(Struct, frozen=True):
    """A piece of finished markup."""

    source: str


def quoted(content: Html | str) -> str:
    """Markup as it is, text so that it stays text inside elements and attributes."""
    return content.source if isinstance(content, Html) else html.escape(content, quote=True)


def element(name: str, /, *children: Html | str, **attributes: str) -> Html:
    """An element; a trailing underscore of an attribute's name is dropped and others become hyphens."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{quoted(value)}"' for key, value in attributes.items())
    if name in VOID and not children:
        return Html(f"<{name}{given}/>")
    return Html(f"<{name}{given}>{''.join(map(quoted, children))}</{name}>")


def together(*pieces: Html | str) -> Html:
    """Pieces one after the other, a line each."""
    return Html("\n".join(map(quoted, pieces)))
