"""The rows of a batch of tables against a look at each entry by itself: tables full of data, and of everything else."""

from __future__ import annotations

import random

import numpy as np
import pytest

from forensic.mapping import table_rows
from forensic.mapping.extents import Reason, State
from forensic.mapping.rows import Rows, coalesced
from forensic.mapping.table_rows import rows_of
from forensic.qcow2.arrays import U64, Bools
from forensic.qcow2.entries import ALL_SUBCLUSTERS
from forensic.qcow2.geometry import Geometry
from forensic.qcow2.overwritten_tables import Overwritten
from forensic.qcow2.tables import L2Batch
from tests.images import COMPRESSED, COPIED, geometry, header
from tests.mapping.test_table_rows_plain import Found, Plain, random_bitmap, said_by

CLUSTERS = 40
FAR = 1 << 40
"""No entry of a random batch leads so far."""


def random_entry(rng: random.Random, layout: Geometry, guest: int) -> int:
    """An entry of any kind, sound or not; with an external data file mostly one that leads to its guest offset."""
    size = layout.cluster_size
    here = guest if layout.external_data_file and rng.random() < 0.7 else rng.randrange(CLUSTERS) * size
    flags = rng.choice([0, COPIED, 1, COPIED | 1, 0, COPIED])
    kinds = [here | flags] * 3 + [flags, 0, here + 512 | flags, COMPRESSED | 1 << 61 | here, COMPRESSED | 77 | flags]
    return rng.choice(kinds)


def random_entries(rng: random.Random, layout: Geometry, first_guests: list[int], width: int) -> list[list[int]]:
    """Tables one after the other, in which half of the entries go on where the one before them ends, or say the same.

    Also over the end of a table. In some batches all entries lead to data.
    """
    size, all_data, usual = layout.cluster_size, rng.random() < 0.3, rng.random() < 0.5
    entries: list[list[int]] = []
    before = rng.randrange(1, CLUSTERS) * size
    for first in first_guests:
        table: list[int] = []
        for number in range(width):
            place = rng.randrange(1, CLUSTERS) * size
            word = place if all_data else random_entry(rng, layout, first + number * size)
            before = rng.choice([word, before if not all_data else place, before + size, before + size])
            if all_data and usual and before >= CLUSTERS * size:
                before = place
            table.append(before)
        entries.append(table)
    return entries


def random_bitmaps(rng: random.Random, count: int) -> list[int]:
    """Half of them say nothing but that a cluster is of one kind."""
    whole = [ALL_SUBCLUSTERS, ALL_SUBCLUSTERS, ALL_SUBCLUSTERS << 32, 0]
    return [rng.choice([rng.choice(whole), random_bitmap(rng)]) for _ in range(count)]


