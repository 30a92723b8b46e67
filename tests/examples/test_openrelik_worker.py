"""The OpenRelik worker of the guide, with a real Redis and a real Celery worker."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound
from tests.examples.installed import program, require_packages
from tests.oracles import require
from tests.transcripts import ROOT

WORKER = ROOT / "docs/examples/openrelik-worker"
QUEUE = "openrelik-worker-qcowscope"
SEND = f"""
import json, sys
from celery import Celery
celery = Celery(broker=sys.argv[1], backend=sys.argv[1])
sent = celery.send_task("{QUEUE}.tasks.check", kwargs=json.loads(sys.argv[2]), queue="{QUEUE}")
print(sent.get(timeout=60))
"""
"""What OpenRelik does: sends a task, and waits for its result."""


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server on a socket, with a worker that takes its tasks from there."""
    require("redis-server")
    require_packages("celery", "redis", "openrelik_worker_common")
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "s"
    url = f"redis+socket://{socket}"
    server = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    worker = [sys.executable, "-m", "celery", "--app=src.tasks", "worker", "--concurrency=1", f"--queues={QUEUE}"]
    environment = {
        **os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT), "PATH": program(folder / "bin"), "C_FORCE_ROOT": "1",
    }  # fmt: skip
    with ExitStack() as started:
        for command, where in ((server, folder), (worker, WORKER)):
            log = started.enter_context((folder / f"{command[0].rpartition('/')[2]}.log").open("wb"))
            process = subprocess.Popen(command, cwd=where, env=environment, stdout=log, stderr=subprocess.STDOUT)
            started.callback(process.wait, 30)
            started.callback(process.terminate)
            give_up = time.monotonic() + 20
            while not socket.exists() and time.monotonic() < give_up:
                time.sleep(0.05)
        yield url


def test_images_are_checked_and_only_sound_disks_are_passed_on(redis_url: str, tmp_path: Path) -> None:
    names = {"good.qcow2": sound("deflate-4k"), "bad.qcow2": damaged("l2-entry-outside-file", tmp_path)}
    folder = tmp_path / "out"
    folder.mkdir()
    files = [{"id": 1, "uuid": name, "display_name": name, "path": str(path)} for name, path in names.items()]
    none = tmp_path / "none.img"
    none.write_bytes(b"nothing of the kind")
    files.append({"id": 3, "uuid": "none.img", "display_name": "none.img", "path": str(none)})
    files.append({"id": 4, "uuid": "letter.txt", "display_name": "letter.txt", "path": str(none)})
    given = {"input_files": files, "output_path": str(folder), "workflow_id": "w", "task_config": {"limit_time": "60"}}
    sent = subprocess.run(
        [sys.executable, "-c", SEND, redis_url, json.dumps(given)], capture_output=True, text=True, check=False
    )
    assert sent.returncode == 0, sent.stderr
    result = json.loads(base64.b64decode(sent.stdout))

    (disk,) = result["output_files"]
    expected = tmp_path / "expected.raw"
    assert qcowscope("extract", names["good.qcow2"], "-o", expected).status == 0
    assert Path(disk["path"]).read_bytes() == expected.read_bytes()
    assert (disk["display_name"], disk["data_type"], disk["source_file_id"]) == ("good.raw", "diskimage:raw", 1)
    found = {one["input_file_uuid"]: (one["summary"], one["priority"]) for one in result["file_reports"]}
    assert found == {
        "good.qcow2": ("verdict: clean", 5),
        "bad.qcow2": ("verdict: corrupt", 40),
        "none.img": ("verdict: undetermined", found["none.img"][1]),
    }
    assert result["task_report"]["summary"] == "1 clean, 1 corrupt, 1 undetermined"
    assert result["task_report"]["priority"] == 40
    reports = [json.loads(Path(one["path"]).read_bytes()) for one in result["task_files"]]
    assert [one["result"]["summary"]["verdict"] for one in reports] == ["clean", "corrupt", "undetermined"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".json", ".json", ".raw"]
