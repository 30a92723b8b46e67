"""`gate`: one exit status for a file or a stream, and a document that says why."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from forensic.cli.gate import PROFILES
from forensic.gate import policy
from forensic.gate.decision import json_schema
from tests.commands import qcowscope, sound
from tests.oracles import require
from tests.transcripts import ROOT

GATE = [sys.executable, "-m", "forensic.cli", "gate"]


def gate_stream(content: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*GATE, "-", *options], input=content, cwd=ROOT, capture_output=True, check=False)


def test_the_profiles_are_those_of_the_library() -> None:
    assert PROFILES == policy.PROFILES


def test_an_image_is_accepted_or_refused_by_its_exit_status() -> None:
    accepted, refused = qcowscope("gate", sound("data-512")), qcowscope("gate", sound("overlay-raw"))
    assert (accepted.status, refused.status) == (0, 4)
    assert accepted.out.startswith(f"{sound('data-512')}: accept, after a full check; policy strict-cloud\n")
    first, reason = refused.out.splitlines()
    assert first == f"{sound('overlay-raw')}: reject, by its header; policy strict-cloud"
    assert reason.split() == [
        "backing_file", "the", "image", "names", "the", "backing", "file", '"overlay-raw.backing.raw"',
        "(backing-file-declared)",
    ]  # fmt: skip
    assert qcowscope("gate", "--profile", "backing-allowed", sound("overlay-raw")).status == 0


def test_the_document_is_as_its_schema_says(tmp_path: Path) -> None:
    (tmp_path / "none").write_bytes(b"no image")
    (tmp_path / "policy.toml").write_text("[allow]\nsnapshots = 0\n", encoding="utf-8")
    schema = json.loads(qcowscope("schema", "gate").out)
    assert schema == json_schema()
    calls: list[list[str | Path]] = [
        [sound("data-512")],
        [sound("overlay-raw")],
        [tmp_path / "none"],
        ["--limit-time", "0.0000001", sound("data-512")],
    ]
    for call in calls:
        done = qcowscope("gate", "--json", "--policy", tmp_path / "policy.toml", *call)
        jsonschema.validate(done.json(), schema)
        assert done.json()["policy"] == str(tmp_path / "policy.toml")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**done.json(), "more": 1}, schema)


def test_a_stream_gives_the_same_document_as_the_file() -> None:
    by_name = qcowscope("gate", "--json", sound("data-512")).json()
    done = gate_stream(sound("data-512").read_bytes(), "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, by_name)


def test_an_upload_is_refused_after_its_first_64_kib() -> None:
    image = sound("overlay-raw")
    command = f"cat {image} /dev/zero | head -c 3G | {' '.join(GATE)} - --json"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert done.returncode == 4
    assert json.loads(done.stdout)["bytes_read"] == 65536


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--policy", "{folder}/none.toml"], 64, "no such file"),
        (["--policy", "{folder}"], 64, "not a policy that can be used: "),
        (["--policy", "{folder}/bad.toml"], 64, "there is no key `severty`"),
        (["--profile", "lenient"], 64, "invalid choice"),
        (["--profile", "strict-cloud", "--policy", "x"], 64, "not allowed with"),
        (["--spool", "{folder}"], 64, "--spool is for standard input"),
        (["--limit-time", "0"], 64, "is not a number above zero"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path: Path, options: list[str], status: int, said: str) -> None:
    (tmp_path / "bad.toml").write_text("[reject]\nseverty = 1\n", encoding="utf-8")
    done = qcowscope("gate", sound("data-512"), *(option.format(folder=tmp_path) for option in options))
    assert done.status == status
    assert said in done.err
    assert done.out == ""


def test_a_spool_that_cannot_be_written_to_decides_nothing(tmp_path: Path) -> None:
    done = gate_stream(sound("data-512").read_bytes(), "--spool", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"no such file or directory" in done.stderr


def test_what_cannot_be_opened_is_undecided_in_the_document_as_well(tmp_path: Path) -> None:
    missing = qcowscope("gate", "--json", tmp_path / "none")
    folder = qcowscope("gate", "--json", tmp_path)
    spool = gate_stream(sound("data-512").read_bytes(), "--json", "--spool", str(tmp_path / "none"))
    found = [(done.status, done.out, done.err) for done in (missing, folder)]
    for status, out, err in [*found, (spool.returncode, spool.stdout.decode(), spool.stderr.decode())]:
        document = json.loads(out)
        jsonschema.validate(document, json_schema())
        assert (status, document["verdict"], document["sha256"]) == (1, "undecided", None)
        assert err == f"qcowscope: {document['reasons'][0]['observation']}\n"


@pytest.mark.parametrize("content", [b"QFI\xfb", b"QFI\xfb\0\0\0"])
def test_a_header_that_ends_before_its_version_is_said_to(content: bytes) -> None:
    done = gate_stream(content)
    assert done.returncode == 4
    assert f"the file ends after {len(content)} bytes, before the end of its version" in done.stdout.decode()
    assert b"version 0" not in done.stdout


def test_half_a_gibibyte_of_address_space_is_enough() -> None:
    command = f"ulimit -v 524288; {' '.join(GATE)} - < {sound('deflate-4k')}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_images_that_name_other_files_are_refused_and_a_used_disk_is_not(tmp_path: Path) -> None:
    """What image services ask for: t is another tenant's disk, r has a backing file beside it, d a data file."""
    require("qemu-img", "qemu-io")
    made = """
    qemu-img create -q -u -f qcow2 -b /var/lib/nova/instances/_base/of-another-tenant -F raw t.qcow2 1M
    qemu-img create -q -u -f qcow2 -b base.qcow2 -F qcow2 r.qcow2 1M
    qemu-img create -q -f qcow2 -o data_file=d.bin d.qcow2 1M
    qemu-img create -q -f qcow2 z.qcow2 1M; qemu-io -c 'write -P 3 0 1M' -c 'write -z 0 128k' z.qcow2
    qemu-img create -q -f qcow2 -o extended_l2=on e.qcow2 1M; qemu-io -c 'write -P 3 0 1M' e.qcow2
    """
    subprocess.run(["bash", "-ec", made], cwd=tmp_path, check=True, capture_output=True)
    statuses = {name: qcowscope("gate", tmp_path / f"{name}.qcow2").status for name in "trdze"}
    assert statuses == {"t": 4, "r": 4, "d": 4, "z": 0, "e": 0}


def test_the_hook_of_the_guide_keeps_out_what_the_gate_refuses(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guide" / "gate.md").read_text(encoding="utf-8")
    hook = page.partition("```sh\n")[2].partition("```")[0]
    (tmp_path / "hook").write_text(hook, encoding="utf-8")
    (tmp_path / "qcowscope").write_text(f'#!/bin/sh\nexec {sys.executable} -m forensic.cli "$@"\n', encoding="utf-8")
    (tmp_path / "qcowscope").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    for name, kept in (("data-512", True), ("overlay-raw", False)):
        stored = tmp_path / name
        done = subprocess.run(
            ["bash", str(tmp_path / "hook"), str(stored)],
            input=sound(name).read_bytes(), env=environment, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0, stored.exists()) == (kept, kept)
        if kept:
            assert stored.read_bytes() == sound(name).read_bytes()
        assert not list(tmp_path.glob("*.incoming"))
