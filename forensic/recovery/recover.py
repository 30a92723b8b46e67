"""Recovery: scan, understand, place what lost its place, judge, and put it all into a plan."""

from __future__ import annotations

import time

import numpy as np
from msgspec import Struct, field

from forensic.errors import NotAnImage, Unsupported, WrongSupply
from forensic.evidence import Evidence
from forensic.image import Qcow1Image, identify
from forensic.numbers import counted
from forensic.qcow2.arrays import U64
from forensic.qcow2.geometry import L1_ENTRY_SIZE, MAX_L1_ENTRIES, Geometry, resolve
from forensic.qcow2.header import MAGIC, parse_header
from forensic.qcow2.identify import cluster_size_of_headless
from forensic.qcow2.snapshots import Snapshot
from forensic.qcow2.tables import read_refcount_table
from forensic.recovery.candidates import MAX_CANDIDATES, TABLE_KINDS
from forensic.recovery.certainty import Method
from forensic.recovery.composing import fill_run
from forensic.recovery.generations import deleted_snapshots
from forensic.recovery.headers import header_of, streams_by_codec
from forensic.recovery.layout import Knowledge, Layout
from forensic.recovery.older import beneath
from forensic.recovery.placement.lost_tables import replace_lost_tables
from forensic.recovery.placement.placing import orphans_in_use, place_tables
from forensic.recovery.placement.slots import orphans_of, without_nested
from forensic.recovery.placement.whole_l1 import with_whole_l1
from forensic.recovery.plan import HostRange, Plan
from forensic.recovery.planning import make_plan
from forensic.recovery.scan import Scan
from forensic.recovery.scanning import scan
from forensic.recovery.sectors import Signature
from forensic.recovery.snapshot_plans import make_plan_of_deleted, make_plan_of_snapshot, snapshot_named
from forensic.recovery.understanding import accounts_of, kept, look_at_named_tables, understand
from forensic.recovery.version_1.layout import layout_of_version_1
from forensic.recovery.version_1.lost_header import without_header
from forensic.recovery.version_1.tables import read_other_tables
from forensic.recovery.work import RecoverySettings, Work

FEWEST_PLACED = 2
"""Tables that the guest's own structures have to place for a file without header, L1 table and refcounts."""

FEWEST_STREAMS = 2
"""Streams of a single such table that have to decode instead."""

FEWEST_OF_OTHERS = 8
"""Sectors that read as parts of tables without which nothing is said of them; a few are met by chance."""

DEFAULT = RecoverySettings()


class Recovery(Struct):
    """What is damaged, in sentences, and the plan by which the disk can be read."""

    plan: Plan
    damage: list[str]
    notes: list[str] = field(default_factory=list)

    @property
    def word(self) -> str:
        """Whether anything is damaged that a search for tables can see; what else is wrong is for a check to say."""
        if self.damage:
            return "damaged"
        return "header, L1 and L2 tables are where they should be; whether anything else is wrong, check says"


def recover(evidence: Evidence, settings: RecoverySettings = DEFAULT) -> Recovery:
    """The plan of the active disk of a damaged image.

    Raises `NotAnImage` if there is no trace of one, `Unsupported` for some of version 1, and `Interrupted`.
    """
    work = _placed(evidence, settings)
    if not work.layout.has_header and not settings.knowledge.header and not _is_trace(work):
        why = "there is no trace of one: no header, and no tables that agree"
        if _has_header(evidence):
            why = "its header leads to no tables, and those in the file are of another image and fit no place"
        raise NotAnImage(evidence.path_as_given, why)
    if count := len(deleted_snapshots(evidence, work.found, work.layout)):
        entries = "its entry" if count == 1 else "their entries"
        work.notes.append(f"{counted(count, 'deleted snapshot')} left {entries}: see --deleted-snapshots")
    if work.layout.form == "plan" and (count := len(work.layout.snapshots)):
        work.notes.append(f"{counted(count, 'snapshot')} can be read with --target snapshot:ID")
    return Recovery(make_plan(work), work.damage, work.notes)


def recover_snapshot(evidence: Evidence, word: str, settings: RecoverySettings = DEFAULT) -> Recovery:
    """The plan of a snapshot in use, by its id, name, or #index. Raises as `recover` does, and `WrongSupply`."""
    work = _placed(evidence, settings)
    return Recovery(make_plan_of_snapshot(work, snapshot_named(work, word)), work.damage, work.notes)


def recover_older(evidence: Evidence, settings: RecoverySettings = DEFAULT) -> Recovery:
    """The plan of an image that another one was created or converted over, as far as tables of it have a place.

    Raises as `recover` does, and `WrongSupply` if there is no such image.
    """
    work = beneath(begin(evidence, settings), settings.knowledge)
    if work is not None:
        place_tables(work)
    if work is None or not (work.placed or work.l1.any()):
        left = len(work.orphans.host_offsets) if work is not None else 0
        said = f"{counted(left, 'table')} that the image does not own could not be placed"
        raise WrongSupply(evidence.path_as_given, f"no older image beneath this one can be read: {said}")
    return Recovery(make_plan(work, "older"), work.damage, work.notes)


