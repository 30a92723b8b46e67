"""A search says how it ended: done, at the limit, cancelled, failed; with counts, and with what it could not read."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.message import Message
from textual.pilot import Pilot

from forensic import open_image
from forensic.explore import FileView, Range, Space, compile_pattern
from tests.images import SOUND
from tests.tui.driving import Drive, screen_text, settled, told
from tui import jobs
from tui.app import QcowscopeApp
from tui.messages import Found
from tui.searching import Outcome, SearchState, round_from

SNAPSHOTS = SOUND / "snapshots-512.qcow2"


@pytest.mark.parametrize(
    ("text", "words"),
    [("NOTHERE", "nothing found"), ("first", "1 found"), ("v:NOTHERE", "nothing found"), ("re:[a-z]{5}", " found")],
)
def test_a_search_that_is_done_says_so_and_what_it_found(drive: Drive, text: str, words: str) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *text, "enter")
        await settled(app, pilot)
        search = app.desk.search
        assert search is not None
        assert (search.outcome, search.found) == (Outcome.DONE, len(app.desk.matches))
        assert search.looked_at == search.total == app.desk.view_of(search.space).size
        assert words in told(app)
        assert f"all of the {'disk' if text.startswith('v:') else 'file'} was searched" in told(app)
        assert f"/{text.removeprefix('v:')}: " in screen_text(app)
        assert search.found == 0 or f"1 of {search.found}" in screen_text(app)
        if not search.found:
            await pilot.press("n")
            assert "still searching" not in told(app)

    drive(SNAPSHOTS, story, (160, 40))


def test_a_search_at_its_limit_says_that_there_may_be_more(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.jobs.MAX_MATCHES", 7)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *r"hex:00", "enter")
        await settled(app, pilot)
        assert app.desk.search is not None
        assert (app.desk.search.outcome, app.desk.search.found) == (Outcome.CAPPED, 7)
        assert "stopped at the limit" in told(app)
        assert "1 of 7+" in screen_text(app)

    drive(SNAPSHOTS, story, (160, 40))


class Slow(FileView):
    """A view of which one read waits until the search was cancelled, or fails."""

    def __init__(self, view: FileView, reached: threading.Event, go_on: threading.Event, failure: str = "") -> None:
        super().__init__(view._evidence)
        self._reached, self._go_on, self._failure = reached, go_on, failure

    def read(self, offset: int, length: int) -> bytes | str:
        self._reached.set()
        self._go_on.wait(10)
        if self._failure:
            raise OSError(self._failure)
        return super().read(offset, length)


@pytest.mark.parametrize("failure", ["", "the medium is gone"])
def test_a_search_that_is_cancelled_or_fails_says_so(drive: Drive, failure: str) -> None:
    reached, go_on = threading.Event(), threading.Event()

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        app.desk.__dict__["file_view"] = Slow(app.desk.file_view, reached, go_on, failure)
        app._begin_search("first", Space.HOST)
        while not reached.is_set():
            await pilot.pause()
        if not failure:
            app.action_cancel_search()
        go_on.set()
        await settled(app, pilot)
        assert app.desk.search is not None
        assert app.desk.search.outcome == (Outcome.FAILED if failure else Outcome.CANCELLED)
        assert (failure or "cancelled after") in told(app)

    drive(SNAPSHOTS, story)


def test_a_search_begins_at_the_cursor_and_comes_round(drive: Drive) -> None:
    content = SNAPSHOTS.read_bytes()
    places = [at for at in range(len(content)) if content.startswith(b"QFI", at) or content.startswith(b"first", at)]

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "g", *"0x600", "enter", "slash", *"re:QFI|first", "enter")
        await settled(app, pilot)
        assert [match.offset for match in app.desk.matches] == places
        assert app.desk.place.offset == next(at for at in places if at >= 0x600)

    drive(SNAPSHOTS, story)


def test_an_older_search_does_not_speak_for_a_newer_one(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", "slash", *"first", "enter")
        await settled(app, pilot)
        newest = app.desk.search
        assert newest is not None
        old = SearchState(newest.number - 1, "old", Space.HOST, 10, Outcome.CANCELLED)
        app.post_message(Found([Range(Space.HOST, 3, 1)], old))
        await settled(app, pilot)
        assert app.desk.search == newest
        assert Range(Space.HOST, 3, 1) not in app.desk.matches

    drive(SNAPSHOTS, story)


@pytest.mark.parametrize("start", [0, 1, 95, 100, 105, 299])
def test_a_round_covers_everything_once(start: int) -> None:
    stretches = [(0, 100), (100, 150), (200, 300)]
    covered = [at for begin, end in round_from(stretches, start, 0) for at in range(begin, end)]
    assert sorted(covered) == [at for begin, end in stretches for at in range(begin, end)]
    assert covered[:1] == [next(at for at in sorted(covered) if at >= start)]
    wider = [at for begin, end in round_from(stretches, start, 5) for at in range(begin, end)]
    assert set(wider) == set(covered)


def test_bytes_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    messages: list[Message] = []

    def post(message: Message) -> bool:
        messages.append(message)
        return True

    class Holed(FileView):
        def read(self, offset: int, length: int) -> bytes | str:
            return "bad sector" if offset < 4096 < offset + length or offset == 4096 else super().read(offset, length)

    image = tmp_path / "image.qcow2"
    image.write_bytes(SNAPSHOTS.read_bytes().ljust(1 << 16, b"\0") + b"needle")
    with open_image(image) as opened:
        view = Holed(opened.evidence)
        state = SearchState(1, "needle", Space.HOST, view.size)
        searching = jobs._Searching(post, view, compile_pattern("needle"), state, 0)

        class Teller:
            def say(self, text: str) -> None:
                """Nobody listens."""

        searching.run(Teller())  # type: ignore[arg-type]
    last = messages[-1]
    assert isinstance(last, Found)
    assert (last.state.found, last.state.unread) == (1, 4096)
    assert "4 KiB could not be read" in last.state.sentence
