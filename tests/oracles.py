"""The tools that vouch for our bytes: a test that needs one is skipped without it, but fails in CI."""

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
