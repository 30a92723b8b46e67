"""`recover` and `--plan`: from an accident to the bytes, with the commands of the guide."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.commands import damaged, qcowscope, sound
from tests.images import SOUND
from tests.report.test_schema import complaints


def wiped(folder: Path) -> Path:
    return damaged("l1-table-wiped", folder)


def planned(folder: Path, image: Path) -> Path:
    plan = folder / "plan.json"
    qcowscope("recover", image, "-o", plan)
    return plan


def test_a_wiped_l1_table_is_not_clean_and_comes_back(tmp_path: Path) -> None:
    image = wiped(tmp_path)
    checked = qcowscope("check", image)
    assert checked.status == 4
    assert checked.out.splitlines()[-1] == "recover may read more: 1 L2 table without an L1 entry"
    plan = planned(tmp_path, image)
    done = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw", "--verify")
    qcowscope("extract", sound("data-512"), "-o", tmp_path / "sound.raw")
    assert (tmp_path / "disk.raw").read_bytes() == (tmp_path / "sound.raw").read_bytes()
    assert "two independent readings agree" in done.out
    assert "by the plan: " in done.out


def test_check_and_info_name_the_plan_and_say_how_sure_it_is(tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    said = f"  by the plan   {plan}: 16,384 certain, 0 inferred, 0 unknown (bytes)"
    checked = qcowscope("check", image, "--plan", plan, "--report", f"html:{tmp_path / 'report.html'}")
    assert checked.out.splitlines()[:2] == [f"{image}: clean by the plan {plan}", said]
    assert said in qcowscope("info", image, "--plan", plan).out.splitlines()
    html = (tmp_path / "report.html").read_text()
    assert f"{plan}: 16,384 certain" in html
    assert "The image was read by a recovery plan" in html
    assert "plan.json: 16,384 certain" in qcowscope("check", image, "--plan", plan, "--format", "markdown").out


@pytest.mark.parametrize("command", ["check", "info"])
def test_a_report_has_the_plan_and_none_without_one(command: str, tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    report = json.loads(qcowscope(command, image, "--plan", plan, "--json").out)
    assert complaints(report) == []
    assert report["source"]["plan"] == str(plan)
    assert report["result"]["plan"]["bytes_by_certainty"] == {"certain": 16384, "inferred": 0, "unknown": 0}
    assert (report["result"]["plan"]["target"], len(report["result"]["plan"]["digest"])) == ("active", 32)
    other = json.loads(qcowscope(command, image, "--json").out)
    assert "plan" not in other["result"]
    assert "plan" not in other["source"]
    assert "by the plan" not in qcowscope(command, image).out


def test_a_plan_of_version_1_is_not_blamed_for_structures_that_the_version_has_not(tmp_path: Path) -> None:
    image = SOUND / "version-1.qcow"
    checked = qcowscope("check", image, "--plan", planned(tmp_path, image))
    assert checked.status == 0
    assert checked.out.splitlines()[0].startswith(f"{image}: clean by the plan ")


def test_a_refcount_table_that_the_file_does_not_have_is_named_whatever_the_plan(tmp_path: Path) -> None:
    content = bytearray(wiped(tmp_path).read_bytes())
    content[56:60] = bytes(4)
    image = tmp_path / "without.qcow2"
    image.write_bytes(content)
    assert "refcount-table-empty" in qcowscope("check", image, "--plan", planned(tmp_path, image)).out


def test_extract_says_that_recover_may_read_more(tmp_path: Path) -> None:
    done = qcowscope("extract", wiped(tmp_path), "-o", tmp_path / "disk.raw")
    assert "recover may read more" in done.err
    assert "recover" not in qcowscope("extract", sound("data-512"), "-o", tmp_path / "sound.raw").err
    assert "recover" not in qcowscope("extract", sound("empty-512"), "-o", tmp_path / "empty.raw").err


@pytest.mark.parametrize("name", sorted(path.stem for path in SOUND.glob("*snapshot*.qcow2")))
def test_extract_says_so_of_an_image_with_snapshots_where_check_does(name: str, tmp_path: Path) -> None:
    content = bytearray(sound(name).read_bytes())
    l1, entries = int.from_bytes(content[40:48], "big"), int.from_bytes(content[36:40], "big")
    content[l1 : l1 + 8 * entries] = bytes(8 * entries)
    image = tmp_path / "wiped.qcow2"
    image.write_bytes(content)
    is_wiped = "l1-table-wiped" in qcowscope("check", image).out
    hint = qcowscope("extract", image, "-o", tmp_path / "disk.raw").err
    assert ("recover may read more: the file holds data" in hint) == is_wiped
    assert is_wiped or name != "snapshots-512"


def test_no_hint_is_given_where_recover_gives_nothing(tmp_path: Path) -> None:
    assert "recover may read more" not in qcowscope("check", damaged("l2-table-wiped", tmp_path)).out
    part = qcowscope("extract", wiped(tmp_path), "--range", "0:4096", "-o", tmp_path / "part.raw")
    assert part.status == 0
    assert "recover may read more" not in part.err


def with_wiped_table(folder: Path, name: str) -> Path:
    """A sound image whose first L2 table is zeros, as nothing but damage leaves one."""
    content = bytearray(sound(name).read_bytes())
    size, l1 = 1 << int.from_bytes(content[20:24], "big"), int.from_bytes(content[40:48], "big")
    table = int.from_bytes(content[l1 : l1 + 8], "big") & 0x00FF_FFFF_FFFF_FE00
    content[table : table + size] = bytes(size)
    image = folder / f"wiped-{name}.qcow2"
    image.write_bytes(content)
    return image


def test_a_hint_is_given_where_a_snapshot_may_have_an_older_table(tmp_path: Path) -> None:
    image = with_wiped_table(tmp_path, "snapshots-512")
    assert "recover may read more: 1 L2 table that was wiped" in qcowscope("check", image).out
    assert "older_table" in qcowscope("recover", image).out


def test_what_is_not_read_is_said_with_the_reason(tmp_path: Path) -> None:
    content, cut = sound("data-512").read_bytes(), tmp_path / "cut.qcow2"
    cut.write_bytes(content[:0xA00])
    done = qcowscope("recover", cut)
    assert done.status == 5
    assert "not damaged" not in done.out
    assert "not read: 512 bytes: entry_beyond_eof" in done.out


def test_that_streams_were_not_decoded_is_said(tmp_path: Path) -> None:
    done = qcowscope("recover", damaged("compressed-stream-broken", tmp_path))
    assert "compressed clusters were not decoded" in done.out
    assert "tables are where they should be; whether anything else is wrong, check says" in done.out
    assert "not decoded" not in qcowscope("recover", sound("data-512")).out


def test_a_guessed_size_is_said_by_every_command(tmp_path: Path) -> None:
    image, plan = overwritten(tmp_path), tmp_path / "plan.json"
    done = qcowscope("recover", image, "-o", plan)
    assert "\ndisk: at least " in done.out
    assert "the size of the disk was guessed from its tables" in done.out
    extracted = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw")
    assert extracted.status == 5
    assert "for this alone the exit status is 5" in extracted.err
    assert "virtual size  at least " in qcowscope("info", image, "--plan", plan).out
    assert "at least" not in qcowscope("info", sound("data-4k")).out
    described = qcowscope("info", image, "--plan", plan, "--json").json()
    assert described["result"]["image"]["virtual_size_is_least"] is True  # type: ignore[index,call-overload]
    assert complaints(described) == []
    assert "virtual_size_is_least" not in qcowscope("info", sound("data-4k"), "--json").out
    reports = [f"--report={kind}:{tmp_path / kind}" for kind in ("html", "markdown", "log")]
    qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "again.raw", *reports)
    assert all("at least" in (tmp_path / kind).read_text() for kind in ("html", "markdown", "log"))


def test_a_size_that_is_too_small_for_the_tables_is_said_to_be(tmp_path: Path) -> None:
    for image in (moved(tmp_path, keep_header=False)[0], sound("two-l2-512")):
        done = qcowscope("recover", image, "--virtual-size", "512")
        assert "the size that was given, 512 bytes, is too small for the tables" in done.out


def test_a_header_that_does_not_fit_is_not_said_to_be_lost(tmp_path: Path) -> None:
    done = qcowscope("recover", sound("data-4k"), "--header-from", sound("data-512"))
    assert "the header is lost" not in done.out
    assert "the file's header is not used" in done.out


def test_it_is_said_if_extract_reads_more_without_the_plan(tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    content = bytearray(sound("data-512").read_bytes())
    l1 = int.from_bytes(content[40:48], "big")
    table = int.from_bytes(content[l1 : l1 + 8], "big") & 0x00FF_FFFF_FFFF_FE00
    content[table + 504 : table + 512] = b"\xff" * 8
    image.write_bytes(content)
    done = qcowscope("recover", image)
    assert "without a plan, extract reads 512 bytes more" in done.out


@pytest.mark.parametrize("command", ["info", "check", "map", "diff", "owner"])
def test_every_command_reads_by_the_plan(command: str, tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    more: list[str | Path] = {"owner": ["--at", "0xa00"], "diff": [sound("data-512")]}.get(command, [])  # type: ignore[assignment]
    done = qcowscope(command, image, *more, "--plan", plan)
    assert done.status == 0, done.out + done.err
    expected = {"map": "data", "diff": "no difference", "owner": "guest data", "info": "virtual size", "check": "clean"}
    assert expected[command] in done.out


def test_a_sound_image_is_complete_and_certain(tmp_path: Path) -> None:
    done = qcowscope("recover", sound("snapshots-512"), "--json")
    found = done.json()
    assert done.status == 0
    assert found["damage"] == []


def test_what_is_no_image_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no image" * 1000)
    assert qcowscope("recover", path).status == 63


def test_a_plan_of_another_file_and_a_broken_plan_are_refused(tmp_path: Path) -> None:
    plan = planned(tmp_path, wiped(tmp_path))
    assert qcowscope("map", sound("data-512"), "--plan", plan).status == 6
    plan.write_text("{")
    assert qcowscope("map", wiped(tmp_path), "--plan", plan).status == 64


def test_a_plan_is_not_replaced_unless_asked_for(tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    assert qcowscope("recover", image, "-o", plan).status == 1
    assert qcowscope("recover", image, "-o", plan, "--force").status != 1
    assert qcowscope("recover", image, "-o", image, "--force").status == 1


@pytest.mark.parametrize(
    "options",
    [["--cluster-size", "1000"], ["--cluster-size", "x"], ["--target", "older"], ["--target", "deleted:x"]],
)
def test_options_that_make_no_sense_are_wrong_usage(options: list[str], tmp_path: Path) -> None:
    assert qcowscope("recover", wiped(tmp_path), *options).status == 64


def test_the_ledger_the_map_and_the_report_say_how_sure_each_range_is(tmp_path: Path) -> None:
    image = damaged("deleted-snapshot-remains", tmp_path)
    plan = tmp_path / "plan.json"
    assert qcowscope("recover", image, "--target", "deleted:1", "-o", plan).status == 5
    reports = [f"--report={kind}:{tmp_path / kind}" for kind in ("ledger", "map", "json")]
    done = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw", *reports)
    assert done.status == 5
    ranges = [json.loads(line) for line in (tmp_path / "ledger").read_text().splitlines()]
    assert {one["certainty"] for one in ranges[1:-1]} == {"inferred"}
    assert {one["version"] for one in ranges[1:-1]} == {"older"}
    assert {word for one in ranges[1:-1] for word in one["basis"]} <= {"D1", "D2"}
    size = (tmp_path / "disk.raw").stat().st_size
    assert ranges[-1]["bytes_by_certainty"] == {"inferred": size}
    assert (tmp_path / "map").read_text().splitlines()[-1].endswith("/")
    report = json.loads((tmp_path / "json").read_text())
    assert complaints(report) == []
    recovery = report["result"]["extraction"]["recovery"]
    assert recovery["bytes_by_certainty"] == {"certain": 0, "inferred": size, "unknown": 0}
    assert recovery["bytes_by_method"] == {"old_snapshot": size}


def test_the_hash_of_the_certain_bytes_does_not_depend_on_other_hashes(tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    runs = [
        qcowscope("extract", image, "--plan", plan, "-o", tmp_path / f"{name}.raw", "--hash", name)
        for name in ("sha256", "none")
    ]
    sums = [[line for line in done.out.splitlines() if "certain bytes alone" in line] for done in runs]
    assert sums[0] == sums[1] != []


def test_check_says_that_bytes_are_placed_by_inference(tmp_path: Path) -> None:
    image = damaged("deleted-snapshot-remains", tmp_path)
    plan = tmp_path / "plan.json"
    qcowscope("recover", image, "--target", "deleted:1", "-o", plan)
    findings = qcowscope("check", image, "--plan", plan, "--json").json()["result"]["findings"]  # type: ignore[index,call-overload]
    (found,) = (one for one in findings if one["rule"] == "recovered-by-inference")  # type: ignore[union-attr,index,call-overload]
    assert found["severity"] == "low"  # type: ignore[index,call-overload]
    assert found["observation"].startswith("16,384 bytes are placed by inference")  # type: ignore[index,union-attr,call-overload]


def test_deleted_snapshots_are_listed_and_their_plans_written(tmp_path: Path) -> None:
    image = damaged("deleted-snapshot-remains", tmp_path)
    done = qcowscope("recover", image, "--deleted-snapshots", "-o", tmp_path / "plans")
    assert done.out.startswith('deleted:0  id 1  "first"')
    assert (tmp_path / "plans" / "deleted-0.json").is_file()
    none = qcowscope("recover", sound("snapshots-512"), "--deleted-snapshots")
    assert none.out == "the file holds no entry of a deleted snapshot\n"


def overwritten(folder: Path) -> Path:
    """A sound image whose header cluster holds a log."""
    image = folder / "overwritten.qcow2"
    content = sound("data-4k").read_bytes()
    image.write_bytes((b"[ 0.1] a line of a log\n" * 200)[:4096] + content[4096:])
    return image


def test_a_file_without_a_header_comes_back_and_its_size_is_inferred(tmp_path: Path) -> None:
    image = overwritten(tmp_path)
    done = qcowscope("recover", image, "-o", tmp_path / "plan.json")
    assert done.status == 5
    assert "the header is lost" in done.out
    assert "qcowscope recover may read it" in qcowscope("check", image).err
    qcowscope("extract", image, "--plan", tmp_path / "plan.json", "-o", tmp_path / "disk.raw")
    qcowscope("extract", sound("data-4k"), "-o", tmp_path / "sound.raw")
    found, truth = (tmp_path / "disk.raw").read_bytes(), (tmp_path / "sound.raw").read_bytes()
    assert truth == found.ljust(len(truth), b"\0")


@pytest.mark.parametrize("how", ["header", "size"])
def test_what_the_examiner_knows_is_taken_and_is_not_called_certain(how: str, tmp_path: Path) -> None:
    image = overwritten(tmp_path)
    size = str(qcowscope("info", sound("data-4k"), "--json").json()["result"]["image"]["virtual_size"])  # type: ignore[index,call-overload]
    options = {"header": ["--header-from", str(sound("data-4k"))], "size": ["--virtual-size", size]}[how]
    done = qcowscope("recover", image, "-o", tmp_path / "plan.json", *options)
    assert done.status == 5
    assert "given by the examiner" in done.out
    qcowscope("extract", image, "--plan", tmp_path / "plan.json", "-o", tmp_path / "disk.raw")
    qcowscope("extract", sound("data-4k"), "-o", tmp_path / "sound.raw")
    assert (tmp_path / "disk.raw").read_bytes() == (tmp_path / "sound.raw").read_bytes()


def moved(folder: Path, keep_header: bool) -> tuple[Path, int]:
    """An image of two L2 tables whose L1 table lies where no header says, and where that is."""
    image = folder / "moved.qcow2"
    content = bytearray(sound("two-l2-512").read_bytes())
    content += bytes(-len(content) % 512)
    l1, entries = int.from_bytes(content[40:48], "big"), int.from_bytes(content[36:40], "big")
    place = len(content)
    content += content[l1 : l1 + 8 * entries].ljust(512, b"\0")
    content[l1 : l1 + 8 * entries] = bytes(8 * entries)
    if not keep_header:
        content[:512] = bytes(512)
    image.write_bytes(content)
    return image, place


@pytest.mark.parametrize("keep_header", [True, False])
def test_the_l1_table_is_read_where_the_examiner_says(keep_header: bool, tmp_path: Path) -> None:
    image, place = moved(tmp_path, keep_header)
    done = qcowscope("recover", image, "--l1", hex(place), "-o", tmp_path / "plan.json")
    assert done.status == 5
    assert "the examiner gave the place of the L1 table" in done.out
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["geometry"]["l1_table_offset"] == place
    assert {one["class"] for name, one in plan["decisions"].items() if one["method"] == "examiner"} == {"inferred"}
    qcowscope("extract", image, "--plan", tmp_path / "plan.json", "-o", tmp_path / "disk.raw")
    qcowscope("extract", sound("two-l2-512"), "-o", tmp_path / "sound.raw")
    found, truth = (tmp_path / "disk.raw").read_bytes(), (tmp_path / "sound.raw").read_bytes()
    assert found.strip(b"\0")
    assert truth == found.ljust(len(truth), b"\0")


@pytest.mark.parametrize("keep_header", [True, False])
@pytest.mark.parametrize("offset", ["0", "1", "0x201", "1TiB"])
def test_where_no_l1_table_can_lie_is_refused(offset: str, keep_header: bool, tmp_path: Path) -> None:
    image, _ = moved(tmp_path, keep_header)
    done = qcowscope("recover", image, "--l1", offset, "-o", tmp_path / "plan.json")
    assert done.status == 64
    assert "no L1 table can lie at host offset" in done.err
    assert not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize("kind", ["text", "log", "markdown", "html"])
def test_reports_have_the_sums_by_certainty(kind: str, tmp_path: Path) -> None:
    image = wiped(tmp_path)
    plan = planned(tmp_path, image)
    report = tmp_path / "report"
    document = json.loads(plan.read_text())
    document["examiner"] = ["A. Examiner <b>"]
    document["decisions"]["D1"]["confidence"] = 0.5
    plan.write_text(json.dumps(document))
    done = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw", "--report", f"{kind}:{report}")
    assert done.status == 5
    text = report.read_text()
    assert "0 certain" in text
    assert "16,384 inferred" in text
    assert "the image does not say that they belong there" in text
    assert "A. Examiner" in text
    assert kind != "html" or "<b>" not in text


def test_a_log_without_a_plan_has_no_section_about_one(tmp_path: Path) -> None:
    report = tmp_path / "report"
    qcowscope("extract", sound("data-512"), "-o", tmp_path / "disk.raw", "--report", f"log:{report}")
    assert "Recovery plan" not in report.read_text()


def test_a_bad_map_makes_what_it_lists_unknown(tmp_path: Path) -> None:
    image, listed = sound("data-512"), tmp_path / "map"
    listed.write_text("0x0 ? 1\n0x0 0xA00 +\n0xA00 0x200 -\n0xC00 0x100000 +\n")
    plan = tmp_path / "plan.json"
    assert qcowscope("recover", image, "--bad-map", listed, "-o", plan).status == 5
    done = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw")
    assert done.status == 5
    assert "512 bytes, filled with zeros: io_error" in done.err
    assert qcowscope("recover", image, "--bad-map", plan).status == 64


def test_what_is_less_sure_than_wanted_is_left_out(tmp_path: Path) -> None:
    image = damaged("deleted-snapshot-remains", tmp_path)
    wanted = ("--target", "deleted:0", "--json")
    assert qcowscope("recover", image, *wanted).json()["bytes"]["by_certainty"]["unknown"]["not_read"] == 0  # type: ignore[call-overload, index]
    left_out = qcowscope("recover", image, *wanted, "--min-confidence", "0.95").json()
    assert left_out["bytes"]["by_certainty"]["unknown"]["not_read"] == 16384  # type: ignore[call-overload, index]
    assert qcowscope("recover", image, "--min-confidence", "2").status == 64


def test_a_size_that_no_table_can_map_is_taken_from_the_tables_instead(tmp_path: Path) -> None:
    image, plan = damaged("header-size-too-large", tmp_path), tmp_path / "plan.json"
    done = qcowscope("recover", image, "-o", plan)
    assert done.status == 5
    assert "the size of the disk is unknown: at least " in done.out
    extracted = qcowscope("extract", image, "--plan", plan, "-o", tmp_path / "disk.raw")
    assert extracted.status == 5
    qcowscope("extract", sound("data-512"), "-o", tmp_path / "sound.raw")
    found, expected = (tmp_path / "disk.raw").read_bytes(), (tmp_path / "sound.raw").read_bytes()
    assert found == expected[: len(found)]
    assert not any(expected[len(found) :])


def test_a_disk_that_no_table_can_map_is_refused_if_the_examiner_gives_it(tmp_path: Path) -> None:
    done = qcowscope("recover", sound("data-512"), "--virtual-size", "4E")
    assert (done.status, done.out) == (1, "")
    assert "L1 entries" in done.err


def test_a_plan_of_a_disk_that_no_table_can_map_is_no_usable_plan(tmp_path: Path) -> None:
    image, plan = tmp_path / "image.qcow2", tmp_path / "plan.json"
    content = bytearray(sound("data-512").read_bytes())
    image.write_bytes(content)
    qcowscope("recover", image, "-o", plan)
    content[24:32] = (1 << 45).to_bytes(8, "big")
    image.write_bytes(content)
    document = json.loads(plan.read_text(encoding="utf-8"))
    document["geometry"]["virtual_size"] = 1 << 45
    document["evidence"]["regions"][0]["sha256"] = hashlib.sha256(content[:512]).hexdigest()
    plan.write_text(json.dumps(document), encoding="utf-8")
    for command in ("map", "info", "check"):
        done = qcowscope(command, image, "--plan", plan)
        assert (done.status, done.out) == (64, "")
        assert "L1 entries, more than 4,194,304" in done.err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (("geometry", "cluster_bits"), "nine", "expected a whole number, found text, at geometry.cluster_bits"),
        (("l1", 0, "slot"), None, "expected a whole number, found nothing, at l1[0].slot"),
        (("geometry", "more"), 1, "there is no key `more`, at geometry"),
        (("unknown",), {}, "expected a list, found a table of keys, at unknown"),
    ],
)
def test_what_is_wrong_with_a_plan_is_said_in_words(
    key: tuple[str | int, ...], value: object, said: str, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    qcowscope("recover", sound("data-512"), "-o", plan)
    document = json.loads(plan.read_text(encoding="utf-8"))
    place = document
    for step in key[:-1]:
        place = place[step]
    place[key[-1]] = value
    plan.write_text(json.dumps(document), encoding="utf-8")
    done = qcowscope("map", sound("data-512"), "--plan", plan)
    assert (done.status, done.out) == (64, "")
    assert f"not a usable plan: {said}" in done.err
