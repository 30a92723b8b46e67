"""An extraction as a CASE/UCO graph in JSON-LD: the action, its tool and performer, the files and the virtual disk.

What depends on the result alone (the disk, its hashes and gaps) has identifiers that follow from the result's digest;
all else belongs to this run, and so do its identifiers. Texts are values only, never keys or identifiers.
"""

from __future__ import annotations

import json
import shlex
import uuid
from collections.abc import Iterator, Mapping

from msgspec import UNSET

from forensic.numbers import moment
from forensic.records.extraction import ExtractionRecord, UnreadableRecord
from forensic.records.image import ForeignRecord, VolumeRecord
from forensic.records.run import ArtifactRecord, InputRecord
from forensic.report.image_facts import image_facts
from forensic.report.model import Report
from forensic.report.notes import notes_of
from forensic.report.values import extraction_of, text, unread_sentence, words
from forensic.untrusted import Json, shown_whole
from forensic.version import DOCUMENTATION

OWN = f"{DOCUMENTATION}case/"
CONTEXT = {
    "kb": f"{OWN}kb/",
    "qcowscope": OWN,
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
HASH_METHODS = {name: name.upper() for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")}
"""The hashes that UCO has a name for; others are properties of our own."""

ACTION_STATUS = {"complete": "Complete/Finish", "complete_with_unreadable": "Complete/Finish"}
GUEST_BYTES = "byte offset on the virtual disk"

Node = dict[str, Json]


def to_case(report: Report) -> str:
    """The document."""
    graph = _Graph(report)
    graph.fill()
    return json.dumps({"@context": CONTEXT, "@graph": graph.nodes}, indent=2) + "\n"


class _Graph:
    """The nodes of one report, each with an identifier of its own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._result, self._run = f"result:{report.digest()}", f"run:{report.complete_run.run_id}"
        self.nodes: list[Node] = []

    def fill(self) -> None:
        report, run = self._report, self._report.complete_run
        sources = [self._source(number, read) for number, read in enumerate(run.inputs)]
        disk = self._disk()
        self._relation(disk, sources[0], "Contained_Within")
        written = [self._written(number, artifact, disk) for number, artifact in enumerate(run.artifacts)]
        about: list[Json] = [*sources, disk, *written]
        about.append(self._action(sources, [disk, *written]))
        if report.case.evidence_number:
            number = shown_whole(report.case.evidence_number)
            about.append(self._own("provenance", "case-investigation:ProvenanceRecord", {
                "case-investigation:exhibitNumber": number, "uco-core:object": [sources[0]],
            }))  # fmt: skip
        about += self._notes(sources[0])
        self._investigation(about)

    def _source(self, number: int, read: InputRecord) -> Json:
        """A file that was read: the image, or one that was supplied beside it."""
        before = read.integrity.before if read.integrity is not UNSET else None
        facts: Node = {"uco-observable:filePath": read.path}
        if read.size is not UNSET:
            facts["uco-observable:sizeInBytes"] = read.size
        if before and (changed := moment(before.mtime_ns)):
            facts["uco-observable:modifiedTime"] = _dated(changed)
        hashes = {} if read.hashes is UNSET else read.hashes
        size = None if read.size is UNSET else read.size
        name = f"source-{number}"
        facets = [
            self._own(f"{name}-file", "uco-observable:FileFacet", facts),
            self._content(self._run, name, size, hashes),
        ]
        described = [words(read.role), *(self._described() if not number else ())]
        kept: Node = {"uco-core:description": described, "uco-core:hasFacet": facets}
        return self._own(name, "uco-observable:File", kept)

    def _described(self) -> Iterator[str]:
        yield f"verdict: {self._report.result.summary.verdict.value}"
        if not isinstance(self._report.result.image, ForeignRecord):
            yield from (f"{label}: {fact}" for label, fact in image_facts(self._report) if label == "format")

    def _disk(self) -> Json:
        """The virtual disk, its volumes, and what of it was not read."""
        extraction = extraction_of(self._report)
        where = extraction.virtual_range
        facets = [
            self._content(self._result, "disk", where.length, _hashes_of_disk(extraction)),
            self._range(self._result, "disk", where.offset, where.length),
        ]
        said: list[Json] = [f"{extraction.target} disk", *extraction.caveats]
        if extraction.bytes_filled:
            said.append(unread_sentence(extraction))
        kept: Node = {"uco-core:description": said, "uco-core:hasFacet": facets}
        disk = self._node(self._result, "disk", "uco-observable:Image", kept)
        for number, gap in enumerate(extraction.unreadable):
            self._gap(number, gap, disk)
        guest = self._report.result.guest
        for number, volume in enumerate(guest.volumes if guest is not UNSET else ()):
            self._volume(number, volume, disk)
        return disk

    def _gap(self, number: int, gap: UnreadableRecord, disk: Json) -> None:
        name = f"unread-{number}"
        kept: Node = {
            "uco-core:description": f"not read: {words(gap.reason_code)}",
            "qcowscope:reason": gap.reason_code,
            "uco-core:hasFacet": [self._range(self._result, name, gap.virtual_offset, gap.length)],
        }
        self._relation(
            self._node(self._result, name, "uco-observable:ObservableObject", kept), disk, "Contained_Within"
        )

    def _volume(self, number: int, volume: VolumeRecord, disk: Json) -> None:
        facts: Node = {
            "uco-observable:partitionID": text(volume.volume),
            "uco-observable:partitionLength": volume.length,
        }
        if volume.guest_offset is not None:
            facts["uco-observable:partitionOffset"] = volume.guest_offset
        facet = self._node(self._result, f"volume-{number}-partition", "uco-observable:DiskPartitionFacet", facts)
        system = volume.file_system or "no file system that is known"
        kept: Node = {"uco-core:description": f"{volume.kind}, {system}", "uco-core:hasFacet": [facet]}
        self._relation(
            self._node(self._result, f"volume-{number}", "uco-observable:DiskPartition", kept), disk, "Contained_Within"
        )

    def _written(self, number: int, artifact: ArtifactRecord, disk: Json) -> Json:
        """A file of the output, or a report."""
        name, facts = f"written-{number}", Node({"uco-observable:filePath": artifact.name})
        if artifact.size is not UNSET:
            facts["uco-observable:sizeInBytes"] = artifact.size
        facets = [self._own(f"{name}-file", "uco-observable:FileFacet", facts)]
        extraction, index = extraction_of(self._report), artifact.segment_index
        if index is not UNSET:
            facets.append(self._own(f"{name}-image", "uco-observable:ImageFacet", {
                "uco-observable:imageType": artifact.role,
            }))  # fmt: skip
        if index is not UNSET and artifact.role == "raw":
            segment = extraction.segments[index - 1]
            facets += [
                self._content(self._run, name, segment.size, segment.hashes),
                self._range(self._run, name, segment.virtual_offset, segment.size),
            ]
        elif index is not UNSET and extraction.new_image is not UNSET:
            image = extraction.new_image
            facets.append(self._content(self._run, name, image.file_size, {"sha256": image.sha256}))
        elif index is not UNSET and artifact.sha256:
            facets.append(self._content(self._run, name, artifact.size or 0, {"sha256": artifact.sha256}))
        kept: Node = {"uco-core:description": words(artifact.role), "uco-core:hasFacet": facets}
        file = self._own(name, "uco-observable:File", kept)
        if index is not UNSET:
            self._relation(disk, file, "Contained_Within")
        return file

    def _action(self, sources: list[Json], results: list[Json]) -> Json:
        run, tool, case = self._report.complete_run, self._report.complete_tool, self._report.case
        facts: Node = {
            "uco-core:name": tool.name,
            "uco-tool:toolType": "disk imaging",
            "uco-tool:version": tool.version,
        }
        version = f"tool:{tool.name} {tool.version}"
        said: list[Json] = [
            "command line: " + shlex.join(run.command_line),
            f"exit status {run.exit_code}: {run.exit_reason}",
        ]
        said += [
            f"{name}: {value}" for name, value in (("host", run.hostname), ("user", run.user)) if value is not UNSET
        ]
        kept: Node = {
            "uco-core:name": "extraction of the virtual disk",
            "uco-core:description": said,
            "uco-action:startTime": _dated(run.started_at),
            "uco-action:endTime": _dated(run.ended_at),
            "uco-action:actionStatus": ACTION_STATUS.get(extraction_of(self._report).status, "Fail"),
            "uco-action:instrument": [self._node(version, "tool", "uco-tool:Tool", facts)],
            "uco-action:object": sources,
            "uco-action:result": results,
        }
        if case.examiner:
            kept["uco-action:performer"] = self._own(
                "examiner", "uco-identity:Person", {"uco-core:name": shown_whole(case.examiner)}
            )
        return self._own("action", "case-investigation:InvestigativeAction", kept)

    def _notes(self, about: Json) -> Iterator[Json]:
        """The examiner's notes."""
        for number, note in enumerate(notes_of(self._report.annotations)):
            said: list[Json] = [note.words, *(f"{label}: {fact}" for label, fact in note.facts)]
            kept: Node = {"uco-core:statement": said, "uco-core:object": [about]}
            yield self._own(f"note-{number}", "uco-core:Annotation", kept)

    def _investigation(self, about: list[Json]) -> None:
        case = self._report.case
        named = ((name, value) for name, value in (("description", case.description), ("notes", case.notes)) if value)
        kept: Node = {"uco-core:object": about, "uco-core:description": [shown_whole(value) for _, value in named]}
        if case.case_number:
            kept["uco-core:name"] = shown_whole(case.case_number)
        self._own("investigation", "case-investigation:Investigation", kept)

    def _content(self, of: str, name: str, size: int | None, hashes: Mapping[str, str]) -> Json:
        """The facet with the size of some bytes, and their hashes."""
        facts: Node = {} if size is None else {"uco-observable:sizeInBytes": size}
        known = [self._hash(of, name, kind, value) for kind, value in hashes.items() if kind in HASH_METHODS]
        if known:
            facts["uco-observable:hash"] = known
        others = [f"{kind}:{value}" for kind, value in hashes.items() if kind not in HASH_METHODS]
        if others:
            facts["qcowscope:hash"] = others
        return self._node(of, f"{name}-content", "uco-observable:ContentDataFacet", facts)

    def _hash(self, of: str, name: str, kind: str, value: str) -> Json:
        facts: Node = {
            "uco-types:hashMethod": HASH_METHODS[kind],
            "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": value.upper()},
        }
        return self._node(of, f"{name}-{kind}", "uco-types:Hash", facts)

    def _range(self, of: str, name: str, start: int, length: int) -> Json:
        facts: Node = {
            "uco-observable:rangeOffset": start,
            "uco-observable:rangeOffsetType": GUEST_BYTES,
            "uco-observable:rangeSize": length,
        }
        return self._node(of, f"{name}-range", "uco-observable:DataRangeFacet", facts)

    def _relation(self, source: Json, target: Json, kind: str) -> None:
        kept: Node = {
            "uco-core:source": source,
            "uco-core:target": target,
            "uco-core:kindOfRelationship": kind,
            "uco-core:isDirectional": True,
        }
        self._own(f"relation-{len(self.nodes)}", "uco-observable:ObservableRelationship", kept)

    def _own(self, name: str, kind: str, facts: Mapping[str, Json]) -> Json:
        """A node of this run."""
        return self._node(self._run, name, kind, facts)

    def _node(self, of: str, name: str, kind: str, facts: Mapping[str, Json]) -> Json:
        """Add a node, whose identifier follows from what it belongs to and its name there; a reference to it."""
        identifier = f"kb:{kind.partition(':')[2]}-{uuid.uuid5(uuid.NAMESPACE_URL, f'{OWN}{of}/{name}')}"
        self.nodes.append(
            {"@id": identifier, "@type": kind, **{key: value for key, value in facts.items() if value != []}}
        )
        return {"@id": identifier}


def _hashes_of_disk(extraction: ExtractionRecord) -> Mapping[str, str]:
    """Those that were asked for, and those of a container that has no more in it than the disk."""
    held = extraction.container
    return extraction.hashes if held is UNSET or held.padding else {**held.hashes, **extraction.hashes}


def _dated(text: str) -> Json:
    return {"@type": "xsd:dateTime", "@value": text}
