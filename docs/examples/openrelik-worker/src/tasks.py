"""Check qcow2 images; of those that are sound, pass a raw disk on to the workers that come after.

qcowscope runs as a command of its own: an image that makes it crash or hang ends that command, and not the worker.
"""

import json
import subprocess
from pathlib import Path

from openrelik_worker_common.file_utils import OutputFile, create_output_file
from openrelik_worker_common.reporting import Priority, Report, serialize_file_report
from openrelik_worker_common.task_utils import create_task_result, get_input_files

from .app import celery

TASK_NAME = "openrelik-worker-qcowscope.tasks.check"
TASK_METADATA = {
    "display_name": "qcowscope",
    "description": "Check qcow2 images, and extract the disk of those that are sound",
    "task_config": [
        {
            "name": "limit_time",
            "label": "Seconds for the check of one image",
            "description": "An image that takes longer is not passed on (default: 3600)",
            "type": "text",
            "required": False,
        },
    ],
}
INPUTS = {"data_types": ["*diskimage:qcow*"], "filenames": ["*.qcow2", "*.qcow", "*.img"]}
SOUND = ("clean", "leaks")
"""Verdicts with which a disk is passed on; a leak is space that is lost, and no damage."""


@celery.task(bind=True, name=TASK_NAME, metadata=TASK_METADATA)
def command(
    self: object,
    pipe_result: str | None = None,
    input_files: list[dict] | None = None,
    output_path: str = "",
    workflow_id: str | None = None,
    task_config: dict | None = None,
) -> str:
    """Check every image among the input files; the result as OpenRelik wants it, in Base64."""
    seconds = float((task_config or {}).get("limit_time") or 3600)
    disks, reports, file_reports, worst = [], [], [], Priority.INFO
    verdicts: dict[str, int] = {}
    for file in get_input_files(pipe_result, input_files or [], filter=INPUTS):
        verdict, priority, json_file = check(file, output_path, seconds)
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        worst = max(worst, priority)
        about = Report("qcowscope")
        about.priority, about.summary = priority, f"verdict: {verdict}"
        file_reports.append(serialize_file_report(file, json_file, about))
        reports.append(json_file.to_dict())
        if verdict in SOUND and (disk := extract(file, output_path)):
            disks.append(disk.to_dict())
    overview = Report("qcowscope")
    overview.priority = worst
    overview.summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())) or "no image"
    return create_task_result(
        output_files=disks,
        workflow_id=workflow_id,
        task_files=reports,
        command="qcowscope check; qcowscope extract --verify",
        file_reports=file_reports,
        task_report=overview.to_dict(),
    )


def check(file: dict, folder: str, seconds: float) -> tuple[str, Priority, OutputFile]:
    """Verdict and priority of an image, and the report as JSON; `undetermined` if there was none."""
    report = create_output_file(folder, display_name=f"{name_of(file)}.qcowscope.json", source_file_id=file.get("id"))
    words = ["qcowscope", "check", "--json", "--limit-time", str(seconds), "--", file["path"]]
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=2 * seconds + 60)
        Path(report.path).write_bytes(done.stdout or done.stderr)
        result = json.loads(done.stdout)["result"]
    except (ValueError, subprocess.TimeoutExpired) as error:
        if isinstance(error, subprocess.TimeoutExpired):
            Path(report.path).write_text(f"{error}\n", encoding="utf-8")
        return "undetermined", Priority.HIGH, report
    findings = result["findings"]  # the most severe first
    worst = Priority[findings[0]["severity"].upper()] if findings else Priority.INFO
    return result["summary"]["verdict"], worst, report


def extract(file: dict, folder: str) -> OutputFile | None:
    """The disk of an image as a raw file, compared with a second reading; None if any of it could not be read."""
    disk = create_output_file(
        folder, display_name=f"{name_of(file)}.raw", data_type="diskimage:raw", source_file_id=file.get("id")
    )
    words = ["qcowscope", "extract", "--verify", "-o", disk.path, "--", file["path"]]
    done = subprocess.run(words, capture_output=True, check=False)
    if done.returncode == 0:
        return disk
    Path(disk.path).unlink(missing_ok=True)
    return None


def name_of(file: dict) -> str:
    """The name of an image without its ending."""
    return Path(file.get("display_name") or "image").stem
