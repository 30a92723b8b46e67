"""What looks like damage and has an ordinary reason is no false alarm; what has none still is one."""

import struct
import zlib
from pathlib import Path

import pytest

from forensic.accounting.discrepancies import Totals
from forensic.checking import check
from forensic.evidence import Evidence
from forensic.image import identify
from forensic.qcow2.file_names import is_network_path, is_protocol, is_windows_path, scheme
from forensic.records.judgement import CheckStatus, Verdict
from forensic.rules.registry import STRUCTURES
from samples import recipes
from samples.kinds import Kind
from tests.commands import with_backing_name
from tests.images import QCOW2, SOUND, geometry, header, sample, tiny, written
from tests.rules.judging import codes_of, problems

QEMU_1 = bytes.fromhex("00000004 00000068")


@pytest.mark.parametrize(
    ("at", "content", "found"),
    [
        (96, QEMU_1, False),
        (96, QEMU_1[:4], True),
        (96, b"\0\0\0\4\0\0\0\x70", True),
        (88, b"\0" * 7 + b"\1" + QEMU_1, True),
    ],
)
def test_what_qemu_1_left_in_version_2_headers_is_no_finding(
    tmp_path: Path, at: int, content: bytes, found: bool
) -> None:
    image = bytearray((SOUND / "empty-v2-512.qcow2").read_bytes())
    image[at : at + len(content)] = content
    codes = codes_of(written(tmp_path, bytes(image)))
    assert ("header-version-2-with-version-3-fields" in codes) is found


def totals(data: int, compressed: int, file_size: int, features: int = 0, codec: int = 0) -> Totals:
    layout = geometry(header(cluster_bits=16, features=features, compression_type=codec))
    return Totals(layout, file_size, data, compressed, 1)


@pytest.mark.parametrize(
    ("counted", "found"),
    [
        (totals(32, 0, 16 << 16), False),
        (totals(33, 0, 16 << 16), True),
        (totals(1 << 20, 0, 16 << 16, features=1 << 2), False),
        (totals(0, 1032 * 16, 16 << 16), False),
        (totals(0, 1032 * 16 + 1, 16 << 16), True),
        (totals(0, 104_857, 16 << 16, features=1 << 3, codec=1), False),
        (totals(0, 104_858, 16 << 16, features=1 << 3, codec=1), True),
    ],
)
def test_more_is_mapped_than_the_file_can_hold_only_where_no_codec_could_make_it(counted: Totals, found: bool) -> None:
    assert bool(problems("mapping-amplification", counted)) is found


@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("name", ["refcount-too-low", "refcount-block-missing", "l2-copied-bit", "l1-copied-bit"])
def test_stale_refcounts_are_explained_by_the_dirty_bit_and_by_nothing_else(
    tmp_path: Path, name: str, dirty: bool
) -> None:
    recipe = next(each for each in recipes.all_recipes() if each.name == name)
    path = recipes.apply(recipe, tmp_path / "image.qcow2")
    content = bytearray(path.read_bytes())
    content[79] |= dirty
    with Evidence(written(tmp_path, bytes(content))) as evidence:
        judgement = check(identify(evidence), strict=True)
    codes = {finding.rule for finding in judgement.findings}
    assert ("refcount-stale" in codes, name in codes) == (dirty, not dirty)
    assert (judgement.verdict() == Verdict.CORRUPT) is not dirty


def test_the_dirty_bit_does_not_excuse_what_refcounts_do_not_explain(tmp_path: Path) -> None:
    recipe = next(each for each in recipes.all_recipes() if each.name == "data-overlaps-metadata")
    content = bytearray(recipes.apply(recipe, tmp_path / "image.qcow2").read_bytes())
    content[79] |= 1
    assert "data-overlaps-metadata" in codes_of(written(tmp_path, bytes(content)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (rb"C:\Users\x.img", "windows"),
        (b"d:/images/x.img", "windows"),
        (rb"\\server\share\x.img", "network"),
        (b"nbd:localhost:1", "protocol"),
        (b"C:relative", "protocol"),
        (b"images/x.img", "plain"),
    ],
)
def test_paths_of_windows_are_no_protocols(name: bytes, kind: str) -> None:
    assert is_protocol(name) is (kind == "protocol")
    assert is_windows_path(name) is (kind in ("windows", "network"))
    assert is_network_path(name) is (kind == "network")
    assert scheme(name) == ("protocol" if kind == "protocol" else "plain")


