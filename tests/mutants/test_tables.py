"""The tables say nothing of what is not there any more: lines change, and nobody runs all mutants every day."""

from __future__ import annotations

import ast

import pytest

from tests.mutants.places import function_names
from tests.mutants.tables import ROOT, Module, equivalents, modules

MODULES = modules()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.path)
def test_modules_tests_and_tuned_constants_are_there(module: Module) -> None:
    assert [test for test in module.tests if not (ROOT / test).is_file()] == []
    assert len(module.tests) == len(set(module.tests)) > 0
    statements = [each for each in ast.parse(module.source).body if isinstance(each, ast.Assign)]
    names = {ast.unparse(target) for statement in statements for target in statement.targets}
    assert set(module.tuned) <= names


def test_changes_that_are_none_are_of_lines_that_are_there_each_with_a_reason() -> None:
    sources = {module.path: module.source for module in MODULES}
    assert equivalents().keys() <= sources.keys()
    for path, changes in equivalents().items():
        names = function_names(sources[path])
        lines = {(names.get(number, ""), line.strip()) for number, line in enumerate(sources[path].splitlines(), 1)}
        for change in changes:
            assert (change.where, change.before) in lines
            assert change.before != change.after
            assert len(change.reason.split()) > 3
        assert len(changes) == len(set(changes))
