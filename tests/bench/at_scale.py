"""What must not grow with the size of a disk, the number of images, or what is said of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from tests.bench.images import Images, names_of
from tests.bench.measuring import Command
from tests.bench.scenarios import QCOWSCOPE, Named, Scenario, against_convert, outputs_folder

IMAGES_IN_ONE_CALL = 2_000
"""The start of the one call is spread over so many that more of them would not change the ratio."""

STREWN_CLUSTERS = 1 << 16
"""Compressed clusters of 64 KiB, 4 GiB in all, on a disk of 1 TiB."""

REPORTS = ("json", "ledger", "log", "map")


def at_scale(images: Images) -> Iterator[Named]:
    """Every scenario; those whose peer is a command of ours as well say what a report costs."""
    for kind, options in (("zlib", ("-c",)), ("plain", ())):
        name = f"{'uncompressed' if kind == 'plain' else kind}, with reports"
        yield name, partial(_with_reports, images, name, kind, options)
        images.discard(kind)
    yield "check with HTML, 1 TiB preallocated", lambda: _with_page(images)
    strewn = "1 TiB with 4 GiB of compressed clusters out of order"
    yield strewn, lambda: _out_of_order(images, strewn)
    yield f"check of {IMAGES_IN_ONE_CALL:,} small images", lambda: _many(images)


def _with_reports(images: Images, name: str, kind: str, options: tuple[str, ...]) -> Scenario:
    """Two of our extractions with a hash, one of which is reported on in every way that lists ranges."""
    image, folder = images.converted(kind, *options), outputs_folder(images)
    alone = against_convert(images, name, 1.15, image)
    ours, peer = alone.ours_output, alone.peer_output
    reports = [f"{form}:{folder / f'qcowscope-bench-report.{form}'}" for form in REPORTS]
    extract = (*QCOWSCOPE, "extract", "--force", str(image), "-o")
    reported: Command = (*extract, str(ours), *(word for report in reports for word in ("--report", report)))
    return replace(alone, against="qcowscope extract without reports", ours=reported, peer=(*extract, str(peer)))


def _with_page(images: Images) -> Scenario:
    image, page = images.preallocated("1T"), outputs_folder(images) / "qcowscope-bench-page.html"
    check = (*QCOWSCOPE, "check", str(image))
    ours = (*check, "--force", "--report", f"html:{page}")
    name = "check with HTML, 1 TiB preallocated"
    return Scenario(name, "qcowscope check", 1.2, ours, check, memory_goal_mib=150)


def _out_of_order(images: Images, name: str) -> Scenario:
    """Sparse outputs of 1 TiB; their data is 4 GiB."""
    image = images.compressed_out_of_order("1T", STREWN_CLUSTERS)
    scenario = against_convert(images, name, 0.5, image)
    return replace(scenario, data=STREWN_CLUSTERS << 16)


def _many(images: Images) -> Scenario:
    few = images.many(200)
    paths = [str(path) for path in names_of(few, IMAGES_IN_ONE_CALL)]
    peer = ("sh", "-c", 'for image; do qemu-img check -q "$image"; done', "sh", *paths)
    ours = (*QCOWSCOPE, "check", "--json", *paths)
    name = f"check of {IMAGES_IN_ONE_CALL:,} small images"
    return Scenario(name, f"{IMAGES_IN_ONE_CALL:,} × qemu-img check", 0.6, ours, peer, memory_goal_mib=150)
