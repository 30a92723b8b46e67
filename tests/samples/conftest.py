"""QEMU's tools as witnesses: a test that needs them is skipped without them, except in CI, where they must be there."""

import os

import pytest

from samples import oracle


def require(*tools: str) -> None:
    """Skip the running test when a tool is missing; fail it in CI."""
    missing = oracle.missing_tools(tools)
    if not missing:
        return
    reason = f"needs {', '.join(missing)} as a witness"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def qemu() -> None:
    """Ask for qemu-img and qemu-io."""
    require("qemu-img", "qemu-io")


@pytest.fixture
def all_tools() -> None:
    """Ask for everything a kind may need."""
    require(*oracle.TOOLS)