def recover_deleted(evidence: Evidence, settings: RecoverySettings = DEFAULT) -> list[tuple[Snapshot, Recovery]]:
    """The plan of each deleted snapshot of which the entry is left, oldest first. Raises as `recover` does."""
    work = begin(evidence, settings)
    snapshots = deleted_snapshots(evidence, work.found, work.layout)
    return [
        (snapshot, Recovery(make_plan_of_deleted(work, number, snapshot), work.damage, work.notes))
        for number, snapshot in enumerate(snapshots)
    ]


def _placed(evidence: Evidence, settings: RecoverySettings) -> Work:
    """What is known of a file, with every table in its slot that can be placed."""
    work = begin(evidence, settings)
    place_tables(work)
    replace_lost_tables(work)
    return work


def begin(evidence: Evidence, settings: RecoverySettings) -> Work:
    """Scan the file and understand what there is. Raises `NotAnImage`, `Unsupported`, `Interrupted`."""
    image = identify(evidence)
    by_version_1 = image if isinstance(image, Qcow1Image) and settings.knowledge == Knowledge() else None
    until = None if settings.max_time is None else time.monotonic() + settings.max_time
    found = scan(evidence, settings.progress, settings.cancelled, until)
    if found.stopped_at is not None:
        look_at_named_tables(evidence, found, settings.knowledge)
    if by_version_1 is not None:
        layout = layout_of_version_1(by_version_1, found)
    else:
        layout = understand(evidence, found, settings.knowledge)
    layout = without_header(evidence, found, layout, settings.knowledge)
    if layout is None:
        raise NotAnImage(evidence.path_as_given, "there is no trace of one: no header, and no tables")
    layout = with_whole_l1(evidence, found, layout)
    if (needed := layout.geometry.l1_entries_needed) > MAX_L1_ENTRIES:
        most = f"nobody reads a table of more than {MAX_L1_ENTRIES:,}; --virtual-size gives the size of the disk"
        said = f"a disk of {layout.geometry.virtual_size:,} bytes takes {needed:,} L1 entries"
        raise Unsupported(evidence.path_as_given, f"{said}, and {most}")
    l1, broken = kept(evidence, found, layout)
    accounts = accounts_of(evidence, found, layout, l1)
    orphans = without_nested(orphans_of(layout.candidates, accounts), accounts)
    suspect, everywhere = _suspect(evidence, found, layout, l1)
    everywhere |= found.stopped_at is not None and layout.l1_method != Method.HEADER  # there may be others
    work = Work(evidence, found, layout, accounts, l1, broken, orphans, suspect, everywhere)
    work.until = until
    if layout.version_1 is not None:
        read_other_tables(work, layout.version_1)
    work.damage += _damage(work)
    if found.stopped_at is not None:
        place = f"host offset {found.stopped_at:#x} of {evidence.size:#x}"
        work.notes.append(f"the time was over at {place}: what lies after it was searched only as far as pointers lead")
    if left := len(work.orphans.host_offsets) - len(orphans_in_use(work)):
        work.notes.append(f"{counted(left, 'L2 table')} not in use: remains of what was deleted, or of an older image")
    if not len(work.orphans.host_offsets) and (count := _tables_of_others(work)) >= FEWEST_OF_OTHERS:
        work.notes.append(f"{counted(count, 'sector')} outside the image read as tables: --target older may read it")
    if more := layout.candidates.more:
        work.notes.append(f"{counted(more, 'more cluster')} may be tables and were not examined")
    return work


def _tables_of_others(work: Work) -> int:
    """How many sectors read as parts of a table and belong to no cluster of the image: one of another cluster size."""
    if not work.accounts.possible:
        return 0
    sectors = work.found.where(TABLE_KINDS, MAX_CANDIDATES)
    clusters = sectors >> (work.geometry.cluster_bits - 9)
    return int(np.count_nonzero(~work.accounts.are_claimed(clusters)))


def _is_trace(work: Work) -> bool:
    """Whether tables without a header are those of an image that begins with the file, and not of one within it.

    An image in the middle of a file, such as one on a guest's disk, has tables whose offsets count from elsewhere: they
    neither account for all that is in use in the file, nor lead to streams.
    """
    if work.l1.any() or work.geometry.refcount_table_clusters or work.layout.version_1 is not None:
        return True
    if work.layout.snapshots and any(one.method in (Method.OTHER_L1, Method.TWIN) for one in work.placed):
        return True  # the entry of a snapshot, its L1 table and the tables that this names count from the same start
    placed = [one.host_offset for one in work.placed if one.method == Method.ANCHORS]
    if len(placed) >= (1 if _has_header(work.evidence) else FEWEST_PLACED):
        return True
    if placed and work.accounts.closed:
        return True
    geometry = work.geometry
    return max(streams_by_codec(work.evidence, placed, geometry.cluster_bits, geometry.extended_l2)) >= FEWEST_STREAMS


