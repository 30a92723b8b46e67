"""An application that sends to its terminal only what changed."""

from __future__ import annotations

from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen

from tui.terminal.frame import Frame, FrameUpdate


class DrawingApp(App[int]):
    """The way from Textual to the terminal, with a picture of what is there already."""

    def __init__(self) -> None:
        super().__init__()
        self._frame = Frame()

    def on_mount(self) -> None:
        """After a stop in the shell, nothing is where it was."""
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())

    def action_redraw(self) -> None:
        """Send the whole screen again: something else wrote on it."""
        self._frame.forget()
        self.refresh()
        self.screen.refresh()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Textual sends every cell of what was drawn again; of those only the ones that look otherwise are sent.

        There is no public way to do this. Were the name to change, more would be sent, and nothing else would differ.
        """
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            size = screen.outer_size
            super()._display(screen, FrameUpdate(self._frame, renderable, (size.width, size.height)))
        elif renderable is not None:
            self._frame.forget()
            super()._display(screen, renderable)
