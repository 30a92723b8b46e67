"""The timelines: read by mactime, valid by the schema of DFXML, and forged by no name."""

import json
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.commands import qcowscope
from tests.filesystems import disks
from tests.filesystems.disks import PLAIN
from tests.oracles import require

HERE = Path(__file__).resolve().parent
NAMESPACE = "{http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML}"
HOSTILE = [
    b"line\n0|forged|1|r-rrwxrwxrwx|0|0|0|1|1|1|1",
    b"pipe|in|name",
    b"back\\x7cslash",
    b"control\x1b[31m\x07",
    "bidi\u202etxt.exe".encode(),
    b"not utf-8 \xff\xfe",
    b"<tag> & \"quotes\"",
    b" blank ",
]  # fmt: skip


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with ext4, with names of every kind, and FAT."""
    folder = tmp_path_factory.mktemp("timeline")
    tree = disks.make_tree(folder / "tree", PLAIN)
    fat = disks.fat(folder / "fat.raw", tree)
    for name in HOSTILE:
        Path(f"{tree}/x").write_bytes(name)
        (tree / "x").rename(tree / name.decode("utf-8", "surrogateescape"))
    return disks.gpt(folder / "disk.raw", fat, disks.ext4(folder / "ext4.raw", tree)).image()


def test_the_body_file_has_one_line_of_eleven_fields_an_entry(image: Path) -> None:
    done = qcowscope("fs", "timeline", image)
    assert (done.status, done.err) == (0, "")
    head, *lines = done.out.splitlines()
    assert head.startswith("# qcowscope: in names, \\ | control and invisible characters stand as \\xNN")
    assert {line.count("|") for line in lines} == {10}
    names = [line.split("|")[1] for line in lines]
    listed = qcowscope("fs", "ls", image, "-r", "--volume", "2", "--json").json()["entries"]
    assert isinstance(listed, list)
    assert len([name for name in names if name.startswith("2:/")]) == len(listed) >= len(HOSTILE) + len(PLAIN)
    assert "2:/pipe\\x7cin\\x7cname" in names
    assert "2:/back\\x5cx7cslash" in names
    assert "2:/bidi<U+202E>txt.exe" in names
    assert "2:/not utf-8 \\xff\\xfe" in names
    assert "2:/line\\x0a0\\x7cforged\\x7c1\\x7cr-rrwxrwxrwx\\x7c0\\x7c0\\x7c0\\x7c1\\x7c1\\x7c1\\x7c1" in names
    assert done.out.isprintable() or all(line.isprintable() for line in lines)


def test_mactime_reads_the_body_file_as_it_reads_that_of_fls(image: Path, tmp_path: Path) -> None:
    require("mactime", "fls")
    body = qcowscope("fs", "timeline", image, "--volume", "1").out
    ours = subprocess.run(
        ["mactime", "-b", "-", "-d", "-z", "UTC"], input=body, capture_output=True, text=True, check=True
    )
    raw = image.parent / "disk.raw"
    theirs_body = subprocess.run(
        ["fls", "-r", "-u", "-m", "/", "-z", "UTC", "-o", "2048", raw], capture_output=True, text=True, check=True
    ).stdout
    theirs = subprocess.run(
        ["mactime", "-b", "-", "-d", "-z", "UTC"], input=theirs_body, capture_output=True, text=True, check=True
    )
    assert "hello.txt" in ours.stdout
    fields = [[line.split("|")[at] for at in (1, 2, 6, 7, 8, 9, 10)] for line in body.splitlines()[1:]]
    expected = [[line.split("|")[at] for at in (1, 2, 6, 7, 8, 9, 10)] for line in theirs_body.splitlines()]
    assert sorted(fields) == sorted(expected)
    assert sorted(ours.stdout.splitlines()) == sorted(theirs.stdout.splitlines())


def test_dfxml_is_valid_by_its_schema(image: Path, tmp_path: Path) -> None:
    require("xmllint")
    out = tmp_path / "out.xml"
    out.write_text(qcowscope("fs", "timeline", image, "--format", "dfxml").out, encoding="utf-8")
    schema = HERE / "dfxml_subset.xsd"
    done = subprocess.run(
        ["xmllint", "--noout", "--nonet", "--schema", schema, out], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, f"{out} validates")


def test_dfxml_says_where_a_file_lies_on_the_disk(image: Path) -> None:
    root = ElementTree.fromstring(qcowscope("fs", "timeline", image, "--format", "dfxml", "--volume", "2").out)
    raw = (image.parent / "disk.raw").read_bytes()
    found = {one.findtext(f"{NAMESPACE}filename"): one for one in root.iter(f"{NAMESPACE}fileobject")}
    for name, content in PLAIN.items():
        size = int(found[name].findtext(f"{NAMESPACE}filesize") or "")
        runs = [run.attrib for run in found[name].iter(f"{NAMESPACE}byte_run")]
        together = b"".join(raw[int(run["img_offset"]) :][: int(run["len"])] for run in runs)
        assert (size, together[:size]) == (len(content), content)
    hexadecimal = {one.get("{https://qcowscope.readthedocs.io/dfxml}name_hex") for one in found.values()}
    assert HOSTILE[3].hex() in hexadecimal


def test_json_lines_keep_the_bytes_of_names(image: Path) -> None:
    lines = qcowscope("fs", "timeline", image, "--format", "jsonl", "--volume", "2").out.splitlines()
    names = {bytes.fromhex(json.loads(line)["path"]["hex"]) for line in lines}
    assert names >= {*HOSTILE, *(name.encode() for name in PLAIN)}


def test_a_hostile_name_harms_no_terminal_and_leads_to_its_file(image: Path) -> None:
    done = qcowscope("fs", "ls", image, "-r", "-l", "--volume", "2")
    assert all(line.isprintable() for line in done.out.splitlines())
    for name in HOSTILE:
        path = name.decode("utf-8", "surrogateescape")
        out = qcowscope("fs", "cat", image, "--volume", "2", path, "--hash", "sha256").out
        assert out.count("\n") == 1 and out.splitlines()[0].isprintable()
