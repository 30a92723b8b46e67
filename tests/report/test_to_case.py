"""An extraction as CASE/UCO: conforming by the validator of its authors, and true to the report."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from forensic.untrusted import Json
from tests.commands import qcowscope, sound, with_backing_name
from tests.examples.installed import require_packages
from tests.extraction import mixed
from tests.json_values import section, sections

Node = Mapping[str, Json]
EVIL = b'\x1b]52;c;\x07"}]\n<https://example.invalid/> @id \xff'


class Graph:
    """The nodes of a document by their identifiers."""

    def __init__(self, path: Path) -> None:
        self.document = json.loads(path.read_bytes())
        listed: list[Node] = self.document["@graph"]
        self.nodes = {str(node["@id"]): node for node in listed}
        assert len(self.nodes) == len(listed)

    def of(self, kind: str) -> list[Node]:
        """The nodes of a type."""
        return [node for node in self.nodes.values() if node["@type"] == kind]

    def one(self, kind: str) -> Node:
        (node,) = self.of(kind)
        return node

    def led_to(self, node: Node, key: str) -> list[Node]:
        """The nodes that a property of another refers to."""
        found = node.get(key, [])
        references = sections(found) if isinstance(found, list) else [section(found)]
        return [self.nodes[str(reference["@id"])] for reference in references]

    def facet(self, node: Node, kind: str) -> Node:
        (found,) = [one for one in self.led_to(node, "uco-core:hasFacet") if one["@type"] == f"uco-observable:{kind}"]
        return found

    def hashes(self, node: Node) -> dict[object, str]:
        found = self.led_to(self.facet(node, "ContentDataFacet"), "uco-observable:hash")
        values = [section(one["uco-types:hashValue"])["@value"] for one in found]
        return {one["uco-types:hashMethod"]: str(value).lower() for one, value in zip(found, values, strict=True)}


def written(folder: Path, image: Path, *options: str, output: str = "d.raw", command: str = "extract") -> Path:
    path = folder / f"{output}.jsonld"
    done = qcowscope(command, image, "-o", folder / output, "--report", f"case:{path}", *options)
    assert done.status in (0, 5), done.err
    return path


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """One of each kind, with hostile texts wherever one can stand."""
    folder = tmp_path_factory.mktemp("case")
    gaps = folder / "gaps.qcow2"
    gaps.write_bytes(mixed.image())
    evil = with_backing_name(EVIL, folder / 'evil\n".qcow2')
    text = EVIL.decode("utf-8", "surrogateescape")
    words = ["--case-number", text, "--evidence-number", text, "--examiner", text, "--notes", text]
    yield {
        "gaps": written(folder, gaps, "--hash", "md5,sha1,sha256,sha512,blake2b"),
        "split": written(folder, sound("deflate-4k"), "--split", "8K", output="split.raw"),
        "e01": written(folder, sound("data-4k"), "--case-number", "17", output="x.E01"),
        "evil": written(folder, evil, *words, output="evil.raw"),
        "rebuilt": written(folder, sound("zstd-4k"), output="new.qcow2", command="rebuild"),
    }


def test_the_validator_of_case_calls_every_document_conforming(documents: dict[str, Path], tmp_path: Path) -> None:
    require_packages("case_utils")
    broken = tmp_path / "broken.jsonld"
    text = documents["gaps"].read_text(encoding="utf-8")
    broken.write_text(text.replace('"uco-types:hashMethod": "MD5"', '"uco-types:hashMethod": 5'), encoding="utf-8")
    for paths, conforms in ((documents.values(), True), ([broken], False)):
        command = [sys.executable, "-c", "from case_utils.case_validate import main; main()", *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert f"Conforms: {conforms}" in done.stdout, done.stdout + done.stderr
        assert (done.returncode == 0) is conforms


def test_the_disk_has_its_hashes_and_its_gaps(documents: dict[str, Path]) -> None:
    graph = Graph(documents["gaps"])
    disk = graph.one("uco-observable:Image")
    content = documents["gaps"].with_name("d.raw").read_bytes()
    assert graph.hashes(disk) == {
        name.upper(): hashlib.new(name, content).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
    }
    others = graph.facet(disk, "ContentDataFacet")["qcowscope:hash"]
    assert others == [f"blake2b:{hashlib.blake2b(content).hexdigest()}"]
    gaps = [
        (range_["uco-observable:rangeOffset"], range_["uco-observable:rangeSize"], gap["qcowscope:reason"])
        for gap in graph.of("uco-observable:ObservableObject")
        for range_ in [graph.facet(gap, "DataRangeFacet")]
    ]
    assert gaps == [(2560, 512, "entry_beyond_eof"), (3584, 512, "decompress_failed")]
    within = {
        (section(relation["uco-core:source"])["@id"], section(relation["uco-core:target"])["@id"])
        for relation in graph.of("uco-observable:ObservableRelationship")
    }
    assert {(gap["@id"], disk["@id"]) for gap in graph.of("uco-observable:ObservableObject")} <= within


def test_the_action_leads_from_what_was_read_to_what_was_written(documents: dict[str, Path]) -> None:
    graph = Graph(documents["split"])
    action = graph.one("case-investigation:InvestigativeAction")
    (source,) = graph.led_to(action, "uco-action:object")
    assert graph.hashes(source) == {"SHA256": hashlib.sha256(sound("deflate-4k").read_bytes()).hexdigest()}
    disk, *files = graph.led_to(action, "uco-action:result")
    assert disk["@type"] == "uco-observable:Image"
    for file in files[:-1]:
        path = Path(str(graph.facet(file, "FileFacet")["uco-observable:filePath"]))
        assert graph.hashes(file) == {"SHA256": hashlib.sha256(path.read_bytes()).hexdigest()}
    report = graph.facet(files[-1], "FileFacet")["uco-observable:filePath"]
    assert (len(files), report) == (5, str(documents["split"]))
    (tool,) = graph.led_to(action, "uco-action:instrument")
    assert tool["uco-core:name"] == "qcowscope"
    assert action["uco-action:actionStatus"] == "Complete/Finish"


def test_a_container_and_a_rebuilt_image_have_their_hashes(documents: dict[str, Path]) -> None:
    disk = Graph(documents["e01"]).one("uco-observable:Image")
    raw = documents["e01"].with_name("plain.raw")
    assert qcowscope("extract", sound("data-4k"), "-o", raw, "--hash", "md5").status == 0
    hashes = Graph(documents["e01"]).hashes(disk)
    assert hashes["MD5"] == hashlib.md5(raw.read_bytes()).hexdigest()
    assert set(hashes) == {"MD5", "SHA1", "SHA256"}
    graph = Graph(documents["rebuilt"])
    new = documents["rebuilt"].with_name("new.qcow2")
    files = [one for one in graph.of("uco-observable:File") if one["uco-core:description"] == "qcow2"]
    assert [graph.hashes(one) for one in files] == [{"SHA256": hashlib.sha256(new.read_bytes()).hexdigest()}]


def test_hostile_texts_are_values_and_nothing_else(documents: dict[str, Path]) -> None:
    graph = Graph(documents["evil"])
    assert all(key.partition(":")[0] in graph.document["@context"] for key in graph.nodes)
    person = graph.one("uco-identity:Person")["uco-core:name"]
    assert isinstance(person, str)
    assert person.isprintable() and "\\xff" in person
    assert graph.one("case-investigation:ProvenanceRecord")["case-investigation:exhibitNumber"] == person
    investigation = graph.one("case-investigation:Investigation")
    assert investigation["uco-core:name"] == person
    assert set(graph.led_to(investigation, "uco-core:object")[0]) >= {"@id", "@type"}


def test_what_the_result_decides_has_the_same_identifiers_in_each_run(tmp_path: Path) -> None:
    paths = []
    for name in "ab":
        (tmp_path / name).mkdir()
        paths.append(written(tmp_path / name, sound("data-4k")))
    once, again = (Graph(path) for path in paths)
    assert once.one("uco-observable:Image")["@id"] == again.one("uco-observable:Image")["@id"]
    kind = "case-investigation:InvestigativeAction"
    assert once.one(kind)["@id"] != again.one(kind)["@id"]
    for graph in (once, again):
        assert {key for node in graph.nodes.values() for key in node if key.startswith("@")} == {"@id", "@type"}
