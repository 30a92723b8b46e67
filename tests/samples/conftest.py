"""The witnesses as fixtures."""

import pytest

from samples import oracle
from tests.oracles import require


@pytest.fixture
def qemu() -> None:
    """Ask for qemu-img and qemu-io."""
    require("qemu-img", "qemu-io")


@pytest.fixture
def all_tools() -> None:
    """Ask for everything a kind may need."""
    require(*oracle.TOOLS)
