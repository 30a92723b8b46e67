"""What the library promises by name is there, and comes from the module that defines it."""

import importlib

import pytest

import forensic


@pytest.mark.parametrize("name", forensic.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    if name != "__version__":
        found = forensic.__getattr__(name)
        module = importlib.import_module(forensic._MODULE_OF[name])
        assert getattr(forensic, name) is found is getattr(module, name)
    assert getattr(forensic, name)


def test_names_are_promised_once_and_only_those_that_are_found() -> None:
    assert sorted(forensic.__all__) == sorted({"__version__", *forensic._MODULE_OF})
    assert sum(map(len, forensic._HOME.values())) == len(forensic._MODULE_OF)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Extents'"):
        forensic.Extents  # noqa: B018
