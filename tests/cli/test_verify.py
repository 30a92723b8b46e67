"""`qcowscope verify` from outside: 0 if everything agrees, 6 and where it differs if not, 1 if nothing can be said."""

import json
from pathlib import Path

import pytest

from forensic.report.model import digest_of
from tests.cli.test_extract import MIB, SIZE, large
from tests.commands import Finished, qcowscope, sound


def extracted(folder: Path, *options: str) -> Path:
    """An extraction with report and manifest; gives the name of the raw file."""
    raw = folder / "d.raw"
    targets = ["--report", f"json:{folder / 'd.json'}", "--report", f"manifest:{folder / 'd.manifest'}"]
    assert qcowscope("extract", large(folder), "-o", raw, "--hash-window", "1MiB", *targets, *options).status == 0
    return raw


def verified(raw: Path, manifest: bool = False) -> Finished:
    options = ["--manifest", str(raw.parent / "d.manifest")] if manifest else []
    return qcowscope("verify", raw, raw.parent / "d.json", *options)


def change(path: Path, *places: int) -> None:
    with path.open("r+b") as stream:
        for place in places:
            stream.seek(place)
            stream.write(b"\xee")


@pytest.mark.parametrize("hashes", ["sha256", "md5", "sha512,blake2b,sha1", "md5,sha256"])
def test_what_was_not_changed_matches(hashes: str, tmp_path: Path) -> None:
    done = verified(extracted(tmp_path, "--hash", hashes), manifest=True)
    assert done.status == 0
    lines = done.out.splitlines()
    assert [line.split()[:2] for line in lines[: len(hashes.split(","))]] == [
        [name, "match"] for name in sorted(hashes.split(","))
    ]
    assert lines[-2:] == ["every window of the manifest matches", f"{tmp_path / 'd.raw'}: match"]


@pytest.mark.parametrize("hashes", ["sha256", "md5", "blake2b,sha1"])
def test_the_first_difference_is_found_by_whatever_hash(hashes: str, tmp_path: Path) -> None:
    raw = extracted(tmp_path, "--hash", hashes)
    change(raw, 5 * MIB + 17, 9 * MIB)
    done = verified(raw)
    assert done.status == 6
    assert "the first difference lies between byte 0x500000 and byte 0x600000" in done.out
    assert done.out.splitlines()[-1].endswith("does not match")


