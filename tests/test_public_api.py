"""What the library promises by name is there, and comes from the module that defines it."""

import ast
import importlib
import subprocess
import sys
from types import ModuleType

import pytest

import forensic
import forensic.explore
from tests.transcripts import ROOT

PACKAGES = (forensic, forensic.explore)
NAMES = [(package, name) for package in PACKAGES for name in package.__getattr__("__all__")]


def homes(package: ModuleType) -> dict[str, str]:
    """The module that each name comes from, as a type checker understands the stub."""
    stub = ROOT / package.__name__.replace(".", "/") / "__init__.pyi"
    imports = [node for node in ast.parse(stub.read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
    pairs = [(alias, str(node.module)) for node in imports for alias in node.names]
    assert all(alias.name == alias.asname for alias, _ in pairs)
    return {alias.name: module for alias, module in pairs}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_the_names_are_those_of_the_stub(package: ModuleType) -> None:
    assert package.__getattr__("__all__") == sorted(homes(package))


@pytest.mark.parametrize(("package", "name"), NAMES, ids=[f"{package.__name__}.{name}" for package, name in NAMES])
def test_every_public_name_can_be_had_and_is_that_of_its_module(package: ModuleType, name: str) -> None:
    module = homes(package)[name]
    assert getattr(package, name) is getattr(importlib.import_module(module), name)
    assert name in dir(package)


def test_the_interface_for_most_is_small_and_no_name_is_in_both() -> None:
    first, second = (set(package.__getattr__("__all__")) for package in PACKAGES)
    assert len(first) < 45
    assert len(second) > 60
    assert first & second == set()


def test_all_names_come_with_a_star() -> None:
    found: dict[str, object] = {}
    exec("from forensic import *", found)
    assert set(forensic.__getattr__("__all__")) <= found.keys()


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.__name__)
def test_another_name_is_an_attribute_error(package: ModuleType) -> None:
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'Extents'"):
        package.__getattr__("Extents")


def test_nothing_is_loaded_before_a_name_is_used() -> None:
    code = "import forensic, forensic.explore, sys; print(sorted(m for m in sys.modules if m.startswith('forensic')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['forensic', 'forensic.explore', 'forensic.lazy_names', 'forensic.version']\n"
