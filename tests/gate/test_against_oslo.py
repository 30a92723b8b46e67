"""The header's verdict beside that of oslo.utils, which OpenStack's services ask: every sample, sound and damaged."""

import logging
from pathlib import Path

import pytest

from forensic.evidence import Evidence
from forensic.gate.header_facts import against
from forensic.gate.policy import Policy
from forensic.image import Qcow1Image, Qcow2Image, identify
from forensic.qcow2.header import Incompatible
from samples import build
from samples.kinds import KINDS
from tests.commands import RECIPES, damaged

format_inspector = pytest.importorskip("oslo_utils.imageutils.format_inspector", reason="needs oslo.utils")

SHARED = {"backing_file", "data_file", "unknown_features"}
NAMES = [kind.name for kind in KINDS.values() if kind.committed] + [recipe.name for recipe in RECIPES]

STRICTER = {"backing-name-incomplete": {"backing_file"}, "data-file-name-unused": {"data_file"}}
"""A reference of which half is left, and a name that no feature bit goes with: oslo.utils lets both in."""


def refused_by_oslo(path: Path) -> set[str]:
    inspector = format_inspector.detect_file_format(str(path))
    if str(inspector) != "qcow2":
        return set()
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as failed:
        return set(failed.failures)
    return set()


@pytest.mark.parametrize("name", NAMES)
def test_the_shared_checks_refuse_the_same(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    path = build.SOUND / KINDS[name].image if name in KINDS else damaged(name, tmp_path)
    theirs = refused_by_oslo(path)
    assert theirs <= SHARED
    with Evidence(path) as evidence:
        image = identify(evidence)
        if not isinstance(image, Qcow1Image | Qcow2Image):
            assert theirs == set()
            return
        ours = {reason.check.value for reason in against(image, Policy())}
        if isinstance(image, Qcow1Image) or image.header.version > 3:
            theirs = theirs - {"unknown_features"} | {"version"}  # theirs for every version that is not known
            assert "version" in ours
        elif image.header.incompatible_features == Incompatible.EXTENDED_L2:
            assert "unknown_features" in theirs  # what QEMU has written since 5.2
            theirs = theirs - {"unknown_features"}
    assert ours & SHARED == (theirs & SHARED) | STRICTER.get(name, set())
