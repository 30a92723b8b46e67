"""The line of keys: where not all have room, those of every screen go first; Help, which lists all, and Quit stay."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

LEFT_OUT = ("supply", "search", "go_back", "go_to")
"""Actions whose keys are left out, in this order, until the others fit."""


class KeyLine(Footer):
    """A footer whose keys are never cut in the middle."""

    _made: Sequence[tuple[str, str, str, bool]] = ()

    async def recompose(self) -> None:
        """Make it anew if its keys are others: a prompt that closes announces those that stand here already."""
        active = self.screen.active_bindings.values()
        keys = [(each.binding.key, each.binding.description, each.binding.action, each.enabled) for each in active]
        if keys != self._made:
            self._made = keys
            await super().recompose()

    def compose(self) -> ComposeResult:
        """The keys that have room."""
        keys = list(super().compose())
        self._fit([each for each in keys if isinstance(each, FooterKey)], self.app.size.width)
        yield from keys

    def on_resize(self) -> None:
        """Others have room."""
        self._fit(list(self.query(FooterKey)), self.size.width)

    def _fit(self, keys: Sequence[FooterKey], room: int) -> None:
        taken = sum(_width(each) for each in keys)
        for action in LEFT_OUT:
            for each in keys:
                if each.action.removeprefix("app.") == action:
                    each.display = taken <= room
                    taken -= 0 if each.display else _width(each)


def _width(key: FooterKey) -> int:
    """Columns of a key: its name, its title, and the blanks after both."""
    return len(key.key_display) + len(key.description) + 2
