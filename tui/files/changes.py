"""The files that differ between two disks of the image, in a list."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text

from forensic.explore import ChangedFiles, changed_files
from tui.files.disks import ACTIVE, DisksOfImage
from tui.files.places import PlacesOfFiles
from tui.files.rows import CHANGES, change_cells, change_words
from tui.jobs import Teller
from tui.screens.asking import Answered, AskingScreen
from tui.screens.prompts import Choice
from tui.screens.rows import RowChoice
from tui.text import line, lines, plain


def choose_disk(
    screen: AskingScreen, disks: DisksOfImage, title: str, numbers: list[int], chosen: Callable[[int], object]
) -> None:
    """Let the examiner choose one of these disks."""
    options = [(str(number), plain(disks.name(number))) for number in numbers]

    def take(id: str | None) -> None:
        if id is not None:
            chosen(int(id))

    screen.app.push_screen(Choice(title, options), take)


def compare(screen: AskingScreen, disks: DisksOfImage, before: int, after: int) -> None:
    """List what was done to the files between two disks; Enter lists where a file lies."""
    supplies = screen.desk.supplies

    def work(teller: Teller) -> ChangedFiles:
        def tell(volume: str) -> None:
            teller.say(f"changed files: volume {volume}")

        return changed_files(disks.open(before, supplies), disks.open(after, supplies), tell)

    def then(event: Answered) -> None:
        if not isinstance(event.answer, ChangedFiles):
            screen.tell(event.reason, bad=True)
        elif not event.answer.changes:
            screen.tell(plain("; ".join(("no file differs", *event.answer.notes))).plain)
        else:
            _list(screen, disks, before, after, event.answer)

    screen.ask("changed files", work, then)


def _list(screen: AskingScreen, disks: DisksOfImage, before: int, after: int, found: ChangedFiles) -> None:
    colours = screen.app.theme_variables

    def chosen(number: int | None) -> None:
        if number is None:
            return
        changed = found.changes[number]
        there = after if changed.change.after else before
        entry = changed.change.after or changed.change.before
        if entry:
            places = PlacesOfFiles(screen, disks.open(there, screen.desk.supplies), there == ACTIVE)
            places.find(changed.volume, entry)

    def described(number: int) -> Text:
        notes = [line(("▲ ", f"bold {colours.get('severity-medium', '')}"), note) for note in found.notes[:3]]
        return lines([change_words(found.changes[number]), *notes])

    title = f"Files: from {disks.name(before)} to {disks.name(after)}"
    hint = f"Enter lists where a file lies · differences: {len(found.changes):,} · Escape closes"
    choice = RowChoice(
        title, CHANGES, len(found.changes), lambda number: change_cells(found.changes[number], colours), hint, described
    )
    screen.app.push_screen(choice, chosen)
