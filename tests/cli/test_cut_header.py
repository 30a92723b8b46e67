"""A file that ends inside its header: what it does not hold is not known, and is not zero."""

from pathlib import Path

import pytest

from tests.commands import qcowscope, sound


@pytest.mark.parametrize("length", [4, 7, 8, 10, 23, 71, 103])
def test_nobody_speaks_of_fields_that_are_not_there(length: int, tmp_path: Path) -> None:
    path = tmp_path / "image.qcow2"
    path.write_bytes(sound("data-4k").read_bytes()[:length])
    checked = qcowscope("check", "--json", path)
    findings = checked.json()["result"]["findings"]  # type: ignore[index,call-overload]
    assert isinstance(findings, list)
    assert "header-truncated" in [one["rule"] for one in findings]
    assert "header-version" not in [one["rule"] for one in findings]
    commands: list[list[str | Path]] = [
        ["map", path],
        ["owner", "--at", "0", path],
        ["extract", path, "-o", tmp_path / "out.raw"],
    ]
    for command in commands:
        done = qcowscope(*command)
        assert (done.status, "the file ends inside the header" in done.err) == (1, True)
    told = qcowscope("info", path).out
    assert "version 0" not in told
    assert ("unknown version" in told) == (length < 8)
