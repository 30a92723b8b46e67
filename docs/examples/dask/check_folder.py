"""Check every qcow2 image of a folder on the machines of a Dask cluster.

python check_folder.py FOLDER [SCHEDULER]: without the address of a scheduler, on processes of this machine. The folder
has to be reachable under the same name from every machine.
"""

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from distributed import Client, LocalCluster, as_completed


def check(path: str) -> dict[str, object]:
    """What one image is; a command of its own, so that an image which crashes it ends no worker."""
    words = ["qcowscope", "check", "--json", "--limit-time", "600", "--", path]
    done = subprocess.run(words, capture_output=True, check=False)
    try:
        result = json.loads(done.stdout)["result"]
    except ValueError:
        return {"path": path, "verdict": None, "status": done.returncode, "error": done.stderr.decode(errors="replace")}
    rules = [finding["rule"] for finding in result["findings"]]
    return {"path": path, "verdict": result["summary"]["verdict"], "status": done.returncode, "rules": rules}


def main(folder: str, scheduler: str | None = None) -> None:
    """Print one JSON object an image, as they are done."""
    paths = sorted(str(path) for path in Path(folder).rglob("*.qcow2"))
    with ExitStack() as made:
        cluster = scheduler or made.enter_context(LocalCluster(threads_per_worker=1, dashboard_address=None))
        client = made.enter_context(Client(cluster))
        paths_of = {client.submit(check, path, pure=False, retries=2): path for path in paths}
        for future in as_completed(paths_of):
            try:
                found = future.result()
            except Exception as error:  # noqa: BLE001 - its worker is gone, three times: say so, and go on
                found = {"path": paths_of[future], "verdict": None, "error": f"{type(error).__name__}: {error}"}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
