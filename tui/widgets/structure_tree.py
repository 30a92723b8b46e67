"""The tree of structures; a line is read when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from forensic.explore import Node
from tui.text import line, plain


class StructureTree(Tree[Node]):
    """Posts `Chosen` when a line is highlighted by hand."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"structure-tree--note", "structure-tree--trouble"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "open", show=False),
        Binding("left,h", "shut", show=False),
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
    ]

    class Chosen(Message):
        """A line of the tree stands for these bytes."""

        def __init__(self, node: Node, follow: bool) -> None:
            super().__init__()
            self.node = node
            self.follow = follow

    _growing = False

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("image", id=id)
        self.show_root = False
        self.guide_depth = 2
        self.auto_expand = False
        self._way: tuple[int, ...] = ()
        self._opened: list[TreeNode[Node]] = []

    def grow(self, nodes: list[Node]) -> None:
        """Show the first level."""
        self._add(self.root, nodes)
        self.root.expand()

    def reveal(self, way: Sequence[int]) -> None:
        """Highlight the line of the last of these host offsets that has one.

        Each lies below the one before it; branches are opened on the way there, and those that were opened for an
        earlier way are closed again.
        """
        if self.has_focus or tuple(way) == self._way:
            return
        at_first, self._way = not self._way, tuple(way)
        best, opened = self.root, list[TreeNode[Node]]()
        for host_offset in way:
            best = self._below(best, host_offset, opened)
        if at_first:  # the outline is what is wanted then
            best, opened = next((node for node in self.root.children if _is_above(node, best)), best), []
        opened = [node for node in dict.fromkeys(opened) if _is_above(node, best)]
        for node in self._opened:
            if node not in opened:
                node.collapse()
        self._opened = opened
        for node in opened:
            if not node.is_expanded:  # one that is open already would have the whole screen laid out again
                node.expand()
        if best is not self.root and self.last_line >= 0:  # asking for the last line numbers them all
            self.move_cursor(best)

    def _below(self, start: TreeNode[Node], host_offset: int, opened: list[TreeNode[Node]]) -> TreeNode[Node]:
        """The smallest line that holds a byte: below a line, or else below the nearest one above it that has any."""
        above: TreeNode[Node] | None = start
        while above is not None:
            found, way = above, list[TreeNode[Node]]()
            while holding := [node for node in self._children(found) if node.data and _holds(node.data, host_offset)]:
                if found is not self.root and not found.is_expanded:
                    way.append(found)
                found = min(holding, key=lambda node: node.data.length if node.data else 0)
            if found is not above:
                opened += [*(node for node in self._opened if _is_above(node, found)), *way]
                return found
            above = above.parent
        return start

    def _children(self, node: TreeNode[Node]) -> Sequence[TreeNode[Node]]:
        """The lines below one, read if they were not yet."""
        if node.data and node.data.children and not node.children:
            self._add(node, node.data.children())
        return list(node.children)

    def action_open(self) -> None:
        """Open the line."""
        if self.cursor_node and self.cursor_node.allow_expand:
            self.cursor_node.expand()

    def action_shut(self) -> None:
        """Close the line, or go to the one it belongs to."""
        node = self.cursor_node
        if node and node.is_expanded and node.allow_expand:
            node.collapse()
        elif node and node.parent and node.parent is not self.root:
            self.move_cursor(node.parent)

    def render_label(self, node: TreeNode[Node], base_style: Style, style: Style) -> Text:
        """Name and note; what leads nowhere is marked."""
        if node.data is None:
            return Text("")
        mark = ("▾ " if node.is_expanded else "▸ ") if node.allow_expand else "  "
        trouble = self.get_component_rich_style("structure-tree--trouble", partial=True)
        quiet = self.get_component_rich_style("structure-tree--note", partial=True)
        label = line(mark)
        label.append_text(plain(node.data.label))
        label.stylize(style)
        if node.data.note:
            label.append(" ", style)
            note = plain(node.data.note)
            note.stylize(style + (trouble if node.data.trouble else quiet))
            label.append_text(note)
        label.truncate(max(1, self.size.width - self.guide_depth * _depth(node)), overflow="ellipsis")
        return label

    def get_label_width(self, node: TreeNode[Node]) -> int:
        """Lines are cut to the pane: nothing is wider, and thousands of them need not be drawn to be measured."""
        return 1

    def on_resize(self) -> None:
        """Lines are cut elsewhere."""
        self._invalidate()

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[Node]) -> None:
        """Read what lies below the first time it is asked for."""
        node = event.node
        if node.data and node.data.children and not node.children:
            self._add(node, node.data.children())

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Node]) -> None:
        """Tell where the line's bytes are."""
        event.stop()
        if event.node.data and self.has_focus:
            self.post_message(self.Chosen(event.node.data, False))

    def on_tree_node_selected(self, event: Tree.NodeSelected[Node]) -> None:
        """Enter opens and closes; on a line without anything below it follows the pointer."""
        event.stop()
        if event.node.allow_expand:
            event.node.toggle()
        elif event.node.data:
            self.post_message(self.Chosen(event.node.data, True))

    def _add(self, parent: TreeNode[Node], nodes: list[Node]) -> None:
        self._growing = True
        for each in nodes:
            parent.add(plain(each.label), each, allow_expand=each.children is not None)
        self._growing = False
        self._invalidate()

    def _invalidate(self) -> None:
        """Once for many lines that are added: each time goes over every line that there is."""
        if not self._growing:
            super()._invalidate()


def _depth(node: TreeNode[Node]) -> int:
    """Lines above it."""
    depth, above = 0, node.parent
    while above is not None and above.parent is not None:
        depth, above = depth + 1, above.parent
    return depth


def _is_above(node: TreeNode[Node], other: TreeNode[Node]) -> bool:
    above = other.parent
    while above is not None and above is not node:
        above = above.parent
    return above is node


def _holds(node: Node, host_offset: int) -> bool:
    return node.host_offset <= host_offset < node.host_offset + node.length
