"""The screens and the pop-ups; a screen is loaded when it is first shown, so that the first one comes at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.desk import Desk
    from tui.screens.base import ImageScreen


def overview(desk: Desk) -> ImageScreen:
    """Screen 1."""
    from tui.screens.overview import OverviewScreen

    return OverviewScreen(desk)


def structure(desk: Desk) -> ImageScreen:
    """Screen 2."""
    from tui.screens.structure import StructureScreen

    return StructureScreen(desk)


def map_(desk: Desk) -> ImageScreen:
    """Screen 3."""
    from tui.screens.map import MapScreen

    return MapScreen(desk)


def findings(desk: Desk) -> ImageScreen:
    """Screen 4."""
    from tui.screens.findings import FindingsScreen

    return FindingsScreen(desk)


def extract(desk: Desk) -> ImageScreen:
    """Screen 5."""
    from tui.screens.extract import ExtractScreen

    return ExtractScreen(desk)


def files(desk: Desk) -> ImageScreen:
    """Screen 6."""
    from tui.files.screen import FilesScreen

    return FilesScreen(desk)


def recovery(desk: Desk) -> ImageScreen:
    """Screen 7."""
    from tui.recovering.screen import RecoveryScreen

    return RecoveryScreen(desk)


SCREENS = {
    "overview": overview,
    "structure": structure,
    "map": map_,
    "findings": findings,
    "extract": extract,
    "files": files,
    "recovery": recovery,
}
