"""Driving the application without a terminal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from tui.app import QcowscopeApp

Story = Callable[[QcowscopeApp, "Pilot[int]"], Awaitable[None]]
Drive = Callable[..., None]


async def settled(app: QcowscopeApp, pilot: Pilot[int]) -> None:
    """Wait until all jobs are done and everything is drawn."""
    while True:
        try:
            await app.workers.wait_for_complete()
            break
        except WorkerCancelled:  # a newer worker takes the place of an older one; that one is waited for next
            await pilot.pause()
    await pilot.pause()
    await pilot.pause()


def told(app: QcowscopeApp) -> str:
    """The short messages that are shown."""
    return "\n".join(notification.message for notification in app._notifications)


def screen_text(app: QcowscopeApp) -> str:
    """What is on the screen, as lines of text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)
