"""What a report says in plain lines about the image itself."""

from forensic.checking import check
from forensic.description import describe
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.report.image_facts import image_facts
from forensic.report.model import Report
from forensic.report.run import source_record
from tests.images import SOUND


def facts_after_a_check(name: str) -> list[tuple[str, str]]:
    with Qcow2Image(Evidence(SOUND / f"{name}.qcow2")) as image:
        judgement = check(image, strict=True)
        result = judgement.add_to(describe(image, judgement.measured))
        return list(image_facts(Report(result, source_record(image.evidence))))


def test_what_the_disk_and_the_file_hold_is_said_after_a_check() -> None:
    facts = facts_after_a_check("snapshots-512")
    assert ("disk holds", "2.5 KiB (2,560 bytes) of data, 13.5 KiB (13,824 bytes) not allocated") in facts
    assert ("file holds", "5 KiB (5,120 bytes) of metadata") in facts
    shares = [fact.partition("bytes), ")[2] for label, fact in facts if label == "snapshot"]
    assert shares == [
        "no machine state, 1 cluster of its own, 3 shared",
        "no machine state, 0 clusters of its own, 5 shared",
    ]


def test_what_bitmaps_mark_is_said_after_a_check() -> None:
    marked = [fact for label, fact in facts_after_a_check("bitmaps-512") if label == "bitmap"]
    assert all(fact.endswith(", marks 1.5 KiB (1,536 bytes)") for fact in marked)
    assert len(marked) == 2