def _suspect(evidence: Evidence, found: Scan, layout: Layout, l1: U64) -> tuple[list[HostRange], bool]:
    """What of the file something was written over, if its header was; and whether that may have gone on anywhere."""
    if layout.form == "file" or evidence.read_up_to_bad(0, 4) == MAGIC or "magic" in layout.by_content:
        return _metadata_of_newcomer(evidence, layout), False
    geometry = layout.geometry
    tables = l1 if layout.version_1 is None else layout.l1  # it has tables that are read otherwise
    places = [geometry.l1_table_offset, geometry.refcount_table_offset, *tables[tables != 0].tolist()]
    places += layout.candidates.host_offsets[:1].tolist()
    first = min((place for place in places if place), default=evidence.size)
    filled = fill_run(evidence, evidence.size)
    if filled >= min(geometry.cluster_size, evidence.size):
        return [HostRange(0, filled, "one_fill")], False
    newcomer = any(
        len(found.signatures[kind].sectors) and int(found.signatures[kind].sectors[0]) <= 2
        for kind in (Signature.EXT, Signature.XFS, Signature.NTFS_BOOT, Signature.GPT, Signature.LUKS)
    )
    return [HostRange(0, first, "start_overwritten")], newcomer


def _metadata_of_newcomer(evidence: Evidence, layout: Layout) -> list[HostRange]:
    """Where an image was created over this one: header, refcounts and L1 table, if the file's header is not used.

    A header that is merely wrong has no refcounts in the place that its cluster size gives them.
    """
    header = resolve(parse_header(header_of(evidence) or b"")) if "header" in layout.by_content else None
    if layout.form != "plan" or not isinstance(header, Geometry):
        return []
    size = header.cluster_size
    if cluster_size_of_headless(evidence) != size:
        return []
    blocks = read_refcount_table(evidence, header).block_offsets()[:1].tolist()
    places = [(0, size), (header.refcount_table_offset, header.refcount_table_clusters * size)]
    places += [(header.l1_table_offset, header.l1_entry_count * L1_ENTRY_SIZE), *((block, size) for block in blocks)]
    inside = sorted({(begin, min(begin + length, evidence.size)) for begin, length in places if begin < evidence.size})
    return [HostRange(begin, end - begin, "newcomer") for begin, end in inside if begin < end]


def _damage(work: Work) -> list[str]:
    """What is wrong, in sentences."""
    layout, found = work.layout, list[str]()
    if layout.form == "plan" and _has_header(work.evidence):
        if "header" not in layout.by_content:
            found.append("the file's header is not used: what the examiner gave, or the tables, differ from it")
    elif not layout.has_header and "header" not in layout.by_content:
        found.append("the header is lost")
    elif "magic" in layout.by_content:
        found.append("the magic of the header is wrong")
    if "header" in layout.by_content:
        found.append(f"the file's header is not used: {layout.by_content['header']}")
    others = {name: why for name, why in layout.by_content.items() if name not in ("magic", "header")}
    found += [f"{name} does not come from the header: {why}" for name, why in others.items()]
    if layout.doubtful and layout.version_1 is None:
        found.append("the tables suggest a different cluster size from the header's")
    if len(work.broken):
        found.append(f"L1 entries that lead to no table: {len(work.broken):,}")
    if count := work.accounts.wrong_entries:
        found.append(f"L2 entries that no writer makes, beside others that are sound: {count:,}")
    if not np.count_nonzero(work.l1) and len(work.orphans.host_offsets):
        found.append("no L1 table leads to any table")
    if count := len(orphans_in_use(work)):
        found.append(f"{counted(count, 'L2 table')} without an L1 entry")
    accounts = work.accounts
    if not accounts.possible:
        return found
    count = accounts.unexplained
    if not layout.geometry.refcount_table_clusters:
        if count:
            found.append(f"{counted(count, 'unreferenced cluster is', 'unreferenced clusters are')} not zero")
    elif not accounts.usable:
        left = counted(count, "unreferenced cluster is", "unreferenced clusters are")
        found.append(f"the refcounts do not agree with the tables; {left} not zero")
    elif count:
        found.append(f"{counted(count, 'cluster')} in use that the tables do not account for")
    return found


def _has_header(evidence: Evidence) -> bool:
    """Whether the file begins with a header that gives a geometry."""
    return evidence.read_up_to_bad(0, 4) == MAGIC and isinstance(
        resolve(parse_header(header_of(evidence) or b"")), Geometry
    )