@pytest.mark.parametrize("name", [rb"C:\Users\x.img", rb"\\server\share\x.img", b"file:C:/x.img"])
def test_paths_of_windows_are_references_to_another_place(tmp_path: Path, name: bytes) -> None:
    codes = codes_of(with_backing_name(name, tmp_path / "image.qcow2"))
    assert {"backing-file-outside-directory", "backing-file-declared"} <= codes
    assert "backing-file-protocol" not in codes


def test_a_name_padded_with_zeros_is_shown_without_them(tmp_path: Path) -> None:
    path = with_backing_name(b"base.raw" + bytes(1000), tmp_path / "image.qcow2")
    with Evidence(path) as evidence:
        found = {finding.rule: finding for finding in check(identify(evidence), strict=True).findings}
    assert found["backing-file-declared"].problems[0].observation == (
        'the backing file is "base.raw"; it was not opened'
    )


def test_no_entry_has_a_negative_number(tmp_path: Path) -> None:
    head = header(virtual_size=0)
    with Evidence(written(tmp_path, tiny([5 << 9], head=head))) as evidence:
        found = {finding.rule: finding for finding in check(identify(evidence), strict=True).findings}
    assert "size of 0 bytes" in found["l1-entry-beyond-disk"].problems[0].observation


@pytest.mark.parametrize("kind", QCOW2, ids=lambda kind: kind.name)
def test_rules_that_ran_and_found_nothing_pass(kind: Kind) -> None:
    with Evidence(sample(kind)) as evidence:
        checks = check(identify(evidence), strict=True).checks
    reasons = {each.reason for each in checks if each.status == CheckStatus.NOT_APPLICABLE}
    for result in ("ClusterUsage", "LeakedClusters", "Unexamined", "RefcountsBeyondFile", "FreeResidue"):
        assert f"there is no {STRUCTURES[result]} to examine" not in reasons


def version_1(l2: list[int], tail: bytes = b"", stream: bytes = b"") -> bytes:
    """Clusters of 512 bytes, 64 entries in a table: L1 at 48, L2 at 512, data from 1024 on."""
    content = bytearray(4096)
    struct.pack_into(">4sIQIIQBBHIQ", content, 0, b"QFI\xfb", 1, 0, 0, 0, 1 << 15, 9, 6, 0, 0, 48)
    struct.pack_into(">Q", content, 48, 512)
    struct.pack_into(f">{len(l2)}Q", content, 512, *l2)
    content[2048 : 2048 + len(stream)] = stream
    return bytes(content) + tail


STREAM = zlib.compress(b"\x5a" * 512, wbits=-12)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (version_1([1024, 3584]), None),
        (version_1([1024, 512]), "version-1-data-overlaps-metadata"),
        (version_1([1024, 0, 1024]), "version-1-data-cluster-shared"),
        (version_1([1024, 3584], tail=b"HIDDEN"), "residue-appended"),
        (version_1([3584, 1 << 63 | len(STREAM) << 54 | 2048], stream=STREAM), None),
        (version_1([3584, 1 << 63 | len(STREAM) << 54 | 2048], stream=b"\xff" * 40), "compressed-stream-broken"),
    ],
)
def test_version_1_is_judged_by_what_its_tables_lead_to(tmp_path: Path, content: bytes, code: str | None) -> None:
    found = codes_of(written(tmp_path, content, "image.qcow"))
    assert found == {"version-1-image"} | ({code} if code else set())


def test_a_table_that_could_not_be_read_leaves_what_lies_behind_it_unjudged(tmp_path: Path) -> None:
    content = bytearray(version_1([1024, 3584], tail=b"HIDDEN"))
    struct.pack_into(">Q", content, 48, 1 << 40)
    assert "residue-appended" not in codes_of(written(tmp_path, bytes(content), "image.qcow"))
