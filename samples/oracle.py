"""QEMU's own tools as makers and witnesses of sample images; needed to build and to test, never to run the toolkit."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

KEY = "sample-key"
TOOLS = ("qemu-img", "qemu-io", "mke2fs", "e2image")
# A fixed clock and no locale: what mke2fs and e2image write must be the same on every day and machine.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
    "E2FSPROGS_FAKE_TIME": "1767225600",
    "SOURCE_DATE_EPOCH": "1767225600",
}
PATIENCE = 1200
"""Seconds for one tool. Before QEMU writes a LUKS header it measures two seconds of processor time, for which a busy
machine can take minutes."""

CHECK_WORDS = {0: "ok", 2: "corrupt", 3: "leaks"}


class ToolFailed(Exception):
    """An outside tool ended with an error."""


def missing_tools(names: tuple[str, ...] = TOOLS) -> list[str]:
    """Return those of the outside tools that are not installed."""
    return [name for name in names if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]


def run(command: list[str], folder: Path) -> str:
    """Run one tool inside `folder` and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    # qemu-io may print a failed request and still end with 0.
    if done.returncode or "failed:" in done.stdout:
        raise ToolFailed(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def opening(image: Path, image_format: str = "qcow2", passphrase: str | None = None) -> list[str]:
    """Return the arguments by which qemu-img opens `image`, with its passphrase if it has one.

    A backing file that lies beside an encrypted image is taken to have the same passphrase.
    """
    options = f"driver={image_format},file.filename={image.name}"
    if passphrase is None:
        return ["--image-opts", options]
    secret = f"secret,id={KEY},data={passphrase}"
    options += f",encrypt.key-secret={KEY}"
    if image.with_name(f"{image.stem}.backing.qcow2").exists():
        options += f",backing.encrypt.key-secret={KEY}"
    return ["--object", secret, "--image-opts", options]


def convert_to_raw(image: Path, raw: Path, image_format: str = "qcow2", passphrase: str | None = None) -> None:
    """Write the guest's bytes to `raw` as qemu-img reads them."""
    command = ["qemu-img", "convert", *opening(image, image_format, passphrase), "-O", "raw", str(raw.resolve())]
    run(command, image.parent)


def raw_sha256(image: Path, image_format: str = "qcow2", passphrase: str | None = None) -> str:
    """Return the SHA-256 of the guest's bytes as qemu-img reads them."""
    raw = image.with_name(f"{image.name}.as-raw")
    try:
        convert_to_raw(image, raw, image_format, passphrase)
        with raw.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    finally:
        raw.unlink(missing_ok=True)


def virtual_size(image: Path, image_format: str = "qcow2") -> int:
    """Return the size of the guest's disk in bytes."""
    answer = json.loads(run(["qemu-img", "info", "--output=json", "-f", image_format, image.name], image.parent))
    return int(answer["virtual-size"])


def extent_map(image: Path, image_format: str = "qcow2", passphrase: str | None = None) -> list[dict[str, int | bool]]:
    """Return the list of guest ranges that `qemu-img map` gives, with what every version of it says of them."""
    command = ["qemu-img", "map", "--output=json", *opening(image, image_format, passphrase)]
    answer: list[dict[str, int | bool]] = json.loads(run(command, image.parent))
    return [{key: value for key, value in row.items() if key != "compressed"} for row in answer]  # since 8.2


def check_word(image: Path, passphrase: str | None = None, seconds: float = 10) -> str:
    """Return what `qemu-img check` thinks of a qcow2 file: ok, corrupt, leaks, refuses or hangs.

    The tool opens the files that the image names, so give it only images of our own making.
    """
    command = ["qemu-img", "check", *opening(image, "qcow2", passphrase)]
    try:
        done = subprocess.run(
            command, cwd=image.parent, env=ENVIRONMENT, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    return CHECK_WORDS.get(done.returncode, "refuses")
