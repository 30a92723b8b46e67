"""What a file holds beside its disk: deleted snapshots, and images within it, each with a plan if that is wanted."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from forensic.cli.cautions import cautioned, is_reliable
from forensic.cli.output import progress_bar
from forensic.cli.recovery.described import SCHEMA
from forensic.cli.sources import evidence_of, files_read_by
from forensic.errors import NotAnImage, Unsupported, WrongSupply
from forensic.evidence import Evidence
from forensic.exit_status import ExitStatus
from forensic.numbers import in_utc
from forensic.output.new_file import write_new_file
from forensic.output.paths import refuse
from forensic.recovery.carving import Carved, find_images
from forensic.recovery.plan import Part, Plan, to_json
from forensic.recovery.plan_seals import in_part
from forensic.recovery.reading import image_by
from forensic.recovery.recover import Recovery, recover, recover_deleted
from forensic.recovery.scanning import scan
from forensic.recovery.summary import Summary, sum_up
from forensic.recovery.work import RecoverySettings
from forensic.untrusted import Json, shown

if TYPE_CHECKING:
    from forensic.recovery.layout import Knowledge

Bad = Sequence[tuple[int, int]]


def summary_of(evidence: Evidence, plan: Plan) -> Summary:
    """What a plan gives."""
    return sum_up(image_by(plan, evidence).disk())


def list_deleted(options: argparse.Namespace, knowledge: Knowledge, bad: Bad) -> int:
    """List what is left of deleted snapshots, and write the plans; 0 if there are any or none."""
    rows: list[Json] = []
    with evidence_of(options.image, options, bad) as evidence:
        with progress_bar("scanning") as progress:
            found = recover_deleted(evidence, RecoverySettings(knowledge, progress, max_time=options.max_time))
        plans = _plan_files(options, [f"deleted-{number}" for number in range(len(found))], evidence)
        for number, (snapshot, recovery) in enumerate(found):
            summary = summary_of(evidence, recovery.plan)
            row: dict[str, Json] = {
                "target": f"deleted:{number}",
                "id": snapshot.id.as_json(),
                "name": snapshot.name.as_json(),
                "date_sec": snapshot.date_sec,
                "host_offset": snapshot.host_offset,
                "bytes": summary.as_json(),
            }
            rows.append(row)
            if plans:
                write_new_file(plans[number], to_json(recovery.plan), options.force)
            if not options.json:
                data, zero, _ = summary.row("inferred")
                absent = summary.row("unknown")[2]
                sizes = f"{data:,} bytes of data and {zero:,} of zeros inferred, {absent:,} overwritten"
                print(f'deleted:{number}  id {snapshot.id}  "{snapshot.name}"  {in_utc(snapshot.date_sec)}  {sizes}')
        if options.json:
            print(json.dumps({"schema": SCHEMA, "deleted_snapshots": rows}, indent=2, sort_keys=True))
        elif not found:
            print("the file holds no entry of a deleted snapshot")
        sys.stdout.flush()
        return _status(evidence)


def list_images(options: argparse.Namespace, knowledge: Knowledge, bad: Bad) -> int:
    """List the images in a larger file, and write the plan of each; 63 if there is none. Raises `WrongSupply`."""
    rows: list[Json] = []
    with evidence_of(options.image, options, bad) as evidence:
        if len(evidence.files) > 1:
            raise WrongSupply(options.image, "evidence that was split is not searched for images: join it first")
        with progress_bar("scanning") as progress:
            found, more = find_images(evidence, scan(evidence, progress))
        if not found:
            raise NotAnImage(options.image, "no header in it leads to tables")
        base = evidence.image_offset
        plans = _plan_files(options, [f"{base + one.offset:#x}" for one in found], evidence)
        for number, one in enumerate(found):
            part = Part(base + one.offset, one.length)
            output = plans[number] if plans else None
            planned = _planned(options, knowledge, bad, part, output)
            rows.append({**_row(one, base), **planned})
            if not options.json:
                print(_line(one, base, str(planned.get("reason", ""))))
        if options.json:
            document = {"schema": SCHEMA, "images": rows, "headers_not_looked_at": more}
            print(json.dumps(document, indent=2, sort_keys=True))
        elif more:
            print(f"headers that were not looked at: {more:,}")
        sys.stdout.flush()
        return _status(evidence)


def _planned(
    options: argparse.Namespace, knowledge: Knowledge, bad: Bad, part: Part, output: Path | None
) -> dict[str, Json]:
    """What can be recovered of one image, whose plan is written; the reason if nothing can."""
    inside = [(start - part.offset, end - part.offset) for start, end in bad if end > part.offset]
    with Evidence(options.image, bad=[(max(0, start), end) for start, end in inside]) as evidence:
        evidence.narrow(part.offset, part.length)
        try:
            recovery: Recovery = recover(evidence, RecoverySettings(knowledge, max_time=options.max_time))
        except (NotAnImage, Unsupported) as refusal:
            return {"plan": None, "reason": str(refusal)}
        summary = summary_of(evidence, recovery.plan)
        if output is not None:
            write_new_file(output, to_json(in_part(recovery.plan, part)), options.force)
        return {"bytes": summary.as_json(), "damage": list(recovery.damage)}


def _row(one: Carved, base: int) -> dict[str, Json]:
    return {
        "offset": base + one.offset,
        "length": one.length,
        "version": one.version,
        "virtual_size": one.virtual_size,
        "cluster_size": one.cluster_size,
        "tables": one.named,
        "tables_in_place": one.in_place,
        "goes_on_after_the_end": one.cut,
    }


def _line(one: Carved, base: int, reason: str) -> str:
    place = f"{base + one.offset:#x}  version {one.version}  {one.length:,} bytes"
    disk = f"disk of {one.virtual_size:,} bytes in clusters of {one.cluster_size:,}"
    tables = f"{one.in_place:,} of {one.named:,} L2 tables in place"
    cut = ", cut by the end of the file" if one.cut else ""
    return f"{place}  {disk}  {tables}{cut}" + (f"; {shown(reason)}" if reason else "")


def _plan_files(options: argparse.Namespace, names: list[str], evidence: Evidence) -> list[Path]:
    """The files of plans, in the folder that was asked for, none of which may be there; none if none was."""
    plans = [options.output / f"{name}.json" for name in names] if options.output else []
    if plans:
        options.output.mkdir(exist_ok=True)
        refuse(plans, [evidence, *files_read_by(options)], options.force)
    return plans


def _status(evidence: Evidence) -> ExitStatus:
    return cautioned([evidence], ExitStatus.DONE if is_reliable([evidence]) else ExitStatus.NOT_COMPLETED)