def test_a_manifest_tells_every_window_that_differs(tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    change(raw, 0, 5 * MIB + 17, 6 * MIB, 12 * MIB, SIZE - 1)
    done = verified(raw, manifest=True)
    assert done.status == 6
    assert [line for line in done.out.splitlines() if line.startswith("windows")] == [
        "windows differ from byte 0x0 to byte 0x100000",
        "windows differ from byte 0x500000 to byte 0x700000",
        "windows differ from byte 0xc00000 to byte 0xd00000",
        "windows differ from byte 0xf00000 to byte 0x1000000",
    ]


@pytest.mark.parametrize("size", [0, 3 * MIB, SIZE - 1, SIZE + 1, SIZE + 3 * MIB])
def test_a_file_of_another_length_does_not_match(size: int, tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    with raw.open("r+b") as stream:
        stream.truncate(size)
    done = verified(raw, manifest=True)
    assert done.status == 6
    assert f"size    differs: {size:,} bytes, the report says {SIZE:,}" in done.out
    start, end = min(size, SIZE) // MIB * MIB, -(-max(size, SIZE) // MIB) * MIB
    assert f"to byte {end:#x}" in done.out
    assert f"windows differ from byte {start:#x}" in done.out


@pytest.mark.parametrize("name", ["d.raw", "d.raw.001"])
def test_a_split_disk_is_verified_by_either_name(name: str, tmp_path: Path) -> None:
    extracted(tmp_path, "--split", "3M")
    assert verified(tmp_path / name, manifest=True).status == 0
    change(tmp_path / "d.raw.003", 0)
    done = verified(tmp_path / name, manifest=True)
    assert done.status == 6
    assert "segment 3 differs" in done.out
    assert "windows differ from byte 0x600000 to byte 0x700000" in done.out


@pytest.mark.parametrize("size", [0, MIB, 4 * MIB])
def test_a_segment_of_another_length_is_named(size: int, tmp_path: Path) -> None:
    raw = extracted(tmp_path, "--split", "3M")
    with (tmp_path / "d.raw.002").open("r+b") as stream:
        stream.truncate(size)
    done = verified(raw)
    assert done.status == 6
    assert f"segment 2 has {size:,} bytes, the report says 3,145,728; what follows is shifted" in done.out
    assert done.out.count("what follows is shifted") == 1


def test_segments_put_together_are_the_disk(tmp_path: Path) -> None:
    raw = extracted(tmp_path, "--split", "3M")
    raw.write_bytes(b"".join(path.read_bytes() for path in sorted(tmp_path.glob("d.raw.0*"))))
    assert verified(raw).status == 0


def test_a_segment_that_is_missing_is_an_error(tmp_path: Path) -> None:
    extracted(tmp_path, "--split", "3M")
    (tmp_path / "d.raw.004").unlink()
    done = verified(tmp_path / "d.raw")
    assert done.status == 1
    assert "d.raw.004" in done.err


def test_a_range_is_verified_as_what_it_is(tmp_path: Path) -> None:
    raw = extracted(tmp_path, "--range", "100:3000000")
    assert verified(raw, manifest=True).status == 0
    change(raw, 2_999_999)
    assert verified(raw, manifest=True).status == 6


@pytest.mark.parametrize("content", ["", "{}", "[]", "[" * 100_000, '{"result": {"extraction": 5}}', "\0"])
def test_what_is_no_report_is_an_error(content: str, tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    (tmp_path / "d.json").write_text(content, encoding="utf-8")
    done = verified(raw)
    assert (done.status, done.err) == (1, f"qcowscope: {tmp_path / 'd.json'}: not a report of an extraction\n")


@pytest.mark.parametrize("hashes", [{}, {"crc32": "00"}])
def test_a_report_without_a_usable_hash_is_an_error(hashes: dict[str, str], tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    document["result"]["extraction"]["hashes"] = hashes
    document["result"]["hashes"]["piecewise"] = None
    document["result_digest"]["value"] = digest_of(document["result"])
    (tmp_path / "d.json").write_text(json.dumps(document), encoding="utf-8")
    done = verified(raw)
    assert done.status == 1
    assert "holds no hash that can be compared" in done.err


@pytest.mark.parametrize("place", [("extraction", "hashes", "sha256"), ("summary", "verdict")])
def test_a_report_that_was_changed_is_no_witness(place: tuple[str, ...], tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    document = json.loads((tmp_path / "d.json").read_text(encoding="utf-8"))
    *outer, last = place
    part = document["result"]
    for name in outer:
        part = part[name]
    part[last] = "0" * 64
    (tmp_path / "d.json").write_text(json.dumps(document), encoding="utf-8")
    done = verified(raw)
    assert (done.status, done.out) == (1, "")
    assert "was changed after it was written" in done.err


def test_a_disk_with_piecewise_hashes_alone_is_verified_by_its_manifest(tmp_path: Path) -> None:
    raw = extracted(tmp_path, "--hash", "none")
    done = verified(raw, manifest=True)
    assert (done.status, done.out) == (0, f"every window of the manifest matches\n{raw}: match\n")
    done = verified(raw)
    assert (done.status, done.out) == (1, "")
    assert "holds only piecewise hashes; compare them with the --manifest of the extraction" in done.err
    change(raw, 5 * MIB + 17)
    done = verified(raw, manifest=True)
    assert done.status == 6
    assert "windows differ from byte 0x500000 to byte 0x600000" in done.out


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_directory_is_no_raw_file(name: str, tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    done = qcowscope("verify", name, raw.parent / "d.json")
    assert (done.status, done.err) == (1, f"qcowscope: {name}: not a regular file but a directory\n")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda lines: lines[:-1], "ends before its last line"),
        (lambda lines: lines[1:], "not a manifest"),
        (lambda lines: [*lines[:2], *lines[3:]], "damaged or missing"),
        (lambda lines: [lines[0], lines[1][:-3], *lines[2:]], "damaged or missing"),
        (lambda lines: [*lines[:-2], lines[-1]], "of 16777216 bytes"),
        (
            lambda lines: [lines[0], lines[2].replace("1048576 ", "0 ", 1), *lines[2:]],
            "not the manifest of this report",
        ),
    ],
)
def test_a_damaged_manifest_is_an_error(damage: object, reason: str, tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    manifest = tmp_path / "d.manifest"
    assert callable(damage)
    manifest.write_text("\n".join(damage(manifest.read_text("ascii").splitlines())) + "\n", "ascii")
    done = verified(raw, manifest=True)
    assert done.status == 1
    assert reason in done.err


def test_a_byte_that_moved_to_the_next_segment_is_found(tmp_path: Path) -> None:
    extracted(tmp_path, "--split", "10MiB")
    first, second = tmp_path / "d.raw.001", tmp_path / "d.raw.002"
    whole = first.read_bytes()
    first.write_bytes(whole[:-1])
    second.write_bytes(whole[-1:] + second.read_bytes())
    done = verified(tmp_path / "d.raw")
    assert done.status == 6
    assert "segment 1 has " in done.out
    assert done.out.splitlines()[-1].endswith("does not match")


def rewritten(report: Path, change: dict[str, object], run: dict[str, object] | None = None) -> None:
    """A report with other words about its extraction, and the digest that belongs to them."""
    document = json.loads(report.read_text())
    document["result"]["extraction"] |= change
    for one in document["run"]["inputs"] if run else ():
        one |= run
    document["result_digest"]["value"] = digest_of(document["result"])
    report.write_text(json.dumps(document))


DIFFERENCE = {"virtual_offset": 0, "length": 1, "what": "bytes", "reason_code": None}


@pytest.mark.parametrize(
    ("change", "run", "status", "words"),
    [
        ({"status": "failed"}, {}, 1, "the extraction did not complete"),
        ({"status": "aborted"}, {}, 1, "the extraction did not complete"),
        ({}, {"integrity": {"unchanged": False}}, 1, "changed while it was being extracted"),
        ({}, {"verified_source": {"sha256": "00"}}, 1, "read differently the second time"),
        ({"compared": {"differences": [DIFFERENCE]}}, {}, 6, "two independent readings of the disk differed"),
    ],
)
def test_what_a_report_does_not_vouch_for_is_no_plain_match(
    change: dict[str, object], run: dict[str, object], status: int, words: str, tmp_path: Path
) -> None:
    raw = extracted(tmp_path)
    rewritten(tmp_path / "d.json", change, run)
    done = verified(raw)
    assert done.status == status
    assert words in done.out
    assert done.out.splitlines()[-1].endswith("agrees with the report, but the report does not confirm it")


@pytest.mark.parametrize("number", [1, 2, 6])
def test_a_segment_that_differs_is_no_match_though_the_disk_agrees(number: int, tmp_path: Path) -> None:
    """Of such a report at least one hash is wrong, and nobody can say which."""
    raw = extracted(tmp_path, "--split", "3M")
    segments = json.loads((tmp_path / "d.json").read_text())["result"]["extraction"]["segments"]
    assert len(segments) == 6
    segments[number - 1]["hashes"]["sha256"] = "0" * 64
    rewritten(tmp_path / "d.json", {"segments": segments})
    done = verified(raw)
    assert done.status == 6
    assert f"segment {number} differs" in done.out
    assert done.out.splitlines()[-1].endswith("does not match")


@pytest.mark.parametrize(
    "segments",
    [
        [{"size": 0, "hashes": {}}, {"size": SIZE, "hashes": {}}],
        [{"size": 1 << 62, "hashes": {}}, {"size": 1 << 62, "hashes": {}}],
        [{"size": SIZE - 1, "hashes": {}}],
    ],
)
def test_segments_that_cannot_be_are_refused(segments: list[object], tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    rewritten(tmp_path / "d.json", {"segments": segments})
    done = verified(raw)
    assert done.status == 1
    assert "lists segments that do not form one disk" in done.err


@pytest.mark.parametrize("size", [SIZE + 512, 10**19])
def test_a_manifest_that_claims_any_number_of_windows_ends_at_once(size: int, tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    (tmp_path / "d.manifest").write_text(
        f"# qcowscope-manifest/1 algorithm sha256 window 512 size {size}\n0 {size} {'0' * 64}\n# end windows 1\n"
    )
    done = verified(raw, manifest=True)
    assert done.status == 6
    assert f"windows differ from byte 0x0 to byte {size:#x}" in done.out


def test_escape_sequences_in_a_report_are_shown_and_not_sent(tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    rewritten(tmp_path / "d.json", {"hashes": {"sha256": "\x1b]0;pwned\x07"}, "status": "\x1b[2J"})
    done = verified(raw)
    assert done.status == 6
    assert "\x1b" not in done.out + done.err


def test_the_image_is_read_again_by_the_second_reader(tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    image = large(tmp_path)
    good = qcowscope("verify", raw, tmp_path / "d.json", "--image", image)
    assert (good.status, good.out.splitlines()[-2]) == (
        0,
        f"two independent readings agree over {SIZE:,} bytes (all of it)",
    )
    content = bytearray(image.read_bytes())
    content[5 << 16] ^= 1  # the first data cluster
    image.write_bytes(content)
    bad = qcowscope("verify", raw, tmp_path / "d.json", "--image", image)
    assert bad.status == 6
    assert "differs: 1 bytes at guest offset 0x0" in bad.out


def test_a_report_of_a_longer_disk_is_not_compared_with_a_shorter_one(tmp_path: Path) -> None:
    raw = extracted(tmp_path)
    done = qcowscope("verify", raw, tmp_path / "d.json", "--image", sound("data-512"))
    assert done.status == 1
    assert f"ends at guest offset {SIZE:#x}, past the end of this disk of " in done.err
