"""Policies: what a file may say, what a mistake in it is called, and the profiles of the package."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from forensic.errors import BadPolicy
from forensic.finding import Confidence, Finding, FindingClass, Severity
from forensic.gate import policy
from forensic.gate.policy import PROFILES, Allow, Policy, Reject, SizeLimits, profile, read_policy
from tests.transcripts import BLOCK, ROOT

WHOLE = """
[reject]
severity = "high"
classes  = ["reference"]
rules    = ["residue-appended"]
[allow]
versions     = [1, 2]
backing_file = true
data_file    = true
encryption   = ["none"]
snapshots    = 3
outside_directory = true
extended_l2  = false
[limits]
virtual_size = "1TiB"
file_size    = 4096
expansion    = 7
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return path


def finding(severity: Severity, kind: FindingClass, rule: str = "x") -> Finding:
    return Finding(rule, "", severity, kind, Confidence.CERTAIN, "", 1, ())


def test_every_key_is_understood(tmp_path: Path) -> None:
    named = read_policy(written(tmp_path, WHOLE))
    assert named.policy == Policy(
        Reject(Severity.HIGH, (FindingClass.REFERENCE,), ("residue-appended",)),
        Allow((1, 2), True, True, ("none",), 3, False, True),
        SizeLimits("1TiB", 4096, 7),
    )
    assert (named.policy.limits.virtual_bytes, named.policy.limits.file_bytes) == (1 << 40, 4096)
    assert named.sha256 == hashlib.sha256(WHOLE.encode()).hexdigest()
    assert named.name == str(tmp_path / "policy.toml")


def test_what_is_left_out_is_as_in_the_first_profile_without_its_limits(tmp_path: Path) -> None:
    strict = profile("strict-cloud").policy
    assert read_policy(written(tmp_path, "")).policy == Policy(strict.reject, strict.allow, SizeLimits())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[reject]\nseverty = 'low'", "there is no key `severty`"),
        ("[accept]", "there is no key `accept`"),
        ("[allow]\nbacking = true", "there is no key `backing`"),
        ("[limits]\nsize = 1", "there is no key `size`"),
        ("[reject]\nseverity = 'bad'", "Invalid enum value 'bad'"),
        ("[reject]\nrules = ['no-such-rule']", "no rule is called no-such-rule"),
        ("[reject]\nclasses = ['evil']", "Invalid enum value 'evil'"),
        ("[allow]\nencryption = ['rot13']", "expected none, aes, luks, at allow.encryption[0]"),
        ("[allow]\nsnapshots = -1", "expected a whole number from 0 on, at allow.snapshots"),
        ("[allow]\nbacking_file = 1", "expected true or false, found a whole number"),
        ("[allow]\nversions = [4]", "expected a whole number up to 3, at allow.versions[0]"),
        ("[limits]\nvirtual_size = 'big'", "'big' is not a size"),
        ("[limits]\nfile_size = '0'", "a limit of 0 bytes"),
        ("[limits]\nexpansion = 0", "expected a whole number from 1 on, at limits.expansion"),
        ("[limits", "not a policy"),
        ("a = " + "[" * 5000, "not a policy"),
        ("\ud800", "not a policy"),
    ],
)
def test_what_is_not_understood_is_an_error_that_says_so(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadPolicy) as caught:
        read_policy(path)
    assert said in str(caught.value)
    assert caught.value.exit_status == 64


def test_a_policy_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    for size, accepted in ((1 << 20, True), ((1 << 20) + 1, False)):
        path = written(tmp_path, "#" * size)
        if accepted:
            assert read_policy(path).policy == Policy()
        else:
            with pytest.raises(BadPolicy, match="is longer than 1,048,576 bytes"):
                read_policy(path)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_a_policy_and_its_digest_that_of_its_file(name: str) -> None:
    path = Path(policy.__file__).parent / "profiles" / f"{name}.toml"
    assert profile(name).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert profile(name).policy == read_policy(path).policy
    assert profile(name).name == name


def test_the_profiles_are_ordered_by_what_they_let_in() -> None:
    strict, backing, intake = (profile(name).policy for name in PROFILES)
    assert [one.allow.backing_file for one in (strict, backing, intake)] == [False, True, True]
    assert [one.allow.data_file for one in (strict, backing, intake)] == [False, False, True]
    assert strict.limits == SizeLimits("1TiB", "200GiB", 1000)
    assert all(one.allow.extended_l2 for one in (strict, backing, intake))


@pytest.mark.parametrize(
    ("severity", "kind", "counts"),
    [
        (Severity.HIGH, FindingClass.REFERENCE, True),
        (Severity.CRITICAL, FindingClass.REFERENCE, True),
        (Severity.MEDIUM, FindingClass.REFERENCE, False),
        (Severity.CRITICAL, FindingClass.CORRUPTION, False),
    ],
)
def test_a_finding_counts_by_severity_and_class(severity: Severity, kind: FindingClass, counts: bool) -> None:
    reject = Reject(Severity.HIGH, (FindingClass.REFERENCE,))
    assert reject.weighs(finding(severity, kind)) is counts
    assert Reject(Severity.HIGH).weighs(finding(severity, kind)) is (severity >= Severity.HIGH)
    assert Reject(rules=("x",)).names(finding(severity, kind))
    assert not Reject(rules=("y",)).names(finding(severity, kind))


def test_the_policy_of_the_guide_is_understood_and_is_the_first_profile_with_a_rule(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "guide" / "gate.md").read_text(encoding="utf-8")
    (example,) = (block[2] for block in BLOCK.finditer(page) if block[1] == "toml")
    strict = profile("strict-cloud").policy
    expected = replace(strict, reject=replace(strict.reject, rules=("residue-appended",)))
    assert read_policy(written(tmp_path, example)).policy == expected
