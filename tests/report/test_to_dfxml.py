"""An extraction as DFXML: valid by the schema, true to the report, and forged by no name."""

import hashlib
import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound, with_backing_name
from tests.extraction import mixed
from tests.oracles import require
from tests.transcripts import ROOT

SCHEMA = ROOT / "tests/filesystems/dfxml_subset.xsd"
D = "{http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML}"
Q = "{https://qcowscope.readthedocs.io/dfxml}"


def written(folder: Path, image: Path, *options: str, output: str = "d.raw", command: str = "extract") -> Path:
    """The document about an extraction."""
    path = folder / "d.xml"
    done = qcowscope(command, image, "-o", folder / output, "--report", f"dfxml:{path}", *options)
    assert done.status in (0, 5), done.err
    return path


def is_valid(path: Path) -> bool:
    command = ["xmllint", "--noout", "--nonet", "--schema", str(SCHEMA), str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk_with_gaps(tmp_path: Path) -> Path:
    image = tmp_path / "image.qcow2"
    image.write_bytes(mixed.image())
    return image


def test_the_schema_is_no_formality(tmp_path: Path) -> None:
    require("xmllint")
    path = written(tmp_path, sound("data-4k"))
    assert is_valid(path)
    text = path.read_text(encoding="utf-8")
    for change in (("<sector_size>512", "<sector_size>none"), ('len="', 'length="'), ("<metadata>", "<meta>")):
        path.write_text(text.replace(*change), encoding="utf-8")
        assert not is_valid(path)


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("d.raw", ["--hash", "md5,sha256,blake2b"]),
        ("d.raw", ["--hash", "none"]),
        ("d.raw", ["--split", "1K", "--verify"]),
        ("d.E01", ["--case-number", "17", "--notes", "a\0b"]),
    ],
)
def test_every_extraction_makes_a_valid_document(
    output: str, options: list[str], disk_with_gaps: Path, tmp_path: Path
) -> None:
    require("xmllint")
    assert is_valid(written(tmp_path, disk_with_gaps, *options, output=output))


def test_a_rebuilt_image_is_a_file_with_its_hash(tmp_path: Path) -> None:
    require("xmllint")
    path = written(tmp_path, sound("deflate-4k"), output="new.qcow2", command="rebuild")
    assert is_valid(path)
    (file,) = ElementTree.parse(path).getroot().findall(f"{D}fileobject")
    content = (tmp_path / "new.qcow2").read_bytes()
    assert file.get(f"{Q}role") == "qcow2"
    assert file.findtext(f"{D}hashdigest") == hashlib.sha256(content).hexdigest()


def test_the_disk_has_its_hashes_and_each_file_those_of_its_part(tmp_path: Path) -> None:
    root = ElementTree.parse(written(tmp_path, sound("deflate-4k"), "--split", "8K", "--hash", "md5,sha256")).getroot()
    parts = sorted(tmp_path.glob("d.raw.*"))
    whole = b"".join(part.read_bytes() for part in parts)
    (run,) = root.findall(f"{D}diskimageobject/{D}byte_runs/{D}byte_run")
    assert run.attrib == {"img_offset": "0", "len": str(len(whole))}
    assert {one.get("type"): one.text for one in run} == {
        "md5": hashlib.md5(whole).hexdigest(), "sha256": hashlib.sha256(whole).hexdigest()
    }  # fmt: skip
    at = 0
    for part, file in zip(parts, root.findall(f"{D}fileobject"), strict=True):
        content = part.read_bytes()
        assert file.findtext(f"{D}filename") == str(part)
        assert file.findtext(f"{D}filesize") == str(len(content))
        (place,) = file.iter(f"{D}byte_run")
        assert place.attrib == {"file_offset": "0", "img_offset": str(at), "len": str(len(content))}
        hashes = {one.get("type"): one.text for one in file.findall(f"{D}hashdigest")}
        assert hashes == {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
        at += len(content)


def test_what_was_not_read_is_listed_with_its_reason(disk_with_gaps: Path, tmp_path: Path) -> None:
    report = tmp_path / "d.json"
    path = written(tmp_path, disk_with_gaps, "--report", f"json:{report}")
    disk = ElementTree.parse(path).getroot().find(f"{D}diskimageobject")
    assert disk is not None
    expected = [
        (str(one["virtual_offset"]), str(one["length"]), one["reason_code"])
        for one in json.loads(report.read_bytes())["result"]["extraction"]["unreadable"]
    ]
    found = [(one.get("img_offset"), one.get("len"), one.get("reason")) for one in disk.findall(f"{Q}unread")]
    assert found == expected != []
    said = "1,024 bytes in 2 ranges could not be read and were replaced by zeros"
    assert (disk.findtext(f"{D}error"), disk.get(f"{Q}status")) == (said, "complete_with_unreadable")


def test_a_container_says_what_is_in_it(tmp_path: Path) -> None:
    root = ElementTree.parse(written(tmp_path, sound("data-4k"), output="d.E01")).getroot()
    (file,) = root.findall(f"{D}fileobject")
    raw = tmp_path / "d.raw"
    assert qcowscope("extract", sound("data-4k"), "-o", raw).status == 0
    hashes = {one.get("type"): one.text for one in file.findall(f"{Q}hash_in_container")}
    assert hashes["md5"] == hashlib.md5(raw.read_bytes()).hexdigest()
    assert file.get(f"{Q}role") == "e01"


def test_the_volumes_of_the_disk_are_named(tmp_path: Path) -> None:
    require("mke2fs", "qemu-img")
    raw, image = tmp_path / "fs.raw", tmp_path / "fs.qcow2"
    subprocess.run(["mke2fs", "-q", "-t", "ext2", raw, "4M"], check=True)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, image], check=True)
    (volume,) = ElementTree.parse(written(tmp_path, image)).getroot().iter(f"{D}volume")
    assert (volume.get("offset"), volume.findtext(f"{D}ftype_str")) == ("0", "ext2")


@pytest.mark.parametrize("name", [b"</x>\n<y a='1'>", b"\x1b[31m\x00\x08\xff\xfe", "\ufffe\u202e]]>&amp;".encode()])
def test_hostile_names_and_case_data_stay_text(name: bytes, tmp_path: Path) -> None:
    require("xmllint")
    text = name.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    image = with_backing_name(name, tmp_path / f"{text.replace('/', '-')}.qcow2")
    path = written(tmp_path, image, "--notes", text, "--examiner", f"<{text}>")
    assert is_valid(path)
    root = ElementTree.parse(path).getroot()
    case = {one.tag: one.text or "" for one in root.find(f"{D}metadata") or ()}
    assert case[f"{Q}examiner"] == f"<{case[f'{Q}notes']}>"
    assert "".join(case.values()).isprintable()
    assert [one.tag for one in root] == [
        f"{D}metadata", f"{D}creator", f"{D}source", f"{D}diskimageobject", f"{D}fileobject"
    ]  # fmt: skip


def test_it_is_a_report_of_extractions_alone(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    done = qcowscope("check", image, "--report", f"dfxml:{tmp_path}/x.xml")
    assert (done.status, (tmp_path / "x.xml").exists()) == (64, False)
