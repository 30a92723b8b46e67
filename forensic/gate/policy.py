"""What a gate lets in: the policy file, the profiles, and what a mistake in one of them is called."""

from __future__ import annotations

import hashlib
import os
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from forensic.errors import BadPolicy, EvidenceUnreadable
from forensic.evidence import Evidence, ReadFailed
from forensic.finding import Finding, FindingClass, Severity
from forensic.numbers import parse_size
from forensic.rules import all_rules

PROFILES = ("strict-cloud", "backing-allowed", "forensic-intake")
"""The policies that come with the package, the one that is used without a word first."""

MAX_POLICY_BYTES = 1 << 20
MAX_SNAPSHOTS = 65536

Method = Annotated[str, Meta(pattern="^(none|aes|luks)$")]
Version = Annotated[int, Meta(ge=1, le=3)]
Size = Annotated[int, Meta(gt=0)] | str
"""Bytes, or a size as people write them."""


class Reject(Struct, frozen=True, forbid_unknown_fields=True):
    """Findings that keep an image out.

    Those of `severity` or above, if they are of one of the `classes` (all, if none is named); and those of `rules`,
    whatever they are.
    """

    severity: Severity = Severity.MEDIUM
    classes: tuple[FindingClass, ...] = ()
    rules: tuple[str, ...] = ()

    def names(self, finding: Finding) -> bool:
        """Whether a finding is of a rule that is named."""
        return finding.rule in self.rules

    def weighs(self, finding: Finding) -> bool:
        """Whether a finding counts for its severity."""
        return finding.severity >= self.severity and (not self.classes or finding.finding_class in self.classes)


class Allow(Struct, frozen=True, forbid_unknown_fields=True):
    """Facts that are no reason to keep an image out; all else of the kind is one."""

    versions: tuple[Version, ...] = (2, 3)
    backing_file: bool = False
    data_file: bool = False
    encryption: tuple[Method, ...] = ("none", "luks")
    snapshots: Annotated[int, Meta(ge=0, le=MAX_SNAPSHOTS)] = 0
    extended_l2: bool = True
    outside_directory: bool = False
    """Whether the files that are named may lie elsewhere than in the directory of the image."""


class SizeLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """The most that an image may have; a limit that is not given is none.

    `virtual_size` and `file_size` in bytes, `expansion` is how many times the file the virtual disk may be.
    """

    virtual_size: Size | None = None
    file_size: Size | None = None
    expansion: Annotated[int, Meta(gt=0)] | None = None

    @property
    def virtual_bytes(self) -> int | None:
        """`virtual_size` as a number. Raises `ValueError`."""
        return _bytes(self.virtual_size)

    @property
    def file_bytes(self) -> int | None:
        """`file_size` as a number. Raises `ValueError`."""
        return _bytes(self.file_size)


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """A whole policy; what is left out of `reject` and `allow` is as in the first profile."""

    reject: Reject = Reject()
    allow: Allow = Allow()
    limits: SizeLimits = SizeLimits()


class NamedPolicy(Struct, frozen=True):
    """A policy with what a record of a decision says of it: the name of its profile or file, and the file's SHA-256."""

    policy: Policy
    name: str
    sha256: str


def profile(name: str) -> NamedPolicy:
    """One of `PROFILES`."""
    path = Path(__file__).parent / "profiles" / f"{name}.toml"
    return _parsed(path.read_bytes(), name, path)


def read_policy(path: str | os.PathLike[str]) -> NamedPolicy:
    """The policy in a file. Raises `BadPolicy` if it cannot be read, and for anything in it that is not understood."""
    try:
        with Evidence(path) as file:
            if file.size > MAX_POLICY_BYTES:
                raise BadPolicy(path, f"is longer than {MAX_POLICY_BYTES:,} bytes")
            content = file.read_at(0, file.size)
    except (EvidenceUnreadable, ReadFailed) as failure:
        raise BadPolicy(path, failure.reason) from failure
    return _parsed(content, os.fspath(path), path)


def _parsed(content: bytes, name: str, path: str | os.PathLike[str]) -> NamedPolicy:
    try:
        policy = msgspec.convert(tomllib.loads(content.decode("utf-8")), Policy)
        for size in (policy.limits.virtual_bytes, policy.limits.file_bytes):
            if size is not None and size < 1:
                raise ValueError("a limit of 0 bytes lets nothing in")
    except (ValueError, RecursionError) as error:  # of TOML, of UTF-8, of msgspec: all are ValueError
        raise BadPolicy(path, str(error)) from error
    known = {rule.code for rule in all_rules()}
    for code in policy.reject.rules:
        if code not in known:
            raise BadPolicy(path, f"no rule is called {code}; qcowscope rules lists them")
    return NamedPolicy(policy, name, hashlib.sha256(content).hexdigest())


def _bytes(size: Size | None) -> int | None:
    return parse_size(size) if isinstance(size, str) else size
