"""The tree follows the cursor into closed branches, closes them again, and cuts lines visibly."""

from __future__ import annotations

import pytest
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.pilot import Pilot
from textual.widgets.tree import TreeNode

from forensic.explore import Node, entry_place, inspect
from tests.images import SOUND
from tests.tui.driving import Drive, settled
from tui.app import QcowscopeApp
from tui.widgets.structure_tree import StructureTree


def lit(app: QcowscopeApp) -> str:
    node = app.screen.query_one(StructureTree).cursor_node
    return node.data.label if node and node.data else ""


def test_every_entry_is_found_in_the_tree_and_branches_of_before_are_closed(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await settled(app, pilot)
        tree = app.screen.query_one(StructureTree)
        assert not any(node.is_expanded for node in tree.root.children), "the outline is what is seen at first"
        index = app.desk.region_index
        for owner in ("active", "snapshot 0"):
            for l1_index, l2_index in ((0, 3), (0, None)):
                place = entry_place(index, owner, l1_index, l2_index)
                assert place is not None, (owner, l1_index, l2_index)
                app.desk.go(place)
                await settled(app, pilot)
                assert lit(app) == (f"L1[{l1_index}]" if l2_index is None else f"L2[{l2_index}]"), (owner, place)
                opened = [str(node.label) for node in tree.root.children if node.is_expanded]
                assert opened == ["L1 table" if owner == "active" else "snapshots"]

    drive(SOUND / "snapshots-512.qcow2", story)


def test_a_byte_of_data_lights_the_entry_that_maps_it(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        from forensic.explore import guest_range

        await pilot.press("2")
        app.desk.go(guest_range(0, 1))
        await settled(app, pilot)
        assert lit(app) == "L2[0]"

    drive(SOUND / "data-4k.qcow2", story)


def test_tree_and_inspector_use_the_same_names_and_cut_lines_end_visibly(drive: Drive) -> None:
    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await settled(app, pilot)
        tree = app.screen.query_one(StructureTree)
        header = tree.root.children[0]
        header.expand()
        await settled(app, pilot)
        for node in header.children:
            assert node.data is not None
            seen = inspect(app.desk.region_index, node.data.host_offset)
            names = {seen.title, *(row.name for row in seen.rows)}
            assert node.data.label.rpartition(".")[2] in names
        tree.scroll_to(y=14, animate=False)
        await settled(app, pilot)
        drawn = [tree.render_line(y).text.rstrip() for y in range(tree.size.height)]
        long = [text for text in drawn if "Extended" in text]
        assert long, drawn
        assert all(text.endswith("…") for text in long)
        assert tree.virtual_size.width <= tree.size.width

    drive(SOUND / "snapshots-512.qcow2", story)


def test_going_to_an_entry_draws_no_more_lines_than_fit(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[TreeNode[Node]] = []
    render_label = StructureTree.render_label

    def counted(self: StructureTree, node: TreeNode[Node], base_style: Style, style: Style) -> Text:
        drawn.append(node)
        return render_label(self, node, base_style, style)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2")
        await settled(app, pilot)
        tree = app.screen.query_one(StructureTree)
        place = entry_place(app.desk.region_index, "active", 0, 3)
        assert place is not None
        monkeypatch.setattr(StructureTree, "render_label", counted)
        app.desk.go(place)
        await settled(app, pilot)
        assert lit(app) == "L2[3]"
        assert tree.last_line > tree.size.height
        assert len(set(drawn)) <= 2 * tree.size.height, "only what is seen, before and after"

    drive(SOUND / "snapshots-512.qcow2", story, (120, 12))


def test_a_step_to_another_field_lays_nothing_out_again(drive: Drive, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    refresh = StructureTree.refresh

    def counted(self: StructureTree, *regions: Region, layout: bool = False, **others: bool) -> StructureTree:
        asked.append(layout)
        return refresh(self, *regions, layout=layout, **others)

    async def story(app: QcowscopeApp, pilot: Pilot[int]) -> None:
        await pilot.press("2", *["right"] * 8)  # from the magic into the next fields: the header opens
        await settled(app, pilot)
        monkeypatch.setattr(StructureTree, "refresh", counted)
        before = lit(app)
        await pilot.press(*["right"] * 12)
        await settled(app, pilot)
        assert lit(app) != before
        assert asked, "the lit line is drawn"
        assert not any(asked)

    drive(SOUND / "snapshots-512.qcow2", story)
