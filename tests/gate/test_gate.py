"""The gate: what the header decides, what takes all tables, and that a stream and a file are judged alike."""

import hashlib
import struct
from pathlib import Path

import pytest

from forensic import check
from forensic.budget import Limits
from forensic.evidence import Evidence, ReadFailed
from forensic.files.opened_files import OpenedFiles
from forensic.finding import Severity
from forensic.gate.decision import GateCheck, GateVerdict, Stage
from forensic.gate.gate import gate_file, gate_stream
from forensic.gate.policy import Allow, NamedPolicy, Policy, Reject, SizeLimits, profile
from forensic.image import identify
from forensic.qcow2.header import Incompatible
from forensic.records.judgement import Verdict
from forensic.rules import all_rules
from samples.kinds import Kind
from samples.recipes import Recipe
from tests.commands import QCOW2_KINDS, RECIPES, damaged, sound
from tests.gate.streams import stream
from tests.images import ReadOneByOne, header, tiny, written

STRICT = profile("strict-cloud")
INTAKE = profile("forensic-intake")


def policy(**parts: Reject | Allow | SizeLimits) -> NamedPolicy:
    return NamedPolicy(Policy(**parts), "test", "0" * 64)  # type: ignore[arg-type]


def reasons(path: Path, by: NamedPolicy = STRICT) -> list[tuple[str, str | None]]:
    return [(one.check.value, one.rule) for one in gate_file(path, by).reasons]


def test_a_sound_image_is_accepted_with_its_hash() -> None:
    decided = gate_file(sound("deflate-4k"), STRICT)
    content = sound("deflate-4k").read_bytes()
    assert (decided.verdict, decided.stage, decided.reasons) == (GateVerdict.ACCEPT, Stage.FULL, [])
    assert decided.sha256 == hashlib.sha256(content).hexdigest()
    assert (decided.bytes_read, decided.exit_status) == (len(content), 0)
    assert (decided.policy, decided.policy_sha256) == ("strict-cloud", STRICT.sha256)


SHARED = {
    "backing_file": ("backing-file-declared", Allow(backing_file=True)),
    "data_file": ("data-file-declared", Allow(data_file=True)),
    "encryption": ("image-encrypted", Allow(encryption=("none", "aes"))),
    "snapshots": ("snapshots-present", Allow(snapshots=2)),
    "extended_l2": (None, Allow()),
}


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("overlay-raw", "backing_file"),
        ("data-file", "data_file"),
        ("aes-4k", "encryption"),
        ("snapshots-512", "snapshots"),
        ("extended-16k", "extended_l2"),
    ],
)
def test_a_fact_is_refused_by_the_header_unless_it_is_allowed(name: str, check: str) -> None:
    rule, allowing = SHARED[check]
    forbidding = Allow(extended_l2=False) if check == "extended_l2" else Allow()
    decided = gate_file(sound(name), policy(allow=forbidding))
    assert (decided.verdict, decided.stage, decided.exit_status) == (GateVerdict.REJECT, Stage.HEADER, 4)
    assert [(one.check.value, one.rule) for one in decided.reasons] == [(check, rule)]
    assert decided.sha256 is None
    assert gate_file(sound(name), policy(allow=allowing)).verdict == GateVerdict.ACCEPT


def test_version_1_is_refused_unless_it_is_allowed() -> None:
    assert reasons(sound("version-1")) == [("version", "version-1-image")]
    assert gate_file(sound("version-1"), INTAKE).verdict == GateVerdict.ACCEPT


@pytest.mark.parametrize(("version", "rule"), [(2, None), (4, "header-version")])
def test_other_versions_are_refused_likewise(version: int, rule: str | None, tmp_path: Path) -> None:
    path = written(tmp_path, tiny([], head=header(version)))
    assert ("version", rule) in reasons(path, policy(allow=Allow(versions=(3,))))


def test_a_damaged_reference_is_a_reference(tmp_path: Path) -> None:
    """Only the length of the name is there, or the bit of a data file without its name."""
    assert reasons(written(tmp_path, tiny([], head=header(backing=(0, 9))))) == [
        ("backing_file", "backing-file-declared")
    ]
    bit = tiny([], head=header(features=Incompatible.EXTERNAL_DATA_FILE))
    assert reasons(written(tmp_path, bit)) == [("data_file", "data-file-declared")]


def test_a_data_file_that_is_only_named_is_refused(tmp_path: Path) -> None:
    content = bytearray(tiny([]))
    content[112:128] = struct.pack(">II", 0x44415441, 5) + b"other\0\0\0"
    (only,) = gate_file(written(tmp_path, bytes(content)), STRICT).reasons
    assert (only.check, only.observation) == (GateCheck.DATA_FILE, 'the image names the data file "other"')


OUTSIDE = [
    b"/var/lib/nova/instances/_base/abc", b"/srv/images/base.raw", b"/mnt/tenants/a", b"/data/x", b"/", b"../x",
    b"a/../../x", b"a\\..\\x", b"nbd:host:1", b"json:{}", b"C:\\x", b"C:x", b"\\\\host\\x", b"\\x",
    b"file:/srv/x", b"file:../x", b"/etc/passwd",
]  # fmt: skip


