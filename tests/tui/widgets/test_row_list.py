"""The list in columns: it asks for what is in sight and no more, and keeps its cursor there."""

from __future__ import annotations

import asyncio

from rich.text import Text
from textual.app import App, ComposeResult

from tui.widgets.row_list import Column, RowList

COLUMNS = (Column("n", 6, right=True), Column("words"), Column("wide only", 10, from_width=50))
MANY = 10_000_000


class Listing(App[None]):
    """A list and nothing else."""

    CSS = "RowList:focus > .rows--cursor { background: red; color: black; text-style: bold; }"

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.asked: list[int] = []
        self.chosen: list[int] = []

    def compose(self) -> ComposeResult:
        """The list."""
        yield RowList(empty="nothing")

    def on_mount(self) -> None:
        """Fill it."""
        self.query_one(RowList).show(COLUMNS, self.count, self.cells, empty="nothing")

    def cells(self, number: int) -> list[Text]:
        """A row."""
        self.asked.append(number)
        return [Text(f"{number}"), Text(f"row {number} " + "x" * 100), Text("wide")]

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        """One was chosen."""
        self.chosen.append(event.number)


def lines(app: App[None]) -> list[str]:
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def test_of_many_rows_only_those_in_sight_are_asked_for() -> None:
    async def play() -> None:
        app = Listing(MANY)
        async with app.run_test(size=(40, 10)) as pilot:
            await pilot.pause()
            await pilot.press("end")
            await pilot.pause()
            assert set(app.asked) <= {*range(10), *range(MANY - 10, MANY)}
            assert f"row {MANY - 1}" in lines(app)[-1]
            await pilot.press("enter")
            assert app.chosen == [MANY - 1]

    asyncio.run(play())


def test_a_step_of_the_cursor_asks_for_two_rows() -> None:
    async def play() -> None:
        app = Listing(100)
        async with app.run_test(size=(40, 10)) as pilot:
            await pilot.pause()
            app.asked.clear()
            await pilot.press("down")
            await pilot.pause()
            assert sorted(app.asked) == [0, 1]

    asyncio.run(play())


def test_cells_are_cut_to_their_columns_and_narrow_lists_leave_some_out() -> None:
    async def play() -> None:
        for width, wide in ((40, False), (60, True)):
            app = Listing(3)
            async with app.run_test(size=(width, 6)) as pilot:
                await pilot.pause()
                shown = lines(app)
                assert all(len(line) == width for line in shown)
                assert "…" in shown[1]
                assert ("wide only" in shown[0]) == wide
                assert shown[1].startswith("     0  row 0")

    asyncio.run(play())


def test_an_empty_list_says_why_and_nothing_can_be_chosen() -> None:
    async def play() -> None:
        app = Listing(0)
        async with app.run_test(size=(40, 6)) as pilot:
            await pilot.press("enter", "down", "end")
            assert "nothing" in lines(app)[1]
            assert app.chosen == []

    asyncio.run(play())


def test_a_click_puts_the_cursor_there_and_a_double_click_chooses() -> None:
    async def play() -> None:
        app = Listing(20)
        async with app.run_test(size=(40, 10)) as pilot:
            await pilot.pause()
            await pilot.click(RowList, offset=(5, 3))
            assert app.query_one(RowList).cursor == 2
            await pilot.click(RowList, offset=(5, 4), times=2)
            assert app.chosen == [3]

    asyncio.run(play())


def test_the_line_of_the_cursor_can_be_read_whatever_colours_its_cells_have() -> None:
    async def play() -> None:
        app = Listing(5)
        async with app.run_test(size=(40, 10)) as pilot:
            await pilot.pause()
            rows = app.query_one(RowList)
            rows.focus()
            cell = Text("coloured", "italic #ff0000")
            rows.show(COLUMNS, 5, lambda _: [Text("1"), cell, Text("")])
            await pilot.pause()
            drawn = next(part for part in rows.render_line(1) if "coloured" in part.text)
            assert drawn.style is not None
            assert drawn.style.color == rows.get_component_rich_style("rows--cursor").color != drawn.style.bgcolor
            assert drawn.style.italic, "what is no colour stays"
            other = next(part for part in rows.render_line(2) if "coloured" in part.text)
            assert other.style is not None
            assert other.style.color is not None
            assert other.style.color.name == "#ff0000"

    asyncio.run(play())
