"""The words of the format description reach those who ask for them."""

from forensic import open_image
from forensic.format.documentation import NOTHING, words_of
from forensic.structure import Structure
from tests.images import SOUND


def test_fields_have_the_names_and_words_of_the_specification() -> None:
    words = words_of("header_v2", "cluster_bits")
    assert (words.name, words.spec) == ("cluster_bits", "Header")
    assert "Binary logarithm" in words.text
    assert words_of("snapshot", "extra_data.disk_size").text
    assert words_of("luks1_header", "key_slots[3].state").text


def test_what_is_not_described_has_no_words() -> None:
    assert [words_of("nothing"), words_of("header_v2", "nothing"), words_of("")] == [NOTHING] * 3


def test_every_header_field_of_a_sample_is_described() -> None:
    with open_image(SOUND / "snapshots-512.qcow2") as image:
        structures: list[Structure] = [image.header.structure, image.snapshots.snapshots[0].structure]
    silent = [
        field.name
        for structure, types in zip(structures, (("qcow2", "header_v2", "header_v3"), ("snapshot",)), strict=True)
        for field in structure.fields
        if not any(words_of(ksy_type, field.name).text for ksy_type in types)
    ]
    assert silent == []