def named_file(kind: str, name: bytes) -> bytes:
    if kind == "backing_file":
        content = bytearray(tiny([], head=header(backing=(200, len(name)))))
        content[200 : 200 + len(name)] = name
        return bytes(content)
    content = bytearray(tiny([], head=header(features=Incompatible.EXTERNAL_DATA_FILE)))
    padded = name + bytes(-len(name) % 8)
    content[112 : 120 + len(padded)] = struct.pack(">II", 0x44415441, len(name)) + padded
    return bytes(content)


@pytest.mark.parametrize("kind", ["backing_file", "data_file"])
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_file_outside_the_directory_is_refused_where_one_beside_the_image_is_not(
    name: bytes, kind: str, tmp_path: Path
) -> None:
    beside = policy(allow=Allow(backing_file=True, data_file=True), reject=Reject(severity=Severity.CRITICAL))
    content = named_file(kind, name)
    decided = gate_file(written(tmp_path, content), beside)
    assert (decided.verdict, decided.stage) == (GateVerdict.REJECT, Stage.HEADER)
    (only,) = decided.reasons
    assert only.check == kind
    assert only.rule in {rule.code for rule in all_rules()}
    with stream(content) as descriptor:
        assert gate_stream(descriptor, "stdin", beside).reasons == [only]
    if kind == "backing_file":
        assert gate_file(written(tmp_path, content), profile("backing-allowed")).verdict == GateVerdict.REJECT


@pytest.mark.parametrize("kind", ["backing_file", "data_file"])
def test_a_file_in_the_directory_is_let_in_and_of_a_stream_a_plain_name(kind: str, tmp_path: Path) -> None:
    beside = policy(allow=Allow(backing_file=True, data_file=True))
    own = str(tmp_path.resolve() / "base").encode()
    for name, of_stream in ((b"base", True), (b"a..b", True), (b"sub/base", False), (b"./base", False), (own, False)):
        content = named_file(kind, name)
        assert kind not in [check for check, _ in reasons(written(tmp_path, content), beside)]
        with stream(content) as descriptor:
            found = [one.check.value for one in gate_stream(descriptor, "stdin", beside).reasons]
        assert (kind not in found) == of_stream


def test_an_absolute_name_of_another_host_is_no_danger_to_an_intake(tmp_path: Path) -> None:
    content = named_file("backing_file", b"/var/lib/libvirt/images/base.qcow2")
    assert reasons(written(tmp_path, content), INTAKE) == []


def test_a_name_can_harm_no_terminal(tmp_path: Path) -> None:
    head = header(backing=(200, 6))
    content = bytearray(tiny([], head=head))
    content[200:206] = b"\x1b[2Jab"
    (only,) = gate_file(written(tmp_path, bytes(content)), STRICT).reasons
    assert only.observation == 'the image names the backing file "\\x1b[2Jab"'


def test_unknown_features_and_methods_are_refused(tmp_path: Path) -> None:
    unknown = tiny([], head=header(features=1 << 5 | 1 << 63))
    (only,) = gate_file(written(tmp_path, unknown), INTAKE).reasons
    assert (only.check, only.rule) == (GateCheck.UNKNOWN_FEATURES, "header-unknown-incompatible-features")
    assert only.observation.endswith(": 5, 63")
    assert reasons(written(tmp_path, tiny([], head=header(crypt_method=7)))) == [("encryption", "header-crypt-method")]


def test_a_header_that_leads_nowhere_is_refused(tmp_path: Path) -> None:
    assert reasons(written(tmp_path, tiny([])[:80])) == [("header", None)]
    wide = bytearray(tiny([]))
    wide[20:24] = (40).to_bytes(4, "big")
    assert reasons(written(tmp_path, bytes(wide))) == [("header", None)]


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("virtual_size", SizeLimits(virtual_size=16384)),
        ("file_size", SizeLimits(file_size=16 * 512)),
        ("expansion", SizeLimits(expansion=2)),
    ],
)
def test_a_limit_is_the_most_that_is_allowed(name: str, limits: SizeLimits, tmp_path: Path) -> None:
    at = written(tmp_path, tiny([]), "at")
    if name == "virtual_size":
        above = written(tmp_path, tiny([], head=header(virtual_size=16384 + 512)), "above")
    else:
        above = written(tmp_path, tiny([], file_clusters=17 if name == "file_size" else 15), "above")
    assert name not in [check for check, _ in reasons(at, policy(limits=limits))]
    assert [check for check, _ in reasons(above, policy(limits=limits))] == [name]


def test_findings_are_refused_by_severity_and_by_name(tmp_path: Path) -> None:
    path = damaged("l2-entry-outside-file", tmp_path)
    decided = gate_file(path, STRICT)
    assert (decided.verdict, decided.stage) == (GateVerdict.REJECT, Stage.FULL)
    assert ("severity", "l2-entry-outside-file") in [(one.check, one.rule) for one in decided.reasons]
    assert decided.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert gate_file(path, INTAKE).verdict == GateVerdict.ACCEPT  # damage is no danger to other tools
    named = policy(reject=Reject(rules=("bitmaps-present",)))
    assert reasons(sound("bitmaps-512"), named) == [("rule", "bitmaps-present")]


