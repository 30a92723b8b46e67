"""What a recovery was worth: of the bytes still in the file, how many it gives, and how sure it was of them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from forensic.errors import NotAnImage, Unsupported
from forensic.evidence import Evidence
from forensic.image import Qcow2Image
from forensic.mapping.extents import State
from forensic.recovery.plan import Plan, to_json
from forensic.recovery.plan_reading import parse_plan
from forensic.recovery.reading import planned_by
from forensic.recovery.recover import recover
from tests.recovery.images import DAMAGES, Made, damaged_again, known

BLOCK = 512


@dataclass
class Figures:
    """Bytes by what was said of them: of those that hold something and are still in the file, and of all."""

    there: int = 0
    certain: int = 0
    inferred: int = 0
    wrong_certain: int = 0
    wrong_inferred: int = 0
    all_inferred: int = 0
    first_wrong: int | None = None
    damage: tuple[str, ...] = ()

    @property
    def right_share(self) -> float:
        return (self.certain + self.inferred) / self.there if self.there else 1.0

    @property
    def certain_share(self) -> float:
        return self.certain / self.there if self.there else 1.0

    def __str__(self) -> str:
        wrong = f" WRONG CERTAIN {self.wrong_certain} at {self.first_wrong:#x}" if self.wrong_certain else ""
        wrong += (
            f" wrong inferred {100 * self.wrong_inferred / max(1, self.all_inferred):.1f}%"
            if self.wrong_inferred
            else ""
        )
        there = max(1, self.there)
        return f"{100 * self.certain / there:5.1f}/{100 * self.inferred / there:5.1f}{wrong}"


def figures_of(made: Made, bad: Sequence[tuple[int, int]] = ()) -> Figures:
    """Recover, read through the plan as it is written to a file, and compare with the truth."""
    with Evidence(made.path, bad=bad) as evidence:
        try:
            recovery = recover(evidence)
        except NotAnImage:
            found = Figures(damage=("nothing",))
            found.there = sum(_content(made, start, length) for start, _, length, _ in made.data)
            return found
        found = compared(made, evidence, parse_plan(to_json(recovery.plan).encode(), "plan"))
        found.damage = tuple(recovery.damage)
        return found


def wrong_after_damage(image: Path, folder: Path, seed: int) -> str:
    """What is wrong with the recovery of a copy of an image that was damaged by chance; nothing, most of all."""
    copy = folder / "damaged.qcow2"
    shutil.copyfile(image, copy)
    damage = random.Random(seed).choice(list(DAMAGES))
    try:
        found = figures_of(damaged_again(known(copy), damage, seed))
    except (Unsupported, IndexError, ValueError):  # an image without tables, or one that is left without bytes
        return ""
    return f"{damage}, seed {seed}: {found}" if found.wrong_certain else ""


def compared(made: Made, evidence: Evidence, plan: Plan) -> Figures:
    """The figures of a plan."""
    planned = planned_by(plan, evidence)
    image = Qcow2Image(evidence, planned)
    found = Figures()
    size = len(made.truth)
    got = bytearray(size)
    said = bytearray(size // BLOCK + 1)  # 0 unknown, 1 inferred, 2 certain
    disk = image.disk()
    for run in (run for runs in disk.runs() for run in runs):
        guest_offset, length, host_offset, stored_length, state, _, _, skip = run
        if state == State.ABSENT:
            continue
        body = bytearray(length if state in (State.DATA, State.COMPRESSED) else 0)
        if body and disk.read(0, guest_offset, host_offset, stored_length, skip, memoryview(body)):
            continue  # what cannot be read is unknown
        for start, end, judged in planned.parts(guest_offset, guest_offset + length):
            end = min(end, size)
            if start >= end:
                continue
            word = {"certain": 2, "inferred": 1, "unknown": 0}[judged.certainty]
            stop = -(-end // BLOCK) if end == size else end // BLOCK  # a block that is known in part is not judged
            said[start // BLOCK : stop] = bytes([word]) * (stop - start // BLOCK)
            if body:
                got[start:end] = body[start - guest_offset : end - guest_offset]
    lost = np.frombuffer(_lost(made, size), dtype=np.uint8)[: size // BLOCK]
    words = np.frombuffer(bytes(said), dtype=np.uint8)[: size // BLOCK]
    truth = np.frombuffer(made.truth, dtype=np.uint64)[: size // BLOCK * (BLOCK // 8)].reshape(-1, BLOCK // 8)
    here = np.frombuffer(bytes(got), dtype=np.uint64)[: size // BLOCK * (BLOCK // 8)].reshape(-1, BLOCK // 8)
    right, used = (here == truth).all(axis=1), truth.any(axis=1)
    judged_blocks = (words > 0) & (lost != 1)  # what the damage changed in data, without a trace, nobody can know
    named = np.ones(size // BLOCK, dtype=np.bool_)
    for begin, end in made.unnamed:
        named[begin // BLOCK : -(-end // BLOCK)] = False
    there = used & (lost == 0) & named
    found.there = BLOCK * int(np.count_nonzero(there))
    found.certain = BLOCK * int(np.count_nonzero(there & right & (words == 2)))
    found.inferred = BLOCK * int(np.count_nonzero(there & right & (words == 1)))
    found.all_inferred = BLOCK * int(np.count_nonzero(judged_blocks & (words == 1)))
    wrong = np.flatnonzero(judged_blocks & ~right & (words == 2))
    found.wrong_certain = BLOCK * len(wrong)
    found.first_wrong = int(wrong[0]) * BLOCK if len(wrong) else None
    found.wrong_inferred = BLOCK * int(np.count_nonzero(judged_blocks & ~right & (words == 1)))
    return found


def _content(made: Made, start: int, length: int) -> int:
    truth = made.truth
    return sum(BLOCK for at in range(start, start + length, BLOCK) if any(truth[at : at + BLOCK]))


def _lost(made: Made, size: int) -> bytearray:
    """Blocks whose bytes the damage hit: 1 in the middle of the file, 2 at its start, where it leaves a trace."""
    lost = bytearray(size // BLOCK + 1)
    for begin, end in made.hit:
        trace = 2 if begin == 0 or end >= len(made.content) else 1
        for guest, host, length, stored in made.data:
            first, last = max(begin, host), min(end, host + (stored or length))
            if first < last and stored:
                lost[guest // BLOCK : -(-(guest + length) // BLOCK)] = bytes([trace]) * -(-length // BLOCK)
            elif first < last:
                start = (guest + first - host) // BLOCK
                stop = -(-(guest + last - host) // BLOCK)
                lost[start:stop] = bytes([trace]) * (stop - start)
    return lost
