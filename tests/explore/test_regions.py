"""What lies where: regions, fields, entries, the tree of structures, and the way back from the file to the disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from forensic import Qcow2Image, open_image
from forensic.explore import (
    Inspection,
    Kind,
    Node,
    RegionIndex,
    build_reverse_map,
    entry_place,
    guest_place,
    host_range,
    inspect,
    spans_between,
    stored_refcount,
    top_nodes,
)
from samples import recipes
from tests.images import SOUND


@pytest.fixture
def image() -> Iterator[Qcow2Image]:
    with open_image(SOUND / "snapshots-512.qcow2") as opened:
        yield opened


@pytest.fixture
def region_index(image: Qcow2Image) -> RegionIndex:
    return RegionIndex(image)


def rows(inspection: Inspection) -> dict[str, str]:
    return {row.name: row.value for row in inspection.rows}


@pytest.mark.parametrize(
    ("host_offset", "kind", "name"),
    [
        (0x4F, Kind.HEADER, "header"),
        (0x70, Kind.EXTENSION, "extension: end"),
        (0x600, Kind.L1_TABLE, "L1 table"),
        (0x1400, Kind.L2_TABLE, "L1[0] L2 table"),
        (0x800, Kind.L2_TABLE, "snapshot 0 L1[0] L2 table"),
        (0x200, Kind.REFCOUNT_TABLE, "refcount table"),
        (0x5FF, Kind.REFCOUNT_BLOCK, "refcount block 0"),
        (0x1E50, Kind.SNAPSHOT, "snapshot 1"),
    ],
)
def test_a_byte_belongs_to_its_structure(region_index: RegionIndex, host_offset: int, kind: Kind, name: str) -> None:
    region = region_index.region_at(host_offset)
    assert region is not None
    assert (region.kind, region.name) == (kind, name)
    assert region.host_offset <= host_offset < region.end


def test_guest_data_and_free_space_belong_to_no_structure(region_index: RegionIndex) -> None:
    assert [region_index.region_at(offset) for offset in (0xA00, 0x150, 1 << 40)] == [None, None, None]


def test_a_header_field_has_its_value_its_words_and_its_pointer(region_index: RegionIndex) -> None:
    field = inspect(region_index, 0x2A)
    assert (field.title, field.place, rows(field)) == (
        "l1_table_offset",
        host_range(0x28, 8),
        {"l1_table_offset": "0x600 (1,536)"},
    )
    assert field.target == host_range(0x600, 1)
    assert field.words.text.startswith("Host offset of the active L1 table")
    assert field.words.spec == "Header"


def test_the_bits_of_a_feature_word_are_shown_together(region_index: RegionIndex) -> None:
    word = inspect(region_index, 0x4F)
    assert word.place == host_range(72, 8)
    assert rows(word)["Dirty bit"] == "0"
    assert [row.name for row in word.rows if row.here][-1] == "Dirty bit"


def test_an_l2_entry_says_what_it_maps_and_where_it_points(region_index: RegionIndex) -> None:
    entry = inspect(region_index, 0x1408)
    assert (entry.path, entry.guest_offset, entry.target) == ("L1[0].L2[1]", 512, host_range(0x1800, 512))
    assert (rows(entry)["cluster"], rows(entry)["stored refcount"]) == ("0x1800", "2")


def test_a_compressed_entry_names_its_stream() -> None:
    with open_image(SOUND / "deflate-512.qcow2") as image:
        region_index = RegionIndex(image)
        offset = int(image.l1.l2_offsets()[0])
        entry = inspect(region_index, offset)
        assert rows(entry)["compressed"] == "1"
        assert entry.target is not None
        extent = next(image.extents())
        assert (entry.target.offset, entry.target.length) == (extent.host_offset, extent.stored_length)


def test_an_extended_entry_has_its_bitmap() -> None:
    with open_image(SOUND / "extended-16k.qcow2") as image:
        entry = inspect(RegionIndex(image), int(image.l1.l2_offsets()[0]) + 8)
        assert entry.place.length == 16
        assert {"subclusters allocated", "subclusters zero"} <= set(rows(entry))


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16, 32, 64])
def test_refcounts_of_every_width_are_read(width: int) -> None:
    with open_image(SOUND / f"refcount-{width}.qcow2") as image:
        assert stored_refcount(RegionIndex(image), 0) == 1


def test_a_cluster_has_its_stored_refcount(region_index: RegionIndex) -> None:
    assert [stored_refcount(region_index, offset) for offset in (0xA00, 0x150, 1 << 50)] == [3, 1, None]


def test_named_entries_and_guest_offsets_are_found(region_index: RegionIndex) -> None:
    assert entry_place(region_index, "active", 0, 1) == host_range(0x1408, 8)
    assert entry_place(region_index, "snapshot 0", 0, None) == host_range(0x1200, 8)
    assert [entry_place(region_index, "active", 1, 0), entry_place(region_index, "nobody", 0, 0)] == [None, None]
    assert guest_place(region_index, 1024 + 5) == host_range(0x1410, 8)


def test_spans_cover_fields_and_number_them_so_that_neighbours_differ(region_index: RegionIndex) -> None:
    spans = spans_between(region_index, 0, 16)
    assert [(span.place, span.number) for span in spans] == [
        (host_range(0, 4), 0),
        (host_range(4, 4), 1),
        (host_range(8, 8), 2),
    ]
    assert [span.place for span in spans_between(region_index, 0x1400, 0x1410)] == [
        host_range(0x1400, 8),
        host_range(0x1408, 8),
    ]
    assert spans_between(region_index, 0xA00, 0xA10) == []


def opened(nodes: list[Node], label: str) -> list[Node]:
    node = next(node for node in nodes if node.label == label)
    assert node.children is not None
    return node.children()


def test_the_tree_opens_from_the_l1_table_down_to_the_entries(region_index: RegionIndex) -> None:
    first = top_nodes(region_index)
    assert [node.label for node in first] == ["header", "extension: end", "L1 table", "refcount table", "snapshots"]
    entries = opened(opened(first, "L1 table"), "L1[0]")
    assert [(node.label, node.note) for node in entries][:2] == [("L2[0]", "→ 0xa00"), ("L2[1]", "→ 0x1800")]


def test_long_tables_are_paged_and_empty_pages_joined(tmp_path: Path) -> None:
    with open_image(SOUND / "preallocated-metadata.qcow2") as image:
        pages = opened(opened(top_nodes(RegionIndex(image)), "L1 table"), "L1[0]")
        assert all(len(node.children()) <= 256 for node in pages if node.children)
        assert len(pages) <= -(-image.geometry.l2_entry_count // 256)


def test_a_pointer_that_leads_nowhere_is_marked(tmp_path: Path) -> None:
    recipe = recipes.load(recipes.HERE / "damaged" / "l1-entry-outside-file.toml")
    with open_image(recipes.apply(recipe, tmp_path / "image.qcow2")) as image:
        nodes = opened(top_nodes(RegionIndex(image)), "L1 table")
        assert any(node.trouble and "nowhere" in node.note for node in nodes)


def test_the_way_back_agrees_with_the_mapping(image: Qcow2Image) -> None:
    references = build_reverse_map(image)
    assert references.complete
    for extent in image.extents():
        if extent.host_offset is not None:
            assert references.guest_offset_of(extent.host_offset + 7) == extent.guest_offset + 7
    assert [references.guest_offset_of(offset) for offset in (0, 0xC00, 1 << 40)] == [None, None, None]
    assert references.next_run(0) == 0xA00
    assert references.next_run(0xA00, backwards=True) is None