def random_batch(rng: random.Random) -> tuple[L2Batch, int | None]:
    """A batch of short tables, some cut by the end of the file or damaged as a whole; and the size of a data file."""
    extended, external = rng.random() < 0.4, rng.random() < 0.25
    version = 3 if extended or external else rng.choice([2, 3])
    layout = geometry(
        header(version=version, cluster_bits=14 if extended else rng.choice([9, 12]), virtual_size=FAR,
               features=extended << 4 | external << 2)
    )  # fmt: skip
    size, tables, width = layout.cluster_size, rng.choice([1, 2, 3, 6]), rng.choice([1, 2, 5, 16])
    l1_indices = np.cumsum([rng.randrange(3), *(rng.choice([1, 1, 2]) for _ in range(tables - 1))])
    guests = [int(index) * width * size for index in l1_indices]
    entries = np.array(random_entries(rng, layout, guests, width), dtype=np.uint64)
    bitmaps = np.array(random_bitmaps(rng, tables * width), dtype=np.uint64).reshape(tables, width)
    present = np.full(tables, width)
    overwritten: list[Overwritten] = []
    for row in range(tables):
        damaged = rng.random()
        if damaged < 0.1:
            overwritten.append(Overwritten(row, rng.choice([width, width, width // 2]), 0, 0, b"", None))
        if damaged < 0.2:
            present[row] = 0 if overwritten and overwritten[-1].row == row else rng.randrange(width + 1)
            entries[row, present[row] :], bitmaps[row, present[row] :] = 0, 0
    cut = rng.choice([0, size - 1, 100])
    file_size = rng.choice([FAR, CLUSTERS * size, CLUSTERS // 2 * size + cut])
    batch = L2Batch(
        "active", layout, file_size, l1_indices, np.arange(tables, dtype=np.uint64), present, entries,
        bitmaps if extended else None, overwritten=tuple(overwritten),
    )  # fmt: skip
    return batch, rng.choice([None, FAR, CLUSTERS // 2 * size + cut]) if external else None


def expected_at(plain: Plain, batch: L2Batch, table: int, index: int, within: int) -> Found:
    """What one entry says of a byte of its cluster."""
    if index >= batch.present[table]:
        doubtful = any(found.row == table and index < found.present for found in batch.overwritten)
        return State.ABSENT, Reason.ENTRY_DOUBTFUL if doubtful else Reason.L2_UNREADABLE, None, 0, 0
    cluster = int(batch.l1_indices[table]) * batch.entries.shape[1] + index
    bitmap = None if batch.bitmaps is None else int(batch.bitmaps[table, index])
    return plain.entry(int(batch.entries[table, index]), bitmap, cluster * batch.geometry.cluster_size + within)


def assert_plain(rows: Rows, batch: L2Batch, data_size: int | None) -> None:
    """Every subcluster, and both sides of the end of the file, where the entry says; nothing twice and no gap."""
    layout, size = batch.geometry, batch.geometry.cluster_size
    plain = Plain(layout, b"", batch.file_size, data_size)
    step = layout.subcluster_size if layout.extended_l2 else size
    end = (data_size if layout.external_data_file else batch.file_size) or 0
    places = {at + by for at in range(0, size, step) for by in (0, step - 1)} | {end % size, max(0, end % size - 1)}
    row_of, width = iter(rows.tolist()), batch.entries.shape[1]
    row = next(row_of)
    for table, l1_index in enumerate(batch.l1_indices.tolist()):
        for index in range(width):
            cluster = (l1_index * width + index) * size
            for within in sorted(places):
                if cluster + within >= row[0] + row[1]:
                    after = next(row_of)
                    assert after[0] == (row[0] + row[1] if index or within else cluster)
                    row = after
                assert said_by(row, cluster + within) == expected_at(plain, batch, table, index, within)
    assert row[0] + row[1] == (int(batch.l1_indices[-1]) + 1) * width * size
    assert next(row_of, None) is None


@pytest.mark.parametrize("seeds", range(10))
def test_the_rows_of_a_batch_say_what_each_entry_says_by_itself(seeds: int) -> None:
    in_bulk = 0
    for seed in range(60 * seeds, 60 * (seeds + 1)):
        batch, data_size = random_batch(random.Random(seed))
        assert_plain(rows_of(batch, data_size), batch, data_size)
        in_bulk += batch.all_lead_to_data
    assert in_bulk > 3


def test_what_is_one_run_is_one_row_before_any_rows_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large disk there is a row for each run from the start, not for each cluster, let alone each subcluster."""
    taken_apart: list[int] = []
    apart = table_rows._subcluster_rows

    def counted(clusters: Rows, bitmaps: U64, has_cluster: Bools, subcluster_size: int) -> Rows:
        taken_apart.append(len(clusters))
        return apart(clusters, bitmaps, has_cluster, subcluster_size)

    monkeypatch.setattr(table_rows, "_subcluster_rows", counted)
    for seed in range(300):
        batch, _ = random_batch(random.Random(seed))
        if batch.geometry.external_data_file or batch.file_size < FAR:
            continue
        taken_apart.clear()
        rows = rows_of(batch, None)
        assert rows.tolist() == coalesced(rows).tolist()
        assert sum(taken_apart) == clusters_of_more_than_one_kind(batch)


def clusters_of_more_than_one_kind(batch: L2Batch) -> int:
    """Those whose bitmap gives some of the subclusters another meaning than the others, or none."""
    if batch.bitmaps is None:
        return 0
    found = 0
    size = batch.geometry.cluster_size
    for word, bitmap, present in zip(
        batch.entries.reshape(-1).tolist(), batch.bitmaps.reshape(-1).tolist(), batch.in_file().reshape(-1).tolist(),
        strict=True,
    ):  # fmt: skip
        place = word & 0x00FF_FFFF_FFFF_FE00
        if present and not word & COMPRESSED and place % size == 0:
            found += bitmap not in (0, ALL_SUBCLUSTERS << 32, *([ALL_SUBCLUSTERS] if place else []))
    return found
