"""A native decoder that crashes loses one cluster: the command goes on, and so do the images after it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from samples.kinds import KINDS
from tests.commands import qcowscope
from tests.images import SOUND, sample
from tests.nbd.client import DISCONNECT, READ, Client

ROOT = Path(__file__).resolve().parent.parent.parent

CRASHING = """
import os, sys
import forensic.disk.codecs as codecs
import forensic.second_reader.image_layer as second_reader

victim = bytes.fromhex(sys.argv.pop(1))

def crashing(decode):
    def decoded(stored, *arguments, **options):
        if bytes(stored[:len(victim)]) == victim:
            if os.environ.get("RAISE"):
                raise RuntimeError("an error of ours")
            os.abort()
        return decode(stored, *arguments, **options)
    return decoded

if os.environ["READER"] in ("first", "both"):
    codecs.deflate.deflate_decompress = crashing(codecs.deflate.deflate_decompress)
    codecs.zstd_frame = crashing(codecs.zstd_frame)
if os.environ["READER"] in ("second", "both"):
    second_reader.decoded = crashing(second_reader.decoded)

from forensic.cli import main
sys.exit(main())
"""


def streams(image: Path) -> list[tuple[int, int, bytes]]:
    """Guest offset, length, and the stored bytes of each compressed cluster."""
    extents = json.loads(qcowscope("map", "--json", image).out)
    content = image.read_bytes()
    return [
        (one["start"], one["length"], content[one["stored_offset"] : one["stored_offset"] + 24])
        for one in extents
        if one["compressed"]
    ]


def run(
    victim: bytes, *arguments: object, raises: bool = False, reader: str = "first"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CRASHING, victim.hex(), *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"READER": reader} | ({"RAISE": "1"} if raises else {}),
    )  # fmt: skip


IMAGES = [sample(KINDS[name]) for name in ("deflate-4k", "zstd-4k") if name in KINDS]

each = pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.stem)


@each
def test_a_check_goes_on(image: Path) -> None:
    guest_offset, _, victim = streams(image)[-1]
    done = run(victim, "check", "--json", image)
    assert done.returncode == 2
    findings = json.loads(done.stdout)["result"]["findings"]
    (broken,) = (finding for finding in findings if finding["rule"] == "compressed-stream-broken")
    assert broken["count"] == 1
    assert f"guest offset {guest_offset:#x}" in broken["observation"]
    assert "decoder_failed" in broken["observation"]


@each
def test_an_extraction_goes_on_and_its_report_as_well(image: Path, tmp_path: Path) -> None:
    guest_offset, length, victim = streams(image)[2]  # the first has a twin
    whole, out, report = tmp_path / "whole.raw", tmp_path / "out.raw", tmp_path / "out.json"
    assert qcowscope("extract", image, "-o", whole).status == 0
    done = run(victim, "extract", image, "-o", out, "--report", f"json:{report}")
    assert (done.returncode, "decoder_failed" in done.stderr) == (5, True)
    expected = bytearray(whole.read_bytes())
    expected[guest_offset : guest_offset + length] = bytes(length)
    assert out.read_bytes() == expected
    unreadable = json.loads(report.read_text(encoding="utf-8"))["result"]["extraction"]["unreadable"]
    places = [(one["virtual_offset"], one["length"], one["reason_code"]) for one in unreadable]
    assert places == [(guest_offset, length, "decoder_failed")]


@each
@pytest.mark.parametrize("reader", ["second", "both"])
@pytest.mark.parametrize("options", [(), ("--verify",)], ids=["places", "whole"])
def test_what_crashes_the_second_reader_is_not_judged_and_the_rest_is(
    image: Path, reader: str, options: tuple[str, ...], tmp_path: Path
) -> None:
    _, length, victim = streams(image)[-1]  # the last is always among the places
    out, report = tmp_path / "out.raw", tmp_path / "out.json"
    done = run(victim, "extract", image, "-o", out, "--report", f"json:{report}", *options, reader=reader)
    assert done.returncode == (5 if reader == "both" else 0)
    extraction = json.loads(report.read_text(encoding="utf-8"))["result"]["extraction"]
    compared = extraction["compared"]
    assert compared["differences"] == []
    assert length <= compared["bytes_not_judged"] <= 1 << 16
    if options:
        assert compared["bytes"] + compared["bytes_not_judged"] == out.stat().st_size


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_images_lose_none(jobs: int) -> None:
    victim = streams(IMAGES[0])[0][2]
    sound = [SOUND / "data-4k.qcow2", IMAGES[-1], SOUND / "data-512.qcow2"]
    done = run(victim, "check", "--jobs", jobs, *sound[:1], IMAGES[0], *sound[1:])
    assert done.returncode == 2
    verdicts = [line.rpartition(" ")[2] for line in done.stdout.splitlines() if line.startswith("/")]
    assert verdicts == ["clean", "corrupt", "clean", "clean"]


@each
@pytest.mark.parametrize("command", ["check", "extract"])
def test_an_exception_of_ours_is_an_internal_error_and_no_damage(image: Path, command: str, tmp_path: Path) -> None:
    _, _, victim = streams(image)[2]
    output = ("-o", tmp_path / "out.raw") if command == "extract" else ("--json",)
    done = run(victim, command, image, *output, raises=True)
    assert done.returncode == 1
    assert "internal error" in done.stderr
    assert "RuntimeError: an error of ours" in done.stderr
    assert "decoder_failed" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.raw").exists()


@each
@pytest.mark.parametrize("structured", [True, False])
def test_a_read_at_which_a_decoder_crashes_is_answered_and_the_connection_goes_on(
    image: Path, structured: bool, tmp_path: Path
) -> None:
    guest_offset, length, victim = streams(image)[-1]
    expected = tmp_path / "disk.raw"
    assert qcowscope("extract", image, "-o", expected).status == 0
    disk = expected.read_bytes()
    path = tmp_path / "nbd.socket"
    command = [sys.executable, "-c", CRASHING, victim.hex(), "nbd", str(image), "--socket", str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"READER": "first"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline()
            with Client(path) as other, Client(path) as client:
                other.go()
                client.go(structured=structured)
                assert read(client, 0, 512, structured) == disk[:512]
                for _ in range(2):
                    failed = read(client, guest_offset, length, structured)
                    assert failed == 5 or (isinstance(failed, tuple) and failed[0] == 5 and failed[2] == guest_offset)
                assert read(client, 0, guest_offset, structured) == disk[:guest_offset]
                assert read(other, 0, 512, True) == disk[:512]
                client.request(DISCONNECT, 0, 0)
                assert client.ended
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 5
    assert said.count("the read is answered with EIO, and it goes on") == 2
    assert "active, 4 reads, " in said
    assert "2 answered with EIO, the first: guest offset " in said
    assert said.count("decoder_failed") == 1


def read(client: Client, offset: int, length: int, structured: bool) -> object:
    """The bytes, or the error that came in their place."""
    if structured:
        return client.read(offset, length)
    client.request(READ, offset, length)
    return client.simple() or client.receive(length)