def test_what_is_no_image_is_said_to_be_none(tmp_path: Path) -> None:
    decided = gate_file(written(tmp_path, b"no image"), STRICT)
    assert (decided.verdict, decided.exit_status, decided.stage) == (GateVerdict.NOT_QCOW2, 63, Stage.HEADER)
    assert [(one.check, one.rule) for one in decided.reasons] == [(GateCheck.FORMAT, "not-qcow2")]


def test_a_limit_that_was_reached_is_a_reason() -> None:
    decided = gate_file(sound("data-512"), STRICT, Limits(seconds=1e-9))
    assert decided.verdict == GateVerdict.REJECT
    assert [one.check for one in decided.reasons] == [GateCheck.LIMIT]
    assert len(decided.not_run) > 10


def test_a_medium_that_fails_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Evidence.read_into

    def failing(self: Evidence, host_offset: int, buffer: memoryview) -> None:
        if host_offset + len(buffer) > 2048:
            self.note_unread(2048, 512, "bad sector")
            raise ReadFailed(2048, 512, "bad sector")
        whole(self, host_offset, buffer)

    monkeypatch.setattr(Evidence, "read_into", failing)
    monkeypatch.setattr(Evidence, "read_each", ReadOneByOne.read_each)
    decided = gate_file(sound("data-512"), STRICT)
    assert (decided.verdict, decided.exit_status) == (GateVerdict.UNDECIDED, 1)
    monkeypatch.setattr(Evidence, "sha256", lambda self: "0" * 64)
    decided = gate_file(sound("data-512"), policy(reject=Reject(rules=("no-rule",))))
    assert GateCheck.EVIDENCE in [one.check for one in decided.reasons]


def test_an_image_that_changes_meanwhile_is_not_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenedFiles, "changes", lambda self: iter(["there is no file of its name any more"]))
    decided = gate_file(sound("data-512"), STRICT)
    assert (decided.verdict, [one.check for one in decided.reasons]) == (GateVerdict.UNDECIDED, [GateCheck.EVIDENCE])


@pytest.mark.parametrize("kind", QCOW2_KINDS, ids=lambda kind: kind.name)
def test_a_stream_is_judged_like_the_file(kind: Kind, tmp_path: Path) -> None:
    path = sound(kind.name)
    with stream(path.read_bytes()) as source:
        streamed = gate_stream(source, "standard input", INTAKE, str(tmp_path))
    decided = gate_file(path, INTAKE)
    assert (streamed.verdict, streamed.sha256, streamed.stage) == (decided.verdict, decided.sha256, decided.stage)
    assert [one.check for one in streamed.reasons] == [one.check for one in decided.reasons]


def test_the_header_of_a_stream_decides_after_64_kib(tmp_path: Path) -> None:
    content = sound("overlay-raw").read_bytes().ljust(1 << 20, b"\0")
    with stream(content) as source:
        decided = gate_stream(source, "standard input", STRICT, str(tmp_path))
    assert (decided.verdict, decided.stage, decided.bytes_read) == (GateVerdict.REJECT, Stage.HEADER, 65536)
    with stream(b"no image".ljust(1 << 20)) as source:
        decided = gate_stream(source, "standard input", STRICT, str(tmp_path))
    assert (decided.verdict, decided.bytes_read) == (GateVerdict.NOT_QCOW2, 65536)


def test_a_stream_that_is_too_long_is_not_taken_to_its_end(tmp_path: Path) -> None:
    content = sound("data-512").read_bytes().ljust(1 << 20, b"\0")
    limits = policy(limits=SizeLimits(file_size=100_000))
    with stream(content) as source:
        decided = gate_stream(source, "standard input", limits, str(tmp_path))
    assert (decided.verdict, decided.stage, decided.bytes_read) == (GateVerdict.REJECT, Stage.HEADER, 100_001)
    assert [one.check for one in decided.reasons] == [GateCheck.FILE_SIZE]


def test_a_stream_that_does_not_end_in_time_is_refused(tmp_path: Path) -> None:
    with stream(sound("data-512").read_bytes(), end=False) as source:
        decided = gate_stream(source, "standard input", STRICT, str(tmp_path), Limits(seconds=0.2))
    assert (decided.verdict, [one.check for one in decided.reasons]) == (GateVerdict.REJECT, [GateCheck.LIMIT])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_no_damaged_image_passes_that_check_would_refuse(recipe: Recipe, tmp_path: Path) -> None:
    path = damaged(recipe.name, tmp_path)
    decided = gate_file(path, STRICT)
    with Evidence(path) as evidence:
        verdict = check(identify(evidence)).verdict()
    if verdict in (Verdict.CORRUPT, Verdict.SUSPICIOUS):
        assert decided.verdict == GateVerdict.REJECT
    if verdict == Verdict.UNDETERMINED:
        assert decided.verdict != GateVerdict.ACCEPT
