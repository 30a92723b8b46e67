"""The changes of one module that are tried: each place once for each operator, without those that mean nothing."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from tests.mutants.places import function_names

BINARY = (
    "Add_Sub", "Sub_Add", "Mul_FloorDiv", "FloorDiv_Mul", "Mod_FloorDiv", "LShift_RShift", "RShift_LShift",
    "BitAnd_BitOr", "BitOr_BitAnd", "BitXor_BitOr",
)  # fmt: skip
COMPARISON = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{change}" for change in BINARY),
    *(f"core/ReplaceComparisonOperator_{change}" for change in COMPARISON),
    "core/ReplaceUnaryOperator_Delete_Not", "core/ReplaceUnaryOperator_Delete_USub",
    "core/ReplaceUnaryOperator_Delete_Invert", "core/AddNot", "core/NumberReplacer", "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd", "core/ReplaceTrueWithFalse", "core/ReplaceFalseWithTrue", "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak", "core/ExceptionReplacer", "core/ZeroIterationForLoop",
)  # fmt: skip
"""One change for each operator that a line can hold: of ten ways to replace a plus, nine say nothing more."""

CLASS_OPTIONS = frozenset({"frozen", "kw_only"})
"""What keeps us from misusing a value class; nothing that the program does depends on it."""


@dataclass(frozen=True)
class Mutant:
    """One change of one module: the function and the line it is in, before and after, and the whole text with it."""

    where: str
    line: int
    before: str
    after: str
    text: str


def mutants(source: str, tuned: Collection[str]) -> Iterator[Mutant]:
    """Every change of a module that means something, and none twice; the values of `tuned` constants stay as they are.

    What means nothing is in `meaning`.
    """
    seen = {meaning(source, tuned)}
    lines = source.splitlines()
    names = function_names(source)
    tree = get_ast(source)
    for name in OPERATORS:
        operator = get_operator(name)()
        count = sum(1 for node in ast_nodes(tree) for _ in operator.mutation_positions(node))
        for occurrence in range(count):
            text = mutate_code(source, operator, occurrence)
            if text is None or (found := meaning(text, tuned)) in seen:
                continue
            seen.add(found)
            changed = text.splitlines()
            line = next(number for number, pair in enumerate(zip(lines, changed, strict=False)) if pair[0] != pair[1])
            yield Mutant(names.get(line + 1, ""), line + 1, lines[line].strip(), changed[line].strip(), text)


def meaning(source: str, tuned: Collection[str]) -> str:
    """The syntax tree without what no run of the program can depend on.

    That is: annotations, which are not evaluated here; the options of value classes that forbid something; the `strict`
    of a `zip`, which is a check of ours; which negative number stands for "the rest" in a `reshape`; the values of
    `tuned` constants of the module.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.ClassDef):
            node.keywords = [each for each in node.keywords if each.arg not in CLASS_OPTIONS]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "zip":
            node.keywords = [each for each in node.keywords if each.arg != "strict"]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
            node.args = [ast.Constant(None) if _is_negative(each) else each for each in node.args]
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and {ast.unparse(each) for each in statement.targets} & set(tuned):
            statement.value = ast.Constant(None)
    return ast.dump(tree)


def _is_negative(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
        and node.operand.value != 0
    )
