"""`qcowscope info`: facts as text and JSON, one sentence for what is no image, and a light start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound, with_backing_name
from tests.json_values import section


def test_the_text_says_what_an_image_is() -> None:
    finished = qcowscope("info", sound("snapshots-512"))
    assert finished.status == 0
    lines = finished.out.splitlines()
    assert lines[0].endswith("snapshots-512.qcow2")
    assert "  format        qcow2 version 3" in lines
    assert "  cluster size  512 bytes" in lines
    assert sum(line.startswith("  snapshot ") for line in lines) == 2


def test_the_json_does_not_judge() -> None:
    document = qcowscope("info", "--json", sound("data-512")).json()
    assert document["schema"] == "qcowscope-report/1"
    summary = section(section(document["result"])["summary"])
    assert summary == {"verdict": "undetermined", "reason": "info gives no verdict; run check"}


def test_a_name_alone_is_enough() -> None:
    assert qcowscope(sound("data-512")).out == qcowscope("info", sound("data-512")).out


def test_damage_in_the_header_is_described_as_far_as_it_goes(tmp_path: Path) -> None:
    finished = qcowscope("info", damaged("header-cluster-bits--22", tmp_path))
    assert finished.status == 0
    assert "  cluster size  unknown: cluster_bits is 22" in finished.out


def test_something_else_is_named_for_what_it_looks_like(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"PK\x03\x04" + bytes(600))
    finished = qcowscope("info", tmp_path / "file")
    assert (finished.status, finished.out) == (63, "")
    assert finished.err == f"qcowscope: {tmp_path}/file: not a qcow2 image: it looks like a ZIP archive\n"


def test_something_else_still_yields_json(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(600))
    finished = qcowscope("info", "--json", tmp_path / "file")
    result = section(finished.json()["result"])
    assert finished.status == 63
    assert section(result["image"])["format"] == "unknown"
    assert section(result["summary"])["verdict"] == "undetermined"
    assert [finding["rule"] for finding in json.loads(finished.out)["result"]["findings"]] == ["not-qcow2"]


@pytest.mark.parametrize("arguments", [("info", "--json"), ("info",)])
def test_a_look_at_a_header_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Each of these takes longer to load than the whole answer may take."""
    heavy = {"numpy", "rich", "textual", "cryptography", "concurrent.futures", "multiprocessing"}
    program = "import sys, forensic.cli; forensic.cli.main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", program, *arguments, str(sound("snapshots-512"))]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert heavy & set(finished.stderr.split()) == set()


def test_lines_are_not_wrapped_in_a_pipe(tmp_path: Path) -> None:
    image = with_backing_name(b"A" * 1000, tmp_path / "long.qcow2")
    finished = subprocess.run(
        [sys.executable, "-m", "forensic.cli", "info", str(image)],
        capture_output=True, text=True, check=True, env={"COLUMNS": "40", "PATH": "", "FORCE_COLOR": "1"},
    )  # fmt: skip
    assert any("A" * 1000 in line for line in finished.stdout.splitlines())
    assert "\x1b" not in finished.stdout
