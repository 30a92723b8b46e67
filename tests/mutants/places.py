"""Where a line of a module is: in which function, and in which statement."""

from __future__ import annotations

import ast


def function_names(source: str) -> dict[int, str]:
    """For each line of a function or method its name, as `Class.method`."""
    found: dict[int, str] = {}

    def note(parent: ast.AST, prefix: str) -> None:
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                name = f"{prefix}{node.name}"
                if not isinstance(node, ast.ClassDef):
                    found.update(dict.fromkeys(range(node.lineno, (node.end_lineno or node.lineno) + 1), name))
                note(node, f"{name}.")

    note(ast.parse(source), "")
    return found


def statement_lines(source: str) -> dict[int, frozenset[int]]:
    """For each line all lines of the smallest statement that it is in; of a compound one those of its head."""
    found: dict[int, frozenset[int]] = {}
    for node in ast.walk(ast.parse(source)):  # from the outside in, so that the smallest one stays
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = node.end_lineno or node.lineno
            if isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                end = max(node.lineno, body[0].lineno - 1)
            lines = frozenset(range(node.lineno, end + 1))
            found.update(dict.fromkeys(lines, lines))
    return found
