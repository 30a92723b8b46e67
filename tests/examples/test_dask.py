"""The Dask recipe of the guide, on a cluster of processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.commands import damaged, qcowscope, sound
from tests.examples.installed import program, require_packages
from tests.transcripts import ROOT

RECIPE = ROOT / "docs/examples/dask/check_folder.py"


def test_every_image_of_a_folder_is_checked_by_a_cluster(tmp_path: Path) -> None:
    require_packages("distributed")
    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    for name in ("data-4k", "zstd-4k", "snapshots-512"):
        (folder / f"{name}.qcow2").symlink_to(sound(name))
    for code in ("l2-entry-outside-file", "backing-file-protocol--protocol"):
        damaged(code, tmp_path).rename(folder / "deeper" / f"{code}.qcow2")
    (folder / "none.qcow2").write_bytes(b"nothing of the kind")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": program(tmp_path / "bin")}
    done = subprocess.run(
        [sys.executable, RECIPE, folder], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = {one["path"]: one for one in map(json.loads, done.stdout.splitlines())}
    paths = sorted(folder.rglob("*.qcow2"))
    assert sorted(found) == list(map(str, paths))
    for path in paths:
        alone = qcowscope("check", "--json", path)
        result = alone.json()["result"]
        assert isinstance(result, dict)
        one = found[str(path)]
        assert (one["status"], one["verdict"]) == (alone.status, result["summary"]["verdict"])
        assert one["rules"] == [finding["rule"] for finding in result["findings"]]
